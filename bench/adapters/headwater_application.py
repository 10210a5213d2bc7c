"""What a user of Headwater would declare for these documents."""

from typing import TypedDict

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table


class NewPost(TypedDict):
    channel: str
    author: str
    title: str
    body: str
    score: int
    rating: float
    is_read: bool
    tags: list[str]


class Rating(TypedDict):
    id: "Id[Post]"
    score: int
    rating: float


class Post(Document["Post"]):
    channel: str
    author: str
    title: str
    body: str
    score: int
    rating: float
    is_read: bool
    tags: list[str]


class Posts(Table[Post]):
    by_channel = Index("channel")
    by_author = Index("author")


@hw.mutation
def add(ctx: MutationCtx, post: NewPost) -> Id[Post]:
    return ctx.db.insert(Posts, post)


@hw.mutation
def add_many(ctx: MutationCtx, posts: list[NewPost]) -> list[Id[Post]]:
    return ctx.db.insert_many(Posts, posts)


@hw.mutation
def rate(ctx: MutationCtx, id: Id[Post], score: int, rating: float) -> None:
    ctx.db.patch(id, score=score, rating=rating)


@hw.mutation
def rate_many(ctx: MutationCtx, ratings: list[Rating]) -> None:
    for new in ratings:
        ctx.db.patch(new["id"], score=new["score"], rating=new["rating"])


@hw.mutation
def bump(ctx: MutationCtx, id: Id[Post]) -> Post:
    """One more point."""
    post = ctx.db.get(id)
    assert post is not None
    ctx.db.patch(id, score=post["score"] + 1)
    post["score"] += 1
    return post


@hw.mutation
def reply(ctx: MutationCtx, id: Id[Post], post: NewPost) -> Id[Post]:
    """Add a post after a look at the thread, and one more point to the one it answers."""
    answered = ctx.db.get(id)
    assert answered is not None
    ctx.db.query(Posts).with_index(Posts.by_channel, answered["channel"]).order("desc").take(5)
    added = ctx.db.insert(Posts, post)
    ctx.db.patch(id, score=answered["score"] + 1)
    return added


@hw.query
def get(ctx: QueryCtx, id: Id[Post]) -> Post | None:
    return ctx.db.get(id)


@hw.query
def latest(ctx: QueryCtx, channel: str, count: int, asked: int = 0) -> list[Post]:
    """The newest posts; each number ``asked`` makes it another query for the result cache."""
    del asked
    return ctx.db.query(Posts).with_index(Posts.by_channel, channel).order("desc").take(count)


@hw.query
def of_author(ctx: QueryCtx, author: str) -> list[Post]:
    return ctx.db.query(Posts).with_index(Posts.by_author, author).collect()

"""Headwater through its public API: declared functions, arguments and results validated."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, cast

import headwater as hw
from bench.adapters import headwater_application as application
from bench.adapters.contract import Engine, Key, Shares, Verb
from bench.documents import Fields


class HeadwaterEmbedded(Engine):
    """One open database; ``is_durable`` False is ``durability="none"``."""

    name = "headwater"
    title = "Headwater, embedded: declared functions, validation on"
    failures: ClassVar[tuple[type[Exception], ...]] = (hw.ConflictError,)

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        super().__init__(directory, is_durable=is_durable)
        self.database = hw.open(
            directory / "posts.hw",
            modules=[application],
            durability="full" if is_durable else "none",
        )
        self._asked = count(1)
        # Typed once: a cast at each call is a call, and would be measured as Headwater's.
        self._get = cast("Callable[[Key], Fields | None]", self.database.get)
        self._query = cast("Callable[..., Any]", self.database.query)

    def insert(self, fields: Fields) -> Key:
        return self.database.mutate(application.add, post=_new(fields))

    def insert_many(self, documents: Sequence[Fields]) -> list[Key]:
        posts = cast("list[application.NewPost]", documents)
        return list[Any](self.database.mutate(application.add_many, posts=posts))

    def patch(self, key: Key, changes: Fields) -> None:
        self.database.mutate(application.rate, id=key, **changes)

    def patch_many(self, changes: Sequence[tuple[Key, Fields]]) -> None:
        ratings = [cast("application.Rating", {"id": key, **new}) for key, new in changes]
        self.database.mutate(application.rate_many, ratings=ratings)

    def bump(self, key: Key) -> Fields:
        return cast("Fields", self.database.mutate(application.bump, id=key))

    def reply(self, key: Key, fields: Fields) -> Key:
        return self.database.mutate(application.reply, id=key, post=_new(fields))

    def get(self, key: Key) -> Fields | None:
        return self._get(key)

    def ask(self, key: Key) -> Fields | None:
        post: Fields | None = self._query(application.get, id=key)
        return post

    def get_each(self, keys: Sequence[Key]) -> Iterator[Fields | None]:
        with self.database.snapshot() as snapshot:
            yield from map(cast("Callable[[Key], Fields | None]", snapshot.get), keys)

    def latest(self, channel: str, count: int) -> list[Fields]:
        asked = next(self._asked)
        posts: list[Fields] = self._query(
            application.latest, channel=channel, count=count, asked=asked
        )
        return posts

    def latest_again(self, channel: str, count: int) -> list[Fields]:
        posts: list[Fields] = self._query(application.latest, channel=channel, count=count)
        return posts

    def by_author(self, author: str) -> list[Fields]:
        posts: list[Fields] = self._query(application.of_author, author=author)
        return posts

    def scan(self) -> Iterator[Fields]:
        with self.database.snapshot() as snapshot:
            yield from cast("Iterator[Fields]", iter(snapshot.query(application.Posts)))

    def write_by_tasks(self, verb: Verb, shares: Shares) -> int:
        return asyncio.run(self._write_by_tasks(verb, shares))

    async def _write_by_tasks(self, verb: Verb, shares: Shares) -> int:
        mutate = self.database.aio.mutate

        def insert(fields: Fields) -> Awaitable[object]:
            return mutate(application.add, post=_new(fields))

        def bump(key: Key) -> Awaitable[object]:
            return mutate(application.bump, id=key)

        def reply(key: Key, fields: Fields) -> Awaitable[object]:
            return mutate(application.reply, id=key, post=_new(fields))

        calls: dict[Verb, Callable[..., Awaitable[object]]] = {
            "insert": insert,
            "bump": bump,
            "reply": reply,
        }
        call = calls[verb]

        async def work(share: Sequence[tuple[Any, ...]]) -> int:
            failed = 0
            for arguments in share:
                try:
                    await call(*arguments)
                except hw.ConflictError:
                    failed += 1
            return failed

        return sum(await asyncio.gather(*map(work, shares)))

    def close(self) -> None:
        self.database.close()


def _new(fields: Fields) -> application.NewPost:
    return cast("application.NewPost", fields)

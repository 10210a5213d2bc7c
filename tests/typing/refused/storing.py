"""Mistakes around stored files."""

from accepted.chat import Message

import headwater as hw
from headwater import ActionCtx, Id, MutationCtx, QueryCtx, StoredFile, SyncActionCtx


def inside(
    query: QueryCtx, mutation: MutationCtx, file: Id[StoredFile], message: Id[Message]
) -> None:
    query.storage.delete(file)  # error: a query deletes nothing
    query.storage.generate_upload_url()  # error: nor does it let others upload
    mutation.storage.store(b"x")  # error: a mutation does no I/O
    mutation.storage.get(file)  # error: a mutation does no I/O
    mutation.storage.delete(message)  # error: no id of a file
    query.storage.url(file, expires=3)  # error: misspelt
    print(query.storage.metadata(file)["size"])  # error: there may be none


def on_a_thread(ctx: SyncActionCtx, file: Id[StoredFile]) -> None:
    ctx.storage.store("text")  # error: text has to be encoded
    print(ctx.storage.get(file).size)  # error: there may be none


async def in_a_task(ctx: ActionCtx, file: Id[StoredFile]) -> None:
    found: Id[StoredFile] = ctx.storage.store(b"x")  # error: it has to be awaited
    print(found, (await ctx.storage.get(file)).size)  # error: there may be none


def outside(db: hw.Database, file: Id[StoredFile]) -> None:
    db.storage.trim_accesses(keep=3)  # error: misspelt
    db.storage.get(file, at="now")  # error: a moment is a number or a datetime

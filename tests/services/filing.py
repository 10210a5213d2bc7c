"""Functions of these tests that have to do with stored files."""

from collections.abc import AsyncIterator

import headwater as hw
from headwater import (
    ActionCtx,
    Document,
    Id,
    MutationCtx,
    QueryCtx,
    StoredFile,
    SyncActionCtx,
    Table,
)


class Picture(Document["Picture"]):
    file: Id[StoredFile]


class Pictures(Table[Picture]):
    pass


@hw.query
def url(ctx: QueryCtx, file: Id[StoredFile], seconds: float = 3600.0) -> str | None:
    return ctx.storage.url(file, expires_seconds=seconds)


@hw.query
def names(ctx: QueryCtx) -> list[str | None]:
    return [file["filename"] for file in ctx.db.query(hw.StoredFiles)]


@hw.mutation
def delete(ctx: MutationCtx, file: Id[StoredFile]) -> None:
    ctx.storage.delete(file)


@hw.mutation
def delete_and_fail(ctx: MutationCtx, file: Id[StoredFile]) -> None:
    ctx.storage.delete(file)
    raise ValueError("afterwards")


@hw.mutation
def link(ctx: MutationCtx, file: Id[StoredFile], filename: str | None = None) -> Id[StoredFile]:
    return ctx.storage.link(file, filename=filename)


@hw.mutation
def upload_url(
    ctx: MutationCtx, max_bytes: int | None = None, types: list[str] | None = None
) -> str:
    return ctx.storage.generate_upload_url(max_bytes=max_bytes, content_types=types)


@hw.mutation
def write_by_itself(ctx: MutationCtx, file: Id[StoredFile]) -> None:
    ctx.db.delete(file)


@hw.action
def copy(ctx: SyncActionCtx, file: Id[StoredFile]) -> Id[StoredFile]:
    found = ctx.storage.get(file)
    assert found is not None
    with found:
        return ctx.storage.store(found, filename="copy")


@hw.action
async def copy_slowly(ctx: ActionCtx, file: Id[StoredFile]) -> Id[StoredFile]:
    found = await ctx.storage.get(file)
    assert found is not None

    async def pieces() -> AsyncIterator[bytes]:
        while piece := await found.read(3):
            yield piece

    async with found:
        return await ctx.storage.store(pieces(), filename="copy")

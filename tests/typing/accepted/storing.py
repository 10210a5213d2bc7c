"""Stored files."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import assert_type

import headwater as hw
from headwater import (
    ActionCtx,
    Document,
    FileContent,
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
def links(ctx: QueryCtx) -> list[str | None]:
    for file in ctx.db.query(hw.StoredFiles).with_index(hw.StoredFiles.by_sha256, "00"):
        print(file["size"] + 1, file["filename"])
    for access in ctx.db.query(hw.StorageAccesses):
        print(access["verb"], access["identity"])
    return [ctx.storage.url(picture["file"]) for picture in ctx.db.query(Pictures)]


@hw.mutation
def remove(ctx: MutationCtx, file: Id[StoredFile]) -> str:
    assert_type(ctx.storage.link(file, filename="a"), Id[StoredFile])
    ctx.storage.delete(file)
    ctx.storage.restore(file)
    return ctx.storage.generate_upload_url(max_bytes=10, content_types=["image/*"])


@hw.action
def copy(ctx: SyncActionCtx, file: Id[StoredFile]) -> Id[StoredFile]:
    found = ctx.storage.get(file)
    assert_type(found, FileContent | None)
    assert found is not None
    with found, Path("more").open("rb") as more:
        ctx.storage.store(more)
        return ctx.storage.store(found, content_type="image/png")


@hw.action
async def copy_slowly(ctx: ActionCtx, file: Id[StoredFile]) -> Id[StoredFile]:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"

    found = await ctx.storage.get(file)
    if found is not None:
        async with found:
            print(await found.read(), [len(piece) async for piece in found])
    return await ctx.storage.store(pieces())


async def outside(db: hw.Database, file: Id[StoredFile]) -> None:
    db.storage.store([b"a", bytearray(b"b")], sha256="00")
    answer = db.storage.urls.download("/", "")
    print(answer.status if answer is not None else 404, db.storage.verify())
    assert_type(await db.aio.storage.store(b"a"), Id[StoredFile])
    assert_type(db.storage.get(file, at=0) is None, bool)
    db.storage.rotate_key(grace_seconds=1)

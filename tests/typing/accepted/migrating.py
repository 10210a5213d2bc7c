"""Migrations."""

from collections.abc import Sequence
from typing import assert_type

from accepted.chat import Message, Messages

import headwater as hw
from headwater import Migration, MigrationRun, MutationCtx


@hw.migration(Messages)
def set_kind(ctx: MutationCtx, message: Message) -> dict[str, object] | None:
    return None if "kind" in message else {"kind": "text"}


@hw.migration(Messages, name="shout", batch_documents=50, after=set_kind)
def shout(ctx: MutationCtx, message: Message) -> Message:
    message["body"] = message["body"].upper()
    return message


@hw.migration(Messages, after=[set_kind, shout])
def forget(ctx: MutationCtx, message: Message) -> None:
    if message["stars"] < 0:
        ctx.db.delete(message["_id"])


assert_type(shout, Migration[Message])


def outside(db: hw.Database) -> None:
    assert_type(db.migrations.start(), Sequence[MigrationRun])
    assert_type(db.migrations.run(set_kind, shout, force=True), Sequence[MigrationRun])
    assert_type(db.migrations.get(shout), MigrationRun | None)
    assert_type(db.migrations.cancel(shout), bool)
    assert_type(db.migrations.undo(shout, override=True), int)
    tried = db.migrations.dry_run(forget, sample=3, limit=1000)
    for change in tried.sample:
        print(change.before["body"], change.after)
    for run in db.migrations.list():
        print(run["name"], run["state"], run["processed"] / run["total"])


async def outside_in_a_task(db: hw.Database) -> None:
    await db.aio.migrations.run(set_kind)
    assert_type(await db.aio.migrations.get(shout), MigrationRun | None)


@hw.query
def progress(ctx: hw.QueryCtx) -> list[str]:
    running = ctx.db.query(hw.Migrations).with_index(hw.Migrations.by_state, "running")
    return [run["name"] for run in running]

"""Mistakes around migrations."""

from accepted.chat import Channel, Message, Messages
from accepted.migrating import set_kind

import headwater as hw
from headwater import MutationCtx, QueryCtx


@hw.migration(Messages)  # error: a document of another table
def of_another_table(ctx: MutationCtx, channel: Channel) -> None:
    pass


@hw.migration(Messages)  # error: no document
def without_a_document(ctx: MutationCtx) -> None:
    pass


@hw.migration(Messages)  # error: a list is no fields
def with_a_list(ctx: MutationCtx, message: Message) -> list[str]:
    return [message["body"]]


@hw.migration(Messages)  # error: it cannot wait
async def waiting(ctx: MutationCtx, message: Message) -> None:
    pass


@hw.migration(Messages)
def with_a_misspelling(ctx: MutationCtx, message: Message) -> dict[str, object]:
    return {"body": message["boody"]}  # error: misspelt field


hw.migration(Message)  # error: a document type is no table
hw.migration(Messages, batch=3)  # error: misspelt
hw.migration(Messages, after=with_a_list.handler)  # error: no migration


def plain(ctx: MutationCtx, message: Message) -> None:
    pass


def outside(db: hw.Database) -> None:
    db.migrations.start(plain)  # error: no migration
    db.migrations.run("set_kind")  # error: a name is no migration
    db.migrations.dry_run()  # error: of which
    db.migrations.undo(set_kind, overide=True)  # error: misspelt
    db.mutate(set_kind)  # error: it is started, not called


@hw.query
def starts(ctx: QueryCtx) -> None:
    ctx.migrations.start(set_kind)  # error: not from inside

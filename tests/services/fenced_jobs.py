"""Functions that are scheduled around a table which nobody in particular may write."""

import headwater as hw
from headwater import Document, MutationCtx, QueryCtx, Table


class Secret(Document["Secret"]):
    text: str


class Secrets(Table[Secret]):
    pass


def is_somebody(ctx: QueryCtx, secret: Secret) -> bool:
    return ctx.identity is not None


hw.rules(Secrets, read=is_somebody, insert=is_somebody, modify=is_somebody)


@hw.mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.insert(Secrets, {"text": text})


@hw.mutation(internal=True)
def write_inside(ctx: MutationCtx, text: str) -> None:
    ctx.db.insert(Secrets, {"text": text})

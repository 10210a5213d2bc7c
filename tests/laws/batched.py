"""Every batch verb, beside the loop of single operations that it has to equal."""

from typing import Any

from tests.laws.fenced import Items

import headwater as hw
from headwater import MutationCtx, QueryCtx

GONE = "gone"
"""Stands for `hw.MISSING`, which is no value and so no argument."""

REFUSALS = (
    hw.DocumentInvalidError,
    hw.DocumentNotFoundError,
    hw.InvalidIdError,
    hw.PermissionDeniedError,
    hw.UniqueViolationError,
)


def matching(ctx: MutationCtx, low: int, order: Any, remainder: int) -> Any:
    """A query over a range that a patch may move documents into and out of."""
    query = ctx.db.query(Items).with_index(Items.by_n, gte=low).order(order)
    return query if remainder < 0 else query.filter(lambda item: item["n"] % 3 != remainder)


def changes(given: Any) -> dict[str, Any]:
    """What a patch sets."""
    return {name: hw.MISSING if value == GONE else value for name, value in given.items()}


def batch(ctx: MutationCtx, step: list[Any]) -> Any:
    verb, *rest = step
    if verb == "insert_many":
        return ctx.db.insert_many(Items, rest[0])
    if verb == "patch_many":
        return ctx.db.patch_many({id: changes(given) for id, given in rest[0]})
    if verb == "patch_where":
        return ctx.db.patch_where(matching(ctx, *rest[1]), changes(rest[0]))
    if verb == "delete_where":
        return ctx.db.delete_where(matching(ctx, *rest[0]))
    return getattr(ctx.db, verb)(*rest)


def loop(ctx: MutationCtx, step: list[Any]) -> Any:
    verb, *rest = step
    if verb == "get_many":
        return [ctx.db.get(id) for id in rest[0]]
    if verb == "insert_many":
        return [ctx.db.insert(Items, document) for document in rest[0]]
    if verb == "patch_many":
        for id, given in dict(rest[0]).items():
            ctx.db.patch(id, changes(given))
        return None
    if verb == "delete_many":
        for id in rest[0]:
            ctx.db.delete(id)
        return None
    query = matching(ctx, *rest[-1])
    return sum(is_written(ctx, verb, item["_id"], rest) for item in query.collect())


def is_written(ctx: MutationCtx, verb: str, id: Any, rest: list[Any]) -> bool:
    try:
        if verb == "patch_where":
            ctx.db.patch(id, changes(rest[0]))
        else:
            ctx.db.delete(id)
    except hw.DocumentNotFoundError:
        return False
    return True


@hw.mutation(internal=True)
def looped(ctx: MutationCtx, step: list[Any]) -> Any:
    return loop(ctx, step)


def outcome(ctx: MutationCtx, step: list[Any], is_batch: bool) -> Any:
    try:
        return batch(ctx, step) if is_batch else looped(ctx, step=step)
    except REFUSALS as error:
        return [type(error).__name__, str(error), repr(sorted(vars(error).items()))]


@hw.mutation
def write(ctx: MutationCtx, steps: list[list[Any]], is_batch: bool) -> list[Any]:
    outcomes = [outcome(ctx, step, is_batch) for step in steps]
    reads = ctx.transaction.reads
    return [outcomes, sorted(map(repr, reads.intervals()))]


@hw.mutation(internal=True)
def write_inside(ctx: MutationCtx, steps: list[list[Any]], is_batch: bool) -> list[Any]:
    return write(ctx, steps=steps, is_batch=is_batch)


@hw.query
def by_n(ctx: QueryCtx) -> Any:
    return ctx.db.query(Items).with_index(Items.by_n).collect()


@hw.query
def keyed(ctx: QueryCtx) -> Any:
    return ctx.db.query(Items).with_index(Items.by_key, gte=0).collect()

"""An application whose queries ask who calls, or do not, depending on what they find."""

from collections.abc import Iterator, Mapping
from typing import Any

import headwater as hw
from headwater import ActionCtx, Document, Index, MutationCtx, QueryCtx, SyncActionCtx, Table

runs: list[str] = []
"""One entry for each run of a query."""


class Fact(Document["Fact"]):
    key: str
    value: int


class Facts(Table[Fact]):
    by_key = Index("key", unique=True)


class Told(Document["Told"]):
    what: list[Any]


class ToldThings(Table[Told]):
    pass


@hw.query
def look(ctx: QueryCtx, program: list[Any]) -> list[Any]:
    runs.append("look")
    return list(_answers(ctx, program))


@hw.query
def pages(ctx: QueryCtx, program: list[Any], options: hw.PaginationOptions) -> Any:
    """A page of all facts below, with an answer in each."""
    runs.append("pages")
    page = ctx.db.query(Facts).with_index(Facts.by_key).paginate(options)
    answers = list(_answers(ctx, program))
    return {"keys": [fact["key"] for fact in page["page"]], "answers": answers}


def _answers(ctx: QueryCtx, program: list[Any]) -> Iterator[Any]:
    for step, *rest in program:
        if step == "read":
            yield _value(ctx, *rest)
        elif step == "ask":
            yield shown(ctx.identity)
        elif step == "ask_if":
            yield shown(ctx.identity) if _value(ctx, *rest) % 2 else "not asked"
        elif step == "mine":
            yield _value(ctx, subject_of(ctx.identity))
        elif step == "time_if":
            yield isinstance(ctx.now, float) if _value(ctx, *rest) % 2 else "no time"
        elif step == "spoil":
            spoil(ctx.identity)
        elif step == "fail_if" and _value(ctx, *rest) % 2:
            raise hw.ApplicationError(shown(ctx.identity))
        elif step == "inner":
            yield look(ctx, program=rest[0])


def _value(ctx: QueryCtx, key: str) -> int:
    fact = ctx.db.query(Facts).with_index(Facts.by_key, key).unique()
    return 0 if fact is None else fact["value"]


def answers(facts: Mapping[str, int], identity: hw.Identity | None, program: list[Any]) -> Any:
    """What a query has to answer: a list, or an error."""
    given: list[Any] = []
    for step, *rest in program:
        value = facts.get(rest[0], 0) if rest and isinstance(rest[0], str) else 0
        if step == "read":
            given.append(value)
        elif step == "ask":
            given.append(shown(identity))
        elif step == "ask_if":
            given.append(shown(identity) if value % 2 else "not asked")
        elif step == "mine":
            given.append(facts.get(subject_of(identity), 0))
        elif step == "time_if":
            given.append(True if value % 2 else "no time")
        elif step == "fail_if" and value % 2:
            return hw.ApplicationError(shown(identity))
        elif step == "inner":
            inner = answers(facts, identity, rest[0])
            if isinstance(inner, hw.ApplicationError):
                return inner
            given.append(inner)
    return given


def shown(identity: hw.Identity | None) -> Any:
    if identity is None:
        return None
    return [identity.subject, identity.issuer, identity.claims]


def subject_of(identity: hw.Identity | None) -> str:
    return "nobody" if identity is None else identity.subject


def spoil(identity: hw.Identity | None) -> None:
    """Change what can be changed of an identity, for whoever sees it after this run."""
    if identity is not None and isinstance(identity.claims.get("roles"), list):
        identity.claims["roles"].append("spoilt")


@hw.mutation
def put(ctx: MutationCtx, key: str, value: int) -> None:
    fact = ctx.db.query(Facts).with_index(Facts.by_key, key).unique()
    if fact is None:
        ctx.db.insert(Facts, {"key": key, "value": value})
    else:
        ctx.db.patch(fact["_id"], value=value)


@hw.mutation(record_arguments=True)
def tell(ctx: MutationCtx, program: list[Any]) -> list[Any]:
    what = look(ctx, program=program)
    ctx.db.insert(ToldThings, {"what": what})
    return what


@hw.action
def look_in_thread(ctx: SyncActionCtx, program: list[Any]) -> list[Any]:
    return [shown(ctx.identity), ctx.query(look, program=program)]


@hw.action
def look_from_another_thread(ctx: SyncActionCtx, program: list[Any]) -> list[Any]:
    """As an action does that asks several things at once."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as threads:
        return [shown(ctx.identity), threads.submit(ctx.query, look, program=program).result()]


@hw.action
async def look_in_task(ctx: ActionCtx, program: list[Any]) -> list[Any]:
    return [shown(ctx.identity), await ctx.query(look, program=program)]


@hw.action
async def act_in_turn(ctx: ActionCtx, program: list[Any]) -> list[Any]:
    await ctx.act(look_in_thread, program=program)
    return await ctx.act(look_in_task, program=program)


@hw.action
def tell_in_thread(ctx: SyncActionCtx, program: list[Any]) -> list[Any]:
    return ctx.mutate(tell, program=program)


@hw.action
def tell_from_another_thread(ctx: SyncActionCtx, program: list[Any]) -> list[Any]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(ctx.mutate, tell, program=program).result()

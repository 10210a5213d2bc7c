"""Decorators of one's own: what they add is there at every call, and nothing else changes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.functions import customized
from tests.functions.customized import seen

import headwater as hw
from headwater import ActionCtx, MutationCtx, QueryCtx, testing

ADA = hw.Identity("ada")
EVA = hw.Identity("eva")


@pytest.fixture
def db():
    with testing.database(customized) as database:
        database.mutate(customized.sign_up, subject="ada", name="Ada")
        database.mutate(customized.sign_up, subject="root", name="admin")
        seen.clear()
        yield database


def stored(db) -> list[str]:
    with db.snapshot() as snapshot:
        return [user["name"] for user in snapshot.query("users").collect()]


def test_a_function_gets_what_the_provider_gives(db) -> None:
    with hw.acting_as(ADA):
        assert db.mutate(customized.rename, name="A.") == "Ada is A."
        assert db.call("customized:rename", {"name": "B."}) == "A. is B."
        assert asyncio.run(db.aio.mutate(customized.rename_async, "C.")) == "B. is C."
    assert stored(db)[0] == "C."


def test_a_provider_that_raises_lets_nothing_happen(db) -> None:
    with pytest.raises(hw.NotSignedInError):
        db.mutate(customized.rename, name="A.")
    with hw.acting_as(EVA), pytest.raises(hw.PermissionDeniedError) as caught:
        db.mutate(customized.rename, name="A.")
    assert (caught.value.code, str(caught.value)) == ("no_account", "eva has no account")
    assert stored(db) == ["Ada", "admin"]


def test_it_runs_at_nested_calls_too(db) -> None:
    with hw.acting_as(ADA):
        assert db.mutate(customized.rename_twice, "X") == ["Ada is X", "X is X2"]


def test_a_function_is_what_it_would_be_otherwise(db) -> None:
    assert isinstance(customized.rename, hw.Mutation)
    assert customized.rename.doc == "Takes another name."
    assert customized.rename.path == "customized:rename"
    assert db.application.path_of(customized.remove) == "customized:remove"
    with hw.acting_as(ADA), pytest.raises(hw.FunctionInternalError):
        db.call("customized:renameTwice", {"name": "x"})
    for arguments in ({}, {"name": 3}, {"nam": "x"}):
        with pytest.raises(hw.ArgumentError):
            db.mutate(customized.rename, **arguments)


def test_providers_stack_and_their_parameters_are_arguments(db) -> None:
    ada = db.mutate(customized.sign_up, subject="x", name="X")
    with hw.acting_as(ADA), pytest.raises(hw.PermissionDeniedError, match="for admins only"):
        db.mutate(customized.remove, user=ada, reason="spam")
    with hw.acting_as(hw.Identity("root")):
        arguments = {"user": ada, "reason": "spam", "urgent": True}
        assert db.call("customized:remove", arguments) == "spam!"
        with pytest.raises(hw.ArgumentError, match="argument 'reason': expected str"):
            db.mutate(customized.remove, user=ada, reason=3)
        with pytest.raises(hw.ArgumentError, match="missing argument 'reason'"):
            db.mutate(customized.remove, ada)
        with pytest.raises(hw.ArgumentError, match="takes 1 arguments by position, got 2"):
            db.mutate(customized.remove, ada, "spam")


def test_a_generator_sees_how_the_function_has_ended(db) -> None:
    assert db.query(customized.names, "A") == ["Ada"]
    with pytest.raises(hw.ApplicationError):
        db.query(customized.names, prefix="?")
    assert seen == ["begins", ("gave", ["Ada"]), "begins", ("failed", "which?")]


def test_a_live_query_depends_on_what_its_provider_reads() -> None:
    module = factors_module()
    with testing.database(module) as db, db.watch(module.total) as live:
        assert live.next() == 0
        db.mutate(module.set_factor, factor=3)
        assert live.next() == 3


def factors_module() -> Any:
    class Factor(hw.Document["Factor"]):
        factor: int

    class Factors(hw.Table[Factor]):
        pass

    def with_factor(ctx: QueryCtx) -> int:
        row = ctx.db.query(Factors).order("desc").first()
        return row["factor"] if row else 0

    @hw.mutation
    def set_factor(ctx: MutationCtx, factor: int) -> None:
        ctx.db.insert(Factors, {"factor": factor})

    @hw.custom(hw.query, with_factor)
    def total(factor: int) -> int:
        return factor

    return made_module("factors", Factors=Factors, set_factor=set_factor, total=total)


def made_module(name: str, **content: Any) -> Any:
    from types import ModuleType

    module = ModuleType(name)
    vars(module).update(content)
    return module


def test_a_query_that_asks_who_calls_is_cached_for_each() -> None:
    def who(ctx: QueryCtx) -> str:
        return "" if ctx.identity is None else ctx.identity.subject

    @hw.custom(hw.query, who)
    def slow(subject: str) -> str:
        return subject

    module = made_module("who", slow=slow)
    with testing.database(module) as db:
        db.runner.call("query", slow, (), {}).statistics.took(10.0)  # so that it is worth caching
        for subject in ("", "ada", "eva", "", "eva", "ada") * 2:
            identity = hw.Identity(subject) if subject else None
            with hw.acting_as(identity):
                assert db.query(slow) == subject


def test_actions_of_both_kinds(db) -> None:
    assert asyncio.run(db.aio.act(customized.pay, amount=3)) == "key pays 3 of ['Ada', 'admin']"
    assert seen[2] == ["Ada", "admin"]
    assert seen[-1] == ("charged", "key pays 3 of ['Ada', 'admin']")
    assert db.act(customized.pay_checked, amount=4) == "key! pays 4"
    assert customized.pay_checked.options.timeout_seconds == 5
    assert db.act(customized.pay_sync, amount=5, key="kk") == "kk pays 5"
    assert db.call("customized:paySync", {"amount": 5}) == "k pays 5"
    seen.clear()
    with pytest.raises(hw.ApplicationError):
        db.act(customized.pay_sync, amount=-1)
    assert seen == ["over"]


def test_what_a_provider_writes_is_part_of_the_transaction() -> None:
    def counted(ctx: MutationCtx) -> Iterator[MutationCtx]:
        ctx.db.insert("calls", {"kind": "begin"})
        yield ctx
        ctx.db.insert("calls", {"kind": "end"})

    @hw.custom(hw.mutation, counted)
    def fail(ctx: MutationCtx, how: str) -> None:
        ctx.db.insert("calls", {"kind": "inside"})
        if how:
            raise hw.ApplicationError(how)

    with testing.database(made_module("counted", fail=fail)) as db:
        db.mutate(fail, how="")
        with pytest.raises(hw.ApplicationError):
            db.mutate(fail, how="so")
        with db.snapshot() as snapshot:
            kinds = [row["kind"] for row in snapshot.query("calls").collect()]
    assert kinds == ["begin", "inside", "end"]


# How a generator may end -------------------------------------------------------------------------


def swallows(ctx: MutationCtx) -> Iterator[MutationCtx]:
    try:
        yield ctx
    except hw.ApplicationError:
        ctx.db.insert("notes", {"text": "swallowed"})


def translates(ctx: MutationCtx) -> Iterator[MutationCtx]:
    try:
        yield ctx
    except hw.ApplicationError as error:
        raise KeyError("translated") from error


def yields_twice(ctx: MutationCtx) -> Iterator[MutationCtx]:
    try:
        yield ctx
    except hw.ApplicationError:
        yield ctx
    yield ctx


def yields_never(ctx: MutationCtx) -> Iterator[MutationCtx]:
    if ctx is None:
        yield ctx


def gives_none(ctx: MutationCtx) -> Any:
    ctx.db.query("notes").first()


def fails_at_the_end(ctx: MutationCtx) -> Iterator[MutationCtx]:
    yield ctx
    raise KeyError("after all")


async def swallows_async(ctx: MutationCtx) -> AsyncIterator[MutationCtx]:
    try:
        yield ctx
    except hw.ApplicationError:
        ctx.db.insert("notes", {"text": "swallowed"})


async def translates_async(ctx: MutationCtx) -> AsyncIterator[MutationCtx]:
    try:
        yield ctx
    except hw.ApplicationError as error:
        raise KeyError("translated") from error


async def yields_twice_async(ctx: MutationCtx) -> AsyncIterator[MutationCtx]:
    try:
        yield ctx
    except hw.ApplicationError:
        yield ctx
    yield ctx


async def yields_never_async(ctx: MutationCtx) -> AsyncIterator[MutationCtx]:
    if ctx is None:
        yield ctx


async def gives_none_async(ctx: MutationCtx) -> Any:
    ctx.db.query("notes").first()


async def fails_at_the_end_async(ctx: MutationCtx) -> AsyncIterator[MutationCtx]:
    yield ctx
    raise KeyError("after all")


ENDINGS = [
    (swallows, swallows_async, "fail", hw.ApplicationError),
    (swallows, swallows_async, "stop", StopIteration),
    (translates, translates_async, "fail", KeyError),
    (translates, translates_async, "stop", StopIteration),
    (yields_twice, yields_twice_async, "fail", hw.DeclarationError),
    (yields_twice, yields_twice_async, "", hw.DeclarationError),
    (yields_never, yields_never_async, "", hw.DeclarationError),
    (gives_none, gives_none_async, "", hw.DeclarationError),
    (fails_at_the_end, fails_at_the_end_async, "", KeyError),
]


@pytest.mark.parametrize(("plain", "of_async", "how", "expected"), ENDINGS)
def test_an_error_stays_one_and_nothing_is_written(plain, of_async, how, expected) -> None:
    def write(ctx: MutationCtx, how: str) -> None:
        ctx.db.insert("notes", {"text": how})
        if how == "fail":
            raise hw.ApplicationError(how)
        if how == "stop":
            raise StopIteration

    async def write_async(ctx: MutationCtx, how: str) -> None:
        ctx.db.insert("notes", {"text": how})
        if how == "fail":
            raise hw.ApplicationError(how)
        if how == "stop":
            raise StopAsyncIteration

    functions = [
        hw.custom(hw.mutation, plain)(write),
        hw.custom(hw.mutation, plain)(write_async),
        hw.custom(hw.mutation, of_async)(write_async),
    ]
    with testing.database() as db:
        for function in functions:
            kind = expected
            if expected is StopIteration:  # a coroutine cannot raise that one
                kind = StopAsyncIteration if function.is_async else StopIteration
            with pytest.raises(kind):
                db.mutate(function, how=how)
        with db.snapshot() as snapshot:
            assert snapshot.query("notes").collect() == []


# Declarations that cannot work -------------------------------------------------------------------


def plain(ctx: QueryCtx) -> QueryCtx:
    return ctx


@contextmanager
def managed(ctx: QueryCtx) -> Iterator[QueryCtx]:
    yield ctx


def nothing() -> int:
    return 1


def many(ctx: QueryCtx, *rest: int) -> QueryCtx:
    return ctx


async def waits(ctx: QueryCtx) -> QueryCtx:
    return ctx


@pytest.mark.parametrize(
    ("declare", "provider", "said"),
    [
        (plain, hw.query, "expected hw.query, hw.mutation, hw.action or what hw.custom made"),
        ("query", plain, "got 'query'"),
        (hw.query, 5, "expected a function as the provider, got 5"),
        (hw.query, managed, "remove @contextmanager"),
        (hw.query, nothing, "provider nothing: expected the context as its first parameter"),
        (hw.query, many, r"provider many: '\*rest: int' takes any number"),
    ],
)
def test_what_cannot_be_a_decorator(declare: Any, provider: Any, said: str) -> None:
    with pytest.raises(hw.DeclarationError, match=said):
        hw.custom(declare, provider)


def test_what_cannot_be_declared_with_one() -> None:
    declare: Any = hw.custom(hw.query, plain)
    with pytest.raises(hw.DeclarationError, match="expected a function, got 5"):
        declare(5)
    with pytest.raises(hw.DeclarationError, match="'x' is an argument of the provider takes_x"):

        @hw.custom(hw.query, takes_x)
        def twice(ctx: QueryCtx, x: int) -> int:
            return x

    awaited: Any = hw.custom(hw.query, waits)
    with pytest.raises(hw.DeclarationError, match="provider waits is async, and the function is"):
        awaited(plain)
    with pytest.raises(hw.DeclarationError, match=r"'\*\*rest: int' takes any argument"):

        @hw.custom(hw.query, takes_x)
        def loose(ctx: QueryCtx, **rest: int) -> int:
            return len(rest)


def takes_x(ctx: QueryCtx, x: int = 1) -> QueryCtx:
    return ctx


def test_options_are_taken_before_and_after() -> None:
    internal = hw.custom(hw.query(internal=True), plain)
    assert internal(returns=hw.v.any())(plain_function).is_internal
    assert not internal(internal=False)(plain_function).is_internal
    assert not hw.custom(hw.query, plain)(plain_function).is_internal
    with pytest.raises(TypeError, match="bogus"):
        internal(bogus=1)(plain_function)


def plain_function(ctx: QueryCtx) -> int:
    return 1


def test_annotations_are_read_where_they_were_written() -> None:
    """Also if they are strings, and each module has names of its own."""
    giving = made_module("giving", Thing=int)
    exec(
        "def give(ctx, thing: 'Thing', more: 'list[Thing]' = []): return (thing, more)",
        vars(giving),
    )
    taking = made_module("taking", hw=hw, give=giving.give, Thing=str)
    exec(
        "def take(ctx, name: 'Thing') -> 'Thing': return f'{ctx} {name}'\n"
        "take = hw.custom(hw.query, give)(take)",
        vars(taking),
    )
    with testing.database(taking) as db:
        arguments = {"thing": 1, "more": [2], "name": "x"}
        assert db.call("taking:take", arguments) == "(1, [2]) x"
        for wrong in ({"thing": "1"}, {"more": ["2"]}, {"name": 3}):
            with pytest.raises(hw.ArgumentError):
                db.call("taking:take", {**arguments, **wrong})


def test_an_action_context_is_extended_by_a_class_of_its_own() -> None:
    class KeyCtx(ActionCtx):
        def __init__(self, ctx: ActionCtx, key: str) -> None:
            super().__init__(ctx)
            self.key = key

    def with_key(ctx: ActionCtx) -> KeyCtx:
        return KeyCtx(ctx, ctx.env["KEY"])

    @hw.custom(hw.action, with_key)
    async def show(ctx: KeyCtx) -> str:
        return ctx.key + ctx.env["KEY"]

    with testing.database(made_module("keys", show=show), env={"KEY": "k"}) as db:
        assert db.act(show) == "kk"

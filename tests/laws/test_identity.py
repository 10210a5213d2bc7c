"""What a query gives for one identity reaches no other; what does not ask, is run once for all."""

import asyncio
import copy
import inspect
import pickle
import threading
import typing
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.laws import callers
from tests.laws.callers import answers, look, put, runs, tell
from tests.laws.clocks import SlowClock, StillClock

import headwater as hw
from headwater.aio import AsyncVerbs
from headwater.functions.identity import current_identity
from headwater.reactive.live_queries import Wanted
from headwater.reactive.subscription import Subscription, Transition
from headwater.verbs.async_calling import AsyncCaller

ADA = hw.Identity("ada", claims={"roles": ["admin"], "level": 1})
GRACE = hw.Identity("grace", claims={"roles": ["admin"], "level": 1})
ELSEWHERE = hw.Identity("mallory", claims={"roles": ["root"]})
PEOPLE: tuple[hw.Identity | None, ...] = (
    None,
    ADA,
    GRACE,
    hw.Identity("ada", issuer="https://elsewhere.example"),
    hw.Identity("ada", claims={"roles": ["admin"], "level": 1.0}),
    hw.Identity("ada", claims={"roles": ["admin"], "level": True}),
    hw.Identity("local|ada", issuer="x"),
)


@pytest.fixture(autouse=True)
def nothing_has_run() -> None:
    runs.clear()


KEYS = st.sampled_from(["x", "y", "ada", "grace"])
SIMPLE: Any = st.one_of(
    st.tuples(st.sampled_from(["read", "ask_if", "ask_if", "time_if", "fail_if"]), KEYS),
    st.tuples(st.sampled_from(["ask", "mine", "spoil"])),
).map(list)
PROGRAMS: Any = st.lists(
    SIMPLE | st.lists(SIMPLE, max_size=2).map(lambda program: ["inner", program]),
    min_size=1,
    max_size=3,
)

Answer = Callable[[hw.Database, list[Any]], Any]


def first(live: hw.Live[Any]) -> Any:
    with live:
        return live.next(60)


def watched(watch: Any) -> Any:
    return lambda function, program: first(watch(function, program=program))


def by_snapshot(db: hw.Database, program: list[Any]) -> Any:
    with db.snapshot() as snapshot:
        return snapshot.run(look, program=program)


def acting(db: hw.Database) -> hw.Caller:
    """A facade that was asked for elsewhere: whoever acts around the call does not count."""
    return db.acting_as(current_identity())


def from_elsewhere(ask: Callable[[hw.Caller], Any]) -> Answer:
    def answer(db: hw.Database, program: list[Any]) -> Any:
        caller = acting(db)
        with hw.acting_as(ELSEWHERE):
            return ask_of(caller, program)

    def ask_of(caller: hw.Caller, program: list[Any]) -> Any:
        return ask(caller)(look, program=program)

    return answer


WAYS: dict[str, Answer] = {
    "facade": from_elsewhere(lambda caller: caller.query),
    "facade by path": from_elsewhere(
        lambda caller: lambda _, program: caller.call("callers:look", {"program": program})
    ),
    "facade action": from_elsewhere(
        lambda caller: lambda _, program: caller.act(callers.look_in_thread, program=program)[1]
    ),
    "facade start": from_elsewhere(
        lambda caller: (
            lambda _, program: caller.start(callers.look_in_task, program=program).result()[1]
        )
    ),
    "facade mutation": from_elsewhere(
        lambda caller: lambda _, program: caller.mutate(tell, program)
    ),
    "facade task": from_elsewhere(
        lambda caller: lambda _, program: asyncio.run(caller.aio.query(look, program))
    ),
    "facade async action": from_elsewhere(
        lambda caller: (
            lambda _, program: asyncio.run(caller.aio.act(callers.look_in_thread, program))[1]
        )
    ),
    "facade async mutation": from_elsewhere(
        lambda caller: lambda _, program: asyncio.run(caller.aio.mutate(tell, program))
    ),
    "facade async path": from_elsewhere(
        lambda caller: (
            lambda _, program: asyncio.run(caller.aio.call("callers:look", {"program": program}))
        )
    ),
    "facade watch": from_elsewhere(lambda caller: watched(caller.watch)),
    "facade watch all": from_elsewhere(
        lambda caller: lambda _, program: first(caller.watch_all(look.bind(program)))[0]
    ),
    "facade async watch": from_elsewhere(lambda caller: watched(caller.aio.watch)),
    "query": lambda db, program: db.query(look, program=program),
    "again": lambda db, program: db.query(look, program=program),
    "path": lambda db, program: db.call("callers:look", {"program": program}),
    "task": lambda db, program: asyncio.run(db.aio.query(look, program=program)),
    "snapshot": by_snapshot,
    "past": lambda db, program: db.query(look, program=program, at=db.ts),
    "action": lambda db, program: db.act(callers.look_in_thread, program=program)[1],
    "threads": lambda db, program: db.act(callers.look_from_another_thread, program=program)[1],
    "async action": lambda db, program: asyncio.run(
        db.aio.act(callers.look_in_task, program=program)
    )[1],
    "action of action": lambda db, program: db.act(callers.act_in_turn, program=program)[1],
    "mutation": lambda db, program: db.mutate(tell, program=program),
    "mutation of action": lambda db, program: db.act(callers.tell_in_thread, program=program),
}


def outcome(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except hw.ApplicationError as error:
        return error


def same(found: Any, true: Any) -> bool:
    if isinstance(true, hw.ApplicationError):
        return isinstance(found, hw.ApplicationError) and repr(found.data) == repr(true.data)
    return repr(found) == repr(true)  # which tells 1 from 1.0 and from True


STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.integers(0, 3)),
    st.tuples(st.sampled_from(sorted(WAYS)), st.integers(0, 6), st.integers(0, 2)),
    st.tuples(st.sampled_from(["query", "again"]), st.integers(0, 3), st.integers(0, 1)),
    st.tuples(st.sampled_from(["query", "again"]), st.integers(0, 3), st.integers(0, 1)),
)


@settings(max_examples=40)
@given(st.lists(PROGRAMS, min_size=3, max_size=3), st.lists(STEPS, min_size=4, max_size=30))
@example([[["ask"]]] * 3, [("query", 0, 0), ("query", 0, 0), ("query", 0, 0), ("query", 1, 0)])
@example(
    [[["ask_if", "x"]]] * 3,
    [("query", 1, 0), ("query", 1, 0), ("put", "x", 1), ("query", 2, 0), ("query", 1, 0)],
)
def test_each_caller_is_answered_as_itself(programs: Any, steps: Any) -> None:
    facts: dict[str, int] = {}
    with hw.open(None, modules=[callers], clock=SlowClock()) as db:
        for way, *what in steps:
            if way == "put":
                key, value = what
                db.mutate(put, key=key, value=value)
                facts[key] = value
                continue
            identity, program = PEOPLE[what[0]], programs[what[1]]
            with hw.acting_as(identity):
                found = outcome(lambda: WAYS[way](db, program))  # noqa: B023 - it is called here
            assert same(found, answers(facts, identity, program)), way


class Watcher:
    """A live query of somebody, run round by round in the thread of the test."""

    def __init__(self, stage: "Stage", identity: hw.Identity | None, program: list[Any]) -> None:
        self.stage, self.identity, self.program = stage, identity, program
        self.subscription = Subscription()
        wanted = stage.wanted(identity, program)
        stage.db._reactor.queries.subscribe(self.subscription, [wanted])
        self.take()

    def take(self) -> None:
        transition = self.subscription.take()
        if transition is not None:
            self.last = values_of(transition)
            self.stage.check(self.identity, self.program, transition.ts, self.last)

    def check_last(self) -> None:
        self.take()
        self.stage.check(self.identity, self.program, max(self.stage.truth), self.last)


def values_of(transition: Transition) -> Any:
    return outcome(lambda: transition.values()[0])


class Stage:
    """A database, and the facts after each of its commits."""

    def __init__(self, db: hw.Database) -> None:
        self.db = db
        self.truth: dict[int, dict[str, int]] = {db.ts: {}}
        db._store.on_commit = db._reactor.queries.committed

    def put(self, key: str, value: int) -> None:
        self.db.mutate(put, key=key, value=value)
        self.truth[self.db.ts] = {**self.truth[max(self.truth)], key: value}

    def wanted(self, identity: hw.Identity | None, program: list[Any]) -> Wanted:
        with hw.acting_as(identity):
            runner = self.db._runner
            return runner.wanted(runner.bound(look.bind(program=program)))

    def check(self, identity: hw.Identity | None, program: Any, ts: int, found: Any) -> None:
        assert same(found, answers(self.truth[ts], identity, program))

    def rounds(self) -> None:
        while self.db._reactor.queries.run_round():
            pass


LIVE_STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.integers(0, 3)),
    st.tuples(st.just("watch"), st.integers(0, 6), st.integers(0, 2)),
    st.tuples(st.just("watch"), st.integers(0, 2), st.integers(0, 1)),
    st.tuples(st.just("hold")),
    st.tuples(st.just("late"), st.integers(0, 6), st.integers(0, 2)),
    st.tuples(st.just("leave"), st.integers(0, 5)),
    st.tuples(st.just("round")),
)


@given(st.lists(PROGRAMS, min_size=3, max_size=3), st.lists(LIVE_STEPS, min_size=4, max_size=25))
@example(
    [[["ask_if", "x"]]] * 3,
    [("watch", 0, 0), ("watch", 1, 0), ("watch", 2, 0), ("put", "x", 1), ("round",)],
)
@example(
    [[["read", "x"]], [["read", "y"]], [["ask"]]],
    [("hold",), ("put", "x", 1), ("watch", 1, 1), ("late", 1, 0), ("watch", 2, 0)],
)
def test_each_watcher_is_told_as_itself(programs: Any, steps: Any) -> None:
    """Live queries of several callers, of which some begin late.

    "late": somebody runs the query on a snapshot that others have left behind ("hold").
    """
    with hw.open(None, modules=[callers], clock=StillClock()) as db, ExitStack() as held:
        stage, watchers = Stage(db), []
        snapshot = held.enter_context(closing(db._store.snapshot()))
        for step, *what in steps:
            if step == "put":
                stage.put(*what)
            elif step == "watch":
                watchers.append(Watcher(stage, PEOPLE[what[0]], programs[what[1]]))
            elif step == "hold":
                snapshot = held.enter_context(closing(db._store.snapshot()))
            elif step == "late":
                _, evaluate = stage.wanted(PEOPLE[what[0]], programs[what[1]])
                found = values_of(Transition(snapshot.ts, (evaluate(snapshot, None),)))
                stage.check(PEOPLE[what[0]], programs[what[1]], snapshot.ts, found)
            elif step == "leave" and watchers:
                gone = watchers.pop(what[0] % len(watchers))
                db._reactor.queries.unsubscribe(gone.subscription)
            else:
                stage.rounds()
                for watcher in watchers:
                    watcher.take()
        stage.rounds()
        for watcher in watchers:
            watcher.check_last()


def test_threads_of_several_callers_are_answered_as_themselves() -> None:
    """Each thread asks the same slow query, in turn with a thread that commits."""
    failures: list[Any] = []
    program = [["read", "x"], ["ask_if", "x"]]

    def ask(db: hw.Database, identity: hw.Identity | None, go_on: threading.Event) -> None:
        with hw.acting_as(identity):
            while not go_on.is_set():
                value, told = db.query(look, program=program)
                if not same(told, callers.shown(identity) if value % 2 else "not asked"):
                    failures.append((identity, value, told))

    long = hw.Limits(query_seconds=1e9, mutation_seconds=1e9, snapshot_seconds=1e9)
    with hw.open(None, modules=[callers], clock=SlowClock(), limits=long) as db:
        done = threading.Event()
        threads = [threading.Thread(target=ask, args=(db, one, done)) for one in PEOPLE]
        for thread in threads:
            thread.start()
        for value in range(60):
            db.mutate(put, key="x", value=value)
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []


# -- sharing ---------------------------------------------------------------------------------------


def test_one_run_serves_all_whom_the_query_does_not_ask_for() -> None:
    with hw.open(None, modules=[callers], clock=SlowClock()) as db:
        for _ in range(4):
            db.query(look, program=[["read", "x"]])
        before = len(runs)
        for identity in PEOPLE:
            with hw.acting_as(identity):
                db.query(look, program=[["read", "x"]])
        assert len(runs) == before


def test_one_run_serves_all_watchers_whom_the_query_does_not_ask_for() -> None:
    with hw.open(None, modules=[callers], clock=StillClock()) as db:
        stage = Stage(db)
        watchers = [Watcher(stage, identity, [["read", "x"]]) for identity in PEOPLE[1:]]
        assert len(runs) == 1
        stage.put("x", 1)
        stage.rounds()
        assert len(runs) == 2
        for watcher in watchers:
            watcher.check_last()


def test_a_query_that_asks_is_run_once_for_each() -> None:
    with hw.open(None, modules=[callers], clock=SlowClock()) as db:
        for _ in range(4):
            for identity in PEOPLE:
                with hw.acting_as(identity):
                    db.query(look, program=[["ask"]])
        before = len(runs)
        for identity in PEOPLE:
            with hw.acting_as(identity):
                db.query(look, program=[["ask"]])
        assert len(runs) == before


def test_claims_in_another_order_are_the_same_identity() -> None:
    one = hw.Identity("ada", claims={"a": 1, "b": {"c": 2, "d": [{"e": 3, "f": 4}]}})
    other = hw.Identity("ada", claims={"b": {"d": [{"f": 4, "e": 3}], "c": 2}, "a": 1})
    assert one == other
    with hw.open(None, modules=[callers], clock=SlowClock()) as db:
        for identity in [one] * 4 + [other]:
            with hw.acting_as(identity):
                db.query(look, program=[["ask"]])
            before, now = len(runs), runs.clear()
        assert (before, now) == (0, None)


def test_pages_of_one_caller_are_not_those_of_another() -> None:
    def page_of(identity: hw.Identity | None) -> Any:
        with hw.acting_as(identity):
            return db.query(
                callers.pages, program=[["ask"]], options={"cursor": None, "numItems": 2}
            )

    with hw.open(None, modules=[callers], clock=SlowClock()) as db:
        for _ in range(4):
            for identity in PEOPLE:
                assert same(page_of(identity)["answers"], [callers.shown(identity)])


# -- an identity is what it was when it was made ---------------------------------------------------


def test_claims_that_are_changed_afterwards_change_no_answer() -> None:
    claims: dict[str, Any] = {"roles": ["reader"]}
    identity = hw.Identity("eve", claims=claims)
    with hw.open(None, modules=[callers], clock=StillClock()) as db:
        stage = Stage(db)
        watcher = Watcher(stage, identity, [["read", "x"], ["ask"]])
        claims["roles"].append("admin")
        claims["more"] = True
        identity.claims["more"] = True
        identity.claims["roles"].append("admin")
        stage.put("x", 1)
        stage.rounds()
        watcher.take()
        assert watcher.last == [1, ["eve", "local", {"roles": ["reader"]}]]


def test_what_a_function_does_to_claims_is_seen_by_no_other_run() -> None:
    with hw.open(None, modules=[callers], clock=SlowClock()) as db:
        for way in WAYS.values():
            for _ in range(3):
                with hw.acting_as(ADA):
                    assert same(way(db, [["spoil"], ["read", "x"]]), [0])
                    assert same(way(db, [["ask"]]), [callers.shown(ADA)])


@pytest.mark.parametrize("name", ["subject", "issuer", "claims", "other"])
def test_an_identity_stays_what_it_is(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(hw.Identity("ada"), name, "grace")


def test_no_two_people_have_one_token_identifier() -> None:
    with pytest.raises(hw.ArgumentError, match=r"without '\|'"):
        hw.Identity("b|c", issuer="a|")
    assert hw.Identity("b|c", issuer="a") != hw.Identity("c", issuer="a")
    identifiers = {identity.token_identifier for identity in PEOPLE if identity is not None}
    assert len(identifiers) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        {"subject": ""},
        {"subject": 1},
        {"subject": "ada", "issuer": ""},
        {"subject": "ada", "issuer": None},
        {"subject": "ada", "claims": {"at": object()}},
        {"subject": "ada", "claims": {"$at": 1}},
        {"subject": "ada", "claims": {1: 1}},
        {"subject": "ada", "claims": {"big": 2**63}},
        {"subject": "ada", "claims": None},
        {"subject": "\ud800"},
    ],
)
def test_what_is_no_identity_is_refused(arguments: Any) -> None:
    with pytest.raises(hw.ArgumentError, match=r"hw\.Identity"):
        hw.Identity(**arguments)


@pytest.mark.parametrize("identity", ["ada", ("ada", "local"), False, b"", 0])
def test_what_is_no_identity_calls_nothing(identity: Any) -> None:
    with pytest.raises(hw.ArgumentError, match=r"expected an hw\.Identity"), hw.acting_as(identity):
        pytest.fail("inside")


@hw.mutation
def fail(ctx: hw.MutationCtx) -> None:
    raise hw.ApplicationError(callers.shown(ctx.identity))


@hw.query
def pretend(ctx: hw.QueryCtx) -> Any:
    with hw.acting_as(ADA):
        return look(ctx, program=[["ask"]])


def test_the_caller_does_not_change_inside_a_function() -> None:
    with hw.open(None) as db, pytest.raises(hw.UsageError, match="pretend used acting_as"):
        db.query(pretend)


def test_an_identity_is_copied_and_pickled_as_it_is() -> None:
    for made in (copy.copy(ADA), copy.deepcopy(ADA), pickle.loads(pickle.dumps(ADA))):
        assert made == ADA
        assert made.claims == {"roles": ["admin"], "level": 1}


# -- commits ---------------------------------------------------------------------------------------


@given(PROGRAMS, st.integers(0, 6), st.integers(0, 3))
def test_a_replay_sees_the_same_caller(program: Any, who: int, value: int) -> None:
    with hw.open(None, modules=[callers], clock=StillClock()) as db:
        db.mutate(put, key="x", value=value)
        before = db.ts
        with hw.acting_as(PEOPLE[who]):
            found = outcome(lambda: db.mutate(tell, program=program))
        if db.ts == before:
            return
        with hw.acting_as(GRACE):
            replayed = db.replay(db.ts)
        assert replayed.error is None
        assert same(replayed.result, found)


MUTATIONS: dict[str, Answer] = {
    "mutate": lambda db, program: db.mutate(tell, program=program),
    "path": lambda db, program: db.call("callers:tell", {"program": program}),
    "task": lambda db, program: asyncio.run(db.aio.mutate(tell, program=program)),
    "action": lambda db, program: db.act(callers.tell_in_thread, program=program),
    "threads": lambda db, program: db.act(callers.tell_from_another_thread, program=program),
    "transact": lambda db, program: db.transact(lambda tx: tx.insert("things", {})),
}


@pytest.mark.parametrize("way", MUTATIONS)
@pytest.mark.parametrize("identity", PEOPLE[:4], ids=["nobody", "ada", "grace", "other ada"])
def test_a_commit_names_who_called(way: str, identity: hw.Identity | None) -> None:
    with hw.open(None, modules=[callers], clock=StillClock()) as db:
        for _ in range(4):  # optimistically at first, then in turn
            with hw.acting_as(identity):
                MUTATIONS[way](db, [["read", "x"]])
            origin = db.log.read()[-1].origin
            assert origin.identity == (None if identity is None else identity.token_identifier)


def test_the_innermost_block_counts_and_nobody_is_somebody_too() -> None:
    with hw.open(None, modules=[callers]) as db, hw.acting_as(ADA):
        with hw.acting_as(None):
            assert db.query(look, program=[["ask"]]) == [None]
            with hw.acting_as(GRACE):
                assert db.query(look, program=[["ask"]]) == [callers.shown(GRACE)]
        assert db.query(look, program=[["ask"]]) == [callers.shown(ADA)]


# -- the facade ------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["query", "mutate", "call", "act", "start", "watch", "watch_all"])
def test_the_facade_takes_what_the_database_takes(verb: str) -> None:
    assert signatures(hw.Caller, verb) == signatures(hw.Database, verb)


@pytest.mark.parametrize("verb", ["query", "mutate", "call", "act", "watch"])
def test_the_facade_for_asyncio_takes_what_that_takes(verb: str) -> None:
    assert signatures(AsyncCaller, verb) == signatures(AsyncVerbs, verb)


def signatures(owner: type, verb: str) -> list[str]:
    """That of a method, and those of its overloads; each module has type variables of its own."""
    method = getattr(owner, verb)
    return [str(inspect.signature(one)) for one in (method, *typing.get_overloads(method))]


def test_a_facade_of_nobody_is_nobody() -> None:
    with hw.open(None, modules=[callers]) as db, hw.acting_as(ADA):
        assert db.acting_as(None).query(look, program=[["ask"]]) == [None]
        db.acting_as(None).mutate(put, key="x", value=1)
        assert db.log.read()[-1].origin.identity is None


def test_a_facade_leaves_no_trace_where_it_was_used() -> None:
    with hw.open(None, modules=[callers]) as db:
        ada = db.acting_as(ADA)
        with pytest.raises(hw.ApplicationError):
            ada.mutate(fail)
        assert db.query(look, program=[["ask"]]) == [None]
        assert ada.query(look, program=[["ask"]]) == [callers.shown(ADA)]


@pytest.mark.parametrize("identity", ["ada", False, {}])
def test_a_facade_is_of_an_identity(identity: Any) -> None:
    with hw.open(None) as db, pytest.raises(hw.ArgumentError, match=r"db\.acting_as"):
        db.acting_as(identity)

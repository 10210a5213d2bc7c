"""Replays write what was written; forks begin where they were asked to."""

import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tables.histories import contents

import headwater as hw

SOURCE = """
import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table


class Item(Document["Item"]):
    name: str
    count: int
    luck: float


class Items(Table[Item]):
    by_name = Index("name")
    by_count = Index("count", "name")


@hw.mutation(record_arguments=True)
def add(ctx: MutationCtx, names: list[str]) -> list[Id[Item]]:
    added = []
    while names:
        item = {"name": names.pop(), "count": FIRST, "luck": ctx.random.random()}
        added.append(ctx.db.insert(Items, item))
    return added


@hw.mutation(record_arguments=True)
def bump_all(ctx: MutationCtx, name: str, by: int) -> float:
    for item in ctx.db.query(Items).with_index(Items.by_name, name).collect():
        ctx.db.patch(item["_id"], count=item["count"] + by, luck=ctx.now)
    return ctx.now


@hw.mutation(record_arguments=True)
def drop_least(ctx: MutationCtx, spare: int) -> None:
    for item in ctx.db.query(Items).with_index(Items.by_count).take(2):
        if item["count"] != spare:
            ctx.db.delete(item["_id"])


@hw.mutation
def add_unrecorded(ctx: MutationCtx, name: str) -> Id[Item]:
    return ctx.db.insert(Items, {"name": name, "count": 0, "luck": 0.0})


@hw.query
def everything(ctx: QueryCtx) -> list[Item]:
    return ctx.db.query(Items).collect()
"""


def module(source: str = SOURCE, first: int = 0) -> types.ModuleType:
    """The application, with another first count if asked for."""
    made = types.ModuleType("stock")
    made.FIRST = first
    exec(source, made.__dict__)
    return made


names = st.sampled_from(["a", "b", "c"])
calls = st.one_of(
    st.tuples(st.just("add"), st.fixed_dictionaries({"names": st.lists(names, max_size=3)})),
    st.tuples(
        st.just("bump_all"),
        st.fixed_dictionaries({"name": names, "by": st.integers(-2, 2)}),
    ),
    st.tuples(st.just("drop_least"), st.fixed_dictionaries({"spare": st.integers(0, 2)})),
)


def run(db, stock, program):
    """Run calls; the timestamps of those that committed, with the documents after each."""
    states = []
    for name, arguments in program:
        before = db.ts
        db.mutate(getattr(stock, name), **arguments)
        if db.ts != before:
            states.append((db.ts, db.query(stock.everything)))
    return states


@settings(max_examples=40, deadline=None)
@given(program=st.lists(calls, min_size=1, max_size=8))
def test_every_recorded_mutation_writes_the_same_when_it_is_replayed(program):
    stock = module()
    with hw.open(modules=[stock]) as db:
        states = run(db, stock, program)
        before = contents(db._store.environment)
        for ts, _ in states:
            replayed = db.replay(ts)
            assert replayed.is_same, replayed
            assert replayed.recorded == replayed.replayed
        assert contents(db._store.environment) == before


@settings(max_examples=25, deadline=None)
@given(program=st.lists(calls, min_size=1, max_size=8), data=st.data())
def test_a_fork_has_the_state_and_the_history_of_then(program, data):
    stock = module()
    with hw.open(modules=[stock]) as db:
        states = run(db, stock, program)
        if not states:
            return
        ts, documents = data.draw(st.sampled_from(states))
        with db.fork(at=ts) as fork:
            assert fork.ts == ts
            assert fork.query(stock.everything) == documents
            assert fork.verify() == []
            for document in documents:
                then = [revision for revision in db.history(document["_id"]) if revision.ts <= ts]
                assert fork.history(document["_id"]) == then
            before = contents(fork._store.environment)
            fork.rebuild()
            assert contents(fork._store.environment) == before
            fork.mutate(stock.add, names=["only here"])
        assert db.query(stock.everything) == states[-1][1]


def test_a_changed_function_shows_what_it_would_write(tmp_path):
    with hw.open(tmp_path / "db", modules=[module()]) as db:
        (id,) = db.call("stock:add", {"names": ["a"]})
        ts = db.ts
    with hw.open(tmp_path / "db", modules=[module(first=7)]) as db:
        replayed = db.replay(ts)
        (change,) = replayed.differences
        assert not replayed.is_same
        assert (change.table, change.id, change.changed) == ("items", id, {"count": (0, 7)})


def test_a_function_that_raises_now_says_so(tmp_path):
    stock = module()
    with hw.open(tmp_path / "db", modules=[stock]) as db:
        db.mutate(stock.add, names=["a"])
        ts = db.ts
    broken = SOURCE.replace("    added = []", "    raise hw.ApplicationError('no more')")
    with hw.open(tmp_path / "db", modules=[module(broken)]) as db:
        replayed = db.replay(ts)
        assert isinstance(replayed.error, hw.ApplicationError)
        assert not replayed.is_same
        assert replayed.replayed == ()
        assert [change.after for change in replayed.differences] == [None]


def test_a_function_that_takes_other_arguments_now_says_so(tmp_path):
    stock = module()
    with hw.open(tmp_path / "db", modules=[stock]) as db:
        db.mutate(stock.add, names=["a"])
        ts = db.ts
    renamed = SOURCE.replace("names", "labels")
    with hw.open(tmp_path / "db", modules=[module(renamed)]) as db:
        assert isinstance(db.replay(ts).error, hw.ArgumentError)


def test_a_function_that_needs_a_table_of_today_says_so(tmp_path):
    stock = module()
    with hw.open(tmp_path / "db", modules=[stock]) as db:
        db.mutate(stock.add, names=["a"])
        ts = db.ts
    moved = SOURCE.replace("ctx.db.insert(Items, item)", "ctx.db.insert('elsewhere', item)")
    with hw.open(tmp_path / "db", modules=[module(moved)]) as db:
        error = db.replay(ts).error
        assert isinstance(error, hw.NotReplayableError)
        assert "'elsewhere'" in str(error)


def test_what_cannot_be_replayed_is_refused(tmp_path):
    stock = module()
    with hw.open(tmp_path / "db", modules=[stock]) as db:
        db.mutate(stock.add_unrecorded, name="a")
        unrecorded = db.ts
        with db.transaction() as tx:
            tx.insert("items", {"name": "b", "count": 0, "luck": 0.0})
        by_hand = db.ts
        db.mutate(stock.add, names=["a"])
        recorded = db.ts
        with pytest.raises(hw.NotReplayableError, match="record_arguments=True"):
            db.replay(unrecorded)
        with pytest.raises(hw.NotReplayableError, match="made by no function"):
            db.replay(by_hand)
        with pytest.raises(hw.NotReplayableError, match="there is no commit"):
            db.replay(recorded + 1)
    with (
        hw.open(tmp_path / "db") as db,
        pytest.raises(hw.NotReplayableError, match="the opened modules do not have"),
    ):
        db.replay(recorded)


def test_a_fork_at_a_path_is_a_database_of_its_own(tmp_path):
    stock = module()
    with hw.open(tmp_path / "db", modules=[stock]) as db:
        db.mutate(stock.add, names=["a"])
        with db.fork(tmp_path / "fork") as fork:
            fork.mutate(stock.add, names=["b"])
        with pytest.raises(hw.AlreadyOpenError):
            db.fork(tmp_path / "fork")
        with pytest.raises(hw.AlreadyOpenError):
            db.fork(tmp_path / "db")
        db.mutate(stock.add, names=["c"])
    with hw.open(tmp_path / "fork", modules=[stock]) as fork:
        assert sorted(item["name"] for item in fork.query(stock.everything)) == ["a", "b"]
        assert fork.verify() == []


def test_a_fork_that_fails_leaves_nothing(tmp_path):
    stock = module()
    with hw.open(tmp_path / "db", modules=[stock]) as db:
        db.mutate(stock.add, names=["a"])

        def fail(_):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            db.fork(tmp_path / "fork", progress=fail)
        with db.fork(tmp_path / "fork") as fork:
            assert fork.query(stock.everything) == db.query(stock.everything)


def test_a_fork_has_the_limits_and_the_clock_of_its_database(tmp_path):
    limits = hw.Limits(snapshot_seconds=7.0, snapshot_warning_seconds=3.0)
    with hw.open(modules=[module()], limits=limits) as db:
        for path in (None, tmp_path / "fork"):
            with db.fork(path) as fork:
                assert fork.limits == limits
                assert fork._store.clock is db._store.clock
                environment = fork._store.environment
                assert environment._snapshot_seconds == limits.snapshot_seconds
                assert environment._old._seconds == limits.snapshot_warning_seconds

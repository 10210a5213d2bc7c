"""Projections: tables that always are what a fold over the log would make of it."""

import threading
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws.batches import WAIT_SECONDS, Held
from tests.laws.clocks import SlowClock, StillClock
from tests.laws.logged import TABLES, Did, Model, operations, put, seen, transactions
from tests.laws.views import (
    Apples,
    Counts,
    Line,
    Lines,
    Pears,
    add,
    counts,
    declare,
    fold,
    fold_of_log,
    journal,
    plain,
    views,
    views_now,
)
from tests.processes.children import nursery

import headwater as hw
from headwater import Document, Table
from headwater.functions.projecting import Projector

SMALL = hw.Limits(backfill_documents=2)
"""Projections are made in steps of two changes."""

FEEDS = pytest.mark.parametrize("feed", ["commit", "later"])


def states(db):
    return {one.name: one.state for one in db.projections()}


def check(db):
    """Both views are what the log says, and the database is sound."""
    db.wait_for_projections(WAIT_SECONDS)
    assert views_now(db) == fold_of_log(db)
    assert set(states(db).values()) == {"ready"}
    assert [one.lag for one in db.projections()] == [0, 0]
    assert db.verify() == []


@hw.mutation
def run(ctx: hw.MutationCtx, program: list[list[hw.Int64 | str | int]]) -> None:
    """Insert, patch the first and delete the last, through a mutation."""
    for table, number in program:
        ctx.db.insert(str(table), {"number": int(number)})
    first = ctx.db.query("apples").first()
    if first is not None and program:
        ctx.db.patch(first["_id"], number=int(program[0][1]))
    pears = ctx.db.query("pears").order("desc").take(2)
    if len(pears) == 2:
        ctx.db.delete(pears[0]["_id"])


# What they are ----------------------------------------------------------------------------------


@given(st.lists(transactions, max_size=8))
def test_fed_in_the_commit_a_view_is_the_fold_at_every_commit(history):
    model = Model()
    with hw.open(None, modules=[declare()]) as db:
        for program in history:
            model.commit(db, program)
            assert views_now(db) == fold(list(model.commits.values()))
        for count, ts in enumerate(model.commits, start=1):
            with db.snapshot(at=ts) as snapshot:
                assert views(snapshot) == fold(list(model.commits.values())[:count])


@given(st.lists(transactions, max_size=8), st.integers(0, 8))
def test_fed_later_a_view_is_the_fold_once_it_was_waited_for(history, at):
    model = Model()
    with hw.open(None, modules=[declare("later")]) as db:
        for number, program in enumerate(history):
            model.commit(db, program)
            if number == at:
                db.wait_for_projections(WAIT_SECONDS)
                assert views_now(db) == fold(list(model.commits.values()))
        db.wait_for_projections(WAIT_SECONDS)
        assert views_now(db) == fold(list(model.commits.values()))


@pytest.mark.parametrize("clock", [SlowClock, StillClock], ids=["optimistic", "in turn"])
@FEEDS
def test_both_ways_to_the_committer_and_several_writers_feed_each_change_once(feed, clock):
    limits = hw.Limits(mutation_seconds=1e9, query_seconds=1e9, optimistic_attempts=1000)
    module = declare(feed, run=run)
    with hw.open(None, modules=[module], clock=clock(), limits=limits) as db:

        def write(writer):
            for number in range(20):
                db.mutate(run, program=[["apples", number % 3], ["pears", writer]])

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(db.log.read(tables=["apples"])) == 60
        check(db)


def test_mutations_of_one_batch_see_the_view_that_those_before_them_have_left():
    with hw.open(None, modules=[declare(run=run)]) as db:
        with Held(db) as held:
            for number in range(6):
                held.mutate(run, program=[["apples", number % 2], ["pears", 1]])
        assert [request.error for request in held.requests] == [None] * 6
        check(db)


def test_a_view_can_be_watched_and_changes_together_with_what_it_is_made_from():
    @hw.query
    def total(ctx: hw.QueryCtx) -> list[int]:
        return [
            sum(row["count"] for row in ctx.db.query(Counts)),
            ctx.db.query(Apples).count() + ctx.db.query(Pears).count(),
        ]

    with hw.open(None, modules=[declare(total=total)]) as db, db.watch(total) as live:
        assert live.next(WAIT_SECONDS) == [0, 0]
        for number in range(5):
            put(db, "apples", number)
            assert live.next(WAIT_SECONDS) == [number + 1, number + 1]


def test_a_commit_that_a_projection_fails_does_not_happen():
    def picky(state: hw.ProjectionState, event: hw.Change) -> None:
        add(state, event.table, 0, 1)
        if event.after is not None and event.after["number"] > 1:
            raise hw.ApplicationError("too much")

    module = ModuleType("views")
    module.picky = hw.projection(into=[Counts], of=[Apples])(picky)
    with hw.open(None, modules=[module]) as db:
        put(db, "apples", 1)
        before = db.ts
        for _ in range(5):  # optimistically, and in turn
            with pytest.raises(hw.ApplicationError) as caught:
                put(db, "apples", 2)
            assert "raised by the projection 'picky'" in caught.value.__notes__[0]
        with pytest.raises(hw.ApplicationError), db.transaction() as tx:
            tx.insert("apples", {"number": 3})
        assert db.ts == before


# Making them anew -------------------------------------------------------------------------------


@given(st.lists(transactions, max_size=6), st.lists(transactions, max_size=3), st.booleans())
def test_a_projection_that_is_declared_later_or_anew_is_made_from_the_log(history, more, is_later):
    feed = "later" if is_later else "commit"
    with hw.open(None) as scratch:
        path = scratch.path / "inside"
        model = Model()
        with hw.open(path, modules=[plain()], durability="none") as db:
            for program in history:
                model.commit(db, program)
        for version in (1, 2):
            module = declare(feed, version)
            with hw.open(path, modules=[module], durability="none", limits=SMALL) as db:
                check(db)
                for program in more:
                    model.commit(db, program)
                check(db)
                assert views_now(db) == fold(list(model.commits.values()))


@FEEDS
def test_a_projection_is_made_in_the_background_while_others_write(feed):
    with hw.open(None) as scratch:
        path = scratch.path / "inside"
        with hw.open(path, modules=[plain()], durability="none") as db:
            for number in range(60):
                put(db, "apples", number % 5)
        module = declare(feed)
        limits = hw.Limits(backfill_documents=3)
        with hw.open(path, modules=[module], build="later", durability="none", limits=limits) as db:
            for number in range(60):
                put(db, "pears" if number % 2 else "apples", number % 5)
            check(db)


@FEEDS
def test_what_the_tables_held_before_is_cleared(feed):
    with hw.open(None) as scratch:
        path = scratch.path / "inside"
        module = plain()
        module.Counts = Counts
        with hw.open(path, modules=[module], durability="none") as db:
            put(db, "apples", 1)
            for number in range(7):
                row = {"table": "x", "number": number, "count": 1}
                db.transact(lambda tx, row=row: tx.insert(Counts, row))
        with hw.open(path, modules=[declare(feed)], durability="none", limits=SMALL) as db:
            check(db)


def test_another_name_for_the_same_table_takes_it_over():
    with hw.open(None) as scratch:
        path = scratch.path / "inside"
        with hw.open(path, modules=[declare()], durability="none") as db:
            put(db, "apples", 1)
        module = declare()
        module.counts = hw.projection(into=[Counts], of=[Apples, Pears], name="tally")(counts)
        with hw.open(path, modules=[module], durability="none") as db:
            check(db)
            assert set(states(db)) == {"tally", "journal"}


def test_one_transaction_with_many_changes_is_fed_in_several_steps():
    with hw.open(None, modules=[declare("later")], limits=SMALL) as db:
        db.transact(lambda tx: tx.insert_many(Apples, [{"number": n % 3} for n in range(11)]))
        check(db)
        assert len([e for e in db.log.read() if e.origin.function == "_project"]) >= 6


def test_a_step_that_writes_too_much_is_taken_in_smaller_ones():
    limits = hw.Limits(documents_written=8)
    with hw.open(None, modules=[declare("later")], limits=limits) as db:
        for _ in range(3):
            db.transact(lambda tx: tx.insert_many(Apples, [{"number": n} for n in range(8)]))
        check(db)


# Those who do not know them ---------------------------------------------------------------------


@given(st.lists(transactions, min_size=1, max_size=4), st.lists(transactions, max_size=3))
def test_a_writer_who_does_not_know_a_projection_marks_it_stale_and_the_next_mends_it(some, more):
    with hw.open(None) as scratch:
        path = scratch.path / "inside"
        model = Model()
        with hw.open(path, modules=[declare()], durability="none") as db:
            model.commit(db, [("insert", "apples", 1), ("insert", "pears", 1)])
        before = len(model.commits)
        with hw.open(path, modules=[plain()], durability="none") as db:
            for program in some:
                model.commit(db, program)
            new = list(model.commits.values())[before:]
            tables = {one.table for did in new for one in did}
            assert states(db) == {
                "counts": "stale" if tables else "ready",
                "journal": "stale" if "apples" in tables else "ready",
            }
            lags = {one.name: one.lag for one in db.projections()}
            assert lags["counts"] == len(new)
        with hw.open(path, modules=[declare()], durability="none") as db:
            check(db)
            for program in more:
                model.commit(db, program)
            check(db)
            assert views_now(db) == fold(list(model.commits.values()))


WRITER = """
from tests.laws import views
modules = [views.plain() if sys.argv[2] == "plain" else views.declare(sys.argv[2])]
db = hw.open(path, modules=modules, limits=hw.Limits(backfill_documents=3))
say("open")
while (line := hear()):
    for number in range(int(line)):
        db.transact(lambda tx: tx.insert("apples", {"number": number % 3}))
    say(db.ts)
db.close()
"""


def test_a_process_that_knows_a_projection_notices_that_another_one_does_not(tmp_path):
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[declare()]) as db, nursery() as start:
        put(db, "apples", 0)
        child = start(WRITER, path, "plain")
        assert child.hear() == "open"
        for _ in range(3):
            child.tell(5)
            child.hear()
            put(db, "pears", 1)
            check(db)
        child.tell()
        child.finish()


@FEEDS
def test_several_processes_feed_each_change_once(tmp_path, feed):
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[declare(feed)]) as db, nursery() as start:
        children = [start(WRITER, path, feed) for _ in range(2)]
        for child in children:
            assert child.hear() == "open"
            child.tell(30)
        for number in range(30):
            put(db, "apples", number % 3)
        for child in children:
            child.hear()
            child.tell()
            child.finish()
        assert len(db.log.read(tables=["apples"])) == 90
        check(db)


NEWER = """
from tests.laws import views
with hw.open(path, modules=[views.declare("later", 2)]) as db:
    say("open")
    hear()
    db.wait_for_projections()
    say("fed")
"""

KILLED = """
from tests.crashes import faults
from tests.laws import views
feed, version, call = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
limits = hw.Limits(backfill_documents=2)
with faults.engine(faults.kill_at(call, "after")):
    db = hw.open(path, modules=[views.declare(feed, version)], limits=limits)
    for number in range(1000):
        with db.transaction() as tx:
            tx.insert("apples", {"number": number % 3})
            tx.insert("pears", {"number": number % 2})
"""


@FEEDS
def test_a_kill_while_one_is_made_or_fed_costs_nothing(tmp_path, feed):
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[plain()]) as db:
        for number in range(10):
            put(db, "apples", number % 3)
    with nursery() as start:
        for version, call in enumerate([3, 9, 20, 33, 47, 60], start=1):
            child = start(KILLED, path, feed, version, call)
            child.rest()
            assert child.process.returncode == -9, child.errors
            if version % 2:
                with hw.open(path, modules=[declare(feed, version)], limits=SMALL) as db:
                    check(db)


def test_one_of_several_that_feed_may_be_killed(tmp_path):
    path = tmp_path / "db.hw"
    with nursery() as start:
        survivor = start(WRITER, path, "later")
        assert survivor.hear() == "open"
        for call in (12, 25, 40):
            child = start(KILLED, path, "later", 1, call)
            survivor.tell(10)
            child.rest()
            assert child.process.returncode == -9, child.errors
            survivor.hear()
        survivor.tell()
        survivor.finish()
    with hw.open(path, modules=[declare("later")]) as db:
        check(db)


# What is refused --------------------------------------------------------------------------------


@FEEDS
def test_nobody_else_writes_to_the_tables_of_a_projection(feed):
    with hw.open(None, modules=[declare(feed)]) as db:
        put(db, "apples", 1)
        db.wait_for_projections(WAIT_SECONDS)
        with db.snapshot() as snapshot:
            (row,) = snapshot.query(Counts).collect()
        before = db.ts
        for use in (
            lambda tx: tx.insert(Counts, {"table": "x", "number": 1, "count": 1}),
            lambda tx: tx.patch(row["_id"], count=7),
            lambda tx: tx.delete(row["_id"]),
        ):
            with pytest.raises(hw.ProjectionTableError) as caught:
                db.transact(use)
            assert (caught.value.table, caught.value.projection) == ("counts", "counts")
            with pytest.raises(hw.ProjectionTableError), db.transaction() as tx:
                use(tx)
        assert db.ts == before


def test_a_process_without_the_module_does_not_write_to_them_either(tmp_path):
    path = tmp_path / "db.hw"
    hw.open(path, modules=[declare()]).close()
    with hw.open(path) as db, pytest.raises(hw.ProjectionTableError):
        db.transact(lambda tx: tx.insert("counts", {"table": "x", "number": 1, "count": 1}))


OUTSIDE = {
    "query": lambda state, event: state.query(Apples).collect(),
    "get": lambda state, event: state.get(event.id),
    "get_many": lambda state, event: state.get_many([event.id]),
    "patch_many": lambda state, event: state.patch_many({event.id: {"number": 2}}),
    "delete_many": lambda state, event: state.delete_many([event.id]),
    "delete_where": lambda state, event: state.delete_where(state.query(Apples)),
    "insert": lambda state, event: state.insert(Pears, {"number": 1}),
    "insert_many": lambda state, event: state.insert_many(Pears, [{"number": 1}]),
    "insert by name": lambda state, event: state.insert("new_table", {"number": 1}),
    "patch": lambda state, event: state.patch(event.id, number=2),
    "replace": lambda state, event: state.replace(event.id, {"number": 2}),
    "delete": lambda state, event: state.delete(event.id),
    "normalize_id": lambda state, event: state.normalize_id(Apples, event.id),
}


@pytest.mark.parametrize("use", OUTSIDE)
def test_a_projection_uses_no_tables_but_its_own(use):
    def outside(state: hw.ProjectionState, event: hw.Change) -> None:
        OUTSIDE[use](state, event)

    module = plain()
    module.outside = hw.projection(into=[Counts], of=[Apples])(outside)
    with hw.open(None, modules=[module]) as db:
        with pytest.raises(hw.ProjectionTableError, match="which is none of its own"):
            put(db, "apples", 1)
        assert db.log.read() == []


def test_a_projection_uses_its_own_tables_by_every_verb():
    def every(state: hw.ProjectionState, event: hw.Change) -> None:
        (id,) = state.insert_many(Counts, [{"table": "a", "number": 1, "count": 1}])
        assert state.normalize_id(Counts, id) == id
        state.replace(id, {"table": "a", "number": 1, "count": 2})
        assert state.get(id)["count"] == 2
        state.patch_many({id: {"count": 3}})
        assert [found["count"] for found in state.get_many([id])] == [3]
        state.delete_many([id])
        with pytest.raises(hw.InvalidIdError):
            state.get("no id")
        with pytest.raises(hw.InvalidIdError):
            state.delete(7)
        state.insert("counts", {"table": "b", "number": 1, "count": 1})

    module = plain()
    module.every = hw.projection(into=[Counts], of=[Apples])(every)
    with hw.open(None, modules=[module]) as db:
        put(db, "apples", 1)
        assert views_now_of_counts(db) == {("b", 1): 1}


def views_now_of_counts(db):
    with db.snapshot() as snapshot:
        rows = snapshot.query(Counts).collect()
    return {(row["table"], row["number"]): row["count"] for row in rows}


def test_a_projection_does_no_io():
    def impure(state: hw.ProjectionState, event: hw.Change) -> None:
        Path("/dev/null").open().close()

    module = plain()
    module.impure = hw.projection(into=[Counts], of=[Apples])(impure)
    refused = pytest.raises(hw.ImpureFunctionError, match="impure is a projection")
    with hw.open(None, modules=[module]) as db, refused:
        put(db, "apples", 1)


def test_what_cannot_work_is_refused_where_it_is_declared():
    async def waits(state, event):
        pass

    def one(state):
        pass

    def good(state, event):
        pass

    for handler, options, problem in (
        (good, {"into": []}, "expected a list of the classes"),
        (good, {"into": Counts}, "into=.*: expected a list of the classes"),
        (good, {"into": ["counts"]}, "expected a list of the classes"),
        (good, {"into": [Counts], "of": []}, "expected a list of the classes"),
        (good, {"into": [Counts], "of": [Counts]}, "is in into and in of"),
        (good, {"into": [Counts], "version": 0}, "version=0"),
        (good, {"into": [Counts], "feed": "soon"}, "feed='soon'"),
        (good, {"into": [Counts], "name": "a b"}, "expected a name"),
        (waits, {"into": [Counts]}, "expected def, got async def"),
        (one, {"into": [Counts]}, "expected two parameters"),
        (7, {"into": [Counts]}, "expected a function"),
    ):
        with pytest.raises(hw.DeclarationError, match=problem):
            hw.projection(**options)(handler)


def test_projections_of_one_application_do_not_clash():
    def good(state, event):
        pass

    for first, second, problem in (
        ({"into": [Counts], "name": "a"}, {"into": [Lines], "name": "a"}, "is declared in"),
        ({"into": [Counts], "name": "a"}, {"into": [Counts], "name": "b"}, "by two projections"),
        (
            {"into": [Counts], "of": [Lines], "name": "a"},
            {"into": [Lines], "of": [Counts], "name": "b"},
            "of each other",
        ),
    ):
        module = ModuleType("clash")
        module.first, module.second = hw.projection(**first)(good), hw.projection(**second)(good)
        with pytest.raises(hw.DeclarationError, match=problem):
            hw.open(None, modules=[module])


# One after the other ----------------------------------------------------------------------------


class Note(Document["Note"]):
    table: str
    kind: str


class Notes(Table[Note]):
    pass


def notes(state: hw.ProjectionState, event: hw.Change) -> None:
    state.insert(Notes, {"table": event.table, "kind": event.kind})


@pytest.mark.parametrize("second", ["commit", "later"])
@pytest.mark.parametrize("first", ["commit", "later"])
def test_a_projection_can_be_fed_with_what_another_one_makes(first, second):
    module = declare(first)
    module.notes = hw.projection(into=[Notes], of=[Lines, Counts], feed=second)(notes)
    with hw.open(None, modules=[module]) as db:
        for number in range(4):
            put(db, "apples", number % 2)
        db.wait_for_projections(WAIT_SECONDS)
        db.wait_for_projections(WAIT_SECONDS)
        changes = [c for e in db.log.read(tables=[Lines, Counts]) for c in e.changes]
        with db.snapshot() as snapshot:
            found = [(note["table"], note["kind"]) for note in snapshot.query(Notes)]
        assert found == [(change.table, change.kind) for change in changes]
        assert len(found) >= 6


def test_without_a_list_of_tables_it_is_fed_with_all_that_no_projection_makes():
    module = declare()
    module.notes = hw.projection(into=[Notes])(notes)
    with hw.open(None, modules=[module]) as db:
        put(db, "apples", 1)
        put(db, "made_now", 1)
        with db.transaction() as tx:
            tx.insert("made_by_hand", {})
        with db.snapshot() as snapshot:
            found = [note["table"] for note in snapshot.query(Notes)]
        assert found == ["apples", "made_now", "made_by_hand"]


# Errors later -----------------------------------------------------------------------------------


def test_a_projection_that_fails_later_stays_where_it_is_until_it_is_mended(caplog):
    broken = threading.Event()

    def fragile(state: hw.ProjectionState, event: hw.Change) -> None:
        if broken.is_set():
            raise ValueError("it is broken")
        add(state, event.table, 0, 1)

    module = plain()
    module.fragile = hw.projection(into=[Counts], of=[Apples], feed="later")(fragile)
    with hw.open(None, modules=[module]) as db:
        put(db, "apples", 1)
        db.wait_for_projections(WAIT_SECONDS)
        broken.set()
        put(db, "apples", 1)
        with pytest.raises(ValueError, match="it is broken"):
            db.wait_for_projections(WAIT_SECONDS)
        (status,) = db.projections()
        assert (status.lag, status.state) == (1, "ready")
        assert isinstance(status.error, ValueError)
        put(db, "apples", 1)
        assert views_now_of_counts(db) == {("apples", 0): 1}
        broken.clear()
        db.wait_for_projections(WAIT_SECONDS)
        assert views_now_of_counts(db) == {("apples", 0): 3}
        assert db.projections()[0].error is None
    assert "fragile could not be brought forward" in caplog.text


def test_an_opening_whose_projection_cannot_be_made_fails_and_another_one_goes_on(tmp_path):
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[plain()]) as db:
        put(db, "apples", 1)

    def broken(state: hw.ProjectionState, event: hw.Change) -> None:
        raise ValueError("it is broken")

    module = plain()
    module.counts = hw.projection(into=[Counts], of=[Apples, Pears])(broken)
    with pytest.raises(ValueError, match="it is broken"):
        hw.open(path, modules=[module])
    with hw.open(path, modules=[declare(version=2)]) as db:
        check(db)


def test_waiting_ends_when_the_time_is_up():
    may_go_on = threading.Event()

    def slow(state: hw.ProjectionState, event: hw.Change) -> None:
        may_go_on.wait(WAIT_SECONDS)

    module = plain()
    module.slow = hw.projection(into=[Counts], of=[Apples], feed="later")(slow)
    with hw.open(None, modules=[module]) as db:
        put(db, "apples", 1)
        with pytest.raises(TimeoutError):
            db.wait_for_projections(0.001)
        may_go_on.set()
        db.wait_for_projections(WAIT_SECONDS)


def test_waiting_ends_when_the_database_is_closed():
    began, may_go_on = threading.Event(), threading.Event()

    def slow(state: hw.ProjectionState, event: hw.Change) -> None:
        began.set()
        may_go_on.wait(WAIT_SECONDS)

    module = plain()
    module.slow = hw.projection(into=[Counts], of=[Apples], feed="later")(slow)
    db = hw.open(None, modules=[module])
    put(db, "apples", 1)
    assert began.wait(WAIT_SECONDS)
    closing = threading.Thread(target=db.close)
    closing.start()
    while not db._projector.is_closed:
        pass
    with pytest.raises(hw.ClosedError):
        db.wait_for_projections(WAIT_SECONDS)
    may_go_on.set()
    closing.join(WAIT_SECONDS)
    assert not closing.is_alive()


def test_a_step_that_another_process_has_taken_meanwhile_is_taken_back():
    asked, done = threading.Event(), threading.Event()
    runs = []

    def meeting(state: hw.ProjectionState, event: hw.Change) -> None:
        runs.append(event.id)
        journal(state, event)
        if len(runs) == 1:
            asked.set()
            assert done.wait(WAIT_SECONDS)

    module = plain()
    module.meeting = hw.projection(into=[Lines], of=[Apples], feed="later")(meeting)
    with hw.open(None, modules=[module]) as db:
        other = Projector(db._store, db.application.projections)

        def take_the_step():
            assert asked.wait(WAIT_SECONDS)
            other._bring_up("meeting")
            done.set()

        thread = threading.Thread(target=take_the_step)
        thread.start()
        put(db, "apples", 3)
        thread.join(WAIT_SECONDS)
        db.wait_for_projections(WAIT_SECONDS)
        assert views_now(db)[1] == ["apples >3"]
        assert len(runs) == 2


def test_one_that_another_process_has_declared_in_a_newer_version_is_left_to_it(tmp_path):
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[declare("later")]) as db, nursery() as start:
        put(db, "apples", 1)
        db.wait_for_projections(WAIT_SECONDS)
        child = start(NEWER, path)
        assert child.hear() == "open"
        put(db, "apples", 2)
        db.wait_for_projections(WAIT_SECONDS)
        child.tell()
        assert child.hear() == "fed"
        assert views_now(db) == fold_of_log(db)
        child.finish()
        assert [one.version for one in db.projections()] == [2, 2]


def test_there_is_nothing_to_wait_for_without_projections():
    with hw.open(None) as db:
        db.wait_for_projections(0)
        assert db.projections() == []


# Together with the rest -------------------------------------------------------------------------


@given(st.lists(st.lists(operations, min_size=1, max_size=3), min_size=1, max_size=5))
def test_a_rebuild_makes_the_same_tables_and_they_go_on(history):
    model = Model()
    with hw.open(None, modules=[declare()]) as db:
        for program in history:
            model.commit(db, program)
            db.rebuild()
            check(db)


def test_a_change_of_the_projections_is_a_conflict_of_who_has_begun_before(tmp_path):
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[plain()]) as db, nursery() as start:
        put(db, "apples", 0)
        tx = db.transaction()
        tx.insert(Apples, {"number": 1})
        other = db.transaction()
        other.insert("elsewhere", {})
        child = start(WRITER, path, "commit")
        assert child.hear() == "open"
        with pytest.raises(hw.ConflictError, match="projections of table 'apples'"):
            tx.commit()
        other.commit()
        child.tell()
        child.finish()
        assert views_now(db) == fold_of_log(db)


@given(st.lists(transactions, min_size=2, max_size=6), st.integers(0, 9), st.sampled_from([1, 2]))
def test_made_from_a_trimmed_log_it_begins_with_the_documents_at_the_horizon(history, at, steps):
    limits = hw.Limits(backfill_documents=steps)
    with hw.open(None) as scratch:
        path = scratch.path / "inside"
        model = Model()
        with hw.open(path, modules=[plain()], durability="none") as db:
            for program in history:
                model.commit(db, program)
            stamps = [*model.commits, db.ts + 1]
            db.trim_log(stamps[at % len(stamps)])
            horizon = db.log.horizon
        with hw.open(path, modules=[declare()], durability="none", limits=limits) as db:
            with db.snapshot(at=horizon) as snapshot:
                base = [
                    Did(table, row["_id"], None, row)
                    for table in TABLES
                    for row in snapshot.query(table)
                ]
            since = [did for _, did in seen(db.log.read(horizon, tables=TABLES))]
            expected = fold([base, *since])
            found = views_now(db)
            assert found[0] == expected[0]
            assert sorted(found[1]) == sorted(expected[1])
            assert db.verify() == []


@FEEDS
def test_trimming_forgets_nothing_that_a_projection_has_not_seen(tmp_path, feed):
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[declare(feed)]) as db:
        for number in range(4):
            put(db, "apples", number)
        db.wait_for_projections(WAIT_SECONDS)
    with hw.open(path, modules=[plain()]) as db:
        put(db, "apples", 9)
        unseen = db.ts
        for _ in range(3):
            put(db, "elsewhere", 1)
        with pytest.raises(hw.UsageError, match="was not fed yet"):
            db.trim_log(db.ts)
        db.trim_log(unseen)  # up to there it has seen all
    with hw.open(path, modules=[declare(feed)]) as db:
        db.wait_for_projections(WAIT_SECONDS)
        lines = views_now(db)[1]
        assert lines == ["apples >0", "apples >1", "apples >2", "apples >3", "apples >9"]
        for _ in range(3):
            put(db, "elsewhere", 1)
        db.trim_log(db.ts + 1)
        put(db, "apples", 5)
        db.wait_for_projections(WAIT_SECONDS)
        assert views_now(db)[1] == [*lines, "apples >5"]
        assert [one.state for one in db.projections()] == ["ready", "ready"]


def test_one_that_nobody_declares_any_more_can_be_dropped(tmp_path):
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[declare("later")]) as db:
        put(db, "apples", 1)
        with pytest.raises(hw.UsageError, match="is declared by a module"):
            db.drop_projection("counts")
    with hw.open(path) as db:
        put(db, "apples", 2)
        with pytest.raises(hw.UsageError, match="no projection 'count'"):
            db.drop_projection("count")
        db.drop_projection("counts")
        db.drop_projection("journal")
        assert db.projections() == []
        db.transact(lambda tx: tx.insert("counts", {"table": "x", "number": 1, "count": 1}))
        db.trim_log(db.ts + 1)
        assert db.verify() == []


def test_an_undo_is_fed_as_well():
    with hw.open(None, modules=[declare(run=run)]) as db:
        put(db, "apples", 1)
        db.mutate(run, program=[["apples", 7], ["pears", 7], ["pears", 8], ["apples", 9]])
        db.undo(db.ts)
        check(db)
        with db.snapshot() as snapshot:
            (apple,) = snapshot.query(Apples).collect()
        db.transact(lambda tx: tx.patch(apple["_id"], number=4))
        db.restore(apple["_id"], db.log.read()[0].ts, override=True)
        check(db)
        assert views_now(db)[0] == {("apples", 1): 1}


def test_a_replay_is_fed_as_well():
    @hw.mutation(record_arguments=True)
    def bring(ctx: hw.MutationCtx, number: int) -> None:
        ctx.db.insert(Apples, {"number": number})

    with hw.open(None, modules=[declare(bring=bring)]) as db:
        for number in (1, 2):
            db.mutate(bring, number=number)
        replayed = db.replay(db.ts)
        assert replayed.is_same
        assert {change.table for change in replayed.replayed} == {"apples", "counts", "lines"}


@FEEDS
def test_a_fork_goes_on_with_its_projections_by_itself(feed):
    with hw.open(None, modules=[declare(feed)]) as db:
        for number in range(4):
            put(db, "apples", number)
        db.wait_for_projections(WAIT_SECONDS)
        with db.fork(at=db.log.read(tables=[Apples])[1].ts) as fork:
            put(fork, "apples", 9)
            check(fork)
            assert len(views_now(fork)[1]) == 3
        put(db, "apples", 4)
        check(db)


def test_an_import_marks_a_projection_stale_which_catches_up(tmp_path):
    with hw.open(None, modules=[plain()]) as source:
        for number in range(5):
            put(source, "apples", number)
        source.export_to(tmp_path / "out")
    with hw.open(None, modules=[declare()]) as db:
        db.import_from(tmp_path / "out")
        check(db)
        assert len(views_now(db)[1]) == 5


def test_an_import_leaves_out_what_projections_make(tmp_path):
    with hw.open(None, modules=[declare()]) as source:
        for number in range(5):
            put(source, "apples", number)
        source.export_to(tmp_path / "out")
    with hw.open(None, modules=[declare()]) as db:
        report = db.import_from(tmp_path / "out")
        assert report.documents == {"apples": 5, "pears": 0}
        assert report.skipped == ("counts", "lines")
        check(db)
        assert len(views_now(db)[1]) == 5


def test_a_projection_is_a_function_that_a_test_can_call():
    lines = hw.projection(into=[Lines], of=[Apples])(journal)
    seen = []

    class State:
        def query(self, table):
            return self

        with_index = order = lambda self, *arguments: self

        def first(self):
            return None

        def insert(self, table: type[Table[Line]], row):
            seen.append(row)

    lines(State(), hw.Change("apples", "x", 0.0, None, None))
    assert seen == [{"place": 0, "text": "apples >"}]
    assert repr(lines) == "<projection journal>"

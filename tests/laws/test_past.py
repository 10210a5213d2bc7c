"""Goal: everything that can be read now can be read as of an earlier moment, and is what it was.

Method: random programs over a table with every kind of index, beside dicts; the dicts are
remembered after each commit. Then every remembered moment is read in all ways: by id, by every
index in both directions, in ranges, in pages, by query functions, from one snapshot and from many.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import strategies
from tests.laws import later_things, past_functions, things
from tests.laws.clocks import SlowClock, StillClock
from tests.laws.model import Fields, holder_of, in_range, is_same, value_at

import headwater as hw
from headwater.storage.format import TIMESTAMP, Database
from headwater.tables.horizon import META_TRIMMED

State = dict[str, Fields]
Program = list[list[tuple[str, int, Fields]]]

FEW = st.sampled_from([0, 1, 1.0, 2, "x", None])
VALUES = st.one_of(FEW, FEW, strategies.values(4), strategies.long_texts())
NESTED = st.fixed_dictionaries({}, optional={"d": VALUES, "e": FEW})
FIELDS = st.fixed_dictionaries(
    {}, optional={"a": VALUES, "b": VALUES, "c": st.one_of(VALUES, NESTED), "u": VALUES}
)
VERBS = st.sampled_from(["insert", "insert", "patch", "replace", "delete"])
PROGRAMS: st.SearchStrategy[Program] = st.lists(
    st.lists(st.tuples(VERBS, st.integers(0, 99), FIELDS), min_size=1, max_size=5),
    min_size=1,
    max_size=6,
)


class History:
    """A database, and its states by the moments at which they began."""

    def __init__(self, db: hw.Database) -> None:
        self.db = db
        self.documents: State = {}
        self.ids: set[str] = set()
        self.states: dict[int, State] = {db.ts: {}}

    def play(self, program: Program) -> "History":
        for operations in program:
            self.commit(operations)
        return self

    def commit(self, operations: list[tuple[str, int, Fields]]) -> None:
        with self.db.transaction() as tx:
            for operation in operations:
                self._operate(tx, *operation)
        self.states[self.db.ts] = dict(self.documents)

    def _operate(self, tx: hw.Writer, verb: str, number: int, fields: Fields) -> None:
        ids = sorted(self.documents)
        if verb == "insert" or not ids:
            if holder_of(self.documents, "", fields) is None:
                id_text = tx.insert(things.Things, fields)
                self.documents[id_text] = fields
                self.ids.add(id_text)
            return
        id_text = ids[number % len(ids)]
        old = self.documents[id_text]
        new = {**old, **fields} if verb == "patch" else fields
        if verb == "delete":
            tx.delete(hw.Id(id_text))
            del self.documents[id_text]
        elif holder_of(self.documents, id_text, new) is None:
            tx.replace(hw.Id(id_text), new)
            self.documents[id_text] = new


def opened(
    path: Any = None, module: Any = things, clock: Any = None, limits: Any = None
) -> hw.Database:
    modules = [module, past_functions]
    clock = clock or StillClock()
    return hw.open(path, modules=modules, durability="none", clock=clock, limits=limits)


def fields_of(document: Mapping[str, Any] | None) -> Fields | None:
    if document is None:
        return None
    return {name: value for name, value in document.items() if name[0] != "_"}


def check(
    snapshot: hw.OpenSnapshot, state: State, ids: set[str], indexes: Mapping[str, Any]
) -> None:
    """Read everything in every way."""
    for id_text in sorted(ids):
        document = snapshot.get(hw.Id(id_text))
        assert is_same(fields_of(document), state.get(id_text))
        assert is_same(snapshot.run(past_functions.thing, id=id_text), document)
    assert [row["_id"] for row in snapshot.query("things")] == sorted(state)
    backwards = snapshot.query("things").order("desc").collect()
    assert [row["_id"] for row in backwards] == sorted(state, reverse=True)
    assert snapshot.run(past_functions.how_many) == len(state)
    for index, paths in indexes.items():
        check_index(snapshot, state, index, paths)


def check_index(
    snapshot: hw.OpenSnapshot, state: State, index: str, paths: tuple[str, ...]
) -> None:
    ascending = in_range(state, paths, [], {}, is_descending=False)
    descending = in_range(state, paths, [], {}, is_descending=True)
    query = snapshot.query("things").with_index(index)
    for order, expected in (("asc", ascending), ("desc", descending)):
        ordered = query.order("desc" if order == "desc" else "asc")
        rows = ordered.collect()
        assert [row["_id"] for row in rows] == expected
        assert all(is_same(fields_of(row), state[row["_id"]]) for row in rows)
        assert [row["_id"] for row in ordered.take(2)] == expected[:2]
        first = ordered.first()
        assert (first and first["_id"]) == (expected[0] if expected else None)
        ran = snapshot.run(past_functions.things_by, index, order=order)
        assert [row["_id"] for row in ran] == expected
    assert pages(snapshot, index) == ascending
    for id_text in ascending[:3]:
        value = value_at(state[id_text], paths[0])
        for bounds in ({"gt": value}, {"gte": value}, {"lt": value}, {"lte": value}):
            found = snapshot.query("things").with_index(index, **bounds).collect()
            expected = in_range(state, paths, [], bounds, is_descending=False)
            assert [row["_id"] for row in found] == expected
        found = snapshot.query("things").with_index(index, value).order("desc").collect()
        expected = in_range(state, paths, [value], {}, is_descending=True)
        assert [row["_id"] for row in found] == expected


def pages(snapshot: hw.OpenSnapshot, index: str) -> list[str]:
    """The ids of an index, two at a time."""
    seen: list[str] = []
    cursor: str | None = None
    while True:
        options = {"numItems": 2, "cursor": cursor}
        page = snapshot.run(past_functions.page_of_things, index, options=options)
        seen += [row["_id"] for row in page["page"]]
        cursor = page["continueCursor"]
        if page["isDone"]:
            return seen


def some(states: dict[int, State]) -> st.SearchStrategy[list[int]]:
    """A few of the moments."""
    return st.lists(st.sampled_from(sorted(states)), min_size=1, max_size=2, unique=True)


# -- the laws ------------------------------------------------------------------------------------


@settings(max_examples=max(10, settings().max_examples // 3))
@given(PROGRAMS, st.data())
def test_what_is_read_as_of_a_moment_is_what_was_there(
    program: Program, data: st.DataObject
) -> None:
    with opened() as db:
        history = History(db).play(program)
        for ts in data.draw(some(history.states)):
            state = history.states[ts]
            with db.snapshot(at=ts) as snapshot:
                assert snapshot.ts == ts
                check(snapshot, state, history.ids, things.INDEXES)
            for id_text in history.ids:
                # Without a snapshot, and so without the log since then.
                assert is_same(fields_of(db.get(hw.Id(id_text), at=ts)), state.get(id_text))
            assert db.query(past_functions.how_many, at=ts) == len(state)
            assert db.call("past_functions:how_many", at=ts) == len(state)


@settings(max_examples=max(10, settings().max_examples // 4))
@given(before=PROGRAMS, after=PROGRAMS, data=st.data())
def test_indexes_that_came_and_went_since_change_nothing(
    before: Program,
    after: Program,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("past") / "db"
    clock = StillClock()
    with opened(path, clock=clock) as db:
        history = History(db).play(before)
    with opened(path, later_things, clock=clock) as db:
        history.db = db
        for ts in data.draw(some(history.states)):
            with db.snapshot(at=ts) as snapshot:
                check(snapshot, history.states[ts], history.ids, later_things.INDEXES)
        history.states[db.ts] = dict(history.documents)
        history.play(after)
        for ts in data.draw(some(history.states)):
            with db.snapshot(at=ts) as snapshot:
                indexes = {"by_b": ("b",), "by_a": ("a", "u")}
                check(snapshot, history.states[ts], history.ids, indexes)
    with opened(path, clock=clock) as db:
        for ts in data.draw(some(history.states)):
            with db.snapshot(at=ts) as snapshot:
                check(snapshot, history.states[ts], history.ids, things.INDEXES)


@settings(max_examples=max(10, settings().max_examples // 3))
@given(PROGRAMS, st.data())
def test_a_difference_leads_from_one_state_to_the_other(
    program: Program, data: st.DataObject
) -> None:
    with opened() as db:
        history = History(db).play(program)
        moments = st.sampled_from(sorted(history.states))
        for first, second in data.draw(st.lists(st.tuples(moments, moments), max_size=6)):
            changes = db.diff(first, second)
            state = {**history.states[first]}
            assert [(c.table, c.id) for c in changes] == sorted((c.table, c.id) for c in changes)
            for change in changes:
                assert change.table == "things"
                assert is_same(fields_of(change.before), state.get(change.id))
                apply(state, change)
            expected = history.states[second]
            assert state.keys() == expected.keys()
            assert all(is_same(state[id_text], expected[id_text]) for id_text in state)
            touched = {change.id for change in changes}
            for id_text in history.states[first].keys() & expected.keys() - touched:
                assert is_same(history.states[first][id_text], expected[id_text])


def apply(state: State, change: hw.DocumentChange) -> None:
    """The change made to a state, field by field."""
    if change.after is None:
        del state[change.id]
        return
    fields = dict(state.get(change.id, {}))
    for name, (old, new) in change.changed.items():
        assert is_same(fields.pop(name, hw.MISSING), old)
        if new is not hw.MISSING:
            fields[name] = new
    assert is_same(fields, fields_of(change.after))
    state[change.id] = fields


@settings(max_examples=max(10, settings().max_examples // 4))
@given(PROGRAMS, PROGRAMS)
def test_a_snapshot_of_the_past_stays_while_others_write(before: Program, after: Program) -> None:
    with opened() as db:
        history = History(db).play(before)
        moments = list(history.states)
        at = moments[len(moments) // 2]
        state = history.states[at]
        with db.snapshot(at=at) as untouched, db.snapshot(at=at) as snapshot:
            check(snapshot, state, history.ids, things.INDEXES)
            history.play(after)
            check(snapshot, state, history.ids, things.INDEXES)
            check(untouched, state, history.ids, things.INDEXES)


@settings(max_examples=max(10, settings().max_examples // 4))
@given(PROGRAMS)
def test_a_history_and_reads_of_its_moments_agree(program: Program) -> None:
    with opened() as db:
        history = History(db).play(program)
        for id_text in history.ids:
            revisions = db.history(hw.Id(id_text))
            for newer, older in zip_longest(revisions, revisions[1:]):
                before = None if older is None else older.document
                assert is_same(db.get(hw.Id(id_text), at=newer.ts), newer.document)
                assert is_same(db.get(hw.Id(id_text), at=newer.ts - 1), before)


# -- by hand -------------------------------------------------------------------------------------


@pytest.fixture
def clock():
    return StillClock()


@pytest.fixture
def db(clock):
    with opened(clock=clock) as opened_db:
        yield opened_db


def add(db: hw.Database, **fields: Any) -> int:
    db.mutate(past_functions.add_thing, fields=fields)
    return db.ts


def test_a_table_that_was_made_later_is_empty(db):
    ts = add(db, a=1)
    with db.transaction() as tx:
        made = tx.insert("later", {"x": 1})
    with db.snapshot(at=ts) as snapshot:
        assert snapshot.query("later").collect() == []
        assert snapshot.get(made) is None
    assert db.get(made, at=ts) is None


def test_before_the_first_commit_there_is_nothing(db):
    add(db, a=1)
    with db.snapshot(at=0) as snapshot:
        assert snapshot.ts == 0
        assert snapshot.query("things").collect() == []
    assert db.query(past_functions.how_many, at=0) == 0


def test_a_moment_after_the_newest_commit_is_the_newest_state(db):
    ts = add(db, a=1)
    with db.snapshot(at=2**62) as snapshot:
        assert snapshot.ts == ts
        assert snapshot.run(past_functions.how_many) == 1
    assert db.diff(ts, 2**62) == []
    assert len(db.diff(2**62, 0)) == 1


def test_a_datetime_names_the_moment_too(db, clock):
    first = add(db, a=1)
    clock.seconds += 3600
    add(db, a=2)
    half_an_hour_later = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=first // 1000, minutes=30
    )
    assert db.query(past_functions.how_many, at=half_an_hour_later) == 1
    with db.snapshot(at=half_an_hour_later) as snapshot:
        assert snapshot.ts == first
    assert len(db.diff(half_an_hour_later, db.ts)) == 1
    (document,) = db.query(past_functions.things_by, "by_a", at=db.ts, count=1)
    assert db.get(document["_id"], at=half_an_hour_later) == document


NO_ZONE = datetime(2026, 1, 1)  # noqa: DTZ001 - that is what is refused


@pytest.mark.parametrize("at", [NO_ZONE, 1.5, "yesterday", -1, True])
def test_what_is_no_moment_is_refused_by_every_verb(db, at):
    id_text = db.mutate(past_functions.add_thing, fields={})
    for use in (
        lambda: db.snapshot(at=at),
        lambda: db.get(id_text, at=at),
        lambda: db.query(past_functions.how_many, at=at),
        lambda: db.call("past_functions:how_many", at=at),
        lambda: db.diff(at, 0),
        lambda: db.diff(0, at),
        lambda: asyncio.run(db.aio.query(past_functions.how_many, at=at)),
    ):
        with pytest.raises(hw.ArgumentError, match=r"expected|time zone"):
            use()


def test_none_is_the_newest_state(db):
    add(db, a=1)
    assert db.query(past_functions.how_many, at=None) == 1
    assert db.call("past_functions:how_many", at=None) == 1
    with db.snapshot(at=None) as snapshot:
        assert snapshot.run(past_functions.how_many) == 1


def test_a_function_that_has_an_argument_of_that_name_gets_it(db):
    ts = add(db, a=1)
    add(db, a=2)
    assert db.query(past_functions.at_home, at="noon") == "at noon, 2"
    assert asyncio.run(db.aio.query(past_functions.at_home, at="noon")) == "at noon, 2"
    with db.snapshot(at=ts) as snapshot:
        assert snapshot.run(past_functions.at_home, at="noon") == "at noon, 1"
    assert db.call("past_functions:at_home", {"at": "noon"}, at=ts) == "at noon, 1"


def test_asyncio_reads_the_past_too(db):
    ts = add(db, a=1)
    add(db, a=2)

    async def both() -> list[Any]:
        return [
            await db.aio.query(past_functions.how_many, at=ts),
            await db.aio.query(past_functions.how_many),
            await db.aio.call("past_functions:how_many", at=ts),
        ]

    assert asyncio.run(both()) == [1, 2, 1]


def test_a_mutation_cannot_run_in_the_past(db):
    ts = add(db, a=1)
    for use in (
        lambda: db.call("past_functions:add_thing", {"fields": {}}, at=ts),
        lambda: asyncio.run(db.aio.call("past_functions:add_thing", {"fields": {}}, at=ts)),
    ):
        with pytest.raises(hw.UsageError, match="addThing is a mutation, it cannot run in the"):
            use()
    with pytest.raises(hw.ArgumentError):
        db.mutate(past_functions.add_thing, fields={}, at=ts)
    with db.snapshot(at=ts) as snapshot, pytest.raises(hw.FunctionKindError):
        snapshot.run(past_functions.add_thing, fields={})
    with db.snapshot(at=ts) as snapshot, pytest.raises(hw.WriteInQueryError):
        snapshot.insert("things", {})
    assert db.query(past_functions.how_many) == 1


def test_nobody_can_watch_the_past(db):
    with pytest.raises(hw.ArgumentError, match="at"):
        db.watch(past_functions.how_many, at=db.ts)


def test_a_query_in_the_past_has_the_time_of_then(db, clock):
    ts = add(db, a=1)
    clock.seconds += 3600
    add(db, a=2)
    assert db.query(past_functions.now_and_random, at=ts)[0] == ts / 1_000_000
    with db.snapshot(at=ts) as snapshot:
        clock.seconds += 3600
        assert snapshot.run(past_functions.now_and_random)[0] == ts / 1_000_000
    # A moment that is still to come has no time of its own.
    assert db.query(past_functions.now_and_random, at=2**62)[0] == clock.now_ns() / 1_000_000


def test_a_snapshot_of_now_runs_functions_on_what_it_shows(db):
    add(db, a=1)
    with db.snapshot() as snapshot:
        add(db, a=2)
        assert snapshot.run(past_functions.how_many) == 1
        assert len(snapshot.query("things").collect()) == 1
    with pytest.raises(hw.ClosedError, match="the snapshot has ended"):
        snapshot.run(past_functions.how_many)


def test_results_of_the_past_are_not_kept_for_the_present_and_not_taken_from_it():
    with opened(clock=SlowClock()) as db:
        ts = add(db, a=1)
        add(db, a=2)
        for _ in range(4):
            assert db.query(past_functions.how_many) == 2
            assert db.query(past_functions.how_many, at=ts) == 1
        runner = db._runner
        assert runner.cache.hits > 0
        hits, misses = runner.cache.hits, runner.cache.misses
        runs = runner.statistics["past_functions:howMany"].runs
        for _ in range(4):
            assert db.query(past_functions.how_many, at=ts) == 1
        assert (runner.cache.hits, runner.cache.misses) == (hits, misses)
        assert runner.statistics["past_functions:howMany"].runs == runs


def test_a_query_in_the_past_has_no_time_limit():
    limits = hw.Limits(query_seconds=0.005)
    with opened(clock=SlowClock(), limits=limits) as db:
        ts = add(db, a=1)
        add(db, a=2)
        with pytest.raises(hw.TimeLimitError):
            db.query(past_functions.how_many)
        assert db.query(past_functions.how_many, at=ts) == 1
        with db.snapshot() as snapshot, pytest.raises(hw.TimeLimitError):
            snapshot.run(past_functions.how_many)


def test_a_snapshot_that_could_not_be_taken_holds_nothing_back(db):
    add(db, a=1)
    before = db._store.environment.stats().snapshots
    with db._store.environment.write() as writer:
        writer.put(Database.META, META_TRIMMED, TIMESTAMP.pack(db.ts))
    for use in (
        lambda: db.snapshot(at=1),
        lambda: db.get(hw.Id("x"), at=1),
        lambda: db.query(past_functions.how_many, at=1),
        lambda: db.diff(1, 2),
    ):
        with pytest.raises(hw.LogTrimmedError):
            use()
    assert db._store.environment.stats().snapshots == before


def test_what_came_back_was_not_there_in_between(db):
    thing = db.mutate(past_functions.add_thing, fields={"a": 1, "u": "x"})
    was = db.ts
    with db.transaction() as tx:
        tx.delete(thing)
    gone = db.ts
    add(db, a=2)
    between = db.ts
    back = db.restore(thing, was)

    def check_all(moments: list[int]) -> None:
        for moment, documents in ((gone, 0), (between, 1), (back, 2)):
            if moment in moments:
                assert (db.get(thing, at=moment) is None) == (moment != back)
                assert db.query(past_functions.how_many, at=moment) == documents
                rows = db.query(past_functions.things_by, "by_u", at=moment)
                assert (thing in [row["_id"] for row in rows]) == (moment == back)
        (change,) = db.diff(between, back)
        assert (change.id, change.before, change.after) == (thing, None, db.get(thing))
        (change,) = db.diff(back, between)
        assert (change.id, change.before, change.after) == (thing, db.get(thing), None)

    assert [revision.ts for revision in db.history(thing)] == [back, gone, was]
    check_all([gone, between, back])
    # Then the log begins with its deletion.
    assert db.trim_log(back).horizon == between
    check_all([between, back])
    history = [(revision.ts, revision.is_cut) for revision in db.history(thing)]
    assert history == [(back, False), (gone, True)]
    with pytest.raises(hw.LogTrimmedError):
        db.get(thing, at=gone)

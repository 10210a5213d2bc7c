"""The log as a stream: what its readers get, put together, is the log, whoever wrote it."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.laws.batches import WAIT_SECONDS
from tests.laws.clocks import StillClock
from tests.laws.logged import TABLES, Model, operations, put, seen, transactions
from tests.processes.children import nursery

import headwater as hw
from headwater import Document, Table
from headwater.errors import LogTrimmedError
from headwater.reactive import log_reading, log_tail
from headwater.storage.format import Database
from headwater.tables import log_entries
from headwater.tables.horizon import META_TRIMMED

FILTERS = (None, ["apples"], ["pears"], ["apples", "pears"], ["none"], [])

WRITER = """
db = hw.open(path)
say("open")
while (line := hear()):
    with db.transaction() as tx:
        tx.insert("apples", {"number": int(line)})
    say(tx.ts)
db.close()
"""


@pytest.fixture
def small_chunks(monkeypatch):
    """Readers that read little at once."""
    monkeypatch.setattr(log_tail, "_ENTRIES_AT_ONCE", 2)
    monkeypatch.setattr(log_tail, "_COMMITS_AT_ONCE", 3)
    monkeypatch.setattr(log_reading, "_COMMITS_AT_ONCE", 2)
    monkeypatch.setattr(log_entries, "_KEPT_BYTES", 1)


@pytest.mark.usefixtures("small_chunks")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(transactions, max_size=8), st.sampled_from(FILTERS), st.data())
def test_reading_gives_every_commit_with_its_documents_before_and_after(history, tables, data):
    model = Model()
    with hw.open(None) as db:
        for program in history:
            model.commit(db, program)
        assert seen(db.log.read()) == model.after(0)
        begin = data.draw(
            st.sampled_from([0, db.ts, *model.commits, *[t + 1 for t in model.commits]])
        )
        limit = data.draw(st.none() | st.integers(0, 3))
        found = db.log.read(begin, limit=limit, tables=tables)
        assert seen(found) == model.after(begin, tables)[:limit]


@given(st.lists(transactions, max_size=8))
def test_each_change_says_its_kind_and_its_fields(history):
    model = Model()
    with hw.open(None) as db:
        for program in history:
            model.commit(db, program)
        for entry in db.log.read():
            for change in entry.changes:
                absent = (change.before is None, change.after is None)
                kinds = {(True, False): "insert", (False, True): "delete", (False, False): "update"}
                assert change.kind == kinds[absent]
                old = (change.before or {}).get("number", hw.MISSING)
                new = (change.after or {}).get("number", hw.MISSING)
                assert len({change, change}) == 1
                assert change.changed == ({} if old == new else {"number": (old, new)})


@pytest.mark.usefixtures("small_chunks")
def test_tails_resumed_anywhere_put_together_give_the_log(tmp_path):
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("commit"), st.lists(operations, min_size=1, max_size=4)),
                st.tuples(st.just("take"), st.integers(0, 2), st.integers(1, 5)),
                st.tuples(st.just("resume"), st.integers(0, 2)),
                st.tuples(st.just("reopen")),
            ),
            max_size=30,
        ),
        st.lists(st.sampled_from(FILTERS), min_size=3, max_size=3),
        st.integers(),
    )
    def law(steps, filters, salt):
        path = tmp_path / f"{salt:x}-{len(list(tmp_path.iterdir()))}"
        model = Model()
        db = hw.open(path, durability="none")
        tails = [db.log.tail(0, tables=tables) for tables in filters]
        taken = [[] for _ in filters]
        for verb, *arguments in [*steps, ("end",)]:
            if verb == "commit":
                model.commit(db, arguments[0])
            elif verb == "take":
                at, count = arguments
                found = [tails[at].take() for _ in range(count)]
                taken[at] += [entry for entry in found if entry is not None]
            elif verb == "resume":
                at = arguments[0]
                tails[at].close()
                tails[at] = db.log.tail(tails[at].position, tables=filters[at])
            elif verb == "reopen":
                positions = [tail.position for tail in tails]
                db.close()
                assert all(tail.is_closed and tail.take() is None for tail in tails)
                db = hw.open(path, durability="none")
                pairs = zip(positions, filters, strict=True)
                tails = [db.log.tail(position, tables=tables) for position, tables in pairs]
        for tail, entries in zip(tails, taken, strict=True):
            while (entry := tail.take()) is not None:
                entries.append(entry)
            assert tail.position == db.ts
        for tables, entries in zip(filters, taken, strict=True):
            assert seen(entries) == model.after(0, tables)
        db.close()

    law()


def test_a_tail_begins_with_what_is_committed_from_then_on():
    model = Model()
    with hw.open(None) as db:
        model.commit(db, [("insert", "apples", 1)])
        with db.log.tail() as tail:
            assert tail.position == db.ts
            assert tail.take() is None
            model.commit(db, [("insert", "apples", 2)])
            assert seen([tail.next(WAIT_SECONDS)]) == model.after(0)[1:]


def test_a_tail_that_waits_is_woken_by_the_next_commit_and_ends_with_its_close():
    model = Model()
    told = threading.Semaphore(0)
    entries = []
    with hw.open(None) as db:
        tail = db.log.tail(0)

        def follow():
            for entry in tail:
                entries.append(entry)
                told.release()

        thread = threading.Thread(target=follow)
        thread.start()
        for number in range(20):
            model.commit(db, [("insert", "apples", number)])
            assert told.acquire(timeout=WAIT_SECONDS)
        tail.close()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()
        assert seen(entries) == model.after(0)
        with pytest.raises(hw.ClosedError):
            tail.next()


def test_closing_the_database_ends_its_tails():
    db = hw.open(None)
    tails = [db.log.tail(0) for _ in range(3)]
    threads = [threading.Thread(target=list, args=(tail,)) for tail in tails]
    for thread in threads:
        thread.start()
    db.close()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert not any(thread.is_alive() for thread in threads)


def test_several_tails_in_threads_all_get_what_several_writers_commit():
    db = hw.open(None)
    put(db, "apples", -1)
    collected = {name: [] for name in ("all", "none", "pears")}
    filters = {"all": None, "none": ["none", "pears", "apples"], "pears": ["pears"]}

    def follow(name):
        with db.log.tail(0, tables=filters[name]) as tail:
            for entry in tail:
                collected[name].append(entry)
                if any((change.after or {}).get("number") == 1000 for change in entry.changes):
                    return

    def write(writer):
        for number in range(50):
            put(db, TABLES[writer], number)

    followers = [threading.Thread(target=follow, args=(name,)) for name in collected]
    writers = [threading.Thread(target=write, args=(writer,)) for writer in (0, 1)]
    for thread in [*followers, *writers]:
        thread.start()
    for thread in writers:
        thread.join(WAIT_SECONDS)
    put(db, "pears", 1000)
    for thread in followers:
        thread.join(WAIT_SECONDS)
    assert not any(thread.is_alive() for thread in followers)
    assert collected["all"] == collected["none"] == db.log.read()
    assert collected["pears"] == db.log.read(tables=["pears"])
    assert len(collected["all"]) == 102
    db.close()


def test_commits_of_other_processes_come_too_in_the_order_of_the_log(tmp_path):
    path = tmp_path / "db.hw"
    with hw.open(path) as db, nursery() as start:
        put(db, "apples", -1)
        begin = db.ts
        child = start(WRITER, path)
        assert child.hear() == "open"
        with db.log.tail() as tail:
            stamps = []
            for number in range(10):
                child.tell(number + 1)
                entry = tail.next(WAIT_SECONDS * 3)
                stamps.append(str(entry.ts))
                assert child.hear() == stamps[-1]
                mine = put(db, "pears", number)
                assert tail.next(WAIT_SECONDS).changes[0].id == mine
            child.tell()
            child.finish()
            assert tail.take() is None
        assert len(db.log.read(begin)) == 20


def test_a_consumer_in_asyncio_gets_the_same_and_loses_nothing_when_it_is_cancelled():
    model = Model()

    async def follow(db):
        entries = []
        async with db.aio.log.tail(0) as tail:
            for number in range(30):
                model.commit(db, [("insert", "apples", number)])

            async def some():
                async for entry in tail:
                    entries.append(entry)

            while len(entries) < 30:
                task = asyncio.create_task(some())
                for _ in range(3):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert tail.position == db.ts
        assert await db.aio.log.read() == entries
        return entries

    with hw.open(None) as db:
        assert seen(asyncio.run(follow(db))) == model.after(0)


def test_a_tail_holds_no_snapshot_while_it_waits():
    with hw.open(None) as db:
        tail = db.log.tail(0)
        put(db, "apples", 1)
        tail.next(WAIT_SECONDS)
        assert tail.take() is None
        assert len(db._store.environment.readers) == 0


@pytest.mark.usefixtures("small_chunks")
def test_a_slow_consumer_leaves_in_the_log_what_it_has_not_taken():
    with hw.open(None) as db:
        tail = db.log.tail(0)
        for number in range(20):
            put(db, "apples", number)
        taken = [tail.take()]
        assert len(tail._ready) < 3
        assert tail._news.qsize() <= 1
        taken += [tail.next(WAIT_SECONDS) for _ in range(19)]
        assert taken == db.log.read()


def test_a_tail_that_nobody_holds_is_told_nothing():
    with hw.open(None) as db:
        db.log.tail(0)
        put(db, "apples", 1)
        kept = db.log.tail(0)
        assert [one() for one in db._reactor.listeners._listeners] == [kept]


def test_system_tables_are_read_only_when_they_are_named():
    with hw.open(None) as db:
        put(db, "apples", 1)
        (entry,) = db.log.read(tables=["_tables"])
        assert entry.origin.function == "_create_table"
        assert [change.after["name"] for change in entry.changes] == ["apples"]
        assert [change.table for e in db.log.read() for change in e.changes] == ["apples"]


def test_a_table_is_named_by_its_class_too():
    class Apple(Document["Apple"]):
        number: int

    class Apples(Table[Apple]):
        pass

    with hw.open(None) as db:
        db.transact(lambda tx: (tx.insert("apples", {"number": 1}), tx.insert("pears", {})))
        assert [c.table for e in db.log.read(tables=[Apples]) for c in e.changes] == ["apples"]
        for wrong in ("apples", Apples, [1]):
            with pytest.raises(hw.UsageError, match="tables: expected"):
                db.log.read(tables=wrong)


def test_reading_begins_after_a_date_too():
    clock = StillClock()
    with hw.open(None, clock=clock) as db:
        for number in range(3):
            put(db, "apples", number)
            clock.seconds += 60
        date = datetime.fromtimestamp(clock.seconds, UTC) - timedelta(seconds=90)
        assert [e.changes[0].after["number"] for e in db.log.read(date)] == [2]
        with db.log.tail(date) as tail:
            assert tail.next(WAIT_SECONDS).changes[0].after["number"] == 2
        with pytest.raises(hw.ArgumentError, match="after="):
            db.log.read(date.replace(tzinfo=None))
        with pytest.raises(hw.UsageError, match="limit=-1"):
            db.log.read(limit=-1)


def test_the_log_is_no_way_out_of_a_function():
    with hw.open(None) as db:
        log = db.log
        for use in (log.read, log.tail, lambda: log.horizon):
            with pytest.raises(hw.UsageError, match="instead of its context"):
                db.transact(lambda tx, use=use: use())


def test_commits_below_the_horizon_of_a_trimmed_log_are_refused():
    with hw.open(None) as db:
        for number in range(4):
            put(db, "apples", number)
        whole = db.log.read()
        tail, late = db.log.tail(0), db.log.tail(whole[2].ts)
        assert db.log.horizon == 0
        cut = whole[1].ts.to_bytes(8, "big")
        db._store.environment.run_write(lambda w: w.put(Database.META, META_TRIMMED, cut))
        assert db.log.horizon == whole[1].ts
        for after in (0, whole[1].ts - 1):
            with pytest.raises(LogTrimmedError):
                db.log.read(after)
            with pytest.raises(LogTrimmedError):
                db.log.tail(after)
        assert db.log.read(db.log.horizon) == whole[2:]
        assert late.next(WAIT_SECONDS) == whole[3]
        with pytest.raises(LogTrimmedError):
            tail.next(WAIT_SECONDS)

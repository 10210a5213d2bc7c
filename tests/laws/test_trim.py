"""Goal: from the horizon on everything can be read as before, whoever writes meanwhile, and however
the trimming ends.

Method: the random programs and remembered states of the law of the past, trimmed at random moments
and opened again; writers in threads; and children that kill themselves at each call to LMDB that
changes something. `tests/tables/test_trim.py` looks at every step.
"""

import errno
import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.crashes import faults
from tests.crashes.raw import check_sound
from tests.laws import cached, things
from tests.laws.clocks import StillClock
from tests.laws.test_past import PROGRAMS, History, Program, check, opened
from tests.processes import application
from tests.processes.children import nursery

import headwater as hw
from headwater.tables import trim as trimming


def check_all(db: hw.Database, history: History, horizon: int) -> None:
    """Read every state from the horizon on, and be refused below it."""
    for ts, state in history.states.items():
        if ts >= horizon:
            with db.snapshot(at=ts) as snapshot:
                check(snapshot, state, history.ids, things.INDEXES)
        else:
            with pytest.raises(hw.LogTrimmedError):
                db.snapshot(at=ts)
            with pytest.raises(hw.LogTrimmedError):
                db.log.read(after=ts)
    assert db.log.horizon == horizon
    written = [entry.ts for entry in db.log.read(after=horizon)]
    assert written == [ts for ts in sorted(history.states) if ts > horizon]


@settings(max_examples=max(10, settings().max_examples // 4))
@given(PROGRAMS, PROGRAMS, st.data())
def test_from_the_horizon_on_everything_is_read_as_before(
    first: Program, second: Program, data: st.DataObject
) -> None:
    with opened() as db:
        history = History(db).play(first)
        # Empty transactions make no commit: the states are those of commits.
        horizon = data.draw(st.sampled_from(sorted(history.states)))
        report = db.trim_log(horizon + 1)
        assert report.horizon == horizon
        check_all(db, history, horizon)
        history.play(second)
        check_all(db, history, horizon)
        further = data.draw(st.sampled_from(sorted(history.states)))
        db.trim_log(further + 1)
        check_all(db, history, max(horizon, further))
        check_sound(db)


@settings(max_examples=10)
@given(PROGRAMS, PROGRAMS)
def test_it_is_the_same_after_reopening_and_compacting(
    tmp_path_factory: pytest.TempPathFactory, first: Program, second: Program
) -> None:
    path: Path = tmp_path_factory.mktemp("trimmed") / "db"
    clock = StillClock()
    with opened(path, clock=clock) as db:
        history = History(db).play(first)
        horizon = sorted(history.states)[len(history.states) // 2]
        db.trim_log(horizon + 1)
        db.compact()
        check_all(db, history, horizon)
    with opened(path, clock=clock) as db:
        history.db = db
        check_all(db, history, horizon)
        history.play(second)
        db.trim_log(db.ts + 1)
        check_sound(db)
        times = [db.ts]
        for number in range(3):
            history.commit([("insert", 0, {"b": number})])
            times.append(db.ts)
        assert times == sorted(set(times))
        check_all(db, history, times[0])


def test_a_datetime_names_the_moment_too() -> None:
    clock = StillClock()
    with opened(clock=clock) as db:
        history = History(db).play([[("insert", 0, {"a": 1})], [("patch", 0, {"a": 2})]])
        now = datetime.fromtimestamp(db.ts / 1e9, UTC)
        assert db.trim_log(now - timedelta(days=1)).horizon == 0
        assert db.trim_log(now + timedelta(days=1)).horizon == db.ts
        check_all(db, history, db.ts)
        with pytest.raises(hw.ArgumentError, match="before="):
            db.trim_log(now.replace(tzinfo=None))


def test_a_deleted_document_is_gone_and_the_report_counts_what_is() -> None:
    with opened() as db:
        history = History(db).play([[("insert", 0, {"a": 1})], [("insert", 0, {"a": 2})]])
        first = min(history.ids)
        history.play([[("patch", 0, {"a": 3})], [("delete", 0, {})], [("insert", 0, {"a": 4})]])
        assert len(db.history(hw.Id(first))) == 3
        assert db.trim_log(0) == hw.TrimReport(0, 0, 0, 0)
        assert db.trim_log(db.ts + 1) == hw.TrimReport(db.ts, 3, 3, 1)
        assert db.history(hw.Id(first)) == []
        assert db.trim_log(db.ts + 1) == hw.TrimReport(db.ts, 0, 0, 0)
        check_sound(db)


def test_it_cannot_be_called_by_a_function() -> None:
    @hw.query
    def trim(ctx: hw.QueryCtx) -> int:
        return db.trim_log(1).horizon

    with hw.open(None) as db, pytest.raises(hw.UsageError):
        db.query(trim)


# Others meanwhile -------------------------------------------------------------------------------


def test_writers_and_watchers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "STEP_COMMITS", 20)
    with hw.open(None, modules=[cached]) as db:
        news = threading.Condition()
        stop = threading.Event()
        written = [0, 0, 0]

        def write(group: int) -> None:
            while not stop.is_set():
                db.mutate(cached.add, group=group)
                with news:
                    written[group] += 1
                    news.notify()

        live = db.watch(cached.count_runs, group=0)
        threads = [threading.Thread(target=write, args=(group,)) for group in range(3)]
        for thread in threads:
            thread.start()
        horizons = []
        while len(horizons) < 4:
            with news:
                goal = min(written) + 5
                assert news.wait_for(lambda goal=goal: min(written) >= goal, 60)
            with db.snapshot() as snapshot:
                ts, count = snapshot.ts, snapshot.query("items").count()
            horizons.append(db.trim_log(ts + 1).horizon)
            with db.snapshot(at=ts) as past:
                assert past.query("items").count() == count
            assert db.verify() == []
        stop.set()
        for thread in threads:
            thread.join()
        assert horizons == sorted(set(horizons))
        while live.next(30) != written[0]:
            pass
        live.close()
        assert [db.query(cached.count_runs, group=n) for n in range(3)] == written
        check_sound(db)


def test_an_interrupt_between_two_steps_leaves_all_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "STEP_COMMITS", 2)

    class Interrupted(KeyboardInterrupt):
        pass

    def interrupt(progress: hw.Progress) -> None:
        if progress.step == "trimming the log":
            raise Interrupted

    with opened() as db:
        program: Program = [[("insert", 0, {"a": number})] for number in range(6)]
        history = History(db).play(program * 2 + [[("delete", 3, {})]])
        removed, interrupts, before = 0, 0, len(db.log.read())
        while removed == 0:
            try:
                removed = 1 + db.trim_log(db.ts + 1, progress=interrupt).commits
            except Interrupted:
                interrupts += 1
                check_all(db, history, db.ts)
                check_sound(db)
        assert interrupts > before // 2 - 2


def test_progress_begins_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "STEP_COMMITS", 2)
    with opened() as db:
        program: Program = [[("insert", 0, {"a": number})] for number in range(9)]
        History(db).play(program)
        told: list[hw.Progress] = []
        db.trim_log(db.ts + 1, progress=told.append)
        steps = [progress for progress in told if progress.step == "trimming the log"]
        assert [progress.done for progress in steps] == sorted(progress.done for progress in steps)
        assert steps[-1].done == steps[-1].total >= 9
        assert len(steps) >= 5


# Kills ------------------------------------------------------------------------------------------


KILLED = """
import shutil
from tests.crashes import faults
from tests.crashes.raw import check_sound, dump
from headwater.tables import trim
trim.STEP_COMMITS = 2

def rows(db, at):
    with db.snapshot(at=at) as snapshot:
        return [list(snapshot.query(table)) for table in db.tables()]

with hw.open(path) as db:
    ids = db.transact(lambda tx: [tx.insert("notes", {"a": n, "b": "x" * 3000}) for n in range(4)])
    for n in ids:
        db.transact(lambda tx: (tx.patch(n, a=-1), tx.insert("other", {})))
    db.transact(lambda tx: tx.delete(ids[1]))
    horizon = db.ts
    db.transact(lambda tx: tx.patch(ids[0], a=7))
    db.transact(lambda tx: tx.delete(ids[2]))
    states = {ts: rows(db, ts) for ts in (horizon, db.log.read(after=horizon)[0].ts, db.ts)}
    before = dump(db)
kept = path.with_suffix(".kept")
shutil.copytree(path, kept)
number, status, begun, finished = 0, 1, 0, 0
while status:
    shutil.rmtree(path)
    shutil.copytree(kept, path)
    number += 1
    child = os.fork()
    if not child:
        armed = faults.Faults()
        with faults.engine(armed):
            db = hw.open(path)
        at = len(armed.calls) + number
        def end(reached, _):
            if reached == at:
                os.kill(os.getpid(), signal.SIGKILL)
        setattr(armed, sys.argv[2], end)
        db.trim_log(horizon + 1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    with hw.open(path) as db:
        begun += db.log.horizon == horizon
        for ts, state in states.items():
            assert rows(db, ts) == state
        check_sound(db)
        finished += not db.trim_log(0).versions and db.log.horizon == horizon
        db.trim_log(horizon + 1)
        assert rows(db, horizon) == states[horizon]
        assert db.history(ids[1]) == []
        assert [revision.is_cut for revision in db.history(ids[0])] == [False, True]
        check_sound(db)
say(number, begun, finished)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_call_leaves_all_right_and_the_next_one_finishes(
    tmp_path: Path, moment: str
) -> None:
    with nursery() as start:
        (line,) = start(KILLED, tmp_path / "db.hw", moment).finish()
    number, begun, finished = map(int, line.split())
    assert number > 15
    assert 0 < number - begun < 8
    assert 0 < finished < begun


def test_another_process_that_was_behind_loses_and_looks_again(tmp_path: Path) -> None:
    code = """
    with hw.open(path, modules=[application]) as db:
        for _ in range(5):
            db.mutate(application.bump, writer="other", name="a")
        say(db.trim_log(db.ts + 1).versions)
    """
    with hw.open(tmp_path / "db", modules=[application]) as db:
        db.mutate(application.bump, writer="this", name="a")
        tx = db.transaction()
        tx.__enter__()
        counters = list(tx.query(application.Counters))
        tx.insert("seen", {"counters": len(counters)})
        with nursery() as start:
            (line,) = start(code, tmp_path / "db").finish()
        assert int(line) > 0
        with pytest.raises(hw.ConflictError):
            tx.__exit__(None, None, None)
        check_sound(db)


TRIMMER = """
from headwater.tables import trim
trim.STEP_COMMITS = 1
with hw.open(path, modules=[application]) as db:
    say("open")
    removed = 0
    for _ in range(8):
        db.mutate(application.bump, writer=sys.argv[2], name=sys.argv[2])
        removed += db.trim_log(db.ts + 1).versions
    say(removed)
"""


def test_several_processes_trim_and_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with hw.open(path, modules=[application]) as db:
        for number in range(20):
            db.mutate(application.bump, writer="this", name=f"n{number % 3}")
        with nursery() as start:
            children = [start(TRIMMER, path, f"child{number}") for number in range(3)]
            assert [child.hear() for child in children] == ["open"] * 3
            for number in range(20):
                db.mutate(application.bump, writer="this", name=f"n{number % 3}")
                assert db.verify() == []
            removed = [int(child.finish()[-1]) for child in children]
        assert sum(removed) > 20
        counters = db.query(application.counters)
        assert [counters[f"n{number}"] for number in range(3)] == [14, 14, 12]
        assert [counters[f"child{number}"] for number in range(3)] == [8] * 3
        db.trim_log(db.ts + 1)
        assert db.verify() == []
        check_sound(db)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_call_that_fails_is_one_error_and_the_next_one_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(trimming, "STEP_COMMITS", 3)
    failed = 0
    for call in count(1):
        armed = faults.Faults()
        with faults.engine(armed):
            db = opened(tmp_path / str(call))
        with db:
            program: Program = [[("insert", 0, {"a": 1})], [("patch", 0, {"a": 2})]]
            history = History(db).play([*program * 2, [("delete", 0, {})]])
            offset = len(armed.calls)

            def fail(reached: int, _: str, at: int = offset + call) -> None:
                if reached == at:
                    raise faults.failure(number)

            armed.before = fail
            try:
                db.trim_log(db.ts + 1)
            except hw.StorageError:
                failed += 1
                armed.before = lambda number, name: None
                assert db.verify() == []
                db.trim_log(db.ts + 1)
                check_all(db, history, db.ts)
                check_sound(db)
            else:
                break
    assert failed > 10

"""A trimmed log is a shorter log of the same documents.

Goal: whatever is removed, everything from the horizon on is as it was, and the log goes on making
all of it. Method: random histories and random horizons; each trim is taken in the smallest steps,
and all that has to hold is looked at after every one of them.
"""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tables.histories import (
    TABLES,
    Act,
    contents,
    deploy_and_build,
    histories,
    open_store,
    store_after,
)

from headwater.errors import CorruptionError
from headwater.storage import commit_log
from headwater.storage.commit_log import Commit, encode_commit
from headwater.storage.format import TIMESTAMP, Database, timestamp_key
from headwater.tables import trim as trimming
from headwater.tables.catalog import INDEXES_NUMBER, table_number_of
from headwater.tables.history import history
from headwater.tables.horizon import META_TRIMMED, horizon
from headwater.tables.problems import Problem
from headwater.tables.rebuild import rebuild
from headwater.tables.trim import META_TRIMMING, trim
from headwater.tables.verify import verify
from headwater.transactions.deployment import DeclaredTable
from headwater.transactions.index_building import clear_dropped
from headwater.transactions.store import Store

PROJECTIONS = (Database.DOCUMENTS, Database.DELETED, Database.INDEXES)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """One commit in each step."""
    monkeypatch.setattr(trimming, "STEP_COMMITS", 1)


def log_of(store: Store) -> list[Commit]:
    with store.environment.read() as reader:
        return list(commit_log.after(reader, 0))


def problems(store: Store) -> list[Problem]:
    with closing(store.snapshot()) as snapshot:
        return verify(snapshot)


def versions_from(log: list[Commit], ts: int) -> dict[str, list[Any]]:
    """What each document was at a moment and became afterwards, as its events say."""
    states: dict[str, list[Any]] = {}
    for commit in log:
        for event in commit.events:
            known = states.setdefault(event.id, [])
            if commit.ts <= ts:
                known.clear()
            known.append((commit.ts, event))
    return {
        id_text: known
        for id_text, known in states.items()
        if known[-1][0] > ts or known[-1][1].body is not None
    }


def check(store: Store, log: list[Commit], reached: int) -> None:
    """Everything that has to hold in the middle of a trimming, too."""
    assert problems(store) == []
    with store.environment.read() as reader:
        assert horizon(reader) == reached
    now = log_of(store)
    assert [c.ts for c in now if c.ts >= reached] == [c.ts for c in log if c.ts >= reached]
    assert [c._replace(previous_ts=0) for c in now if c.ts > reached] == [
        c._replace(previous_ts=0) for c in log if c.ts > reached
    ]
    origins = {commit.ts: commit.origin for commit in log}
    assert all(commit.origin == origins[commit.ts] for commit in now)
    known = versions_from(now, reached)
    for id_text, versions in versions_from(log, reached).items():
        assert known[id_text] == versions
    before = contents(store.environment, *PROJECTIONS, Database.META)
    rebuild(store.environment)
    assert contents(store.environment, *PROJECTIONS, Database.META) == before


def trim_in_steps(store: Store, before: int) -> Iterator[None]:
    """Trim, each step by another process, and stop after each."""
    write = store.environment.run_write
    place = write(partial(trimming._begin, before=before))
    yield
    while place is not None:
        place = write(trimming.Trimming(place.horizon).step).next
        yield


def moments(store: Store, share: float) -> int:
    """A moment in the history, 0 for its beginning and 1 for its end."""
    times = [commit.ts for commit in log_of(store)]
    return times[int(share * (len(times) - 1))]


@settings(deadline=None, max_examples=50)
@given(histories(), st.lists(st.floats(0, 1), min_size=1, max_size=2))
def test_at_every_moment_of_every_trimming_all_is_right(
    history: list[list[Act]], shares: list[float]
) -> None:
    store, _ = store_after(history)
    with closing(store):
        reached = 0
        for share in shares:
            log = log_of(store)
            ts = moments(store, share)
            for _ in trim_in_steps(store, ts + 1):
                check(store, log, max(ts, reached))
            reached = max(ts, reached)
            check(store, log, reached)


@settings(deadline=None, max_examples=50)
@given(histories(8), histories(8), st.floats(0, 1))
def test_what_is_left_has_one_version_of_each_document_up_to_the_horizon(
    first: list[list[Act]], second: list[list[Act]], share: float
) -> None:
    store, model = store_after(first)
    with closing(store):
        model.play(store, second)
        ts = moments(store, share)
        trim(store.environment, store.environment.run_write, ts + 1)
        kept = [commit for commit in log_of(store) if commit.ts <= ts]
        ids = [event.id for commit in kept for event in commit.events]
        assert len(ids) == len(set(ids))
        assert all(commit.events or commit.ts == ts for commit in kept)
        with store.environment.read() as reader:
            assert reader.get(Database.META, META_TRIMMING) is None
            stones = list(reader.scan(Database.DELETED, b"", None))
        for key, stone in stones:
            is_of_user = table_number_of(key.decode("ascii")) != INDEXES_NUMBER
            assert TIMESTAMP.unpack(stone)[0] > ts or not is_of_user


@settings(deadline=None, max_examples=50)
@given(histories(), st.floats(0, 1))
def test_the_history_of_each_document_is_the_newer_part_of_what_it_was(
    acts: list[list[Act]], share: float
) -> None:
    store, model = store_after(acts)
    with closing(store):
        ts = moments(store, share)
        with closing(store.snapshot()) as snapshot:
            before = {id_text: history(snapshot, id_text) for id_text in model.versions}
        trim(store.environment, store.environment.run_write, ts + 1)
        with closing(store.snapshot()) as snapshot:
            for id_text, revisions in before.items():
                newer = [revision for revision in revisions if revision.ts > ts]
                base = next((revision for revision in revisions if revision.ts <= ts), None)
                found = history(snapshot, id_text)
                if base is None or base.document is None:
                    assert repr(found) == repr(newer)
                else:
                    assert repr(found[:-1]) == repr(newer)
                    assert repr(found[-1].document) == repr(base.document)
                    assert found[-1].is_cut == (base is not revisions[-1])


@settings(deadline=None, max_examples=10)
@given(histories(4), histories(4))
def test_commits_go_on_after_everything_was_trimmed(
    tmp_path_factory: Any, first: list[list[Act]], second: list[list[Act]]
) -> None:
    path: Path = tmp_path_factory.mktemp("trimmed") / "db"
    store, model = store_after(first, path)
    with closing(store):
        head = log_of(store)[-1].ts
        trim(store.environment, store.environment.run_write, head + 10**9)
    with closing(open_store(path)) as store:
        store.clock.seeds = 10**6  # type: ignore[attr-defined]
        assert log_of(store)[-1].ts == head
        model.play(store, second)
        times = [commit.ts for commit in log_of(store)]
        assert times == sorted(set(times))
        assert problems(store) == []
        for table, expected in model.documents.items():
            info = store.catalog.by_name[table]
            with closing(store.snapshot()) as snapshot:
                rows = snapshot.decode(snapshot.records(*info.bounds, reverse=False))
                assert {row["_id"] for row in rows} == set(expected)


def test_a_dropped_index_leaves_the_timestamp_of_the_catalog() -> None:
    store, _ = store_after([[Act("insert", "notes", 0, {"a": 1})]])
    with closing(store):
        deploy_and_build(store, DeclaredTable("notes", None, []))
        clear_dropped(store)
        ts = log_of(store)[-1].ts
        trim(store.environment, store.environment.run_write, ts + 1)
        check(store, log_of(store), ts)
        deploy_and_build(store, TABLES[0])
        ts = log_of(store)[-1].ts
        trim(store.environment, store.environment.run_write, ts + 1)
        check(store, log_of(store), ts)
        assert contents(store.environment, Database.DELETED)[Database.DELETED] == []


def test_a_trimming_further_takes_over_from_one_that_stopped() -> None:
    store, model = store_after([[Act("insert", "notes", 0, {"a": n})] for n in range(4)])
    with closing(store):
        model.play(store, [[Act("patch", "notes", n, {"a": -n})] for n in range(4)])
        log = log_of(store)
        next(trim_in_steps(store, log[-3].ts + 1))
        trim(store.environment, store.environment.run_write, log[-1].ts + 1)
        check(store, log, log[-1].ts)
        # And without a new horizon, one that stopped is finished.
        model.play(store, [[Act("patch", "notes", n, {"c": n})] for n in range(4)])
        log = log_of(store)
        next(trim_in_steps(store, log[-1].ts + 1))
        report = trim(store.environment, store.environment.run_write, 0)
        assert (report.horizon, report.versions) == (log[-1].ts, 4)
        again = trim(store.environment, store.environment.run_write, log[-1].ts + 1)
        assert again == report._replace(commits=0, versions=0, deleted=0)


# Damage -----------------------------------------------------------------------------------------


@pytest.fixture
def store() -> Iterator[Store]:
    """Ten documents, five of them changed and one deleted after the horizon that it was cut to."""
    history_: list[list[Act]] = [[Act("insert", "notes", 0, {"a": n})] for n in range(10)]
    history_ += [[Act("patch", "notes", n, {"a": -n})] for n in range(0, 10, 2)]
    store, model = store_after(history_)
    with closing(store):
        ts = log_of(store)[-1].ts
        trim(store.environment, store.environment.run_write, ts + 1)
        model.play(store, [[Act("patch", "notes", n, {"b": n})] for n in range(5)])
        model.play(store, [[Act("delete", "notes", 7, {})]])
        assert problems(store) == []
        yield store


def test_a_version_that_is_missing_is_found_on_both_sides_of_the_horizon(store: Store) -> None:
    log = log_of(store)
    planted = 0
    for commit in log:
        for event in commit.events:
            events = [other for other in commit.events if other != event]
            damaged = encode_commit(commit._replace(events=events))
            original = encode_commit(commit)
            with store.environment.write() as writer:
                writer.put(Database.LOG, *damaged)
            found = problems(store)
            assert any(problem.id == event.id for problem in found), (commit.ts, event, found)
            with store.environment.write() as writer:
                writer.put(Database.LOG, *original)
            planted += 1
    assert planted > 15
    assert problems(store) == []


def test_a_commit_that_is_missing_is_found_on_both_sides_of_the_horizon(store: Store) -> None:
    for commit in log_of(store)[:-1]:
        key, value = encode_commit(commit)
        with store.environment.write() as writer:
            writer.delete(Database.LOG, key)
        assert "commit_missing" in {problem.kind for problem in problems(store)}
        with store.environment.write() as writer:
            writer.put(Database.LOG, key, value)
    assert problems(store) == []


def test_a_horizon_that_is_no_commit_is_found(store: Store) -> None:
    with store.environment.write() as writer:
        writer.put(Database.META, META_TRIMMED, timestamp_key(12345))
    assert "horizon_differs" in [problem.kind for problem in problems(store)]


@pytest.mark.parametrize("database", [Database.DOCUMENTS, Database.DELETED, Database.LOG])
def test_what_may_be_needed_to_mend_damage_is_not_trimmed(store: Store, database: Database) -> None:
    log = log_of(store)
    entries = contents(store.environment, database)[database]
    key = entries[len(entries) // 2][0]
    store.environment.run_write(lambda writer: writer.delete(database, key))
    before = contents(store.environment, *PROJECTIONS, Database.LOG)
    with pytest.raises(CorruptionError, match="not trimmed any further"):
        trim(store.environment, store.environment.run_write, log[-1].ts + 1)
    after = contents(store.environment, *PROJECTIONS, Database.LOG)
    assert len(after[Database.LOG]) <= len(before[Database.LOG])
    if database is not Database.LOG:
        rebuild(store.environment)
        assert problems(store) == []
        trim(store.environment, store.environment.run_write, log[-1].ts + 1)
        assert problems(store) == []

"""Each limit holds exactly, and its error says which, how far, and what to do."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any

import pytest
from tests.laws import application, bounded
from tests.laws.batches import Held
from tests.laws.clocks import StillClock

import headwater as hw
from headwater.storage.codec import pack
from headwater_indexes.ids import mint

BOUNDS_OF_WORK = {
    # They bound how work is cut into pieces or what is kept, and no caller can exceed them.
    "optimistic_attempts",
    "batch_transactions",
    "cache_bytes",
    "recent_commits",
    "recent_documents",
    "backfill_documents",
    "cascade_documents",
    "jobs_concurrent",
}


def opened(**limits: Any) -> AbstractContextManager[hw.Database]:
    clock = StillClock()
    bounded.clock[:] = [clock]
    return hw.open(None, modules=[bounded], clock=clock, limits=hw.Limits(**limits))


def size_of(fields: dict[str, Any]) -> int:
    return len(pack(fields))


def run_documents_written(db: hw.Database, far: int) -> None:
    db.mutate(bounded.write_documents, count=far)


def run_bytes_written(db: hw.Database, far: int) -> None:
    db.mutate(bounded.write_documents, count=1, size=1000 + far - 4000)


def run_document_bytes(db: hw.Database, far: int) -> None:
    overhead = size_of({"at": 0, "text": "x" * 1000}) - 1000
    db.mutate(bounded.write_documents, count=1, size=far - overhead)


def run_nesting(db: hw.Database, far: int) -> None:
    value: Any = 0
    for _ in range(far):
        value = [value]
    db.mutate(bounded.write_value, value=value)


def run_documents_read(db: hw.Database, far: int) -> None:
    db.query(bounded.read_documents, count=far)


def run_bytes_read(db: hw.Database, far: int) -> None:
    db.query(bounded.read_documents, count=far)


def run_call_depth(db: hw.Database, far: int) -> None:
    assert db.query(bounded.call_down, depth=far) == far


def run_query_seconds(db: hw.Database, far: float) -> None:
    db.query(bounded.take_long, seconds=far)


def run_mutation_seconds(db: hw.Database, far: float) -> None:
    db.mutate(bounded.write_long, seconds=far)


def run_transaction_seconds(db: hw.Database, far: float) -> None:
    with db.transaction() as tx:
        tx.insert("blobs", {"at": 0, "text": ""})
        bounded.clock[0].seconds += far


def run_intervals_read(db: hw.Database, far: int) -> None:
    with db.transaction() as tx:
        for at in range(far):
            if at % 2:
                tx.query("blobs").take(1)
            else:
                assert tx.get(mint(10_001, 1.0, at)) is None


Run = Callable[[hw.Database, Any], None]
HARD: list[tuple[str, float, float, Run]] = [
    # The limit, its value, one more, and what goes that far.
    ("document_bytes", 5000, 5001, run_document_bytes),
    ("documents_read", 7, 8, run_documents_read),
    ("documents_written", 12, 13, run_documents_written),
    ("call_depth", 5, 6, run_call_depth),
    ("query_seconds", 2.0, 2.1, run_query_seconds),
    ("mutation_seconds", 2.0, 2.1, run_mutation_seconds),
    ("transaction_seconds", 2.0, 2.1, run_transaction_seconds),
    ("intervals_read", 50, 51, run_intervals_read),
]


@pytest.mark.parametrize(("limit", "maximum", "more", "run"), HARD, ids=[row[0] for row in HARD])
def test_a_limit_holds_exactly(limit: str, maximum: Any, more: Any, run: Run) -> None:
    with opened(**{limit: maximum}) as db:
        for _ in range(2):
            db.mutate(bounded.write_documents, count=6)
        run(db, maximum)
        before = db.ts
        with pytest.raises(hw.LimitExceededError) as refused:
            run(db, more)
        error = refused.value
        assert error.limit == limit
        assert error.maximum == maximum
        assert error.value > maximum
        assert limit in str(error)
        assert f"{maximum:,}" in str(error) or f"{maximum:g}" in str(error)
        assert isinstance(error, TimeoutError) == limit.endswith("_seconds")
        assert db.ts == before, "nothing was written"
        run(db, maximum)


def test_the_bytes_of_a_transaction_are_limited() -> None:
    one = size_of({"at": 0, "text": "x" * 1000})
    with opened(bytes_written=3 * one, bytes_read=10**9) as db:
        db.mutate(bounded.write_documents, count=3, size=1000)
        with pytest.raises(hw.LimitExceededError, match="bytes_written") as refused:
            db.mutate(bounded.write_documents, count=4, size=1000)
        assert refused.value.value == 4 * one


def test_the_bytes_read_are_limited() -> None:
    with opened(bytes_read=3500) as db:
        db.mutate(bounded.write_documents, count=4, size=1000)
        assert db.query(bounded.read_documents, count=3) == 3
        with pytest.raises(hw.LimitExceededError, match="bytes_read") as refused:
            db.query(bounded.read_documents, count=4)
        assert "take()" in str(refused.value)
        assert "'blobs'" in str(refused.value)


def test_a_filter_that_reads_too_much_is_told_which_index_to_make() -> None:
    with opened(documents_read=10) as db:
        for _ in range(3):
            db.mutate(bounded.write_documents, count=6)
        with pytest.raises(hw.LimitExceededError) as refused:
            db.query(bounded.read_filtered, text="y")
        assert 'by_text = Index("text")' in str(refused.value)


def test_values_may_be_nested_up_to_the_limit() -> None:
    with opened(nesting=5) as db:
        run_nesting(db, 5)
        for far in (6, 7, 200):
            with pytest.raises(hw.UsageError, match="nest"):
                run_nesting(db, far)


def test_a_snapshot_that_is_too_old_is_taken_away_when_somebody_writes() -> None:
    with opened(snapshot_seconds=2.0) as db:
        db.mutate(bounded.write_documents, count=1)
        with db.snapshot() as young, db.snapshot() as old:
            bounded.clock[0].seconds += 2.0
            db.mutate(bounded.write_documents, count=1)
            assert len(old.query("blobs").collect()) == 1
            bounded.clock[0].seconds += 0.1
            db.mutate(bounded.write_documents, count=1)
            with pytest.raises(hw.SnapshotTooOldError, match="snapshot_seconds"):
                old.query("blobs").collect()
            with pytest.raises(hw.SnapshotTooOldError):
                young.query("blobs").collect()
        assert len(db.snapshot().query("blobs").collect()) == 3


def test_a_batch_takes_no_more_transactions_than_its_limit() -> None:
    with opened(batch_transactions=3) as db:
        db.mutate(bounded.write_documents, count=1)
        sizes: list[int] = []
        published = db._store.published

        def count(batch: Any) -> None:
            sizes.append(len(batch.commits))
            published(batch)

        db._store.published = count
        with Held(db) as held:
            for _ in range(8):
                held.mutate(bounded.write_documents, count=1)
        assert sizes == [3, 3, 2]
        assert all(request.error is None for request in held.requests)


def test_a_limit_has_to_be_above_zero() -> None:
    for field in fields(hw.Limits):
        with pytest.raises(ValueError, match=field.name):
            hw.Limits(**{field.name: 0})


def test_each_limit_is_tried_here() -> None:
    alone = {"nesting", "bytes_read", "bytes_written", "snapshot_seconds"}
    alone |= {"snapshot_warning_seconds"}  # tests/storage/test_old_snapshots.py
    alone |= {"action_seconds", "actions_concurrent"}  # tests/functions/test_actions.py
    alone |= {"log_lines", "log_line_bytes", "log_bytes", "calls_kept"}  # .../test_call_log.py
    alone |= {"http_body_bytes", "http_body_seconds", "webhook_body_bytes"}  # tests/server
    alone |= {"api_body_bytes", "api_queries", "query_at_seconds", "upload_seconds"}  # tests/server
    # tests/server/test_sync.py
    alone |= {"client_connections", "client_queries", "client_requests", "client_message_bytes"}
    alone |= {"client_requests_seconds"}
    alone |= {"sign_in_attempts"}  # tests/dashboard/test_admission.py
    alone |= {"webhook_events_seconds"}  # tests/services/test_webhooks.py
    # tests/services/test_scheduler.py
    alone |= {"scheduled_functions", "scheduled_argument_bytes", "scheduled_bytes"}
    alone |= {"file_bytes", "url_seconds"}  # tests/services/test_files.py
    tried = {row[0] for row in HARD} | alone | BOUNDS_OF_WORK
    assert {field.name for field in fields(hw.Limits)} == tried


@pytest.mark.parametrize("is_in_turn", [False, True])
def test_a_time_limit_counts_each_attempt_alone(is_in_turn: bool) -> None:
    with opened(mutation_seconds=2.0) as db:
        for _ in range(4 if is_in_turn else 1):
            db.mutate(bounded.write_long, seconds=0.0 if is_in_turn else 1.0)
        for _ in range(5):
            db.mutate(bounded.write_long, seconds=1.5)


def test_what_is_declared_is_no_matter_of_the_limits() -> None:
    # Two tables and their indexes are more documents of the catalog than one.
    with hw.open(None, modules=[application], limits=hw.Limits(documents_written=1)) as db:
        db.transact(lambda tx: tx.insert("notes", {}))
        with pytest.raises(hw.LimitExceededError):
            db.transact(lambda tx: tx.insert_many("notes", [{}, {}]))

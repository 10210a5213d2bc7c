"""The log of calls: what was called, how it ended, and what it logged."""

import asyncio
import logging
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.functions import logging_application as application

import headwater as hw
from headwater import testing
from headwater.functions.call_log import Lines
from headwater.opentelemetry import trace_calls


@pytest.fixture
def db():
    with testing.database(application) as database:
        yield database


def shown(records):
    return [
        (one.function, one.kind, one.error, [line.message for line in one.lines]) for one in records
    ]


def test_each_call_is_kept_with_its_outcome_newest_first(db):
    db.mutate(application.add, n=1)
    db.query(application.count)
    with pytest.raises(hw.ApplicationError):
        db.mutate(application.refuse)
    refused = "ApplicationError: the application refused: 'no'"
    assert shown(db.calls.recent()) == [
        ("logging_application:refuse", "mutation", refused, ["about to fail"]),
        ("logging_application:count", "query", None, ["counting"]),
        ("logging_application:add", "mutation", None, ["adding 1"]),
    ]


def test_every_way_to_call_is_kept(db):
    async def by_asyncio():
        await db.aio.mutate(application.add, n=1)
        await db.aio.query(application.quiet)
        await db.aio.act(application.work_async)
        await db.aio.call("logging_application:quiet")

    db.transact(lambda tx: tx.insert("things", {}))  # which makes the table
    db.call("logging_application:quiet")
    db.act(application.work)
    for _ in range(5):  # the later ones go in turn
        asyncio.run(by_asyncio())
    functions = [one.function.partition(":")[2] for one in reversed(db.calls.recent())]
    # An action ends after what it has called.
    inner = ["add", "quiet", "work", *(["add", "quiet", "add", "quiet", "workAsync", "quiet"] * 5)]
    assert functions == ["quiet", *inner]
    assert all(one.error is None and one.runs == 1 for one in db.calls.recent())


def test_what_nested_functions_log_is_of_the_call(db):
    db.mutate(application.add_twice, n=1)
    (record,) = db.calls.recent()
    assert [line.message for line in record.lines] == ["adding 1", "adding 2", "twice"]
    assert [line.level for line in record.lines] == ["info", "info", "warning"]


def test_lines_are_those_of_the_last_run_and_runs_are_counted(db):
    id = db.mutate(application.add, n=1)
    one, other = testing.Clients(db)
    first = one.start(application.bump, id=id)
    second = other.start(application.bump, id=id)
    assert first.finish() == 2
    assert second.finish() == 3
    lines = [line.message for line in db.calls.recent(function="logging_application:bump")[0].lines]
    assert lines == ["bump to 3"]
    assert db.calls.recent(function="logging_application:bump")[0].runs == 2


def test_the_time_is_that_of_the_clock(db):
    db.clock.advance(minutes=1)
    db.query(application.quiet)
    (record,) = db.calls.recent()
    assert record.started == db.clock.now.timestamp() * 1000
    assert record.seconds == 0.0


def test_request_ids_are_the_callers_or_each_its_own(db):
    with hw.origin(request_id="r1"):
        db.query(application.quiet)
        db.query(application.quiet)
    db.query(application.quiet)
    db.query(application.quiet)
    ids = [one.request_id for one in db.calls.recent()]
    assert ids[2:] == ["r1", "r1"]
    assert len(set(ids[:2])) == 2
    assert len(db.calls.recent(request_id="r1")) == 2


def test_records_are_found_by_function_outcome_and_duration(db):
    with hw.acting_as(hw.Identity("ada")):
        db.query(application.quiet)
    with pytest.raises(hw.ApplicationError):
        db.mutate(application.refuse)
    assert [one.identity for one in db.calls.recent(failed=False)] == ["local|ada"]
    assert [one.function for one in db.calls.recent(failed=True)] == ["logging_application:refuse"]
    assert db.calls.recent(function="logging_application:nothing") == []
    assert db.calls.recent(at_least_seconds=1.0) == []
    assert len(db.calls.recent(1)) == 1


def test_only_the_newest_are_kept():
    with testing.database(application, limits=hw.Limits(calls_kept=3)) as db:
        for n in range(5):
            db.mutate(application.add, n=n)
        assert [one.lines[0].message for one in db.calls.recent()] == [
            "adding 4",
            "adding 3",
            "adding 2",
        ]


def test_the_lines_of_all_calls_stay_within_their_bound():
    limits = hw.Limits(log_bytes=5000, calls_kept=1000)
    with testing.database(application, limits=limits) as db:
        for n in range(200):
            db.mutate(application.add, n=n)
        calls = db.calls.recent(1000)
        assert len(calls) == 200
        assert calls[0].lines[0].message == "adding 199"
        assert [line.message for line in calls[-1].lines] == [
            "the lines are forgotten: log_bytes is 5000"
        ]
        kept = sum("forgotten" not in call.lines[0].message for call in calls)
        assert 5 < kept < 30


def test_a_long_error_is_cut():
    with testing.database(application, limits=hw.Limits(log_line_bytes=50)) as db:
        with pytest.raises(hw.ApplicationError):
            db.mutate(application.refuse, reason="x" * 1000)
        (call,) = db.calls.recent(failed=True)
        assert call.error is not None
        assert len(call.error) < 60


def test_nothing_is_kept_while_it_is_switched_off(db, caplog):
    heard = []
    db.calls.enabled = False
    db.mutate(application.add, n=1)
    stop = db.calls.listen(heard.append)
    with caplog.at_level("DEBUG", "headwater.functions"):
        db.mutate(application.add, n=2)
    stop()
    assert db.calls.recent() == []
    assert [call.lines[0].message for call in heard] == ["adding 2"]
    assert "adding 2" in caplog.text
    db.calls.enabled = True
    db.mutate(application.add, n=3)
    assert len(db.calls.recent()) == 1


def test_a_live_query_is_kept_with_its_reason(db):
    with db.watch(application.count) as live:
        seen = iter(live)
        next(seen)
        db.mutate(application.add, n=1)
        assert next(seen) == 1
    reasons = [(one.function.partition(":")[2], one.reason) for one in db.calls.recent()]
    assert set(reasons) == {("add", "call"), ("count", "live")}


@given(st.integers(0, 9), st.integers(0, 40), st.integers(1, 5), st.integers(1, 40))
def test_lines_stay_within_their_bounds(lines, length, most, size):
    limits = hw.Limits(log_lines=most, log_line_bytes=size)
    kept = Lines(limits)
    for _ in range(lines):
        kept.add("info", "é" * length)
    assert len(kept.lines) == min(lines, most)
    for line in kept.lines[: most - 1]:
        body = line.message.removesuffix(" ...")
        assert len(body.encode()) <= size
        assert set(body) <= {"é"}
        assert (body == line.message) == (2 * length <= size)
    if lines > most:
        assert "left out" in kept.lines[-1].message


def test_lines_reach_the_programs_own_logging(db, caplog):
    with caplog.at_level(logging.DEBUG, logger="headwater.functions"):
        with hw.origin(request_id="r1"):
            db.mutate(application.add, n=1)
        with pytest.raises(hw.ApplicationError):
            db.mutate(application.refuse)
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", "logging_application:add: adding 1"),
        ("ERROR", "logging_application:refuse: about to fail"),
        (
            "DEBUG",
            "logging_application:refuse raised ApplicationError: the application refused: 'no'",
        ),
    ]
    assert caplog.records[0].request_id == "r1"


def test_a_listener_hears_each_call_until_it_stops(db, caplog):
    heard = []
    stop = db.calls.listen(heard.append)

    def broken(record):
        raise ValueError(record.function)

    stop_broken = db.calls.listen(broken)
    db.query(application.quiet)
    assert [one.function for one in heard] == ["logging_application:quiet"]
    assert "a listener of calls raised" in caplog.text
    stop_broken()
    stop()
    db.query(application.quiet)
    assert len(heard) == 1


def test_insights_name_what_is_slow_fails_loses_or_is_near_a_limit():
    limits = hw.Limits(documents_written=2, documents_read=100)
    with testing.database(application, limits=limits) as db:
        id = db.mutate(application.add, n=1)
        db.mutate(application.add_twice, n=1)
        with pytest.raises(hw.ApplicationError):
            db.mutate(application.refuse)
        one, other = testing.Clients(db)
        first, second = one.start(application.bump, id=id), other.start(application.bump, id=id)
        first.finish()
        second.finish()
        found = db.insights()
        assert len(db.insights(top=1).slow) == 1
    (failing,) = found.failing
    assert (failing.function, failing.failures) == ("logging_application:refuse", 1)
    (conflict,) = found.conflicts
    assert (conflict.function, conflict.count) == ("logging_application:bump", 1)
    assert (conflict.place.winner, conflict.place.table) == ("logging_application:bump", "things")
    (near,) = found.near_limits
    assert (near.function, near.limit) == ("logging_application:addTwice", "documents_written")
    assert (near.value, near.maximum, near.share) == (2, 2, 1.0)
    assert {one.function: one.runs for one in found.slow}["logging_application:bump"] == 3


def test_calls_become_spans_below_the_callers(db):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    stop = trace_calls(db, tracer_provider=provider)
    with provider.get_tracer("test").start_as_current_span("request") as outer:
        db.mutate(application.add, n=1)
        with pytest.raises(hw.ApplicationError):
            db.mutate(application.refuse)
    stop()
    db.query(application.quiet)
    provider.shutdown()
    added, refused, _ = exporter.get_finished_spans()
    assert added.name == "logging_application:add"
    assert added.parent.span_id == outer.get_span_context().span_id
    assert added.attributes["headwater.kind"] == "mutation"
    assert [event.name for event in added.events] == ["adding 1"]
    assert math.isclose(added.start_time / 1e9, db.clock.now.timestamp())
    assert added.status.is_unset
    assert not refused.status.is_ok
    assert "refused" in refused.status.description

"""What is scheduled runs once, in its time and order; what is rolled back or canceled, never."""

import asyncio
import threading
import types
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services import fenced_jobs, scheduled

import headwater as hw
from headwater import testing


@pytest.fixture
def db():
    with testing.database(scheduled) as database:
        yield database


def state(db, id):
    return db.get(id)["state"]["kind"]


# Laws --------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("schedule"), st.integers(0, 5)),
        st.tuples(st.just("action"), st.integers(0, 5)),
        st.tuples(st.just("fail"), st.integers(0, 5)),
        st.tuples(st.just("roll back"), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(0, 4)),
        st.tuples(st.just("crash"), st.just(0)),
        st.tuples(st.just("run"), st.just(0)),
    ),
    max_size=25,
)


@given(STEPS)
def test_what_ran_is_what_a_list_of_due_times_says(steps):
    """The model: pending calls as (due, number), of which those that are due run in order."""
    now, pending, ran, ids = 0, [], [], []
    with testing.database(scheduled) as db:
        for number, (step, value) in enumerate([*steps, ("wait", 10), ("run", 0)]):
            label = str(number)
            if step == "schedule":
                ids.append((number, db.mutate(scheduled.later, seconds=value, label=label)))
                pending.append((now + 1000 * value, number, [label]))
            elif step == "action":
                job = db.scheduler.run_after(value, scheduled.act_and_fail, label)
                ids.append((number, job))
                pending.append((now + 1000 * value, number, [f"{label} acted"]))
            elif step == "fail":
                job = db.scheduler.run_after(value, scheduled.note_and_fail, label)
                ids.append((number, job))
                pending.append((now + 1000 * value, number, []))
            elif step == "roll back":
                with pytest.raises(hw.ApplicationError):
                    db.mutate(scheduled.later_and_fail, label=label)
            elif step == "cancel" and ids:
                canceled, job = ids[value % len(ids)]
                was_pending = any(one[1] == canceled for one in pending)
                assert db.scheduler.cancel(job) is was_pending
                pending = [one for one in pending if one[1] != canceled]
            elif step == "wait":
                db.clock.advance(seconds=value)
                now += 1000 * value
            elif step == "crash":
                db.crash()
                db.clock.advance(milliseconds=1)  # a process takes some time to come back
                now += 1
            elif step == "run":
                due = sorted(one for one in pending if one[0] <= now)
                pending = [one for one in pending if one[0] > now]
                ran += [found for one in due for found in one[2]]
                assert db.run_due_jobs() == len(due)
            assert db.query(scheduled.labels) == ran
            assert len(db.query(scheduled.jobs, kind="pending")) == len(pending)
        assert pending == []
        assert db.verify() == []


# Examples ----------------------------------------------------------------------------------------


def test_it_runs_once_its_time_has_come_and_not_before(db):
    job = db.mutate(scheduled.later, seconds=60, label="a")
    db.clock.advance(seconds=59, milliseconds=999)
    assert (db.run_due_jobs(), state(db, job)) == (0, "pending")
    db.clock.advance(milliseconds=1)
    assert (db.run_due_jobs(), state(db, job)) == (1, "success")
    assert db.run_due_jobs() == 0
    assert db.query(scheduled.labels) == ["a"]
    assert "owner" not in db.get(job)
    assert db.get(job)["completedTime"] >= db.get(job)["scheduledTime"]


def test_a_sub_transaction_that_is_rolled_back_schedules_nothing(db):
    db.mutate(scheduled.later_but_for_a_part)
    assert db.run_due_jobs() == 1
    assert db.query(scheduled.labels) == ["kept"]


def test_a_failed_mutation_writes_nothing_and_says_why(db):
    job = db.scheduler.run_after(0, scheduled.note_and_fail, "a")
    before = db.ts
    assert db.run_due_jobs() == 1
    assert db.query(scheduled.labels) == []
    assert db.get(job)["state"] == {
        "kind": "failed",
        "error": "ApplicationError: the application refused: 'no'",
    }
    (entry,) = db.log.read(before, tables=["_scheduled_functions"])
    assert (entry.origin.function, entry.origin.details) == (
        "scheduled:noteAndFail",
        {"job": job},
    )


@pytest.mark.parametrize("action", [scheduled.act, scheduled.act_in_a_thread])
def test_actions_run_and_schedule(db, action):
    job = db.scheduler.run_after(1, action, label="a")
    assert db.finish_jobs() == 2
    assert db.query(scheduled.labels) == ["a acted", "a followed"]
    assert state(db, job) == "success"


def test_a_failed_action_keeps_what_it_committed(db):
    job = db.scheduler.run_after(0, scheduled.act_and_fail, "a")
    assert db.run_due_jobs() == 1
    assert db.query(scheduled.labels) == ["a acted"]
    assert db.get(job)["state"] == {"kind": "failed", "error": "ValueError: no"}


def test_a_canceled_action_goes_on_and_schedules_nothing(db):
    job = db.scheduler.run_after(0, scheduled.cancel_itself, "a")
    assert db.run_due_jobs() == 1
    assert state(db, job) == "canceled"
    assert db.query(scheduled.labels) == []
    assert len(db.query(scheduled.jobs, kind="canceled")) == 3
    assert db.finish_jobs() == 0


def test_what_has_ended_is_not_canceled(db):
    job = db.scheduler.run_after(0, scheduled.note, "a")
    db.run_due_jobs()
    assert db.mutate(scheduled.cancel, id=job) is False
    assert state(db, job) == "success"
    with pytest.raises(hw.InvalidIdError, match="no id of a scheduled function"):
        db.scheduler.cancel(db.transact(lambda tx: tx.insert("others", {})))


def test_nobody_calls_what_was_scheduled(db):
    with hw.acting_as(hw.Identity("ada")):
        db.scheduler.run_after(0, scheduled.note_inside, "a")
        assert db.run_due_jobs() == 1
    assert db.query(scheduled.labels) == ["a as None"]


def test_a_time_may_be_a_number_a_date_or_past(db):
    tomorrow = db.clock.now + timedelta(days=1)
    db.scheduler.run_at(tomorrow, scheduled.note, "date")
    db.scheduler.run_at(tomorrow.timestamp() * 1000 - 1, scheduled.note, "number")
    db.scheduler.run_at(datetime(2023, 1, 1, tzinfo=UTC), scheduled.note, "past")
    assert db.run_due_jobs() == 1
    assert db.finish_jobs() == 2
    assert db.query(scheduled.labels) == ["past", "number", "date"]
    assert db.clock.now == tomorrow


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e9, "1", True, None])
def test_a_delay_is_a_number_of_seconds(db, seconds):
    with pytest.raises(hw.ArgumentError, match="run_after"):
        db.scheduler.run_after(seconds, scheduled.note, "a")


@pytest.mark.parametrize(
    "time",
    [float("nan"), 0, 1e15, "now", True, datetime(2024, 1, 1)],  # noqa: DTZ001
)
def test_a_time_is_a_moment_within_five_years(db, time):
    with pytest.raises(hw.ArgumentError, match="run_at"):
        db.scheduler.run_at(time, scheduled.note, "a")


def test_what_cannot_run_later_is_refused_at_once(db):
    with pytest.raises(hw.ArgumentError, match="label"):
        db.scheduler.run_after(1, scheduled.note, label=1)
    with pytest.raises(hw.FunctionKindError, match="a query"):
        db.scheduler.run_after(1, scheduled.labels)
    with pytest.raises(hw.FunctionKindError, match="declared with"):
        db.scheduler.run_after(1, print)

    @hw.mutation
    def unknown(ctx: hw.MutationCtx) -> None:
        """In no module."""

    with pytest.raises(hw.FunctionNotFoundError, match="no module"):
        db.scheduler.run_after(1, unknown)
    assert db.query(scheduled.jobs) == []


def test_finishing_what_does_not_end_is_an_error(db):
    db.mutate(scheduled.again, seconds=1)
    db.run_due_jobs()
    with pytest.raises(hw.UsageError, match="without end"):
        db.finish_jobs(limit=50)
    assert db.run_due_jobs(limit=3) == 0


def test_those_that_have_ended_are_kept_for_seven_days(db):
    for _ in range(300):
        db.scheduler.run_after(0, scheduled.note, "a")
    db.run_due_jobs()
    db.clock.advance(days=7, seconds=-1)
    db.run_due_jobs()
    assert len(db.query(scheduled.jobs)) == 300
    db.clock.advance(seconds=2)
    db.run_due_jobs()
    assert db.query(scheduled.jobs) == []


def test_live_queries_see_it_end(db):
    job = db.scheduler.run_after(0, scheduled.note, "a")
    with db.watch(scheduled.jobs) as live:
        seen = iter(live)
        assert next(seen)[0]["state"]["kind"] == "pending"
        db.run_due_jobs()
        assert next(seen)[0]["state"]["kind"] == "success"
    assert state(db, job) == "success"


def test_tasks_schedule_without_blocking(db):
    async def run():
        job = await db.aio.scheduler.run_after(1, scheduled.note, "a")
        other = await db.aio.scheduler.run_at(db.clock.now, scheduled.note, "b")
        assert await db.aio.scheduler.cancel(job)
        return other

    other = asyncio.run(run())
    assert db.finish_jobs() == 1
    assert (db.query(scheduled.labels), state(db, other)) == (["b"], "success")


def test_a_database_without_jobs_has_no_table_and_no_thread():
    before = set(threading.enumerate())
    module = types.ModuleType("unscheduled")  # whose types do not name the table
    module.note = scheduled.note
    with hw.open(None, modules=[module]) as db:
        db.mutate(scheduled.note, "a")
        names = {thread.name for thread in set(threading.enumerate()) - before}
        assert not {"headwater-jobs", "headwater-alarm", "headwater-wake"} & names
        assert "_scheduled_functions" not in db._store.catalog.by_name
        db.scheduler.run_after(3600, scheduled.note, "b")
        names = {thread.name for thread in set(threading.enumerate()) - before}
        assert "headwater-jobs" in names


def test_a_fork_runs_nothing_by_itself():
    with testing.database(scheduled) as db:
        db.scheduler.run_after(0, scheduled.note, "a")
        with db.fork() as fork:
            assert fork._services.options.jobs == "hold"
            assert fork.query(scheduled.labels) == []
            assert fork.run_due_jobs() == 1


@pytest.mark.parametrize(
    ("limit", "maximum", "fits", "exceeds"),
    [
        ("scheduled_functions", 3, {"count": 3}, {"count": 4}),
        ("scheduled_argument_bytes", 1010, {"count": 1, "size": 1000}, {"count": 1, "size": 1001}),
        ("scheduled_bytes", 2020, {"count": 2, "size": 1000}, {"count": 2, "size": 1001}),
    ],
)
def test_a_mutation_schedules_no_more_than_its_limits(limit, maximum, fits, exceeds):
    with testing.database(scheduled, limits=hw.Limits(**{limit: maximum})) as db:
        db.mutate(scheduled.many, **fits)
        before = len(db.query(scheduled.jobs))
        with pytest.raises(hw.LimitExceededError, match=limit) as refused:
            db.mutate(scheduled.many, **exceeds)
        assert (refused.value.limit, refused.value.maximum) == (limit, maximum)
        assert len(db.query(scheduled.jobs)) == before == fits["count"]


def test_rules_of_tables_hold_for_public_functions_that_run_later():
    """Scheduling a call is no way around them: it runs as nobody, and nobody may write there."""
    with testing.database(fenced_jobs) as db:
        with hw.acting_as(hw.Identity("ada")):
            db.mutate(fenced_jobs.write, "now")
            public = db.scheduler.run_after(0, fenced_jobs.write, "later")
            internal = db.scheduler.run_after(0, fenced_jobs.write_inside, "inside")
        assert db.run_due_jobs() == 2
        assert state(db, public) == "failed"
        assert state(db, internal) == "success"
        with db.snapshot() as snapshot:
            texts = [one["text"] for one in snapshot.query("secrets")]
        assert texts == ["now", "inside"]


@pytest.mark.parametrize(("failures", "kind"), [(0, "success"), (2, "success"), (3, "failed")])
def test_an_action_with_a_policy_is_tried_again_later(db, failures, kind):
    """Each wait is stored: it outlives the process."""
    start = db.clock.now
    job = db.scheduler.run_after(0, scheduled.act_until_it_works, "a", failures)
    for attempt in range(1, min(failures, 2) + 1):
        assert db.run_due_jobs() == 1
        found = db.get(job)
        assert (found["state"]["kind"], found["attempts"]) == ("pending", attempt)
        assert "not yet" in found["state"]["error"]
        db.crash()
        assert db.run_due_jobs() == 0
        db.clock.advance(seconds=10 * 2 ** (attempt - 1))
    assert db.run_due_jobs() == 1
    found = db.get(job)
    assert (found["state"]["kind"], found["attempts"]) == (kind, min(failures, 2) + 1)
    assert ("owner" in found, "completedTime" in found) == (False, True)
    assert (db.clock.now - start).total_seconds() == [0, 10, 30, 30][failures]


def test_an_action_with_a_policy_may_be_canceled_between_its_attempts(db):
    job = db.scheduler.run_after(0, scheduled.act_until_it_works, "a", 9)
    db.run_due_jobs()
    assert db.scheduler.cancel(job)
    assert db.finish_jobs() == 0
    assert db.query(scheduled.labels) == ["a"]


@pytest.mark.parametrize("way", ["scheduled", "cron"])
def test_what_runs_later_is_recorded_and_noted_as_other_calls_are(db, way):
    arguments = {"labels": ["a", "b"]}
    if way == "scheduled":
        db.scheduler.run_after(0, scheduled.note_recorded, **arguments)
    else:
        db.crons.register("a", hw.IntervalSchedule(hours=1), scheduled.note_recorded, arguments)
    assert db.run_due_jobs() == 1
    (entry,) = db.log.read(tables=["effects"])
    assert entry.origin.arguments == arguments
    replayed = db.replay(entry.ts)
    assert replayed.is_same, replayed.differences
    assert len(replayed.recorded) == len(replayed.replayed) == 3
    (call,) = db.calls.recent(function="scheduled:noteRecorded")
    assert (call.error, call.identity, call.runs) == (None, None, 1)
    assert [line.message for line in call.lines] == ["noting 2"]


def test_a_scheduled_mutation_that_fails_is_among_the_calls_that_failed(db):
    db.scheduler.run_after(0, scheduled.note_and_fail, "a")
    db.run_due_jobs()
    (call,) = db.calls.recent(failed=True)
    assert call.function == "scheduled:noteAndFail"


def test_wrong_options_are_refused(db):
    with pytest.raises(hw.ArgumentError, match="jobs='no'"):
        hw.open(None, jobs="no")
    with pytest.raises(hw.ArgumentError, match="limit"):
        db.run_due_jobs(limit=-1)
    with pytest.raises(hw.ArgumentError, match="let_pass"):
        db.let_pass(hours=-1)

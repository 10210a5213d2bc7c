"""Crons run in their times, once each, and what was missed is made up for as was chosen."""

import types
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.processes.children import nursery
from tests.services import recurring
from tests.services.test_executor import wait_until

import headwater as hw
from headwater import testing

HOUR = 3_600_000.0


@pytest.fixture
def db():
    with testing.database(recurring) as database:
        yield database


def declaring(*, name="declaring", **crons):
    """A module that declares crons: each is (schedule, function, args, missed)."""
    module = types.ModuleType(name)
    for each in ("tick", "act", "tick_and_fail", "ticks", "runs"):
        setattr(module, each, getattr(recurring, each))
    module.crons = hw.Crons()
    module.crons.module = name
    for cron, (schedule, function, args, missed) in crons.items():
        module.crons.register(cron, schedule, function, args, missed=missed)
    return module


def hourly(function=recurring.tick, args=None, missed="skip"):
    return hw.IntervalSchedule(hours=1), function, args, missed


def now_ms(db):
    return db.clock.now_ns() / 1_000_000


# Laws --------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 5 * 60)),
        st.tuples(st.just("run"), st.just(0)),
        st.tuples(st.just("crash"), st.just(0)),
    ),
    max_size=20,
)


@given(STEPS, st.sampled_from(["skip", "run_once", "run_all"]), st.booleans())
def test_what_ran_is_what_a_list_of_hours_says(steps, missed, is_action):
    """The model: hours that have come; what a look at them does, by the choice that was made."""
    function = recurring.act if is_action else recurring.tick
    module = declaring(cron=hourly(function, {"label": "x"}, missed))
    with testing.database(module) as db:
        start = now_ms(db)
        now, following, ran = 0, 0, 0  # in minutes
        for step, minutes in [*steps, ("run", 0)]:
            if step == "wait":
                db.clock.advance(minutes=minutes)
                now += minutes
            elif step == "crash":
                db.crash()
            else:
                due = list(range(following, now + 1, 60))
                if due and missed == "run_all":
                    expected = len(due)
                elif due and (missed == "run_once" or now - due[-1] <= 1):
                    expected = 1
                else:
                    expected = 0
                following = due[-1] + 60 if due else following
                assert db.run_due_jobs() == expected
                ran += expected
            assert len(db.query(recurring.ticks)) == ran
            stored = db.crons.get("cron")
            assert stored["nextTime"] == start + following * 60_000
            assert stored["state"] == "waiting"
        assert db.verify() == []


# Examples ----------------------------------------------------------------------------------------


def test_an_interval_runs_first_when_it_is_declared_and_then_in_its_times():
    with testing.database(declaring(cron=hourly())) as db:
        assert db.let_pass(hours=3) == 4
        assert len(db.query(recurring.ticks)) == 4
        times = [run["scheduledTime"] for run in db.query(recurring.runs, "cron")]
        assert [time - times[0] for time in times] == [0, HOUR, 2 * HOUR, 3 * HOUR]


def test_a_line_of_cron_runs_in_its_time_zone(db):
    schedule = hw.CronSchedule("0 9 * * MON-FRI", tz="Europe/Zurich")
    db.crons.register("report", schedule, recurring.tick)
    assert db.run_due_jobs() == 0
    assert db.let_pass(days=7) == 5
    moments = [
        datetime.fromtimestamp(run["scheduledTime"] / 1000, UTC)
        for run in db.query(recurring.runs, "report")
    ]
    assert {moment.hour for moment in moments} == {8}
    assert [moment.day for moment in moments] == [1, 2, 3, 4, 5]


def test_what_was_missed_is_in_the_history():
    with testing.database(declaring(cron=hourly())) as db:
        db.run_due_jobs()
        db.clock.advance(hours=5, minutes=30)
        assert db.run_due_jobs() == 0
        first, skipped = db.query(recurring.runs, "cron")
        assert (first["state"], skipped["state"], skipped["skipped"]) == ("success", "skipped", 5)
        db.clock.advance(minutes=30, seconds=1)
        assert db.run_due_jobs() == 1


def test_a_failure_is_noted_and_the_next_time_comes():
    with testing.database(declaring(cron=hourly(recurring.tick_and_fail))) as db:
        assert db.let_pass(hours=1) == 2
        assert db.query(recurring.ticks) == []
        found = db.query(recurring.runs, "cron")
        assert [run["state"] for run in found] == ["failed", "failed"]
        assert "refused" in found[0]["error"]


def test_the_last_hundred_runs_are_kept_for_seven_days(db):
    db.crons.register("fast", hw.IntervalSchedule(minutes=1), recurring.tick)
    db.let_pass(minutes=150)
    numbers = [run["number"] for run in db.query(recurring.runs, "fast")]
    assert numbers == list(range(52, 152))
    db.crons.delete("fast")
    db.clock.advance(days=8)
    db.run_due_jobs()
    assert db.query(recurring.runs, "fast") == []


def test_what_is_declared_is_added_changed_and_deleted_in_one_commit(tmp_path):
    path = tmp_path / "db.hw"
    options = {"clock": testing.ManualClock(), "jobs": "hold"}
    with hw.open(path, modules=[declaring(a=hourly(), b=hourly())], **options) as db:
        first = {one["name"]: one for one in db.crons.list()}
        db.crons.register("mine", hw.IntervalSchedule(hours=2), recurring.tick)
        ts = db.ts
    with hw.open(path, modules=[declaring(a=hourly(), b=hourly())], **options) as db:
        assert db.ts == ts
    changed = (hw.IntervalSchedule(hours=3), recurring.tick, None, "skip")
    relabeled = hourly(args={"label": "other"})
    module = declaring(a=relabeled, c=changed)
    with hw.open(path, modules=[module], **options) as db:
        found = {one["name"]: one for one in db.crons.list()}
        assert set(found) == {"a", "c", "mine"}
        assert found["a"]["args"] == {"label": "other"}
        assert found["a"]["_id"] == first["a"]["_id"]
        assert found["a"]["nextTime"] == first["a"]["nextTime"]
        assert len(db.log.read(ts, tables=["_crons"])) == 1


def test_what_other_modules_declare_is_left_alone(tmp_path):
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[declaring(name="one", a=hourly())], jobs="hold"):
        pass
    with hw.open(path, modules=[declaring(name="other", b=hourly())], jobs="hold") as db:
        assert [one["name"] for one in db.crons.list()] == ["a", "b"]
    with hw.open(path, jobs="hold") as db:
        assert [one["name"] for one in db.crons.list()] == ["a", "b"]
        assert db.run_due_jobs() == 0


def test_wrong_declarations_are_refused_at_opening():
    for args, function in [({"lable": "x"}, recurring.tick), (None, recurring.ticks)]:
        with pytest.raises(hw.DeclarationError, match="cron 'a'"):
            testing.database(declaring(a=hourly(function, args)))
    twice = [declaring(name="one", a=hourly()), declaring(name="two", a=hourly())]
    twice[1].tick = twice[1].act = twice[1].tick_and_fail = None
    twice[1].ticks = twice[1].runs = None
    with pytest.raises(hw.DeclarationError, match="declared in one and in two"):
        testing.database(*twice)
    crons = hw.Crons()
    crons.daily("a", recurring.tick)
    with pytest.raises(hw.DeclarationError, match="declared twice"):
        crons.hourly("a", recurring.tick)
    with pytest.raises(hw.DeclarationError, match="missed="):
        hw.Crons().daily("a", recurring.tick, missed="never")


def test_a_declaration_belongs_to_its_module():
    assert hw.Crons().module == __name__


def test_registering_is_a_part_of_the_transaction(db):
    with pytest.raises(hw.ApplicationError):
        db.mutate(recurring.register_and_fail)
    assert db.crons.get("dropped") is None
    assert db.crons.list() == []
    with pytest.raises(hw.ArgumentError, match="label"):
        db.crons.register("a", hw.IntervalSchedule(hours=1), recurring.tick, {"label": 1})
    with pytest.raises(hw.DeclarationError, match="no schedule"):
        db.crons.register("a", "0 9 * * *", recurring.tick)


def test_registering_again_replaces_and_keeps_the_time_of_an_equal_schedule(db):
    first = db.crons.register("a", hw.CronSchedule.daily(hour=9), recurring.tick)
    before = db.crons.get("a")
    db.clock.advance(hours=1)
    again = db.crons.register("a", hw.CronSchedule.daily(hour=9), recurring.act, {"label": "x"})
    assert again == first
    assert db.crons.get("a")["nextTime"] == before["nextTime"]
    db.crons.register("a", hw.CronSchedule.daily(hour=10), recurring.act, {"label": "x"})
    assert db.crons.get("a")["nextTime"] == before["nextTime"] + HOUR
    assert db.let_pass(hours=24) == 1
    assert db.query(recurring.ticks) == ["x"]


def test_declared_ones_are_not_changed_at_run_time():
    with testing.database(declaring(a=hourly())) as db:
        with pytest.raises(hw.ArgumentError, match="declares it"):
            db.crons.delete("a")
        with pytest.raises(hw.ArgumentError, match="declares it"):
            db.crons.register("a", hw.IntervalSchedule(hours=1), recurring.tick)


@pytest.mark.parametrize(
    "function", [recurring.delete_itself, recurring.delete_itself_by_an_action]
)
def test_one_may_delete_itself(db, function):
    db.crons.register("itself", hw.IntervalSchedule(hours=1), function)
    assert db.let_pass(hours=5) == 1
    assert db.crons.get("itself") is None
    assert "turn" not in str(db.crons.list())
    (run,) = db.query(recurring.runs, "itself")
    assert run["state"] == "canceled"
    db.crons.register("itself", hw.IntervalSchedule(hours=1), recurring.tick)
    db.run_due_jobs()
    assert [run["number"] for run in db.query(recurring.runs, "itself")] == [1, 2]


def test_finishing_jobs_does_not_wait_for_crons():
    with testing.database(declaring(a=hourly())) as db:
        assert db.finish_jobs() == 1
        db.scheduler.run_after(2 * 3600 + 60, recurring.tick, "scheduled")
        assert db.finish_jobs() == 3
        assert db.query(recurring.ticks)[-1] == "scheduled"


# Processes ---------------------------------------------------------------------------------------

WORKER = """
from tests.services import recurring
from tests.services.test_crons import declaring, every_second
db = hw.open(path, modules=[declaring(**every_second())], jobs="run")
say("open")
threading.Event().wait()
"""


def every_second():
    second = hw.IntervalSchedule(seconds=1)
    return {
        "mutation": (second, recurring.tick, {"label": "mutation"}, "run_all"),
        "action": (second, recurring.act, {"label": "action"}, "run_all"),
    }


def test_several_processes_run_each_time_once_also_across_kills(tmp_path):
    """Each time has one run; a mutation one effect for it, an action at most one.

    Declared years ago by the clock of the test, they have more to make up for than there is time.
    """
    path, module = tmp_path / "db.hw", declaring(**every_second())
    with hw.open(path, modules=[module], jobs="hold", clock=testing.ManualClock()):
        pass
    with nursery() as start, hw.open(path, modules=[module], jobs="hold") as db:
        for round_ in range(1, 4):
            workers = [start(WORKER, path) for _ in range(2)]
            assert [worker.hear() for worker in workers] == ["open"] * 2
            enough = 40 * round_
            wait_until(db, recurring.ticks, lambda found, n=enough: found.count("mutation") >= n)
            for worker in workers:
                worker.kill()
        ticks = db.query(recurring.ticks)
        for name in ("mutation", "action"):
            runs, count = db.query(recurring.runs, name), db.crons.get(name)["runs"]
            times = [run["scheduledTime"] for run in runs]
            assert times == [times[0] + 1000 * n for n in range(len(times))]
            assert [run["number"] for run in runs] == list(range(count - len(runs) + 1, count + 1))
            if name == "mutation":
                assert ticks.count(name) == count
                assert {run["state"] for run in runs} == {"success"}
            else:
                assert 0 < ticks.count(name) <= count
        assert db.verify() == []

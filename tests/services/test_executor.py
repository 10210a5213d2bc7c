"""The background executor: several processes, kills, and nothing twice.

Nothing here waits for a while: whoever waits, waits for a commit, by a live query or a pipe.
"""

import random
import signal
import threading

import pytest
from tests.processes.children import WAIT_SECONDS, nursery
from tests.services import scheduled

import headwater as hw
from headwater import testing

PRELUDE = """
from tests.services import scheduled
"""

WORKER = (
    PRELUDE
    + """
db = hw.open(path, modules=[scheduled], jobs="run")
say("open")
seen = set()
for found in db.watch(scheduled.labels):
    # In the order of creation, which need not be that of the commits.
    for label in sorted(set(found) - seen):
        say(label)
    seen |= set(found)
"""
)

HOLDER = (
    PRELUDE
    + """
db = hw.open(path, modules=[scheduled], jobs="hold")
say("open")
for number in range(int(hear())):
    function = scheduled.note if number % 2 else scheduled.act_and_fail
    db.scheduler.run_after(0, function, label=str(number))
say("scheduled")
hear()
"""
)


@pytest.fixture
def start():
    with nursery() as made:
        yield made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "db.hw"


def wait_until(db, query, wanted, *arguments):
    """Follow a query until its result is as wanted; what never comes fails the test."""
    with db.watch(query, *arguments) as live:
        alarm = threading.Timer(WAIT_SECONDS, live.close)
        alarm.start()
        try:
            for result in live:
                if wanted(result):
                    return result
        finally:
            alarm.cancel()
    raise AssertionError(f"it did not come within {WAIT_SECONDS} s")


def settled(found):
    return bool(found) and all(
        one["state"]["kind"] not in ("pending", "in_progress") for one in found
    )


def test_it_runs_by_itself_in_order():
    with hw.open(None, modules=[scheduled], durability="none") as db:
        for number in range(200):
            db.mutate(scheduled.later, seconds=0, label=str(number))
        found = wait_until(db, scheduled.labels, lambda found: len(found) == 200)
        assert found == [str(number) for number in range(200)]
        jobs = wait_until(db, scheduled.jobs, settled)
        assert {one["state"]["kind"] for one in jobs} == {"success"}


@pytest.mark.parametrize("every", [3, 1000])
def test_nothing_that_is_due_waits_for_the_clock(path, every):
    """The clock stands still: only commits and ends can wake it, from the first run to the last."""
    clock, count = testing.ManualClock(), 150
    actions = {str(number) for number in range(1, count) if number % every == 0}
    with hw.open(path, modules=[scheduled], clock=clock, jobs="hold") as db:
        for number in range(count):
            function = scheduled.act if str(number) in actions else scheduled.note
            db.scheduler.run_after(0, function, str(number))
    with hw.open(path, modules=[scheduled], clock=clock, jobs="run") as db:
        total = count + len(actions)  # each action schedules one more
        found = wait_until(db, scheduled.jobs, lambda found: len(found) == total and settled(found))
        assert {one["state"]["kind"] for one in found} == {"success"}
        notes = [one for one in db.query(scheduled.labels) if one.isdecimal()]
        assert notes == [str(number) for number in range(count) if str(number) not in actions]


def test_it_wakes_when_the_clock_is_moved():
    clock = testing.ManualClock()
    with testing.database(scheduled, clock=clock, jobs="run") as db:
        db.mutate(scheduled.later, seconds=3600, label="a")
        db.scheduler.run_after(7200, scheduled.act, label="b")
        clock.advance(hours=1)
        wait_until(db, scheduled.labels, lambda found: found == ["a"])
        clock.advance(hours=1)
        wait_until(db, scheduled.labels, lambda found: found == ["a", "b acted", "b followed"])


def test_failures_are_noted_and_the_rest_goes_on():
    with hw.open(None, modules=[scheduled], durability="none") as db:
        for number in range(20):
            function = scheduled.note_and_fail if number % 2 else scheduled.note
            db.scheduler.run_after(0, function, str(number))
        jobs = wait_until(db, scheduled.jobs, lambda found: len(found) == 20 and settled(found))
        kinds = [one["state"]["kind"] for one in jobs]
        assert kinds == ["success", "failed"] * 10
        assert db.query(scheduled.labels) == [str(number) for number in range(0, 20, 2)]


def test_what_is_due_runs_at_the_next_opening(path):
    with hw.open(path, modules=[scheduled], jobs="hold") as db:
        db.scheduler.run_after(0, scheduled.note, "a")
        db.scheduler.run_after(0, scheduled.act, "b")
    with hw.open(path, modules=[scheduled]) as db:
        found = wait_until(db, scheduled.labels, lambda found: len(found) == 3)
        assert sorted(found) == ["a", "b acted", "b followed"]


def test_functions_that_a_process_does_not_have_are_left_alone(path):
    with hw.open(path, modules=[scheduled], jobs="hold") as db:
        job = db.scheduler.run_after(0, scheduled.note, "a")
    with hw.open(path) as db:
        assert db.run_due_jobs() == 0
        assert db.get(job)["state"]["kind"] == "pending"
    with hw.open(path, modules=[scheduled], jobs="hold") as db:
        assert db.run_due_jobs() == 1


def test_closing_ends_actions_and_says_so(path):
    begun, go_on = threading.Event(), threading.Event()
    module = hanging(begun, go_on)
    with hw.open(path, modules=[module]) as db:
        job = db.scheduler.run_after(0, module.hang)
        assert begun.wait(60)
    with hw.open(path, modules=[module]) as db:
        found = db.get(job)["state"]
    go_on.set()
    assert found["kind"] == "failed"
    assert "the database was closed" in found["error"]


def hanging(begun, go_on, retry=None):
    import types

    @hw.action(retry=retry)
    def hang(ctx: hw.SyncActionCtx) -> None:
        begun.set()
        go_on.wait(60)

    module = types.ModuleType("hanging")
    hang.module = "hanging"
    module.hang = hang
    return module


def test_a_process_runs_what_another_one_schedules_from_an_empty_database(path, start):
    worker = start(WORKER, path)
    assert worker.hear() == "open"
    holder = start(HOLDER, path)
    assert holder.hear() == "open"
    holder.tell(4)
    heard = sorted(worker.hear() for _ in range(4))
    assert heard == ["0 acted", "1", "2 acted", "3"]


def test_several_processes_do_everything_once(path, start):
    workers = [start(WORKER, path) for _ in range(3)]
    assert [worker.hear() for worker in workers] == ["open"] * 3
    with hw.open(path, modules=[scheduled], jobs="hold") as db:
        for number in range(60):
            function = scheduled.note if number % 3 else scheduled.act_and_fail
            db.scheduler.run_after(0, function, str(number))
        wait_until(db, scheduled.jobs, lambda found: len(found) == 60 and settled(found))
        expected = [str(number) if number % 3 else f"{number} acted" for number in range(60)]
        assert sorted(db.query(scheduled.labels)) == sorted(expected)


def test_an_action_of_a_process_that_was_killed_has_failed(path, start):
    code = (
        PRELUDE
        + """
import time
from tests.services.test_executor import hanging
class Told:
    def set(self):
        say("begun")
    def wait(self, seconds):
        hear()
module = hanging(Told(), Told())
db = hw.open(path, modules=[module], jobs="run")
db.scheduler.run_after(0, module.hang)
threading.Event().wait()
"""
    )
    child = start(code, path)
    assert child.hear() == "begun"
    with hw.open(path, modules=[scheduled], jobs="run") as db:
        child.kill()
        (found,) = wait_until(db, scheduled.jobs, settled)
        assert found["state"]["kind"] == "failed"
        assert "is gone" in found["state"]["error"]


def test_an_action_with_a_policy_is_tried_again_after_a_kill(path, start):
    code = (
        PRELUDE
        + """
from tests.services.test_executor import hanging
class Told:
    def set(self):
        say("begun")
    def wait(self, seconds):
        hear()
module = hanging(Told(), Told(), retry=hw.Retry(attempts=2, initial_seconds=0))
db = hw.open(path, modules=[module], jobs="run")
db.scheduler.run_after(0, module.hang)
threading.Event().wait()
"""
    )
    child = start(code, path)
    assert child.hear() == "begun"
    begun, go_on = threading.Event(), threading.Event()
    go_on.set()
    module = hanging(begun, go_on, retry=hw.Retry(attempts=2, initial_seconds=0))
    with hw.open(path, modules=[scheduled], jobs="run") as db:  # which does not have the function
        child.kill()
        assert db.run_due_jobs() == 0
        (found,) = db.query(scheduled.jobs)
        assert found["state"]["kind"] == "in_progress"
    with hw.open(path, modules=[module], jobs="run") as db:
        (found,) = wait_until(db, scheduled.jobs, settled)
        assert (found["state"]["kind"], found["attempts"]) == ("success", 2)
        assert begun.is_set()


KILLED = (
    PRELUDE
    + """
db = hw.open(path, modules=[scheduled], jobs="run")
prefix = sys.argv[2]
for number in range(1000):
    function = scheduled.act_and_fail if number % 5 == 0 else scheduled.note
    job = db.scheduler.run_after(0, function, f"{prefix}/{number}")
    say(job)
"""
)


def test_kills_make_nothing_happen_twice_and_lose_no_mutation(path, start):
    """Each acknowledged mutation has exactly one effect, each action at most one."""
    draw = random.Random("kills")
    told = []
    for round_ in range(6):
        child = start(KILLED, path, round_)
        told += [child.hear() for _ in range(draw.randint(1, 80))]
        told += child.kill()
        assert child.process.returncode == -signal.SIGKILL, child.errors
    with hw.open(path, modules=[scheduled], jobs="run") as db:
        jobs = wait_until(db, scheduled.jobs, settled)
        assert set(told) <= {one["_id"] for one in jobs}
        effects = db.query(scheduled.labels)
        assert len(effects) == len(set(effects))
        for one in jobs:
            label, kind = one["args"]["label"], one["state"]["kind"]
            if one["name"].endswith("actAndFail"):
                assert kind == "failed"
            else:
                assert kind == "success"
                assert label in effects
        mutations = {one["args"]["label"] for one in jobs if one["name"].endswith(":note")}
        actions = {f"{one['args']['label']} acted" for one in jobs} - mutations
        assert set(effects) - mutations <= actions
        assert db.verify() == []

"""Jobs that run by themselves: cancels, concurrency over processes, kills.

Nothing here waits for a while: whoever waits, waits for a commit, by a live query or a pipe.
"""

import random
import signal
import threading

import pytest
from tests.processes.children import nursery
from tests.services import worked, working
from tests.services.working import before

import headwater as hw
from headwater import testing


@pytest.fixture(autouse=True)
def _nothing_first():
    before.clear()


@pytest.fixture
def start():
    with nursery() as made:
        yield made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "db.hw"


def wait_until(db, query, wanted, **arguments):
    """Follow a query until its result is as wanted."""
    with db.watch(query, **arguments) as live:
        for result in live:
            if wanted(result):
                return result
    raise AssertionError("the query ended")


def have_ended(states):
    return bool(states) and not {"pending", "running"} & set(states.values())


# -- one process --------------------------------------------------------------------------------


def test_jobs_run_by_themselves_and_not_more_than_the_queue_allows():
    running, most = set(), [0]
    lock = threading.Lock()

    def watch_oneself() -> None:
        me = threading.current_thread()
        with lock:
            running.add(me)
            most[0] = max(most[0], len(running))
        db.query(working.texts)
        with lock:
            running.discard(me)

    before["a"] = watch_oneself
    with testing.database(working, jobs="run") as db:
        batch = db.jobs.enqueue_many([working.work.bind(text="a") for _ in range(30)])
        wait_until(db, working.batch, lambda found: "completed" in found, id=batch)
        assert db.query(working.batch, id=batch)["success"] == 30
    assert most[0] in (1, 2)


@pytest.mark.parametrize("function", [working.wait_for_the_end, working.wait_for_the_end_async])
def test_a_running_job_is_canceled(function):
    with testing.database(working, jobs="run") as db:
        started = threading.Event()
        before["started"] = started.set
        jobs = db.jobs.with_options(on_complete=working.told, context="x")
        id = jobs.enqueue(function)
        assert started.wait(60)
        assert db.query(working.job, id=id)["state"] == "running"
        assert db.jobs.cancel(id)
        wait_until(db, working.states, have_ended)
        job = db.query(working.job, id=id)
        assert (job["state"], job["result"]) == ("canceled", {"kind": "canceled"})
        assert [result for _, _, result in db.query(working.tellings)] == [{"kind": "canceled"}]


def test_an_attempt_that_takes_too_long_is_followed_by_another():
    with testing.database(working, jobs="run") as db:
        started = threading.Semaphore(0)
        before["started"] = started.release
        id = db.jobs.enqueue(working.wait_in_time)
        for attempt in (1, 2):
            assert started.acquire(timeout=60)
            db.clock.advance(seconds=30)
            wait_until(
                db,
                working.job,
                lambda job, n=attempt: len(job["errors"]) == n and job["state"] != "running",
                id=id,
            )
            db.clock.advance(seconds=10)
        job = db.query(working.job, id=id)
        assert (job["state"], job["attempts"]) == ("dead", 2)
        assert "TimeLimitError" in job["result"]["error"]


def test_closing_ends_attempts_which_are_made_again_if_the_policy_says_so(path):
    started = threading.Semaphore(0)
    before["started"] = started.release
    with hw.open(path, modules=[working], jobs="run") as db:
        again = db.jobs.enqueue(working.wait_in_time)
        never = db.jobs.enqueue(working.wait_for_the_end)
        assert started.acquire(timeout=60)
        assert started.acquire(timeout=60)
    with hw.open(path, modules=[working], jobs="hold") as db:
        states = db.query(working.states)
        assert (states[again], states[never]) == ("pending", "dead")
        assert "was closed" in db.query(working.job, id=never)["result"]["error"]


def test_another_process_knows_what_this_one_does_not_have(path):
    with hw.open(path, modules=[working], jobs="hold") as db:
        id = db.jobs.with_options(on_complete=working.told).enqueue(working.once, text="a")
    with hw.open(path, modules=[]) as db:
        assert db.run_due_jobs() == 0
        with pytest.raises(hw.FunctionNotFoundError):
            db.jobs.cancel(id)  # whoever has to be told is not here
        assert db.get(id)["state"] == "pending"
    with hw.open(path, modules=[working], jobs="hold") as db:
        assert db.run_due_jobs() == 1


# -- several processes, and kills -----------------------------------------------------------------

WORKER = """
from tests.services import worked
db = hw.open(path, modules=[worked], jobs="run")
say("open")
hear()
"""

ENQUEUER = """
import random
from tests.services import worked
db = hw.open(path, modules=[worked], jobs="hold")
draw = random.Random(int(sys.argv[2]))
say("open")
for number in range(int(sys.argv[3])):
    name = f"{sys.argv[2]}-{number}"
    try:
        db.mutate(worked.enqueue, name=name, fails=draw.random() < 0.3)
        say("enqueued", name)
    except hw.ApplicationError:
        say("rolled back", name)
say("done")
hear()
"""


def enqueued(lines):
    return [line.split()[1] for line in lines if line.startswith("enqueued ")]


def check_ends(db, known):
    """What was enqueued and acknowledged has ended, in its way, and its end was told once."""
    jobs = {job["arguments"]["name"]: job for job in db.query(worked.jobs)}
    assert set(known) <= jobs.keys()
    tellings = db.query(worked.tellings)
    assert len(tellings) == len(set(tellings)) == len(jobs)
    effects = db.query(worked.effects)
    for name, job in jobs.items():
        kind = job["function"].partition(":")[2]
        assert effects.get(f"rolled back {name}") is None
        if kind == "count":
            assert (job["state"], effects[name]) == ("success", 1)
        elif kind == "actAgain":
            assert job["state"] in ("success", "dead")
            assert job["attempts"] <= 3
            assert effects.get(name, 0) <= 3
            assert job["state"] == "dead" or effects[name] >= 1
        else:
            assert job["attempts"] == 1
            assert effects.get(name, 0) <= 1
            assert job["state"] == "dead" or effects[name] == 1
    assert db.verify() == []


def test_processes_together_keep_to_the_concurrency(path, start):
    """Each job says when it is inside; no moment of the history has more than two of them."""
    with hw.open(path, modules=[worked], jobs="hold") as db:
        workers = [start(WORKER, path) for _ in range(3)]
        assert [worker.hear() for worker in workers] == ["open"] * 3
        calls = [worked.act_again.bind(name=str(n)) for n in range(40)]
        batch = db.jobs.enqueue_many(calls)
        wait_until(db, worked.batch, lambda found: "completed" in found, id=batch)
        for worker in workers:
            worker.tell()
            worker.finish()
        assert db.query(worked.batch, id=batch)["success"] == 40
        assert 1 <= worked.most_inside(db) <= 2


@pytest.mark.parametrize("seed", range(2))
def test_kills_lose_no_job_and_tell_no_end_twice(path, start, seed):
    draw = random.Random(seed)
    known: list[str] = []
    for round_ in range(4):
        enqueuer = start(ENQUEUER, path, seed * 100 + round_, 60)
        workers = [start(WORKER, path) for _ in range(2)]
        for child in (enqueuer, *workers):
            assert child.hear() == "open"
        lines = [enqueuer.hear() for _ in range(draw.randint(1, 40))]
        workers[0].kill()
        lines += [enqueuer.hear() for _ in range(draw.randint(1, 15))]
        lines += enqueuer.kill()
        workers[1].kill()
        assert enqueuer.process.returncode == -signal.SIGKILL, enqueuer.errors
        known += enqueued(lines)
    with hw.open(path, modules=[worked], jobs="run") as db:
        wait_until(db, worked.states, have_ended)
        check_ends(db, known)
        assert worked.most_inside(db) <= 2
    assert len(known) > 10


def test_the_others_see_to_the_jobs_of_one_that_is_killed(path, start):
    """It is inside of two jobs when it is killed; nobody opens the directory afterwards."""
    with hw.open(path, modules=[worked], jobs="hold") as db:
        victim = start(WORKER, path)
        assert victim.hear() == "open"
        ids = [db.jobs.enqueue(worked.hang, name="a"), db.jobs.enqueue(worked.hang_once, name="b")]
        running = dict.fromkeys(ids, "running")
        wait_until(db, worked.states, lambda found: found == running)
        survivor = start(WORKER, path)
        assert survivor.hear() == "open"
        victim.kill()
        wait_until(
            db, worked.states, lambda found: found[ids[1]] == "dead" and found[ids[0]] == "running"
        )
        jobs = {job["_id"]: job for job in db.query(worked.jobs)}
        assert jobs[ids[0]]["attempts"] == 2
        assert "is gone" in jobs[ids[1]]["result"]["error"]

"""Jobs, run by hand: what they do, how they end, and who is told."""

import asyncio
import types
from datetime import UTC, datetime

import pytest
from tests.services import working
from tests.services.working import before

import headwater as hw
from headwater import testing


@pytest.fixture
def db():
    before.clear()
    with testing.database(working) as database:
        yield database


def failing(*errors: BaseException):
    """What raises these, one at each run, and then nothing."""
    left = list(errors)

    def act() -> None:
        if left:
            raise left.pop(0)

    return act


def job_of(db, id):
    return db.query(working.job, id)


def told(db):
    return [[context, result] for _, context, result in db.query(working.tellings)]


KINDS = [working.work, working.work_async, working.once, working.count]


@pytest.mark.parametrize("function", KINDS)
def test_a_job_runs_once_and_its_end_is_told(db, function):
    jobs = db.jobs.with_options(on_complete=working.told, context={"for": "me"})
    id = jobs.enqueue(function, text="a")
    assert job_of(db, id)["state"] == "pending"
    assert [db.run_due_jobs(), db.run_due_jobs()] == [1, 0]
    job = job_of(db, id)
    value = 1 if function is working.count else "did a"
    assert (job["state"], job["attempts"], job["errors"]) == ("success", 1, [])
    assert job["result"] == {"kind": "success", "value": value}
    assert db.query(working.tellings) == [[id, {"for": "me"}, job["result"]]]
    assert db.verify() == []


def test_a_job_is_called_from_outside_only_if_it_is_declared_so():
    @hw.job()
    def plain(ctx: hw.SyncActionCtx) -> None: ...

    @hw.job(internal=False)
    def public(ctx: hw.SyncActionCtx) -> None: ...

    @hw.job()
    @hw.mutation
    def stacked(ctx: hw.MutationCtx) -> None: ...

    @hw.job(internal=True)
    @hw.mutation
    def hidden(ctx: hw.MutationCtx) -> None: ...

    found = {job.name: job.is_internal for job in (plain, public, stacked, hidden)}
    assert found == {"plain": True, "public": False, "stacked": False, "hidden": True}


def test_what_is_rolled_back_enqueues_nothing(db):
    with pytest.raises(hw.ApplicationError):
        db.mutate(working.enqueue_in_mutation, text="a", fail=True)
    assert db.query(working.states) == {}
    id = db.mutate(working.enqueue_in_mutation, text="a")
    assert db.query(working.states) == {id: "pending"}


@pytest.mark.parametrize("function", [working.work, working.work_async, working.count])
def test_an_attempt_that_fails_is_followed_by_another_one_after_its_wait(db, function):
    before["a"] = failing(OSError("1"), OSError("2"))
    id = db.jobs.with_options(on_complete=working.told).enqueue(function, text="a")
    for attempt, seconds in [(1, 10), (2, 20)]:
        assert db.run_due_jobs() == 1
        job = job_of(db, id)
        assert (job["state"], job["attempts"], len(job["errors"])) == ("pending", attempt, attempt)
        db.clock.advance(milliseconds=seconds * 1000 - 1)
        assert db.run_due_jobs() == 0
        db.clock.advance(milliseconds=1)
    assert db.run_due_jobs() == 1
    job = job_of(db, id)
    assert job["state"] == "success"
    assert [error["error"] for error in job["errors"]] == ["OSError: 1", "OSError: 2"]
    assert [context for context, _ in told(db)] == [None]
    if function is working.count:
        assert db.query(working.texts) == ["a"]  # what failed wrote nothing


@pytest.mark.parametrize("function", [working.work, working.work_async, working.count])
def test_after_the_last_attempt_it_is_dead_and_can_be_redriven(db, function):
    before["a"] = failing(*[OSError(str(n)) for n in range(1, 4)])
    id = db.jobs.with_options(on_complete=working.told).enqueue(function, text="a")
    assert db.finish_jobs() == 3
    assert job_of(db, id)["result"] == {"kind": "failure", "error": "OSError: 3"}
    assert db.jobs.redrive(id)
    assert not db.jobs.redrive(id)
    job = job_of(db, id)
    assert (job["state"], job["attempts"], len(job["errors"])) == ("pending", 0, 3)
    assert "result" not in job
    assert db.finish_jobs() == 1
    assert job_of(db, id)["state"] == "success"
    assert [result["kind"] for _, result in told(db)] == ["failure", "success"]


def test_without_a_policy_it_is_tried_once(db):
    before["a"] = failing(OSError("no"))
    id = db.jobs.enqueue(working.once, text="a")
    assert db.finish_jobs() == 1
    assert job_of(db, id)["state"] == "dead"


@pytest.mark.parametrize("error", [hw.NonRetryableError({"why": "bad"})])
def test_what_is_not_to_be_tried_again_is_dead_at_once(db, error):
    before["a"] = failing(error)
    id = db.jobs.with_options(on_complete=working.told).enqueue(working.work, text="a")
    assert db.finish_jobs() == 1
    assert job_of(db, id)["result"]["data"] == {"why": "bad"}
    assert told(db)[0][1]["kind"] == "failure"


@pytest.mark.parametrize("function", [working.once, working.count])
def test_who_is_told_and_raises_changes_nothing_but_that_it_is_noted(db, function):
    jobs = db.jobs.with_options(on_complete=working.told_and_fails, context="x")
    id = jobs.enqueue(function, text="a")
    assert db.finish_jobs() == 1
    job = job_of(db, id)
    assert job["state"] == "success"
    assert job["on_complete"]["error"] == "ValueError: cannot be told"
    assert told(db) == []


@pytest.mark.parametrize("function", [working.huge, working.huge_mutation])
def test_a_result_that_cannot_be_kept_is_a_failure_that_is_told(function):
    with testing.database(working, limits=hw.Limits(document_bytes=20_000)) as db:
        id = db.jobs.with_options(on_complete=working.told).enqueue(function, size=30_000)
        assert db.finish_jobs() == 1
        assert "LimitExceededError" in job_of(db, id)["result"]["error"]
        assert told(db)[0][1]["kind"] == "failure"


@pytest.mark.parametrize("function", [working.once, working.tick])
def test_who_is_told_and_reads_too_much_is_not_told(db, function):
    with testing.database(working, limits=hw.Limits(documents_read=200)) as db:
        for number in range(300):
            db.mutate(working.write, text=str(number))
        jobs = db.jobs.with_options(on_complete=working.told_and_reads_all, context="x")
        id = jobs.enqueue(function, text="a")
        assert db.finish_jobs() == 1
        job = job_of(db, id)
        assert "LimitExceededError" in job["on_complete"]["error"]
        assert job["state"] == "success"


def test_jobs_come_by_priority_then_by_time(db):
    for text, priority, delay in [("d", 0, 0), ("b", 7, 1), ("e", 0, 2), ("a", 9, 3), ("c", 7, 2)]:
        jobs = db.jobs.with_options(priority=priority, delay_seconds=delay)
        jobs.enqueue(working.count, text=text)
    db.clock.advance(seconds=10)
    assert db.finish_jobs() == 5
    assert db.query(working.texts) == ["a", "b", "c", "d", "e"]


def test_a_rate_is_kept(db):
    ids = [db.jobs.enqueue(working.tick, text=str(n)) for n in range(4)]
    assert db.run_due_jobs() == 1
    assert db.finish_jobs() == 3
    times = [job_of(db, id)["result"]["value"] for id in ids]
    assert [round((time - times[0]) / 1000) for time in times] == [0, 10, 20, 30]


def test_a_key_is_taken_until_its_job_is_forgotten_or_has_ended(db):
    once = db.jobs.with_options(unique_key="k")
    again = db.jobs.with_options(unique_key="k", unique_until="finished")
    first = once.enqueue(working.once, text="a")
    assert once.enqueue(working.once, text="b") == first
    assert again.enqueue(working.once, text="b") == first
    assert once.enqueue(working.work, text="of another function") != first
    db.finish_jobs()
    assert once.enqueue(working.once, text="c") == first
    second = again.enqueue(working.once, text="d")
    assert second != first
    db.finish_jobs()
    assert [db.jobs.purge(id) for id in (first, second)] == [True, True]
    assert once.enqueue(working.once, text="e") not in (first, second)


def test_a_batch_is_told_once_all_have_ended(db):
    before["b"] = failing(OSError("no"))
    calls = [working.once.bind(text=text) for text in "abc"]
    calls.append(working.count.bind(text="d"))
    jobs = db.jobs.with_options(delay_seconds=5)
    batch = jobs.enqueue_many(calls, on_complete=working.told_of_batch, context="all")
    with db.snapshot() as snapshot:
        found = snapshot.query(hw.Jobs).with_index(hw.Jobs.by_batch, batch).collect()
    db.jobs.cancel(found[2]["_id"])
    db.clock.advance(seconds=5)
    assert [db.run_due_jobs(limit=1), db.run_due_jobs(limit=1)] == [1, 1]
    assert told(db) == []
    assert db.run_due_jobs() == 1
    counts = {"total": 4, "success": 2, "dead": 1, "canceled": 1}
    assert db.query(working.tellings) == [[batch, "all", counts]]
    assert db.jobs.redrive_all() == 1
    assert db.run_due_jobs() == 1
    assert db.query(working.batch, id=batch)["success"] == 3
    assert len(told(db)) == 1


def test_an_empty_batch_has_ended(db):
    batch = db.jobs.enqueue_many([], on_complete=working.told_of_batch, context=0)
    counts = {"total": 0, "success": 0, "dead": 0, "canceled": 0}
    assert db.query(working.tellings) == [[batch, 0, counts]]


def test_a_canceled_batch_runs_no_more(db):
    calls = [working.once.bind(text=text) for text in "abc"]
    batch = db.jobs.enqueue_many(calls, on_complete=working.told_of_batch, context=0)
    assert db.run_due_jobs(limit=1) == 1
    assert [db.jobs.cancel_batch(batch), db.jobs.cancel_batch(batch)] == [2, 0]
    assert db.run_due_jobs() == 0
    assert told(db)[0][1] == {"total": 3, "success": 1, "dead": 0, "canceled": 2}


def test_a_paused_queue_begins_nothing(db):
    db.jobs.pause("lane")
    ids = [db.jobs.enqueue(working.once, text=text) for text in "ab"]
    assert db.run_due_jobs() == 0
    db.jobs.set_concurrency("lane", 0)
    db.jobs.resume("lane")
    assert db.run_due_jobs() == 0
    db.jobs.set_concurrency("lane", None)
    assert db.run_due_jobs() == 2
    assert {job_of(db, id)["state"] for id in ids} == {"success"}


def test_actions_know_their_job_and_enqueue_others(db):
    before["a"] = failing(OSError("no"))
    id = db.jobs.enqueue(working.look_at_oneself, text="a")
    db.finish_jobs()
    assert job_of(db, id)["result"]["value"] == [id, 2, False]
    assert db.act(working.look_at_oneself, text="b") == [None, 1, False]
    for action in (working.enqueue_in_action, working.enqueue_in_coroutine):
        inner = db.act(action, text="c")
        assert job_of(db, inner)["state"] == "pending"
    db.finish_jobs()
    assert "c" in db.query(working.texts)


def test_coroutines_enqueue_from_outside(db):
    async def enqueue():
        jobs = db.aio.jobs.with_options(priority=3)
        first = await jobs.enqueue(working.once, text="a")
        await db.aio.jobs.cancel(first)
        batch = await jobs.enqueue_many([working.once.bind(text="b")])
        return first, batch

    first, batch = asyncio.run(enqueue())
    assert job_of(db, first)["state"] == "canceled"
    assert db.query(working.batch, id=batch)["total"] == 1


def test_a_time_may_be_a_datetime_or_milliseconds(db):
    when = datetime(2024, 1, 1, 1, tzinfo=UTC)
    for run_at in (when, when.timestamp() * 1000):
        id = db.jobs.with_options(run_at=run_at).enqueue(working.once, text="a")
        assert job_of(db, id)["due"] == when.timestamp() * 1000
    early = db.jobs.with_options(run_at=datetime(2000, 1, 1, tzinfo=UTC))
    assert job_of(db, early.enqueue(working.once, text="a"))["due"] == 1_704_067_200_000


def test_jobs_are_forgotten_when_their_time_has_come(db):
    """Those of the lane are kept for a minute, dead ones for ten."""
    before["dead"] = failing(OSError("no"))
    ids = [db.jobs.enqueue(working.once, text=text) for text in ("a", "dead")]
    db.run_due_jobs()
    left = []
    for seconds in (59, 1, 539, 1):
        db.clock.advance(seconds=seconds)
        db.run_due_jobs()
        left.append([id in db.query(working.states) for id in ids])
    assert left == [[True, True], [False, True], [False, True], [False, False]]


def test_purge_all_forgets_the_dead_of_one_queue(db):
    for text in "ab":
        before[text] = failing(hw.NonRetryableError("no"))
        db.jobs.enqueue(working.once, text=text)
    before["c"] = failing(hw.NonRetryableError("no"))
    other = db.jobs.enqueue(working.work, text="c")
    db.finish_jobs()
    assert [db.jobs.purge_all("lane", limit=1), db.jobs.purge_all("lane")] == [1, 1]
    assert db.query(working.states) == {other: "dead"}
    assert db.jobs.purge_all() == 1


# -- progress -----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [working.step, working.step_async])
def test_progress_is_seen_by_who_watches_and_written_now_and_then(db, action):
    id = db.jobs.enqueue(action, count=5)
    with db.watch(working.progress_of, id=id) as live:
        assert live.next(60) is None
        seen = []
        before["look"] = lambda: seen.append(live.next(60)["done"])
        before["wait"] = lambda: db.clock.advance(milliseconds=250)
        assert db.run_due_jobs() == 1
    assert seen == [0, 1, 2, 3, 4]
    assert job_of(db, id)["progress"]["note"] == "step 4 of 5"


def test_progress_that_comes_too_soon_is_written_with_the_end(db):
    at = db.ts
    id = db.jobs.enqueue(working.step, count=50)
    assert db.run_due_jobs() == 1
    entries = db.log.read(at, tables=["_jobs"])
    commits = [entry for entry in entries if entry.origin.function == "_progress"]
    assert len(commits) == 1
    progress = job_of(db, id)["progress"]
    assert (progress["done"], progress["total"]) == (49, 50)


def test_progress_outside_of_a_job_does_nothing(db):
    at = db.ts
    assert db.act(working.step, count=3) == 3
    assert db.ts == at
    id = db.jobs.enqueue(working.step_wrongly)
    db.run_due_jobs()
    assert "expected numbers" in job_of(db, id)["result"]["error"]


# -- mistakes -----------------------------------------------------------------------------------


def test_a_function_that_no_module_has_is_refused(db):
    @hw.mutation
    def unknown(ctx: hw.MutationCtx) -> None: ...

    with pytest.raises(hw.FunctionNotFoundError, match="in no module that this database"):
        db.jobs.enqueue(unknown)
    with pytest.raises(hw.FunctionNotFoundError, match="in no module that this database"):
        db.jobs.with_options(on_complete=unknown).enqueue(working.once, text="a")


def test_what_cannot_be_run_is_refused(db):
    for wrong in (working.texts, print, None):
        with pytest.raises(hw.FunctionKindError, match="a job runs an action or a mutation"):
            db.jobs.enqueue(wrong)
    with pytest.raises(hw.FunctionKindError, match="expected a mutation"):
        db.jobs.with_options(on_complete=working.work).enqueue(working.once, text="a")
    with pytest.raises(hw.DeclarationError, match="expected an action or a mutation"):
        hw.job()(working.texts)


def test_arguments_are_checked_at_once(db):
    with pytest.raises(hw.ArgumentError, match="unknown argument 'txt'"):
        db.jobs.enqueue(working.once, txt="a")
    with pytest.raises(hw.ArgumentError, match="expected str"):
        db.jobs.enqueue(working.once, text=1)
    with pytest.raises(hw.ArgumentError, match="expected str"):
        db.jobs.enqueue_many([working.once.bind(text=1)])
    assert db.query(working.states) == {}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"delay_seconds": -1}, hw.ArgumentError, "delay_seconds=-1.: expected a number"),
        ({"run_at": "now"}, hw.ArgumentError, "expected a datetime, or milliseconds"),
        ({"run_at": datetime(2024, 1, 1)}, hw.ArgumentError, "with a time zone"),  # noqa: DTZ001
        ({"unique_key": 5}, hw.ArgumentError, "unique_key=5.: expected a string"),
        ({"unique_until": "never"}, hw.ArgumentError, "expected 'forgotten' or 'finished'"),
        ({"priority": 101}, hw.DeclarationError, "a whole number from -100 to 100"),
        ({"queue": ""}, hw.DeclarationError, "'' cannot be the name of a queue"),
    ],
)
def test_options_that_no_job_can_have_are_refused(db, options, error, message):
    with pytest.raises(error, match=message):
        db.jobs.with_options(**options)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: hw.job(queue=""), "'' cannot be the name of a queue"),
        (lambda: hw.job(priority=1.5), "priority=1.5"),
        (lambda: hw.job(retry=3), r"@job\(retry=3\): expected a policy"),
        (lambda: hw.job(timeout_seconds=5)(working.write), "limits.mutation_seconds"),
        (lambda: hw.Queue("a", concurrency=-1), r"hw.Queue\('a', concurrency=-1\)"),
        (lambda: hw.Queue("a", rate=5), "expected an hw.RateLimit"),
        (lambda: hw.Queue("a", kept_seconds=None), "kept_seconds=None"),
        (lambda: hw.Queue(""), "'' cannot be the name of a queue"),
    ],
)
def test_declarations_that_cannot_work_are_refused(declare, message):
    with pytest.raises(hw.DeclarationError, match=message):
        declare()


def test_a_queue_is_declared_once():
    module = types.ModuleType("twice")
    module.first, module.second = hw.Queue("same"), hw.Queue("same", concurrency=3)
    with pytest.raises(hw.DeclarationError, match="queue 'same' is declared twice"):
        testing.database(module)


def test_ids_of_something_else_are_refused(db):
    batch = db.jobs.enqueue_many([])
    job = db.jobs.enqueue(working.once, text="a")
    for verb in (db.jobs.cancel, db.jobs.redrive, db.jobs.purge):
        with pytest.raises(hw.InvalidIdError, match="expected the id of a job"):
            verb(batch)
    with pytest.raises(hw.InvalidIdError, match="expected the id of a batch"):
        db.jobs.cancel_batch(job)
    db.run_due_jobs()
    db.jobs.purge(job)
    with pytest.raises(hw.DocumentNotFoundError, match="there is no such job"):
        db.jobs.cancel(job)
    with pytest.raises(hw.ArgumentError, match="concurrency=-1"):
        db.jobs.set_concurrency("lane", -1)
    with pytest.raises(hw.ArgumentError, match="cannot all have the unique_key"):
        db.jobs.with_options(unique_key="a").enqueue_many([])

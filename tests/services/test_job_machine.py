"""Random histories of jobs, beside a model of dicts. Attempts begin and end by hand."""

from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from tests.services import working

import headwater as hw
from headwater import testing
from headwater.services.job_work import JobWork
from headwater.services.performance import look
from headwater.services.work import Outcome, Room, Task

QUEUES = ["lane", "pair", "default"]
ATTEMPTS = {"work": 3, "once": 1}
WAITS = [10, 20]
OWNER = "somebody"


@dataclass
class Expected:
    """A job as it has to be."""

    id: str
    function: str
    queue: str
    priority: int
    due: float
    number: int
    batch: int | None = None
    key: str | None = None
    state: str = "pending"
    attempts: int = 0
    is_canceled: bool = False
    completed: float | None = None
    task: Any = None
    told: list[str] = field(default_factory=list)


class Machine(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.db = testing.database(working, jobs="hold")
        runner = self.db._runner
        self.work = JobWork(runner, self.db._actor.alarm)
        self.model: dict[str, Expected] = {}
        self.forgotten: set[str] = set()
        self.batches: list[dict[str, Any]] = []
        self.concurrency = {"lane": 1, "pair": 2, "default": 10}
        self.paused: set[str] = set()

    def teardown(self) -> None:
        self.db.close()

    @property
    def now(self) -> float:
        return self.db.clock.now.timestamp() * 1000

    def serve(self, run):
        return self.db._runner.serve("_test", run)

    # -- what applications do -------------------------------------------------------------------

    def expect(self, id, function, options, batch=None) -> None:
        declared = {"work": ("pair", 0), "once": ("lane", 5)}[function]
        queue = options.get("queue") or declared[0]
        priority = declared[1] if options.get("priority") is None else options["priority"]
        due = self.now + options.get("delay_seconds", 0) * 1000
        number = len(self.model) + len(self.forgotten)
        key = options.get("unique_key")
        self.model[id] = Expected(id, function, queue, priority, due, number, batch, key)

    OPTIONS = st.fixed_dictionaries(
        {},
        optional={
            "queue": st.sampled_from(QUEUES),
            "priority": st.integers(-2, 2),
            "delay_seconds": st.sampled_from([0, 5, 60]),
        },
    )

    @rule(
        target=jobs,
        function=st.sampled_from(["work", "once"]),
        options=OPTIONS,
        key=st.sampled_from([None, None, "a", "b"]),
        until=st.sampled_from(["forgotten", "finished"]),
    )
    def enqueue(self, function, options, key, until):
        client = self.db.jobs.with_options(
            **options, unique_key=key, unique_until=until, on_complete=working.told, context=1
        )
        id = client.enqueue(getattr(working, function), text="x")
        holders = [one for one in self.model.values() if (one.function, one.key) == (function, key)]
        holder = max(holders, key=lambda one: one.number, default=None)
        is_free = until == "finished" and holder and holder.state not in ("pending", "running")
        if key is not None and holder is not None and not is_free:
            assert id == holder.id
        else:
            assert id not in self.model
            self.expect(id, function, options | {"unique_key": key})
        return id

    @rule(functions=st.lists(st.sampled_from(["work", "once"]), max_size=3), options=OPTIONS)
    def enqueue_many(self, functions, options):
        calls = [getattr(working, name).bind(text="x") for name in functions]
        client = self.db.jobs.with_options(**options)
        id = client.enqueue_many(calls, on_complete=working.told_of_batch, context="all")
        counts = {"success": 0, "dead": 0, "canceled": 0}
        number = len(self.batches)
        self.batches.append({"id": id, "total": len(calls), "told": not calls, **counts})
        with self.db.snapshot() as snapshot:
            found = snapshot.query(hw.Jobs).with_index(hw.Jobs.by_batch, id).collect()
        found.sort(key=lambda job: (job["_creationTime"], job["_id"]))
        for job, function in zip(found, functions, strict=True):
            self.expect(job["_id"], function, options, number)

    @rule(id=jobs)
    def cancel(self, id):
        if id in self.forgotten:
            return
        one = self.model[id]
        assert self.db.jobs.cancel(id) == (one.state in ("pending", "running"))
        if one.state == "pending":
            self.ended(one, "canceled")
        one.is_canceled = one.is_canceled or one.state == "running"

    @rule(id=jobs)
    def redrive(self, id):
        if id in self.forgotten:
            return
        one = self.model[id]
        assert self.db.jobs.redrive(id) == (one.state == "dead")
        if one.state == "dead":
            self.revived(one)

    @rule(queue=st.sampled_from([*QUEUES, None]), limit=st.integers(1, 3))
    def redrive_all(self, queue, limit):
        count = self.db.jobs.redrive_all(queue, limit=limit)
        dead = [one for one in self.model.values() if one.state == "dead"]
        dead = [one for one in dead if queue in (None, one.queue)]
        assert count == min(limit, len(dead))
        with self.db.snapshot() as snapshot:
            for one in dead:
                if snapshot.get(one.id)["state"] == "pending":
                    self.revived(one)

    def revived(self, one):
        one.state, one.attempts, one.due, one.completed = "pending", 0, self.now, None
        if one.batch is not None:
            self.batches[one.batch]["dead"] -= 1

    @rule(id=jobs)
    def purge(self, id):
        if id in self.forgotten:
            return
        has_ended = self.model[id].state not in ("pending", "running")
        assert self.db.jobs.purge(id) == has_ended
        if has_ended:
            del self.model[id]
            self.forgotten.add(id)

    @rule(queue=st.sampled_from(QUEUES), count=st.sampled_from([None, 0, 1, 3]))
    def set_concurrency(self, queue, count):
        self.db.jobs.set_concurrency(queue, count)
        declared = {"lane": 1, "pair": 2, "default": 10}
        self.concurrency[queue] = declared[queue] if count is None else count

    @rule(queue=st.sampled_from(QUEUES))
    def pause(self, queue):
        if queue in self.paused:
            self.db.jobs.resume(queue)
        else:
            self.db.jobs.pause(queue)
        self.paused ^= {queue}

    @rule(seconds=st.sampled_from([0.001, 5, 10, 60, 700]))
    def wait(self, seconds):
        self.db.clock.advance(seconds=seconds)

    # -- what the executor does -----------------------------------------------------------------

    def free(self, queue: str) -> int:
        running = [one for one in self.model.values() if one.state == "running"]
        taken = sum(one.queue == queue for one in running)
        return 0 if queue in self.paused else self.concurrency[queue] - taken

    def due_of(self, queue: str) -> list[Expected]:
        due = [one for one in self.model.values() if one.state == "pending" and one.queue == queue]
        due = [one for one in due if one.due <= self.now]
        due.sort(key=lambda one: (-one.priority, one.due, one.number))
        return due[: max(self.free(queue), 0)]

    def agenda(self) -> list[Task]:
        everything = Room(100, 100, lambda _: False)
        return look(self.db._store, [self.work], everything).tasks

    @invariant()
    def what_is_due_is_chosen_in_order(self):
        chosen = [task.id for task in self.agenda()]
        for queue in QUEUES:
            ids = [id for id in chosen if self.model[id].queue == queue]
            assert ids == [one.id for one in self.due_of(queue)]
        assert len(chosen) == sum(len(self.due_of(queue)) for queue in QUEUES)

    @rule(most=st.integers(1, 4))
    def begin(self, most):
        for task in self.agenda()[:most]:
            work = self.serve(lambda tx, task=task: self.work.begin(tx, task, OWNER))
            one = self.model[task.id]
            one.state, one.task = "running", task
            one.attempts += 1
            assert work.arguments == {"text": "x"}

    @rule(id=jobs)
    def begin_what_is_not_due(self, id):
        """Whoever has looked a while ago begins nothing that cannot begin now."""
        if id in self.forgotten or self.model[id] in self.due_of(self.model[id].queue):
            return
        one = self.model[id]
        if one.state == "pending" and one.due <= self.now and self.free(one.queue) > 0:
            return  # it may, only others come before it
        task = Task(self.work, id, f"working:{one.function}", "action", (0.0, 0.0, id))
        assert self.serve(lambda tx: self.work.begin(tx, task, OWNER)) is None

    OUTCOMES = st.sampled_from(
        [
            Outcome(value="done"),
            Outcome(error=OSError("no")),
            Outcome(error=hw.NonRetryableError("never")),
            Outcome(error=hw.ActionCanceledError("the end")),
            Outcome(is_lost=True),
        ]
    )

    @rule(id=jobs, outcome=OUTCOMES)
    def end(self, id, outcome):
        if id in self.forgotten or self.model[id].task is None:
            return
        one = self.model[id]
        self.serve(lambda tx: self.work.end(tx, one.task, outcome, OWNER))
        if one.state != "running":
            return  # it had ended before
        if outcome.error is None and not outcome.is_lost:
            self.ended(one, "success")
        elif one.is_canceled:
            self.ended(one, "canceled")
        elif isinstance(outcome.error, hw.NonRetryableError):
            self.ended(one, "dead")
        elif one.attempts < ATTEMPTS[one.function]:
            one.state, one.due = "pending", self.now + WAITS[one.attempts - 1] * 1000
        else:
            self.ended(one, "dead")

    @rule(id=jobs)
    def release(self, id):
        if id in self.forgotten or self.model[id].task is None:
            return
        one = self.model[id]
        self.serve(lambda tx: self.work.release(tx, one.task, OWNER))
        if one.state == "running":
            one.state = "pending"
            one.attempts -= 1

    @rule(id=jobs)
    def somebody_else_ends_nothing(self, id):
        if id in self.forgotten or self.model[id].task is None:
            return
        self.serve(lambda tx: self.work.end(tx, self.model[id].task, Outcome("theirs"), "else"))

    @rule()
    def upkeep(self):
        self.serve(self.work.upkeep)
        kept = {"lane": 60_000.0}
        for one in list(self.model.values()):
            if one.completed is None:
                continue
            seconds = kept.get(one.queue) if one.state != "dead" else None
            if one.state == "dead" and one.queue == "lane":
                seconds = 600_000.0
            if seconds is not None and one.completed + seconds <= self.now:
                del self.model[one.id]
                self.forgotten.add(one.id)

    def ended(self, one: Expected, state: str) -> None:
        one.state, one.completed, one.is_canceled = state, self.now, False
        one.told.append({"success": "success", "dead": "failure", "canceled": "canceled"}[state])
        if one.batch is not None:
            batch = self.batches[one.batch]
            batch[state] += 1
            ended = batch["success"] + batch["dead"] + batch["canceled"]
            batch["told"] = batch["told"] or ended == batch["total"]

    # -- what has to hold -----------------------------------------------------------------------

    @invariant()
    def the_table_is_the_model(self):
        with self.db.snapshot() as snapshot:
            stored = {job["_id"]: job for job in snapshot.query(hw.Jobs)}
            assert stored.keys() == self.model.keys()
            for id, one in self.model.items():
                job = stored[id]
                assert (job["state"], job["attempts"]) == (one.state, one.attempts)
                assert ("owner" in job) == (one.state == "running")
                assert ("result" in job) == (one.completed is not None)
                assert job.get("is_canceled", False) == one.is_canceled

    @invariant()
    def each_end_was_told_once(self):
        told: dict[str, list[Any]] = {}
        for of, context, result in self.db.query(working.tellings):
            told.setdefault(of, []).append((context, result))
        for id, one in self.model.items():
            if one.batch is None:
                kinds = [result["kind"] for context, result in told.get(id, []) if context == 1]
                assert kinds == one.told
        for batch in self.batches:
            assert len(told.get(batch["id"], [])) == batch["told"]

    @invariant()
    def batches_count_their_jobs(self):
        with self.db.snapshot() as snapshot:
            for batch in self.batches:
                stored = snapshot.get(batch["id"])
                for state in ("total", "success", "dead", "canceled"):
                    assert stored[state] == batch[state]


TestJobs = Machine.TestCase
TestJobs.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

"""Doing single tasks, on the thread that asks for it."""

import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeVar

from headwater.functions.acting import Actor
from headwater.functions.calls import Call
from headwater.functions.runner import Runner
from headwater.functions.running_action import RunningAction
from headwater.services.work import (
    Claimed,
    Outcome,
    Room,
    Source,
    Task,
    Work,
    is_passing,
    order_of,
)
from headwater.storage.commit_log import Origin
from headwater.transactions.reader import Reader
from headwater.transactions.store import Store
from headwater.transactions.transaction import Transaction

T = TypeVar("T")

_CLOSED: Final = "the database was closed"


class Look(NamedTuple):
    """What there is to do.

    Attributes:
        tasks: What is due, in order.
        upkeep: The sources that have something to remove.
        end_ms: When more will be due of sources that come to an end; None for never.
        next_ms: When more will be due, ms since the epoch; None for never.
        upkeep_ms: When there will be something to remove.
        now_ms: When this was.
        monotonic: The same by the clock's other hand, taken before it: what moves the clock
            meanwhile makes what is next come too early, and never too late.
    """

    tasks: list[Task]
    upkeep: list[Source]
    end_ms: float | None
    next_ms: float | None
    upkeep_ms: float | None
    now_ms: float
    monotonic: float


def look(store: Store, sources: Iterable[Source], room: Room) -> Look:
    """What is due now, on a snapshot of the newest commit."""
    with closing(store.snapshot()) as snapshot:
        transaction = store.begin(snapshot, seconds_limit=None, is_read_only=True)
        monotonic = store.clock.monotonic()
        reader, now_ms = Reader(transaction), transaction.moment.now_ms
        found = [(source, source.agenda(reader, now_ms, room)) for source in sources]
    tasks = sorted((task for _, one in found for task in one.tasks), key=order_of)
    times = [(source, one.next_ms) for source, one in found if one.next_ms is not None]
    end_ms = min((time for source, time in times if not source.is_endless), default=None)
    next_ms = min((time for _, time in times), default=None)
    upkeep = [(source, one.upkeep_ms) for source, one in found if one.upkeep_ms is not None]
    wanted = [source for source, time in upkeep if time <= now_ms]
    upkeep_ms = min((time for _, time in upkeep if time > now_ms), default=None)
    return Look(tasks, wanted, end_ms, next_ms, upkeep_ms, now_ms, monotonic)


class Performance:
    """Does tasks, in the name of one open database. Safe to use from several threads.

    Args:
        runner: Runs functions.
        actor: Runs actions.
    """

    def __init__(self, runner: Runner, actor: Actor) -> None:
        self._runner = runner
        self._actor = actor
        self._owner = runner.store.environment.member
        self._lock = threading.Lock()
        self._running: dict[RunningAction[Any], Task] = {}
        self._unended: dict[str, tuple[Task, Outcome]] = {}
        self._is_closed = False

    def do(self, task: Task) -> bool:
        """Do a task; whether there was something to do.

        Run it in a context of its own: nobody calls it.

        Raises:
            Exception: A passing error. The task is as it was, or claimed and lost.
        """
        return self._mutate(task) if task.kind == "mutation" else self._act(task)

    # -- mutations ------------------------------------------------------------------------------

    def _mutate(self, task: Task) -> bool:
        run = self.run_of(task)
        try:
            done: bool = self._runner.commit(run, origin_of_task(task))
        except Exception as error:
            if is_passing(error):
                raise
            self.fail(task, error)
            run.committed(error)
            return True
        run.committed(None)
        return done

    def run_of(self, task: Task) -> "MutationRun":
        """What does a mutation in one transaction."""
        return MutationRun(self._runner, task, self._owner)

    def fail(self, task: Task, error: BaseException) -> None:
        """Note that what a mutation does cannot be committed."""

        def run(transaction: Transaction, outcome: Outcome) -> None:
            if task.source.begin(transaction, task, self._owner) is not None:
                task.source.end(transaction, task, outcome, self._owner)

        self._note(task, Outcome(error=error), run)

    # -- actions --------------------------------------------------------------------------------

    def _act(self, task: Task) -> bool:
        work = self._serve(
            task, lambda transaction: task.source.begin(transaction, task, self._owner)
        )
        if work is None:
            return False
        outcome = self._outcome(task, work)
        if outcome is None:
            self._serve(
                task, lambda transaction: task.source.release(transaction, task, self._owner)
            )
            return False
        with self._lock:
            self._unended[task.id] = (task, outcome)
        self._end(task, outcome)
        return True

    def _outcome(self, task: Task, work: Work) -> Outcome | None:
        """Run an action to its end; None if the database is being closed before it began."""
        try:
            call = self._runner.make_call(work.function, work.arguments)
        except Exception as error:  # noqa: BLE001 - it belongs to the task
            return Outcome(error=error)
        with self._lock:
            if self._is_closed:
                return None
            running = self._actor.start(
                call, is_tried_again=work.is_tried_again, attempt=work.attempt
            )
            self._running[running] = task
        try:
            return Outcome(running.result())
        except Exception as error:  # noqa: BLE001 - it belongs to the task
            return Outcome(error=error)
        except BaseException:
            running.cancel()
            raise
        finally:
            with self._lock:
                del self._running[running]

    def _end(self, task: Task, outcome: Outcome) -> None:
        self._note(
            task,
            outcome,
            lambda transaction, end: task.source.end(transaction, task, end, self._owner),
        )
        with self._lock:
            self._unended.pop(task.id, None)

    def _note(
        self, task: Task, outcome: Outcome, note: Callable[[Transaction, Outcome], None]
    ) -> None:
        """Note how a task has ended; if that cannot be committed, then without telling anybody."""
        try:
            self._serve(task, lambda transaction: note(transaction, outcome))
        except Exception as error:
            if is_passing(error):
                raise
            untold = replace(outcome, untold=f"{type(error).__name__}: {error}")
            self._serve(task, lambda transaction: note(transaction, untold))

    def end_what_is_left(self) -> None:
        """Note how actions have ended of which that could not be noted at their end."""
        with self._lock:
            left = list(self._unended.values())
        for task, outcome in left:
            self._end(task, outcome)

    def cancel_those_that_have_to_end(self, sources: Iterable[Source]) -> None:
        """End the actions that run here and were canceled."""
        with self._lock:
            running = dict(self._running)
        if not running:
            return
        store = self._runner.store
        with closing(store.snapshot()) as snapshot:
            reader = Reader(store.begin(snapshot, seconds_limit=None, is_read_only=True))
            tasks = list(running.values())
            canceled = {task.id for one in sources for task in one.canceled(reader, tasks)}
        for action, task in running.items():
            if task.id in canceled:
                action.cancel()

    def close(self) -> None:
        """End the actions that run, and begin no more."""
        with self._lock:
            self._is_closed = True
            running = list(self._running)
        for one in running:
            one.cancel(_CLOSED)

    # -- others ---------------------------------------------------------------------------------

    def lose_those_of_the_dead(self, sources: Iterable[Source]) -> None:
        """Note of actions whose owner is gone that nobody will end them."""
        store = self._runner.store
        with closing(store.snapshot()) as snapshot:
            reader = Reader(store.begin(snapshot, seconds_limit=None, is_read_only=True))
            claimed = [one for source in sources for one in source.claimed(reader)]
        if not claimed:
            return
        # Whoever claims is alive; so who is alive is asked after it was read who has claimed.
        alive = store.environment.living_members()
        for one in claimed:
            if one.owner not in alive:
                self._lose(one)

    def _lose(self, claimed: Claimed) -> None:
        task = claimed.task
        self._note(
            task,
            Outcome(is_lost=True),
            lambda transaction, end: task.source.end(transaction, task, end, claimed.owner),
        )

    def upkeep(self, source: Source) -> None:
        """Remove a batch of what a source does not keep any longer."""
        self._runner.serve_as(Origin("_forget"), source.upkeep)

    def _serve(self, task: Task, run: Callable[[Transaction], T]) -> T:
        return self._runner.serve_as(origin_of_task(task), run)


class MutationRun:
    """One mutation that is begun, run and ended in one transaction, perhaps several times.

    Args:
        runner: Runs it.
        task: Says what.
        owner: In whose name.
    """

    def __init__(self, runner: Runner, task: Task, owner: str) -> None:
        self._runner = runner
        self._task = task
        self._owner = owner
        self._call: Call | None = None
        self._error: BaseException | None = None
        self._started = runner.store.clock.monotonic()

    def __call__(self, transaction: Transaction, /) -> bool:
        """Do it in a transaction; whether there was something to do."""
        source, runs = self._task.source, 0 if self._call is None else self._call.runs
        self._call = self._error = None
        try:
            work = source.begin(transaction, self._task, self._owner)
            if work is None:
                return False
            outcome = self._run(transaction, work, runs)
            source.end(transaction, self._task, outcome, self._owner)
            return True
        finally:
            transaction.end()

    def _run(self, transaction: Transaction, work: Work, runs: int) -> Outcome:
        try:
            self._call = self._runner.make_call(work.function, work.arguments)
            self._call.runs = runs
            return Outcome(self._runner.run_job(self._call, transaction))
        except Exception as error:
            if is_passing(error):
                raise
            self._error = error
            return Outcome(error=error)

    def committed(self, error: BaseException | None) -> None:
        """Note the call, if there was one, once it is committed or will never be."""
        if self._call is not None:
            seconds = self._runner.store.clock.monotonic() - self._started
            self._runner.calls.end(self._call, seconds, error or self._error)


def origin_of_task(task: Task) -> Origin:
    """Where the commits of a task come from."""
    return Origin(task.function, details={"job": task.id})

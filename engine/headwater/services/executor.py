"""The executor: does due work in the background, and sleeps until there is some.

One thread looks what is due. It hands short mutations to the committer, many at a time, which
share its flushes and stay in order; long ones run on threads of their own, one of each function at
a time, and so does every action. It is woken by commits of this process and of others, by the
clock when something becomes due, and by the ends of what it has begun.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from headwater.errors import ClosedError
from headwater.functions.alarm import Alarm
from headwater.functions.current_job import context_of_job
from headwater.functions.runner import Runner
from headwater.reactive.log_listeners import Listener
from headwater.services.performance import Look, MutationRun, Performance, look, origin_of_task
from headwater.services.waiting import Waiting
from headwater.services.work import Room, Source, Task, is_passing
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.transaction import TableMissing

_MUTATIONS: Final = 32
"""Mutations that are under way at once: as many can share a flush."""

_SLOW: Final = 4
"""Mutations among them that have threads of their own, of as many functions."""

News: TypeAlias = Callable[[], None]


class Executor:
    """Does the work of one open database.

    Args:
        runner: Runs functions.
        performance: Does single tasks.
        sources: Where the work is kept.
        alarm: Wakes it when something becomes due.
        listen: Has it told of every commit, also of those of other processes.
    """

    def __init__(
        self,
        runner: Runner,
        performance: Performance,
        sources: Sequence[Source],
        alarm: Alarm,
        listen: Callable[[Listener], None],
    ) -> None:
        self._runner = runner
        self._performance = performance
        self._sources = sources
        self._listen = listen
        self._waiting = Waiting(runner.store.clock, alarm, self.wake)
        self._under_way: dict[str, Task] = {}
        self._slow: set[str] = set()
        self._threads: set[threading.Thread] = set()
        self._spaces: frozenset[int] = frozenset()
        # A queue, because its put may be called while any code runs, a finalizer's too.
        self._news: SimpleQueue[News] = SimpleQueue()
        self._is_woken = False
        self._has_ended = False
        self._has_died = True  # who was here before this database was opened may have
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    # -- for the other threads ------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work. Does nothing again."""
        with self._starting:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(
                    target=self._loop, name="headwater-jobs", daemon=True
                )
                self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Whether it works no more."""
        return self._is_closed

    def wake(self, commits: Sequence[CommitKeys] | None = None) -> None:
        """There may be something to do. Called by whoever committed, and by the alarm."""
        if not self._is_woken and self._concerns(commits):
            self._is_woken = True
            self._news.put(_nothing)

    def _concerns(self, commits: Sequence[CommitKeys] | None) -> bool:
        return commits is None or any(
            one.changes_catalog or not self._spaces.isdisjoint(one.spaces) for one in commits
        )

    def somebody_died(self) -> None:
        """Another process may have died, with actions that it had begun."""
        self._has_died = True
        self.wake()

    def close(self) -> None:
        """Let mutations that are under way finish, end actions, and begin nothing more."""
        with self._starting:
            self._is_closed = True
            thread = self._thread
        self._performance.close()
        if thread is not None and thread is not threading.current_thread():
            self._news.put(_nothing)
            thread.join()

    # -- the thread -----------------------------------------------------------------------------

    def _loop(self) -> None:
        with suppress(ClosedError):
            self._listen(self)
        self._is_woken = True
        while True:
            if not self._is_closed and self._wants_to_look():
                self._try_to_look()
            if self._is_closed and not self._under_way:
                break
            self._take_news()
        for thread in self._threads:
            thread.join()

    def _take_news(self) -> None:
        """Wait for news, and take in all that there are."""
        news = self._news.get()
        with suppress(Empty):
            while True:
                news()
                news = self._news.get_nowait()

    def _wants_to_look(self) -> bool:
        """Whether there may be something to begin, and room for it."""
        if self._is_woken:
            return True
        # What was due and did not begin waits for something that is under way: there was no room,
        # or it has to follow. Ends come in crowds: who shared a flush is told one after the other.
        return self._has_ended and self._count("mutation") <= _MUTATIONS // 2

    def _count(self, kind: str) -> int:
        return sum(task.kind == kind for task in self._under_way.values())

    def _try_to_look(self) -> None:
        self._is_woken = self._has_ended = False
        try:
            self._performance.end_what_is_left()
            if self._has_died:
                self._has_died = False
                self._performance.lose_those_of_the_dead(self._sources)
            self._performance.cancel_those_that_have_to_end(self._sources)
            self._look()
        except ClosedError:
            self._has_died = True
        except Exception as error:  # noqa: BLE001 - it is told, and tried again
            self._has_died = True
            self._waiting.meet(None, error)

    def _look(self) -> None:
        catalog = self._runner.store.catalog
        tables = [catalog.by_name.get(name) for one in self._sources for name in one.tables]
        self._spaces = frozenset(
            index.space for table in tables if table is not None for index in table.indexes
        )
        if self._waiting.is_pausing:
            return
        found = look(self._runner.store, self._sources, self._asked())
        for source in found.upkeep:
            self._performance.upkeep(source)
        self._begin_all(found)
        if found.upkeep:
            self.wake()
        self._waiting.wake_at([found.next_ms, found.upkeep_ms], found.now_ms, found.monotonic)

    def _asked(self) -> Room:
        """How much to ask for: what is under way or held back may be among what is found."""
        held = self._waiting.held_count
        actions = self._runner.store.limits.jobs_concurrent
        return Room(_MUTATIONS + held, actions + held, self._is_busy)

    def _is_busy(self, function: str) -> bool:
        """Whether a mutation cannot begin now: it would overtake, or there are too many."""
        if function in self._slow:
            return True
        application = self._runner.application
        if application.functions[function].kind == "action" or self._runner.is_short(function):
            return False
        return len(self._slow) >= _SLOW

    def _begin_all(self, found: Look) -> None:
        limits = {"mutation": _MUTATIONS, "action": self._runner.store.limits.jobs_concurrent}
        room = {kind: limit - self._count(kind) for kind, limit in limits.items()}
        for task in found.tasks:
            if self._waiting.holds(task):
                continue
            if task.id in self._under_way:
                self._has_more = True  # it may be due again once it has ended
            elif self._is_busy(task.function):
                self.wake()  # without this function, there is room for what comes behind it
            elif room[task.kind] > 0:
                room[task.kind] -= 1
                self._begin(task)

    # -- tasks ----------------------------------------------------------------------------------

    def _begin(self, task: Task) -> None:
        self._under_way[task.id] = task
        if task.kind == "mutation" and self._runner.is_short(task.function):
            self._submit(task)
        else:
            self._begin_slow(task)

    def _submit(self, task: Task) -> None:
        """Have the committer do a short mutation."""

        def done(request: CommitRequest) -> None:
            error = request.error
            request.error = None  # breaks the cycle of traceback and frame
            self._news.put(lambda: self._submitted(task, run, error))

        run = self._performance.run_of(task)
        self._runner.submit(run, origin_of_task(task), context_of_job(task.id), done)

    def _submitted(self, task: Task, run: MutationRun, error: BaseException | None) -> None:
        if error is None:
            run.committed(None)
            self._ended(task, None)
        elif is_passing(error):
            self._ended(task, error)
        elif isinstance(error, TableMissing):
            self._begin_slow(task)  # which makes the table
        else:
            self._begin_slow(task, error)

    def _begin_slow(self, task: Task, failure: BaseException | None = None) -> None:
        """Do a task on a thread of its own, or note there that it has failed."""
        if task.kind == "mutation":
            self._slow.add(task.function)

        def run() -> None:
            error: BaseException | None = None
            try:
                if failure is None:
                    self._performance.do(task)
                else:
                    self._performance.fail(task, failure)
            except Exception as caught:  # noqa: BLE001 - the loop decides what it means
                error = caught
            self._news.put(lambda: self._slow_ended(task, thread, error))

        context = context_of_job(task.id)
        thread = threading.Thread(
            target=lambda: context.run(run), name=f"headwater-job {task.function}", daemon=True
        )
        self._threads.add(thread)
        thread.start()

    def _slow_ended(
        self, task: Task, thread: threading.Thread, error: BaseException | None
    ) -> None:
        self._threads.discard(thread)
        self._slow.discard(task.function)
        self._ended(task, error)

    def _ended(self, task: Task, error: BaseException | None) -> None:
        del self._under_way[task.id]
        self._has_ended = True
        if error is None:
            self._waiting.forget(task)
        elif not isinstance(error, ClosedError):
            self._waiting.meet(task, error)


def _nothing() -> None:
    """What being woken does: it wakes."""

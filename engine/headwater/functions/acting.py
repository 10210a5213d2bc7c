"""Running actions: on threads and event loops, a number at a time, within their time."""

import contextvars
import random
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from headwater.errors import ActionCanceledError, TimeLimitError
from headwater.functions.action_contexts import ActionCtx, SyncActionCtx
from headwater.functions.alarm import Alarm
from headwater.functions.call_log import Level, Lines
from headwater.functions.calls import Call
from headwater.functions.context_services import ContextServices
from headwater.functions.current_job import in_job
from headwater.functions.identity import Identity, acting_as, is_caller_said
from headwater.functions.job_attempt import JobAttempt
from headwater.functions.kinds import Kind
from headwater.functions.runner import Runner
from headwater.functions.running_action import RunningAction, result_of
from headwater.functions.slots import Slots
from headwater.transactions.commit_request import Run
from headwater.transactions.transaction import Transaction

R = TypeVar("R")
T = TypeVar("T")

_NS_PER_MS: Final = 1_000_000


class AsyncCalls(Protocol):
    """Queries and mutations for tasks."""

    async def run(self, call: Call) -> Any:
        """Run a query or a mutation without blocking the event loop."""
        ...

    async def mutate_as(self, call: Call, run: Run | None = None) -> Any:
        """Run the call of a mutation, by something that runs it and does something more."""
        ...


class Actor:
    """Runs the actions of one database.

    Args:
        runner: Runs what they call.
        async_calls: The same for tasks; made when the first task asks.
    """

    def __init__(self, runner: Runner, async_calls: Callable[[], AsyncCalls]) -> None:
        self.runner = runner
        self.async_calls: Callable[[], AsyncCalls] = async_calls
        self.alarm: Alarm = Alarm(runner.store.clock)
        self._slots = Slots(runner.store.limits.actions_concurrent)
        self._running: set[_Run] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    def start(
        self, call: Call, *, is_tried_again: bool = True, attempt: JobAttempt | None = None
    ) -> "RunningAction[Any]":
        """Run an action on a thread of its own, and go on meanwhile.

        Args:
            call: Of an action.
            is_tried_again: Whether it is tried again here if it fails, as its policy says.
            attempt: The attempt of a job that it is.
        """
        call.detach()
        run = self._begin(call, attempt, is_tried_again=is_tried_again)
        running: RunningAction[Any] = RunningAction(run)
        context = contextvars.copy_context()
        threading.Thread(
            target=lambda: context.run(self._run_on_thread, run, running),
            name=f"headwater-action {call.path}",
            daemon=True,
        ).start()
        return running

    async def act(self, call: Call) -> Any:
        """Run an action as a part of this task, or on a thread while the task waits."""
        if not call.compiled.function.is_async:
            return await result_of(self.start(call))
        call.detach()
        run = self._begin(call)
        try:
            with run.interrupting():
                await self._slots.acquire_async()
                try:
                    return await run.run_async()
                finally:
                    self._slots.release()
        finally:
            self._end(run)

    def close(self) -> None:
        """End every action at its next call; the database is about to close."""
        self.alarm.close()
        with self._lock:
            self._is_closed = True
            running = list(self._running)
        for run in running:
            run.cancel("the database was closed")

    def _begin(
        self, call: Call, attempt: JobAttempt | None = None, *, is_tried_again: bool = True
    ) -> "_Run":
        run = _Run(self, call, None, is_tried_again=is_tried_again)
        run.attempt = attempt
        with self._lock:
            is_closed = self._is_closed
            self._running.add(run)
        if is_closed:
            run.cancel("the database was closed")
        run.start()
        return run

    def _end(self, run: "_Run") -> None:
        run.finish()
        with self._lock:
            self._running.discard(run)

    def _run_on_thread(self, run: "_Run", running: "RunningAction[Any]") -> None:
        value, error = None, None
        self._slots.acquire()
        try:
            value = run.run()
        except BaseException as caught:  # noqa: BLE001 - it belongs to whoever waits
            error = caught
        finally:
            self._slots.release()
        # Whoever has the result must find that nothing which was kept of the run works any more.
        running.run_is_over()
        self._end(run)
        running.finish(value, error)


class _Run:
    """One run of one action: its time, whether it may go on, and its calls.

    An action inside another one has no place of its own; it ends with the outer one.
    """

    def __init__(
        self, actor: Actor, call: Call, outer: "_Run | None", *, is_tried_again: bool = True
    ) -> None:
        self.attempt: JobAttempt | None = None if outer is None else outer.attempt
        self._retry = call.compiled.function.options.retry if is_tried_again else None
        self._actor = actor
        self._call = call
        self._outer = outer
        self._clock = actor.runner.store.clock
        self._random: random.Random | None = None
        self._end: Exception | None = None
        self._alarm = -1
        self._when_ended: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    # -- its life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Let its time begin."""
        wanted = self._call.compiled.function.options.timeout_seconds
        seconds = self._actor.runner.store.limits.action_seconds if wanted is None else wanted
        deadline = self._clock.monotonic() + seconds
        self._alarm = self._actor.alarm.call_at(deadline, lambda: self._expire(seconds))

    def run(self) -> Any:
        """Run it on this thread; an ``async def`` gets an event loop of its own."""
        if self._call.compiled.function.is_async:
            import asyncio

            return asyncio.run(self.run_async())
        with self._actor.runner.noted(self._call):
            if self._retry is None:
                return self._attempt()
            from headwater.functions.retrying import try_on_thread

            return try_on_thread(self, self._retry, self._attempt)

    async def run_async(self) -> Any:
        """Run it as a part of this task, which its end interrupts."""
        with self._actor.runner.noted(self._call), self.interrupting():
            if self._retry is None:
                return await self._attempt_async()
            from headwater.functions.retrying import try_in_task

            return await try_in_task(self, self._retry, self._attempt_async)

    def _attempt(self) -> Any:
        self.check()
        with self._timed():
            return self._checked(self._handle(SyncActionCtx(self)))

    async def _attempt_async(self) -> Any:
        self.check()
        with self._timed():
            return self._checked(await self._handle(ActionCtx(self)))

    @contextmanager
    def _timed(self) -> Generator[None]:
        started = self._clock.monotonic()
        self._call.runs += 1
        self._call.lines = None
        try:
            yield
        except Exception:
            self._call.statistics.failures += 1
            raise
        finally:
            self._call.statistics.took(self._clock.monotonic() - started)

    @contextmanager
    def interrupting(self) -> Generator[None]:
        """A block of this task that ends when the action must not go on.

        Raises:
            ActionCanceledError: It was canceled.
            TimeLimitError: Its time is up.
        """
        import asyncio

        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        is_inside, is_interrupted = True, False

        def cancel() -> None:
            nonlocal is_interrupted
            if is_inside:  # what the task does after the block is no business of the action's
                is_interrupted = True
                task.cancel()

        def interrupt() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(cancel)

        self.when_ended(interrupt)
        try:
            yield
        except asyncio.CancelledError:
            if is_interrupted:
                self.check()
            raise
        finally:
            is_inside = False
            self.forget(interrupt)
            if is_interrupted:
                task.uncancel()

    def _handle(self, ctx: Any) -> Any:
        return self._call.compiled.handler(ctx, **self._call.own_arguments())

    def _checked(self, value: Any) -> Any:
        self._call.compiled.check_result(value)
        return value

    def finish(self) -> None:
        """Nothing that was kept of it works from now on."""
        self._actor.alarm.cancel(self._alarm)
        self._end_with(ActionCanceledError(f"{self._call.path}: the action has ended"))

    def cancel(self, reason: str) -> None:
        """End it: a task is interrupted, a thread is stopped at its next call."""
        self._end_with(
            ActionCanceledError(f"{self._call.path} ends: {reason}. What it has committed stays")
        )

    def _expire(self, seconds: float) -> None:
        path = self._call.path
        self._end_with(
            TimeLimitError(
                f"{path} has run for more than {seconds:g} s, its limit. What it has committed "
                "stays. Give it more time: @hw.action(timeout_seconds=...), or hw.open(..., "
                "limits=hw.Limits(action_seconds=...))",
                limit="action_seconds",
                value=seconds,
                maximum=seconds,
            )
        )

    def _end_with(self, error: Exception) -> None:
        with self._lock:
            if self._end is not None:
                return
            self._end = error
            callbacks, self._when_ended = self._when_ended, []
        for callback in callbacks:
            callback()

    def call_after(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after some time, by the clock; returns what cancels that."""
        alarm = self._actor.alarm
        return partial(alarm.cancel, alarm.call_at(self._clock.monotonic() + seconds, callback))

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call back once it must not go on; at once if that is so already."""
        if self._outer is not None:
            self._outer.when_ended(callback)
            return
        with self._lock:
            if self._end is None:
                self._when_ended.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], None]) -> None:
        """Do not call back any more."""
        if self._outer is not None:
            self._outer.forget(callback)
            return
        with self._lock:
            if callback in self._when_ended:
                self._when_ended.remove(callback)

    def check(self) -> None:
        """Refuse to go on after its end.

        Raises:
            ActionCanceledError: It was canceled, or has ended.
            TimeLimitError: Its time is up.
        """
        if self._outer is not None:
            self._outer.check()
        if self._end is not None:
            raise copy(self._end)

    @property
    def is_canceled(self) -> bool:
        """Whether it must not go on."""
        return self._end is not None or (self._outer is not None and self._outer.is_canceled)

    # -- its calls ------------------------------------------------------------------------------

    @property
    def now_ms(self) -> float:
        """The time, ms since the epoch."""
        return self._clock.now_ns() / _NS_PER_MS

    @property
    def random(self) -> random.Random:
        """Randomness of this run."""
        if self._random is None:
            self._random = random.Random(self._clock.seed())  # noqa: S311 - it has to repeat
        return self._random

    @property
    def identity(self) -> Identity | None:
        """Who called the action."""
        return self._call.caller

    def add_line(self, level: Level, message: str) -> None:
        """Keep a line that it logs."""
        call = self._call
        if call.lines is None:
            call.lines = Lines(self._actor.runner.store.limits)
        call.lines.add(level, message)

    @property
    def services(self) -> ContextServices:
        """What the context hands out besides its calls."""
        return self._actor.runner.services

    def call(
        self, kind: Kind, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call a function and wait for its result."""
        self.check()
        runner = self._actor.runner
        with self._as_its_caller():
            call = runner.call(kind, function, args, kwargs).by(self._call)
            if kind == "query":
                return runner.query(call)
            if kind == "mutation":
                return runner.mutate(call)
            return _Run(self._actor, call, self).run()

    def serve(self, name: str, run: Callable[[Transaction], T]) -> T:
        """Have a service do something in a transaction of its own."""
        self.check()
        with self._as_its_caller():
            return self._actor.runner.serve(name, run)

    async def serve_async(self, name: str, run: Callable[[Transaction], T]) -> T:
        """The same without blocking the event loop."""
        import asyncio

        self.check()
        with self._as_its_caller():
            return await asyncio.to_thread(self._actor.runner.serve, name, run)

    def entered(self) -> AbstractContextManager[None]:
        """A block for one use of a service; raises if the action must not go on."""
        self.check()
        return self._as_its_caller()

    @contextmanager
    def _as_its_caller(self) -> Generator[None]:
        """A block in which whoever called the action calls, unless it says otherwise itself.

        A thread that the action has started has not got its context variables.
        """
        caller = self._call.caller
        is_known = caller is None or is_caller_said()
        with in_job(self._call.job), nullcontext() if is_known else acting_as(caller):
            yield

    async def call_async(
        self, kind: Kind, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call a function without blocking the event loop."""
        self.check()
        with self._as_its_caller():
            call = self._actor.runner.call(kind, function, args, kwargs).by(self._call)
            if kind != "action":
                return await self._actor.async_calls().run(call)
            inner = _Run(self._actor, call, self)
            if call.compiled.function.is_async:
                return await inner.run_async()
            import asyncio

            return await asyncio.to_thread(inner.run)

"""Scheduling functions: the verbs that contexts and the database hand out."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from math import floor, isfinite
from typing import Any, Final, ParamSpec, TypeAlias, cast

from headwater.errors import (
    ArgumentError,
    FunctionKindError,
    FunctionNotFoundError,
    InvalidIdError,
)
from headwater.functions.context_services import AsyncServe, Serve
from headwater.functions.current_job import current_job
from headwater.functions.declaration import Function
from headwater.functions.kinds import A_KIND
from headwater.functions.runner import Runner
from headwater.functions.scheduling import Schedulable, ScheduledFunction, ScheduledFunctions
from headwater.schema.tables import Id
from headwater.storage.codec import pack
from headwater.transactions.reader import table_number_of
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction

P = ParamSpec("P")

JobId: TypeAlias = Id[ScheduledFunction]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MS_PER_SECOND: Final = 1000.0
_NS_PER_MS: Final = 1_000_000
_FARTHEST_MS: Final = 5 * 366 * 24 * 3600 * MS_PER_SECOND
"""How far from now something may be scheduled."""

_SCHEDULE: Final = "_schedule"
_CANCEL: Final = "_cancel"


class Scheduling:
    """Checks what is to be scheduled, and writes it into a transaction once there is one."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def after(
        self, seconds: float, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Callable[[Transaction], JobId]:
        """What `Scheduler.run_after` does."""
        delay_ms = _delay_ms(seconds)
        path, arguments = self._bind(function, args, kwargs)
        return lambda transaction: self._insert(
            transaction, now_ms(self._runner, transaction) + delay_ms, path, arguments
        )

    def at(
        self,
        time: float | datetime,
        function: object,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Callable[[Transaction], JobId]:
        """What `Scheduler.run_at` does."""
        time_ms = _time_ms(time)
        path, arguments = self._bind(function, args, kwargs)

        def run(transaction: Transaction) -> JobId:
            _check_near(time, time_ms, transaction.moment.now_ms)
            return self._insert(transaction, time_ms, path, arguments)

        return run

    def cancel(self, id: JobId) -> Callable[[Transaction], bool]:
        """What `Scheduler.cancel` does."""
        if table_number_of(id) != ScheduledFunctions.table_number:
            raise InvalidIdError(
                f"{id!r} is no id of a scheduled function; pass what run_after() or run_at() gave"
            )

        def run(transaction: Transaction) -> bool:
            writer = ServiceWriter(transaction, self._runner.store.rules)
            found = writer.get(id)
            if found is None or found["state"]["kind"] not in ("pending", "in_progress"):
                return False
            writer.patch(id, state={"kind": "canceled"}, completedTime=transaction.moment.now_ms)
            return True

        return run

    def _bind(
        self, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        compiled = self._runner.find(schedulable(self._runner, function))
        return compiled.path, compiled.bind(args, kwargs)

    def _insert(
        self, transaction: Transaction, time_ms: float, path: str, arguments: dict[str, Any]
    ) -> JobId:
        transaction.usage.add_scheduled(len(pack(arguments)))
        writer = ServiceWriter(transaction, self._runner.store.rules)
        document: dict[str, Any] = {
            "name": path,
            "args": arguments,
            "scheduledTime": time_ms,
            "state": {"kind": "pending"},
        }
        if _is_canceled(writer, current_job()):
            document["state"] = {"kind": "canceled"}
            document["completedTime"] = transaction.moment.now_ms
        return writer.insert(ScheduledFunctions, document)


def now_ms(runner: Runner, transaction: Transaction) -> float:
    """The time of a transaction, in whole milliseconds, and never ahead of the clock.

    Transactions get times that differ also while the clock stands still. What is due in an hour has
    to be due once an hour has passed by the clock.
    """
    clock_ms = runner.store.clock.now_ns() / _NS_PER_MS
    return float(floor(min(transaction.moment.now_ms, clock_ms)))


def schedulable(runner: Runner, function: object) -> Function[..., Any]:
    """The function, if it may run later.

    Raises:
        FunctionKindError: It is a query, or no function.
        FunctionNotFoundError: No opened module has it.
    """
    if not isinstance(function, Function):
        raise FunctionKindError(
            f"expected a function declared with @hw.mutation or @hw.action, got {function!r}"
        )
    found = cast("Function[..., Any]", function)
    if found.kind == "query":
        raise FunctionKindError(
            f"{found.path} is {A_KIND[found.kind]}, and nobody would get what it returns; schedule "
            "a mutation or an action"
        )
    if runner.application.path_of(found) is None:
        raise FunctionNotFoundError(
            f"{found.path} is in no module that this database was opened with, so nobody could "
            f"find it when its time comes; open the database with modules=[..., {found.module}]"
        )
    return found


def _is_canceled(writer: ServiceWriter, job: str | None) -> bool:
    """Whether what runs here is a scheduled function that was canceled meanwhile."""
    if job is None or table_number_of(job) != ScheduledFunctions.table_number:
        return False
    found = writer.get(cast("JobId", job))
    return found is not None and found["state"]["kind"] == "canceled"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _delay_ms(seconds: float) -> float:
    delay = seconds * MS_PER_SECOND if _is_number(seconds) else -1.0
    if not 0 <= delay <= _FARTHEST_MS:
        raise ArgumentError(
            f"run_after({seconds!r}, ...): expected a number of seconds from 0 to "
            f"{_FARTHEST_MS / MS_PER_SECOND:.0f}, which is five years"
        )
    return delay


def _time_ms(time: float | datetime) -> float:
    if isinstance(time, datetime):
        if time.utcoffset() is None:
            raise ArgumentError(
                f"run_at({time!r}, ...): a datetime without a time zone could mean several "
                "moments; give it one: .astimezone() for local time, .replace(tzinfo=datetime.UTC)"
            )
        return (time - _EPOCH) / timedelta(milliseconds=1)
    if not (_is_number(time) and isfinite(time)):
        raise ArgumentError(
            f"run_at({time!r}, ...): expected milliseconds since the epoch or an aware datetime"
        )
    return float(time)


def _check_near(time: float | datetime, time_ms: float, now_ms: float) -> None:
    if abs(time_ms - now_ms) > _FARTHEST_MS:
        raise ArgumentError(
            f"run_at({time!r}, ...): expected a time that is at most five years from now; numbers "
            "count milliseconds since the epoch, so that an hour from now is ctx.now + 3_600_000"
        )


class ScheduleVerbs:
    """A `headwater.functions.scheduling.Scheduler`, over what gives it a transaction."""

    def __init__(self, scheduling: Scheduling, serve: Serve) -> None:
        self._scheduling = scheduling
        self._serve = serve

    def run_after(
        self, seconds: float, function: Schedulable[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobId:
        """Call a function once that many seconds have passed."""
        return self._serve(_SCHEDULE, self._scheduling.after(seconds, function, args, kwargs))

    def run_at(
        self,
        time: float | datetime,
        function: Schedulable[P],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JobId:
        """Call a function at a time."""
        return self._serve(_SCHEDULE, self._scheduling.at(time, function, args, kwargs))

    def cancel(self, id: JobId) -> bool:
        """Keep a function from running; whether it had not ended before."""
        return self._serve(_CANCEL, self._scheduling.cancel(id))


class AsyncScheduleVerbs:
    """A `headwater.functions.scheduling.AsyncScheduler`, over what gives it a transaction."""

    def __init__(self, scheduling: Scheduling, serve: AsyncServe) -> None:
        self._scheduling = scheduling
        self._serve = serve

    async def run_after(
        self, seconds: float, function: Schedulable[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobId:
        """Call a function once that many seconds have passed."""
        run = self._scheduling.after(seconds, function, args, kwargs)
        return await self._serve(_SCHEDULE, run)

    async def run_at(
        self,
        time: float | datetime,
        function: Schedulable[P],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JobId:
        """Call a function at a time."""
        return await self._serve(_SCHEDULE, self._scheduling.at(time, function, args, kwargs))

    async def cancel(self, id: JobId) -> bool:
        """Keep a function from running; whether it had not ended before."""
        return await self._serve(_CANCEL, self._scheduling.cancel(id))

"""Crons: functions that run again and again, as modules declare them and contexts register them."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NotRequired, Protocol, TypeAlias, TypedDict

from headwater.errors import DeclarationError
from headwater.functions.collected import Collected, CollectedAs
from headwater.functions.cron_schedules import (
    CronSchedule,
    IntervalSchedule,
    Schedule,
    StoredSchedule,
    Weekday,
)
from headwater.functions.scheduling import Schedulable
from headwater.schema.tables import Document, Id, Index, Table

Missed: TypeAlias = Literal["skip", "run_once", "run_all"]
"""What becomes of times at which nobody ran a cron."""

RunPhase: TypeAlias = Literal["in_progress", "success", "failed", "canceled", "skipped"]

_MISSED: Final = ("skip", "run_once", "run_all")
_NAME_CHARACTERS_MAX: Final = 200


class CronTurn(TypedDict):
    """The time for which a cron runs, and how many before it were skipped."""

    scheduledTime: float
    skipped: int


class RegisteredCron(Document["RegisteredCron"]):
    """A cron: what runs, and when it does next.

    Times are in milliseconds since the epoch. ``module`` has declared it, and is empty if it was
    registered at run time. ``runs`` counts its runs. While an action runs, ``run`` is that run and
    ``owner`` the open database in which it does. ``turn`` is there inside its own mutation only.
    """

    name: str
    function: str
    args: dict[str, Any]
    schedule: StoredSchedule
    missed: Missed
    module: str
    state: Literal["waiting", "running"]
    nextTime: float  # noqa: N815 - as clients in other languages know it
    runs: int
    run: NotRequired[str]
    owner: NotRequired[str]
    turn: NotRequired[CronTurn]


class RegisteredCrons(Table[RegisteredCron], name="_crons", number=1002):
    """All crons, of all modules and registered ones."""

    by_name: ClassVar[Index] = Index("name", unique=True)
    by_time: ClassVar[Index] = Index("state", "function", "nextTime")


class CronRun(Document["CronRun"]):
    """One run of a cron, or times that were skipped.

    ``number`` counts the runs of a cron of that ``name``. ``skipped`` is how many times had passed
    before it without a run. ``error`` says why it failed.
    """

    name: str
    number: int
    function: str
    scheduledTime: float  # noqa: N815
    completedTime: NotRequired[float]  # noqa: N815
    state: RunPhase
    error: NotRequired[str]
    skipped: int


class CronRuns(Table[CronRun], name="_cron_runs", number=1003):
    """The last runs of all crons: a hundred of each, and none for longer than seven days."""

    by_name: ClassVar[Index] = Index("name", "number")
    by_completion: ClassVar[Index] = Index("completedTime")


@dataclass(frozen=True, slots=True)
class CronDeclaration:
    """A cron as a module declares it.

    Attributes:
        name: Its name, of which there is one in a database.
        schedule: When it runs.
        function: What runs: a mutation or an action.
        args: Its arguments.
        missed: What becomes of times at which nobody ran it.
        module: Name of the module.
    """

    name: str
    schedule: Schedule
    function: object
    args: Mapping[str, object]
    missed: Missed
    module: str


class Crons(Collected):
    """The crons of a module: ``crons = hw.Crons()``, and then ``crons.daily("report", ...)``.

    They are taken over when a database is opened with the module: new ones are added, changed ones
    are changed, and those that the module does not declare any more are deleted. Each runs a
    mutation or an action with arguments, and never twice at the same time.

    All methods take ``missed``, which says what becomes of times at which nobody ran it, because no
    process had the database open or the run before took so long: "skip" leaves them out, "run_once"
    makes up for all of them by one run, "run_all" for each by its own. A time counts as missed once
    it is a minute past, or the next one has come.
    """

    collected_as: ClassVar[CollectedAs] = "crons"

    def __init__(self) -> None:
        frame = inspect.currentframe()
        caller = None if frame is None else frame.f_back
        self.module: str = "__main__" if caller is None else caller.f_globals["__name__"]
        self.declarations: dict[str, CronDeclaration] = {}

    def register(
        self,
        name: str,
        schedule: Schedule,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        missed: Missed = "skip",
    ) -> None:
        """Run a function on a schedule: an `IntervalSchedule` or a `CronSchedule`.

        Raises:
            DeclarationError: There is one of that name, or something does not fit.
        """
        check_cron(name, schedule, missed)
        if name in self.declarations:
            raise DeclarationError(f"cron {name!r} is declared twice in {self.module}")
        self.declarations[name] = CronDeclaration(
            name, schedule, function, dict(args or {}), missed, self.module
        )

    def interval(  # noqa: PLR0913 - each is of its own, and given by name
        self,
        name: str,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        seconds: float = 0,
        minutes: float = 0,
        hours: float = 0,
        missed: Missed = "skip",
    ) -> None:
        """Run a function every so often, first when it is declared. Raises as `register`."""
        schedule = IntervalSchedule(seconds=seconds, minutes=minutes, hours=hours)
        self.register(name, schedule, function, args, missed=missed)

    def cron(
        self,
        name: str,
        expression: str,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        tz: str = "UTC",
        missed: Missed = "skip",
    ) -> None:
        """Run a function when a line of cron says, see `CronSchedule`. Raises as `register`."""
        self.register(name, CronSchedule(expression, tz), function, args, missed=missed)

    def hourly(
        self,
        name: str,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        minute: int = 0,
        tz: str = "UTC",
        missed: Missed = "skip",
    ) -> None:
        """Run a function once an hour. Raises as `register`."""
        schedule = CronSchedule.hourly(minute=minute, tz=tz)
        self.register(name, schedule, function, args, missed=missed)

    def daily(  # noqa: PLR0913 - each is of its own, and given by name
        self,
        name: str,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        hour: int = 0,
        minute: int = 0,
        tz: str = "UTC",
        missed: Missed = "skip",
    ) -> None:
        """Run a function once a day. Raises as `register`."""
        schedule = CronSchedule.daily(hour=hour, minute=minute, tz=tz)
        self.register(name, schedule, function, args, missed=missed)

    def weekly(  # noqa: PLR0913 - each is of its own, and given by name
        self,
        name: str,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        weekday: Weekday = "monday",
        hour: int = 0,
        minute: int = 0,
        tz: str = "UTC",
        missed: Missed = "skip",
    ) -> None:
        """Run a function once a week. Raises as `register`."""
        schedule = CronSchedule.weekly(weekday=weekday, hour=hour, minute=minute, tz=tz)
        self.register(name, schedule, function, args, missed=missed)

    def monthly(  # noqa: PLR0913 - each is of its own, and given by name
        self,
        name: str,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        day: int = 1,
        hour: int = 0,
        minute: int = 0,
        tz: str = "UTC",
        missed: Missed = "skip",
    ) -> None:
        """Run a function once a month, if the month has the day. Raises as `register`."""
        schedule = CronSchedule.monthly(day=day, hour=hour, minute=minute, tz=tz)
        self.register(name, schedule, function, args, missed=missed)


def check_cron(name: object, schedule: object, missed: object) -> None:
    """Refuse what cannot be a cron, whatever a type checker says.

    Raises:
        DeclarationError: The name, the schedule or ``missed`` does not fit.
    """
    if not isinstance(name, str) or not 0 < len(name) <= _NAME_CHARACTERS_MAX:
        raise DeclarationError(
            f"cron {name!r}: expected a name of up to {_NAME_CHARACTERS_MAX} characters"
        )
    if not isinstance(schedule, IntervalSchedule | CronSchedule):
        raise DeclarationError(
            f"cron {name!r}: {schedule!r} is no schedule; expected hw.IntervalSchedule(minutes=5) "
            'or hw.CronSchedule("0 9 * * *")'
        )
    if missed not in _MISSED:
        raise DeclarationError(
            f"cron {name!r}: missed={missed!r}; expected 'skip', 'run_once' or 'run_all'"
        )


class CronRegistry(Protocol):
    """Crons that are registered at run time. It is ``ctx.crons`` and ``db.crons``.

    In a mutation it is a part of the transaction; elsewhere each call is a transaction of its own.
    """

    def register(
        self,
        name: str,
        schedule: Schedule,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        missed: Missed = "skip",
    ) -> Id[RegisteredCron]:
        """Run a function on a schedule, in place of what was registered under that name.

        With the schedule that it has already, its next time stays.

        Raises:
            ArgumentError: The arguments do not fit, or a module declares a cron of that name.
            DeclarationError: The name or the schedule does not fit.
            FunctionKindError: It is a query, or no function.
            FunctionNotFoundError: No opened module has it.
        """
        ...

    def delete(self, name: str) -> bool:
        """Run it no more; whether there was one. A run that has begun goes on.

        Raises:
            ArgumentError: A module declares it.
        """
        ...

    def get(self, name: str) -> RegisteredCron | None:
        """The cron of that name, or None."""
        ...

    def list(self) -> Sequence[RegisteredCron]:
        """All crons, declared ones too, by name."""
        ...


class AsyncCronRegistry(Protocol):
    """The same for ``async def`` actions and ``db.aio``: each call is awaited."""

    async def register(
        self,
        name: str,
        schedule: Schedule,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        missed: Missed = "skip",
    ) -> Id[RegisteredCron]:
        """Run a function on a schedule, as `CronRegistry.register`."""
        ...

    async def delete(self, name: str) -> bool:
        """Run it no more, as `CronRegistry.delete`."""
        ...

    async def get(self, name: str) -> RegisteredCron | None:
        """The cron of that name, or None."""
        ...

    async def list(self) -> Sequence[RegisteredCron]:
        """All crons, declared ones too, by name."""
        ...

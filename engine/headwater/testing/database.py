"""Throw-away databases, on which time and randomness are set by hand."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import ceil
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from headwater.database import Database
from headwater.errors import ArgumentError, UsageError
from headwater.functions.access import DefaultAccess
from headwater.functions.modules import collect
from headwater.limits import DEFAULT_LIMITS, Limits
from headwater.services.services import Jobs, ServiceOptions
from headwater.testing.clock import ManualClock
from headwater.testing.crashing import Crashing
from headwater.verbs.opened import make

if TYPE_CHECKING:
    from headwater.services.session_options import Sessions
    from headwater.services.tokens import TokenProvider

_US_PER_MS: Final = 1000
_NS_PER_US: Final = 1000


class ThrowAwayDatabase(Crashing, Database):
    """A database that is removed when it is closed.

    Attributes:
        clock: Its time and randomness.
    """

    def __init__(self, *args: Any, clock: ManualClock, **options: Any) -> None:
        super().__init__(*args, clock=clock, **options)
        self.clock: ManualClock = clock

    def finish_jobs(self, *, limit: int = 10_000) -> int:
        """Let time pass until nothing is scheduled any more; returns how many functions ran.

        The clock is moved from one due time to the next, and what is due then runs on this thread.
        Crons never end, and are not waited for; those whose time comes meanwhile run.

        Args:
            limit: The most to run.

        Raises:
            UsageError: More than that: something schedules itself again without end.
        """
        count = self._run_some(limit)
        while (next_ms := self._services.executing.next_ms(endless=False)) is not None:
            self.clock.advance(microseconds=self._ahead_us(next_ms))
            count += self._run_some(limit - count)
        return count

    def let_pass(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> int:
        """Let time pass, and run everything in its time; returns how many functions ran.

        As if the database were open and running all the while: the clock stops at each time at
        which something is due, scheduled functions and crons alike.

        Raises:
            ArgumentError: The sum is below 0.
        """
        left = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if left < timedelta(0):
            raise ArgumentError(f"let_pass: expected a time of 0 or more, got {left}")
        end_us = self.clock.now_ns() // _NS_PER_US + left // timedelta(microseconds=1)
        count = self.run_due_jobs()
        while (left_us := end_us - self.clock.now_ns() // _NS_PER_US) > 0:
            next_ms = self._services.executing.next_ms(endless=True)
            ahead_us = left_us if next_ms is None else min(left_us, self._ahead_us(next_ms))
            self.clock.advance(microseconds=ahead_us)
            count += self.run_due_jobs()
        return count

    def _ahead_us(self, time_ms: float) -> int:
        """How far the clock has to be moved for a time to come, in microseconds; at least 1."""
        return max(ceil(time_ms * _US_PER_MS - self.clock.now_ns() / _NS_PER_US), 1)

    def _run_some(self, limit: int) -> int:
        count = self.run_due_jobs(limit=limit + 1)
        if count > limit:
            raise UsageError(
                f"finish_jobs: more than {limit} functions ran, and others wait; something "
                "schedules itself again without end. Let some time pass instead: "
                "db.clock.advance(...) and db.run_due_jobs(limit=...), or raise the limit"
            )
        return count


def database(  # noqa: PLR0913 - each option is of its own, and given by name
    *modules: ModuleType | str,
    seed: int = 0,
    clock: ManualClock | None = None,
    limits: Limits | None = None,
    env: Mapping[str, str] | None = None,
    default_access: DefaultAccess = "allow",
    jobs: Jobs = "hold",
    public_origin: str = "",
    log_accesses: bool = True,
    keep_files_seconds: float = 0,
    providers: "Sequence[TokenProvider]" = (),
    sessions: "Sessions | None" = None,
) -> ThrowAwayDatabase:
    """Open a throw-away database: ``with testing.database(chat) as db: ...``.

    Nothing is flushed, and no files are left when it is closed. The same calls in the same order
    give the same ids, times and documents.

    Args:
        *modules: Modules with functions and tables, or their dotted names.
        seed: Of the randomness of a new clock; of no use together with ``clock``.
        clock: A clock to share with others; one that stands at the beginning of 2024 by default.
        limits: Bounds on documents, functions and transactions.
        env: Settings that functions read; none by default.
        default_access: What public functions may do with a table that has no rules.
        jobs: By default nothing runs by itself: `run_due_jobs` and `finish_jobs` do it, on the
            thread of the test. "run": in the background, once the clock was moved.
        public_origin: What is put before the paths of signed URLs.
        log_accesses: Whether every access to a stored file is noted.
        keep_files_seconds: How long the contents of deleted files are kept.
        providers: Identity providers whose tokens are believed.
        sessions: Accounts and sessions of the database's own, which `Database.sessions` has. Needs
            the extra ``auth``.

    Raises:
        DeclarationError: The modules declare something that cannot work.
    """
    return make(
        ThrowAwayDatabase,
        None,
        collect(modules, default_access=default_access),
        durability="none",
        limits=limits or DEFAULT_LIMITS,
        clock=clock or ManualClock(seed=seed),
        options=ServiceOptions(
            env=env or {},
            jobs=jobs,
            public_origin=public_origin,
            log_accesses=log_accesses,
            keep_files_seconds=keep_files_seconds,
            providers=tuple(providers),
            sessions=sessions,
        ),
    )

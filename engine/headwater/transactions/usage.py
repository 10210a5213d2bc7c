"""What one transaction has used of its limits."""

from collections.abc import Callable
from math import inf
from typing import Final

from headwater.clock import Clock
from headwater.errors import LimitExceededError, TimeLimitError
from headwater.limits import Limits

_SPLIT: Final = (
    "split the work into several mutations, or declare it as a migration (@hw.migration), which "
    "goes through a table in batches"
)


class Usage:
    """Counters of one run, checked as it goes.

    Attributes:
        documents_read: Documents taken from storage so far.
        bytes_read: Their size as stored.
        scheduled: Functions scheduled so far, rolled back ones included.
        scheduled_bytes: The size of their arguments.
        function: Path of the running function, for messages.
        monotonic: The clock by which `deadline` is to be kept.
    """

    __slots__ = (
        "_started",
        "bytes_read",
        "deadline",
        "documents_read",
        "function",
        "limits",
        "monotonic",
        "scheduled",
        "scheduled_bytes",
        "seconds",
        "seconds_limit",
    )

    def __init__(
        self, limits: Limits, clock: Clock, *, seconds_limit: str | None, function: str = ""
    ) -> None:
        self.limits: Limits = limits
        self.function: str = function
        self.documents_read: int = 0
        self.bytes_read: int = 0
        self.scheduled: int = 0
        self.scheduled_bytes: int = 0
        self.seconds_limit: str | None = seconds_limit
        self.seconds: float = getattr(limits, seconds_limit) if seconds_limit else inf
        self.monotonic: Callable[[], float] = clock.monotonic
        self._started = self.monotonic()
        self.deadline: float = self._started + self.seconds

    @property
    def who(self) -> str:
        """How a message names the transaction."""
        return self.function or "this transaction"

    def check_time(self) -> None:
        """Refuse to go on past the deadline. A running function cannot be stopped elsewhere."""
        now = self.monotonic()
        if now > self.deadline:
            raise TimeLimitError(
                f"{self.who} has run for {now - self._started:.1f} s, the limit "
                f"{self.seconds_limit} is {self.seconds:g} s. Do less in one transaction, move "
                f"slow computation out of it, or raise it: "
                f"hw.open(..., limits=hw.Limits({self.seconds_limit}=...))",
                limit=self.seconds_limit or "",
                value=now - self._started,
                maximum=self.seconds,
            )

    def add_read(self, documents: int, size: int) -> None:
        """Count documents that were read."""
        self.documents_read += documents
        self.bytes_read += size
        if self.documents_read > self.limits.documents_read:
            self.exceeded("documents_read", self.documents_read, "read fewer documents")
        if self.bytes_read > self.limits.bytes_read:
            self.exceeded("bytes_read", self.bytes_read, "read fewer or smaller documents")

    def check_written(self, documents: int, size: int) -> None:
        """Check the number and size of all writes so far."""
        if documents > self.limits.documents_written:
            self.exceeded("documents_written", documents, _SPLIT)
        if size > self.limits.bytes_written:
            self.exceeded("bytes_written", size, _SPLIT)

    def add_scheduled(self, size: int) -> None:
        """Count a function that was scheduled, by the size of its arguments."""
        self.scheduled += 1
        self.scheduled_bytes += size
        limits = self.limits
        if size > limits.scheduled_argument_bytes:
            self.exceeded("scheduled_argument_bytes", size, "store them, and pass an id")
        if self.scheduled_bytes > limits.scheduled_bytes:
            self.exceeded("scheduled_bytes", self.scheduled_bytes, "store them, and pass ids")
        if self.scheduled > limits.scheduled_functions:
            self.exceeded(
                "scheduled_functions",
                self.scheduled,
                "schedule one function that does the work of many, or schedules the next ones",
            )

    def exceeded(self, limit: str, value: float, advice: str) -> None:
        """Raise for a limit that was reached.

        Raises:
            LimitExceededError: Always.
        """
        maximum = getattr(self.limits, limit)
        raise LimitExceededError(
            f"{self.who}: {limit} reached {value:,}, the limit is {maximum:,}; {advice}, or raise "
            f"it: hw.open(..., limits=hw.Limits({limit}=...))",
            limit=limit,
            value=value,
            maximum=maximum,
        )

"""How functions are run as jobs: which queue, and what the queues allow."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, cast

from headwater.errors import DeclarationError
from headwater.functions.collected import Collected, CollectedAs
from headwater.functions.jobs import DEFAULT_QUEUE
from headwater.transactions.service_writer import ServiceWriter

PRIORITIES: Final = range(-100, 101)
"""Each of them that is in use costs a look whenever a job is chosen."""

CONCURRENCY: Final = 10
"""Of a queue that does not say."""

KEPT_SECONDS: Final = 7 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What ``@job`` was given that concerns the queue.

    Attributes:
        queue: Name of the queue.
        priority: Of jobs in it; those with a higher one come first.
    """

    queue: str = DEFAULT_QUEUE
    priority: int = 0


class Limited(Protocol):
    """Whether something may happen now."""

    @property
    def ok(self) -> bool:
        """Whether it may."""
        ...

    @property
    def retry_after_seconds(self) -> float:
        """If not, how long to wait."""
        ...


class Limiter(Protocol):
    """A rate limit, as queues use it: an `hw.RateLimit`."""

    def take(self, writer: ServiceWriter) -> Limited:
        """Take a token, if there is one, in the transaction of a service."""
        ...


@dataclass(frozen=True, slots=True)
class Queue(Collected):
    """A queue of jobs, declared in a module of the application: ``mail = hw.Queue("mail", ...)``.

    A queue that is not declared has the defaults.

    Attributes:
        name: What jobs call it.
        concurrency: Jobs of it that run at the same time, in all processes on the directory
            together; 0 for none, which is a pause. `JobClient.set_concurrency` sets another one
            at run time.
        rate: A rate limit, of which each attempt takes a token.
        kept_seconds: How long jobs are kept that have succeeded or were canceled.
        dead_kept_seconds: How long dead jobs are kept; None until they are redriven or purged.

    Raises:
        DeclarationError: The name is empty, or a number is below zero.
    """

    collected_as: ClassVar[CollectedAs] = "queue"

    name: str
    concurrency: int = CONCURRENCY
    rate: Limiter | None = None
    kept_seconds: float = KEPT_SECONDS
    dead_kept_seconds: float | None = None

    def __post_init__(self) -> None:
        given = cast("Any", self)  # what it is, whatever a type checker says
        check_queue_name(self.name, "hw.Queue")
        if type(given.concurrency) is not int or given.concurrency < 0:
            raise self._wrong("concurrency", "a whole number, 0 or more")
        if given.rate is not None and not hasattr(given.rate, "take"):
            raise self._wrong("rate", "an hw.RateLimit")
        for name in ("kept_seconds", "dead_kept_seconds"):
            seconds = getattr(given, name)
            if seconds is None and name == "dead_kept_seconds":
                continue
            if not isinstance(seconds, int | float) or not seconds >= 0:
                raise self._wrong(name, "a number of seconds, 0 or more")

    def _wrong(self, name: str, expected: str) -> DeclarationError:
        value = getattr(self, name)
        return DeclarationError(f"hw.Queue({self.name!r}, {name}={value!r}): expected {expected}")


def check_queue_name(name: object, where: str) -> None:
    """Check the name of a queue.

    Raises:
        DeclarationError: It is no string, or empty.
    """
    if not isinstance(name, str) or not name:
        raise DeclarationError(
            f"{where}: {name!r} cannot be the name of a queue, expected a string that is not empty"
        )


def check_priority(priority: object, where: str) -> None:
    """Check the priority of jobs.

    Raises:
        DeclarationError: It is no whole number from -100 to 100.
    """
    if type(priority) is not int or priority not in PRIORITIES:
        raise DeclarationError(
            f"{where}: priority={priority!r}, expected a whole number from {PRIORITIES[0]} to "
            f"{PRIORITIES[-1]}"
        )

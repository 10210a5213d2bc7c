"""Whether something that failed is tried again, and when."""

import random
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from headwater.errors import (
    ActionCanceledError,
    ArgumentError,
    ClosedError,
    DeclarationError,
    NonRetryableError,
    ReturnValueError,
)

Jitter: TypeAlias = float | Literal["full"]

_NEVER: Final = (
    NonRetryableError,
    ActionCanceledError,
    ClosedError,
    # The call does not fit the function: it never does.
    ArgumentError,
    # The function has done its work, and would do it twice.
    ReturnValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A policy for functions that fail: ``@hw.action(retry=hw.Retry(attempts=3))``.

    Before attempt n + 1 it waits ``initial_seconds * base ** (n - 1)``, ``max_seconds`` at most,
    made uneven by the jitter, so that those who failed together do not come back together. The
    randomness is that of the database's clock. Every `Exception` is a reason to try again, except
    those of ``non_retryable``, `NonRetryableError`, arguments and results that do not fit, and the
    end of the action itself (it was canceled, its time is up, the database was closed).

    Attributes:
        attempts: How often it is tried, the first time included.
        initial_seconds: The wait after the first failure.
        base: By how much each wait is longer than the one before it.
        max_seconds: No wait is longer.
        jitter: The part of a wait by which it may be longer or shorter, from 0 to 1; ``"full"`` for
            anything from none of it to all of it.
        non_retryable: Errors that are not tried again, and their subclasses.
    """

    attempts: int = 5
    initial_seconds: float = 0.25
    base: float = 2.0
    max_seconds: float = 3600.0
    jitter: Jitter = 0.5
    non_retryable: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        given = cast("Any", self)  # what it is, whatever a type checker says
        if type(given.attempts) is not int or given.attempts < 1:
            raise _wrong("attempts", self.attempts, "a whole number, 1 or more")
        for name, least in (("initial_seconds", 0), ("base", 1), ("max_seconds", 0)):
            number = getattr(given, name)
            if type(number) not in (int, float) or not number >= least:
                raise _wrong(name, number, f"a number, {least} or more")
        if given.jitter != "full" and (
            type(given.jitter) not in (int, float) or not 0 <= given.jitter <= 1
        ):
            raise _wrong("jitter", self.jitter, "a number from 0 to 1, or 'full'")
        if not isinstance(given.non_retryable, tuple) or not all(
            map(_is_error, self.non_retryable)
        ):
            raise _wrong("non_retryable", self.non_retryable, "a tuple of classes of errors")

    def seconds_after(
        self, error: BaseException, attempt: int, randomness: random.Random
    ) -> float | None:
        """How long to wait after a failure, in seconds; None if it is not tried again.

        Args:
            error: What was raised.
            attempt: The number of the attempt that failed, from 1.
            randomness: For the jitter.
        """
        if attempt >= self.attempts or not self.is_retryable(error):
            return None
        return self.wait_seconds(attempt, randomness)

    def is_retryable(self, error: BaseException) -> bool:
        """Whether an error may be gone the next time."""
        return isinstance(error, Exception) and not isinstance(error, _NEVER + self.non_retryable)

    def wait_seconds(self, attempt: int, randomness: random.Random) -> float:
        """The wait after a failed attempt, from 1, whatever the reason."""
        try:
            seconds = min(
                self.initial_seconds * float(self.base) ** (attempt - 1), self.max_seconds
            )
        except OverflowError:
            seconds = self.max_seconds
        if self.jitter == "full":
            return seconds * randomness.random()
        return min(seconds * (1 + self.jitter * (2 * randomness.random() - 1)), self.max_seconds)


def check_retry(decorator: str, retry: object) -> None:
    """Check what a decorator was given as a policy.

    Raises:
        DeclarationError: It is none.
    """
    if retry is not None and not isinstance(retry, Retry):
        raise DeclarationError(
            f"@{decorator}(retry={retry!r}): expected a policy, such as hw.Retry(attempts=3)"
        )


def _is_error(given: object) -> bool:
    return isinstance(given, type) and issubclass(given, Exception)


def _wrong(name: str, value: object, expected: str) -> DeclarationError:
    return DeclarationError(f"hw.Retry({name}={value!r}): expected {expected}")


ONCE: Final = Retry(attempts=1)
"""What functions without a policy have."""

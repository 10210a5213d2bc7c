"""What both clients of jobs are made of: who has the transactions, and the options."""

from datetime import datetime
from typing import Any, Generic, Self, TypeVar, overload

from headwater.functions.job_operations import (
    EnqueueOptions,
    OnJob,
    UniqueUntil,
)

T = TypeVar("T")
C = TypeVar("C")


class EnqueueClient(Generic[T]):
    """A client of jobs with options for what it enqueues.

    Args:
        transact: Runs what is done to jobs in a transaction.
        options: For what it enqueues.
    """

    def __init__(self, transact: T, options: EnqueueOptions | None = None) -> None:
        self._transact = transact
        self._options = options or EnqueueOptions()

    @overload
    def with_options(
        self,
        *,
        queue: str | None = ...,
        priority: int | None = ...,
        delay_seconds: float = ...,
        run_at: datetime | float | None = ...,
        unique_key: str | None = ...,
        unique_until: UniqueUntil = ...,
    ) -> Self: ...
    @overload
    def with_options(
        self,
        *,
        queue: str | None = ...,
        priority: int | None = ...,
        delay_seconds: float = ...,
        run_at: datetime | float | None = ...,
        unique_key: str | None = ...,
        unique_until: UniqueUntil = ...,
        on_complete: OnJob[C],
        context: C,
    ) -> Self: ...
    def with_options(  # noqa: PLR0913 - each is of its own, and given by name
        self,
        *,
        queue: str | None = None,
        priority: int | None = None,
        delay_seconds: float = 0.0,
        run_at: datetime | float | None = None,
        unique_key: str | None = None,
        unique_until: UniqueUntil = "forgotten",
        on_complete: Any = None,
        context: Any = None,
    ) -> Self:
        """The same client with options for what it enqueues, in place of those it had.

        Args:
            queue: Another queue than that of the function.
            priority: Another priority than that of the function.
            delay_seconds: How long to wait before the job may run.
            run_at: When it may run instead: an aware datetime, or ms since the epoch.
            unique_key: If there is a job of the same function with this key, give its id and
                enqueue nothing.
            unique_until: Whether a key is taken until its job is forgotten, or until it has ended.
            on_complete: A mutation that is called with the id of the job, the context and the
                result, in the transaction that records the result: exactly once. If it raises, the
                result stands and the error is kept with the job.
            context: A value for it.

        Raises:
            ArgumentError: An option is none that a job can have.
            DeclarationError: A queue or a priority is none.
        """
        options = EnqueueOptions(
            queue=queue,
            priority=priority,
            delay_seconds=delay_seconds,
            run_at=run_at,
            unique_key=unique_key,
            unique_until=unique_until,
            on_complete=on_complete,
            context=context,
        )
        return type(self)(self._transact, options)

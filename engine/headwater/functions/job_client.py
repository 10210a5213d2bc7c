"""Enqueuing jobs, and what else is done with them: ``ctx.jobs`` and ``db.jobs``."""

from collections.abc import Iterable
from typing import Any, ParamSpec, TypeVar, overload

from headwater.functions.bound_calls import BoundCall, deferred
from headwater.functions.enqueue_client import EnqueueClient
from headwater.functions.job_operations import (
    OnBatch,
    Transact,
)
from headwater.functions.jobs import Job, JobBatch
from headwater.functions.scheduling import Schedulable
from headwater.schema.tables import Id

P = ParamSpec("P")
C = TypeVar("C")


class JobClient(EnqueueClient[Transact]):
    """Jobs, as mutations, actions on threads and programs see them.

    In a mutation everything is a part of its transaction; elsewhere each call is a transaction of
    its own, which is durable on return.
    """

    # -- enqueuing ------------------------------------------------------------------------------

    def enqueue(self, function: Schedulable[P], /, *args: P.args, **kwargs: P.kwargs) -> Id[Job]:
        """Have a function run when its turn comes, by any process that knows it. O(log n).

        A mutation runs exactly once. An action that has no policy is begun once at most; with one
        it is tried until it succeeds, as often as that says, also if its process is killed.

        Args:
            function: An action or a mutation of a module that the database was opened with.
            *args: Its arguments by position.
            **kwargs: Its arguments by name.

        Raises:
            ArgumentError: The arguments do not fit.
            FunctionNotFoundError: No module that the database was opened with has the function.
        """
        call, options = deferred(function, args, kwargs), self._options
        return self._transact(lambda jobs: jobs.enqueue(call, options))

    @overload
    def enqueue_many(self, calls: Iterable[BoundCall]) -> Id[JobBatch]: ...
    @overload
    def enqueue_many(
        self, calls: Iterable[BoundCall], *, on_complete: OnBatch[C], context: C
    ) -> Id[JobBatch]: ...
    def enqueue_many(
        self, calls: Iterable[BoundCall], *, on_complete: Any = None, context: Any = None
    ) -> Id[JobBatch]:
        """Enqueue jobs as one batch: ``enqueue_many([send.bind(to=one) for one in members])``.

        Args:
            calls: What to run. It may be none.
            on_complete: A mutation that is called with the id of the batch, the context and how
                many jobs have ended in each way, once all have: exactly once. That of
                `with_options` is for each job.
            context: A value for it.

        Raises:
            ArgumentError: Arguments do not fit, or a batch was given a unique key.
            FunctionNotFoundError: No module that the database was opened with has a function.
        """
        given, options = list(calls), self._options
        return self._transact(lambda jobs: jobs.enqueue_many(given, options, on_complete, context))

    # -- jobs -----------------------------------------------------------------------------------

    def cancel(self, job: Id[Job]) -> bool:
        """Have a job not run; or, if it is running, end, as soon as it notices.

        Returns:
            Whether it had not ended yet. One that runs may still end well before it notices.

        Raises:
            DocumentNotFoundError: There is no such job.
        """
        return self._transact(lambda jobs: jobs.cancel(job))

    def cancel_batch(self, batch: Id[JobBatch]) -> int:
        """Cancel the jobs of a batch that have not ended, and say how many these were."""
        return self._transact(lambda jobs: jobs.cancel_batch(batch))

    def redrive(self, job: Id[Job]) -> bool:
        """Let a dead job begin anew, with all of its attempts.

        Returns:
            Whether it was dead.

        Raises:
            DocumentNotFoundError: There is no such job.
        """
        return self._transact(lambda jobs: jobs.redrive(job))

    def redrive_all(self, queue: str | None = None, *, limit: int = 1000) -> int:
        """Let dead jobs begin anew, of one queue or of all, and say how many these were.

        Args:
            queue: Name of the queue.
            limit: The most in this transaction; call it again while it finds as many.
        """
        return self._transact(lambda jobs: jobs.redrive_all(queue, limit))

    def purge(self, job: Id[Job]) -> bool:
        """Forget a job that has ended, in any way.

        Returns:
            Whether it had ended; one that has not is kept.

        Raises:
            DocumentNotFoundError: There is no such job.
        """
        return self._transact(lambda jobs: jobs.purge(job))

    def purge_all(self, queue: str | None = None, *, limit: int = 1000) -> int:
        """Forget dead jobs, of one queue or of all, and say how many these were.

        Args:
            queue: Name of the queue.
            limit: The most in this transaction; call it again while it finds as many.
        """
        return self._transact(lambda jobs: jobs.purge_all(queue, limit))

    # -- queues ---------------------------------------------------------------------------------

    def pause(self, queue: str) -> None:
        """Begin no more jobs of a queue, in any process; those that run go on."""
        self._transact(lambda jobs: jobs.set_paused(queue, is_paused=True))

    def resume(self, queue: str) -> None:
        """Go on with a queue that was paused."""
        self._transact(lambda jobs: jobs.set_paused(queue, is_paused=False))

    def set_concurrency(self, queue: str, concurrency: int | None) -> None:
        """Have as many jobs of a queue run at the same time, in all processes together.

        Args:
            queue: Name of the queue.
            concurrency: 0 or more; None for what the queue is declared with.

        Raises:
            ArgumentError: It is no number of jobs.
        """
        self._transact(lambda jobs: jobs.set_concurrency(queue, concurrency))

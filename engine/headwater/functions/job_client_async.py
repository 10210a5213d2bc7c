"""The same as `headwater.functions.job_client`, for asyncio."""

from collections.abc import Iterable
from typing import Any, ParamSpec, TypeVar, overload

from headwater.functions.bound_calls import BoundCall, deferred
from headwater.functions.enqueue_client import EnqueueClient
from headwater.functions.job_operations import (
    OnBatch,
    TransactAsync,
)
from headwater.functions.jobs import Job, JobBatch
from headwater.functions.scheduling import Schedulable
from headwater.schema.tables import Id

P = ParamSpec("P")
C = TypeVar("C")


class AsyncJobClient(EnqueueClient[TransactAsync]):
    """Jobs, as actions that are coroutines see them, and programs by ``db.aio.jobs``.

    Each call is a transaction of its own, which is durable on return. Everything is as it is for
    `JobClient`.
    """

    # -- enqueuing ------------------------------------------------------------------------------

    async def enqueue(
        self, function: Schedulable[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> Id[Job]:
        """Have a function run when its turn comes, by any process that knows it. O(log n)."""
        call, options = deferred(function, args, kwargs), self._options
        return await self._transact(lambda jobs: jobs.enqueue(call, options))

    @overload
    async def enqueue_many(self, calls: Iterable[BoundCall]) -> Id[JobBatch]: ...
    @overload
    async def enqueue_many(
        self, calls: Iterable[BoundCall], *, on_complete: OnBatch[C], context: C
    ) -> Id[JobBatch]: ...
    async def enqueue_many(
        self, calls: Iterable[BoundCall], *, on_complete: Any = None, context: Any = None
    ) -> Id[JobBatch]:
        """Enqueue jobs as one batch: ``enqueue_many([send.bind(to=one) for one in members])``."""
        given, options = list(calls), self._options
        return await self._transact(
            lambda jobs: jobs.enqueue_many(given, options, on_complete, context)
        )

    # -- jobs -----------------------------------------------------------------------------------

    async def cancel(self, job: Id[Job]) -> bool:
        """Have a job not run; or, if it is running, end, as soon as it notices."""
        return await self._transact(lambda jobs: jobs.cancel(job))

    async def cancel_batch(self, batch: Id[JobBatch]) -> int:
        """Cancel the jobs of a batch that have not ended, and say how many these were."""
        return await self._transact(lambda jobs: jobs.cancel_batch(batch))

    async def redrive(self, job: Id[Job]) -> bool:
        """Let a dead job begin anew, with all of its attempts."""
        return await self._transact(lambda jobs: jobs.redrive(job))

    async def redrive_all(self, queue: str | None = None, *, limit: int = 1000) -> int:
        """Let dead jobs begin anew, of one queue or of all, and say how many these were."""
        return await self._transact(lambda jobs: jobs.redrive_all(queue, limit))

    async def purge(self, job: Id[Job]) -> bool:
        """Forget a job that has ended, in any way."""
        return await self._transact(lambda jobs: jobs.purge(job))

    async def purge_all(self, queue: str | None = None, *, limit: int = 1000) -> int:
        """Forget dead jobs, of one queue or of all, and say how many these were."""
        return await self._transact(lambda jobs: jobs.purge_all(queue, limit))

    # -- queues ---------------------------------------------------------------------------------

    async def pause(self, queue: str) -> None:
        """Begin no more jobs of a queue, in any process; those that run go on."""
        await self._transact(lambda jobs: jobs.set_paused(queue, is_paused=True))

    async def resume(self, queue: str) -> None:
        """Go on with a queue that was paused."""
        await self._transact(lambda jobs: jobs.set_paused(queue, is_paused=False))

    async def set_concurrency(self, queue: str, concurrency: int | None) -> None:
        """Have as many jobs of a queue run at the same time, in all processes together."""
        await self._transact(lambda jobs: jobs.set_concurrency(queue, concurrency))

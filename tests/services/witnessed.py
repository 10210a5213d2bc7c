"""Jobs and actions that are counted while they are inside, and stay until they are let go."""

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import headwater as hw
from headwater import ActionCtx, Id, JobBatch, QueryCtx, Queue, SyncActionCtx

GUARD_SECONDS = 60
"""Not a measure of anything: what never comes must fail the test and not stop the suite."""


class Witness:
    """Counts who is inside at the same time.

    Attributes:
        most: The most at one time.
    """

    def __init__(self) -> None:
        self.most = 0
        self._inside = 0
        self._gates: dict[str, Callable[[], object]] = {}
        self._changed = threading.Condition()

    @contextmanager
    def counted(self, name: str, gate: Callable[[], object]) -> Generator[None]:
        """A block that is being inside; ``gate`` lets it go on."""
        with self._changed:
            self._inside += 1
            self.most = max(self.most, self._inside)
            self._gates[name] = gate
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1

    def held(self) -> list[str]:
        """Who is inside and was not let go."""
        with self._changed:
            return sorted(self._gates)

    def wait_for(self, count: int) -> list[str]:
        """Wait until so many are held at the same time: a barrier that they stand at."""
        with self._changed:
            is_met = self._changed.wait_for(lambda: len(self._gates) >= count, GUARD_SECONDS)
            assert is_met, f"{len(self._gates)} ran together, expected {count}"
        return self.held()

    def let_go(self, name: str) -> None:
        """Let one go on."""
        with self._changed:
            gate = self._gates.pop(name)
        gate()


witness = Witness()
"""Of the test that runs."""

watched = Queue("watched", concurrency=1)
other = Queue("other")


def stay_inside(name: str) -> None:
    gate = threading.Event()
    with witness.counted(name, gate.set):
        assert gate.wait(GUARD_SECONDS)


async def stay_inside_async(name: str) -> None:
    loop, gate = asyncio.get_running_loop(), asyncio.Event()
    with witness.counted(name, lambda: loop.call_soon_threadsafe(gate.set)):
        await asyncio.wait_for(gate.wait(), GUARD_SECONDS)


@hw.job(queue="watched")
def stay(ctx: SyncActionCtx, name: str) -> None:
    stay_inside(name)


@hw.job(queue="watched")
async def stay_async(ctx: ActionCtx, name: str) -> None:
    await stay_inside_async(name)


@hw.job(queue="other")
def look(ctx: SyncActionCtx) -> None:
    """Runs, so that whoever chooses jobs has looked at all queues."""


@hw.action
def act(ctx: SyncActionCtx, name: str) -> str:
    stay_inside(name)
    return name


@hw.action
async def act_async(ctx: ActionCtx, name: str) -> str:
    await stay_inside_async(name)
    return name


@hw.query
def batch(ctx: QueryCtx, id: Id[JobBatch]) -> JobBatch | None:
    return ctx.db.get(id)


@hw.query
def has_ended(ctx: QueryCtx, id: Id[hw.Job]) -> bool:
    job = ctx.db.get(id)
    return job is not None and job["state"] == "success"

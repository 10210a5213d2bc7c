"""Which jobs may begin now: by queue, then priority, then the time at which they were due."""

from collections.abc import Iterable, Iterator
from math import inf
from typing import Final, NamedTuple

from headwater.functions.jobs import Job, Jobs
from headwater.services.job_functions import JobFunctions
from headwater.services.job_settings import QueueSettings
from headwater.transactions.reader import Reader

_LOOKED_AT: Final = 100
"""Jobs of one priority that are passed over because this process does not have their functions."""


class Choice(NamedTuple):
    """What may begin.

    Attributes:
        jobs: In their order within each queue.
        next_ms: When another one may, as far as that is a matter of time; infinity for never.
    """

    jobs: list[Job]
    next_ms: float


class Choosing:
    """Looks for jobs that may begin. Its cost does not depend on how many wait.

    Attributes:
        held_until: Moments before which queues give no more jobs, because of their rates; by name,
            ms since the epoch.
    """

    def __init__(self, functions: JobFunctions, settings: QueueSettings) -> None:
        self._functions = functions
        self._settings = settings
        self.held_until: dict[str, float] = {}

    def choose(self, reader: Reader, now_ms: float, most: int) -> Choice:
        """The jobs that may begin now, of each queue as many as it has room for.

        Args:
            reader: Of the moment.
            now_ms: The time.
            most: Of each queue.
        """
        jobs: list[Job] = []
        next_ms = inf
        for queue in queues_of(reader, "pending"):
            held_until = self.held_until.get(queue, -inf)
            if held_until > now_ms:
                next_ms = min(next_ms, held_until)
                continue
            free = min(self.free(reader, queue), most)
            if free > 0:
                chosen = self._choose_of(reader, queue, now_ms, free)
                jobs += chosen.jobs
                next_ms = min(next_ms, chosen.next_ms)
        return Choice(jobs, next_ms)

    def free(self, reader: Reader, queue: str) -> int:
        """How many more jobs of a queue may run at the same time."""
        concurrency = self._settings.state(reader, queue).concurrency
        running = reader.query(Jobs).with_index(Jobs.by_turn, "running", queue)
        return concurrency - len(running.take(concurrency))

    def _choose_of(self, reader: Reader, queue: str, now_ms: float, free: int) -> Choice:
        jobs: list[Job] = []
        next_ms = inf
        for priority in _priorities(reader, queue):
            if len(jobs) == free:
                break
            pending = reader.query(Jobs)
            due = pending.with_index(Jobs.by_turn, "pending", queue, priority, lte=now_ms)
            jobs += self._known(reader, due, free - len(jobs))
            later = pending.with_index(Jobs.by_turn, "pending", queue, priority, gt=now_ms).first()
            if later is not None:
                next_ms = min(next_ms, later["due"])
        return Choice(jobs, next_ms)

    def _known(self, reader: Reader, due: Iterable[Job], count: int) -> list[Job]:
        """The first jobs whose functions this process has."""
        found: list[Job] = []
        for looked_at, job in enumerate(due):
            if looked_at - len(found) == _LOOKED_AT:
                break
            if self._functions.knows(reader, job):
                found.append(job)
                if len(found) == count:
                    break
        return found


def queues_of(reader: Reader, state: str) -> Iterator[str]:
    """The queues that have jobs in a state. O(log n) for each."""
    name = ""
    while True:
        first = reader.query(Jobs).with_index(Jobs.by_turn, state, gt=name).first()
        if first is None:
            return
        name = first["queue"]
        yield name


def _priorities(reader: Reader, queue: str) -> Iterator[int]:
    """The priorities of the jobs that wait in a queue, the highest first. O(log n) for each."""
    jobs = reader.query(Jobs)
    highest = jobs.with_index(Jobs.by_turn, "pending", queue).order("desc").first()
    while highest is not None:
        priority = highest["priority"]
        yield priority
        lower = jobs.with_index(Jobs.by_turn, "pending", queue, lt=priority)
        highest = lower.order("desc").first()

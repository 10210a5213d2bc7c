"""All work of one open database that is done at its time, in the background or when asked."""

from collections.abc import Callable, Sequence
from typing import Final

from headwater.functions.acting import Actor
from headwater.functions.current_job import context_of_job
from headwater.functions.runner import Runner
from headwater.reactive.log_listeners import Listener
from headwater.services.cron_work import CronWork
from headwater.services.executor import Executor
from headwater.services.job_work import JobWork
from headwater.services.migration_work import MigrationWork
from headwater.services.performance import Performance, look
from headwater.services.scheduled import ScheduledWork
from headwater.services.work import Room, Source, Task

_ONE: Final = Room(mutations=1, actions=1)


class Executing:
    """The sources of work, and who does it.

    Args:
        runner: Runs functions.
        actor: Runs actions.
        listen: Has somebody told of every commit, also of those of other processes.
    """

    def __init__(self, runner: Runner, actor: Actor, listen: Callable[[Listener], None]) -> None:
        self._store = runner.store
        self.jobs: JobWork = JobWork(runner, actor.alarm)
        self.migrations: MigrationWork = MigrationWork(runner)
        self._sources: Sequence[Source] = [
            ScheduledWork(runner),
            CronWork(runner),
            self.jobs,
            self.migrations,
        ]
        self._performance = Performance(runner, actor)
        self._executor = Executor(runner, self._performance, self._sources, actor.alarm, listen)

    def start(self) -> None:
        """Do what is due in the background from now on. Does nothing again."""
        self.migrations.is_claiming = True
        self._executor.start()

    def somebody_died(self) -> None:
        """Another process on the same directory may have died."""
        self._executor.somebody_died()

    def run_due(self, limit: int | None) -> int:
        """Do what is due now, on this thread, one after the other; how many were done."""
        count = 0
        self._performance.lose_those_of_the_dead(self._sources)
        while limit is None or count < limit:
            found = look(self._store, self._sources, _ONE)
            for source in found.upkeep:
                self._performance.upkeep(source)
            if found.tasks:
                count += self.do(found.tasks[0])
            elif not found.upkeep:
                break
        return count

    def do(self, task: Task) -> bool:
        """Do a task now, on this thread; whether there was something to do.

        Raises:
            Exception: A passing error: the task is to be done later.
        """
        return context_of_job(task.id).run(self._performance.do, task)

    def next_ms(self, *, endless: bool) -> float | None:
        """When more work is due, ms since the epoch; None if there is none.

        Args:
            endless: Whether it counts if there is nothing but what never ends, as crons do.
        """
        found = look(self._store, self._sources, _ONE)
        return found.next_ms if endless or found.end_ms is not None else None

    def close(self) -> None:
        """Let mutations that are under way finish, and end actions."""
        self._executor.close()

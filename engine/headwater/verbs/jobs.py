"""Having functions run later, and running what is due."""

from typing import TYPE_CHECKING

from headwater.errors import ArgumentError
from headwater.functions.purity import refuse_inside
from headwater.verbs.opened import Opened

if TYPE_CHECKING:
    from headwater.functions.crons import CronRegistry
    from headwater.functions.job_client import JobClient
    from headwater.functions.scheduling import Scheduler


class JobVerbs(Opened):
    """Scheduled functions and crons."""

    @property
    def scheduler(self) -> "Scheduler":
        """Has functions run later; each call is a transaction of its own, durable on return."""
        return self._services.scheduler(self._runner.serve)

    @property
    def jobs(self) -> "JobClient":
        """Enqueues jobs; each call is a transaction of its own, durable on return."""
        return self._services.jobs(self._runner.serve)

    @property
    def crons(self) -> "CronRegistry":
        """Crons that are registered at run time; each call is a transaction of its own."""
        return self._services.crons(self._runner.serve)

    def run_due_jobs(self, *, limit: int | None = None) -> int:
        """Run everything that is due now, one after the other, and return how many that were.

        In the order in which they became due, then in that in which they were scheduled; those that
        become due meanwhile, too. What fails is noted in its table, and does not raise.

        What large deletions have left to do is done as well, and is not counted.

        For a process that decides itself when to work (``jobs="hold"``), and for tests.

        Args:
            limit: The most to run; all by default.

        Raises:
            ArgumentError: The limit is no number, or below 0.
            StorageError: The system failed. What was not run is run later.
        """
        from headwater.transactions.cascade_steps import finish_cascades

        refuse_inside()
        if limit is not None and not (type(limit) is int and limit >= 0):
            raise ArgumentError(f"run_due_jobs(limit={limit!r}): expected a number, 0 or more")
        finish_cascades(self._store)
        count = self._services.executing.run_due(limit)
        finish_cascades(self._store)
        return count

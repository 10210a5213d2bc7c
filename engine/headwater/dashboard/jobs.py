"""Jobs, queues, scheduled functions and crons: how they stand, and what is done with them."""

from collections import Counter
from itertools import islice
from typing import Any, Final, get_args

from headwater.dashboard.asked import Asked
from headwater.functions.job_client import JobClient
from headwater.functions.jobs import Job, Jobs, JobState, Queues
from headwater.functions.runner import Runner
from headwater.functions.scheduling import ScheduledFunction
from headwater.schema.tables import Id
from headwater.transactions.explicit import SnapshotReader

_COUNTED_MAX: Final = 10_000
_BATCH: Final = 1000
_ON_QUEUE: Final = ("pause", "resume", "redrive", "purge")
_ON_JOBS: Final = ("cancel", "redrive", "purge")


class JobWork:
    """Looks at jobs and changes them. Their documents are rows of tables like any other.

    Args:
        runner: Of the database.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @property
    def _jobs(self) -> JobClient:
        return self._runner.services.jobs(self._runner.serve)

    def queues(self, asked: Asked) -> dict[str, Any]:
        """Each queue: how many jobs it has in each state, up to a bound, and whether it is paused.

        All declared queues, all that were set, and all that have jobs.
        """
        counts: dict[str, Counter[str]] = {}
        with SnapshotReader(self._runner.store, asked.moment("at")) as snapshot:
            settings = {one["name"]: one for one in snapshot.query(Queues)}
            for state in get_args(JobState):
                of_state = snapshot.query(Jobs).with_index(Jobs.by_turn, state)
                for job in islice(of_state, _COUNTED_MAX):
                    counts.setdefault(job["queue"], Counter())[state] += 1
        declared = self._runner.application.queues
        names = sorted({*counts, *settings, *declared})
        return {
            "states": list(get_args(JobState)),
            "countedMax": _COUNTED_MAX,
            "queues": [
                {
                    "name": name,
                    "counts": dict(counts.get(name, {})),
                    "isPaused": name in settings and settings[name]["is_paused"],
                }
                for name in names
            ],
        }

    def change_queue(self, asked: Asked) -> dict[str, Any]:
        """Pause or resume a queue, or let its dead jobs run again or be forgotten."""
        jobs, queue, verb = self._jobs, asked.text("queue"), asked.one_of("verb", _ON_QUEUE, "")
        if verb == "pause":
            jobs.pause(queue)
        elif verb == "resume":
            jobs.resume(queue)
        else:
            return {"count": _all(jobs, queue, verb)}
        return {"count": 0}

    def change_jobs(self, asked: Asked) -> dict[str, Any]:
        """Cancel jobs, let dead ones run again, or forget them; says how many that concerned."""
        jobs, verb = self._jobs, asked.one_of("verb", _ON_JOBS, "")
        change = {"cancel": jobs.cancel, "redrive": jobs.redrive, "purge": jobs.purge}[verb]
        ids: list[Id[Job]] = [Id(text) for text in asked.texts("ids")]
        return {"count": sum([change(id) for id in ids])}

    def cancel_scheduled(self, asked: Asked) -> dict[str, Any]:
        """Have scheduled functions not run."""
        scheduler = self._runner.services.scheduler(self._runner.serve)
        ids: list[Id[ScheduledFunction]] = [Id(text) for text in asked.texts("ids")]
        return {"count": sum([scheduler.cancel(id) for id in ids])}

    def delete_cron(self, asked: Asked) -> dict[str, Any]:
        """Run a cron no more that was registered at run time."""
        crons = self._runner.services.crons(self._runner.serve)
        return {"count": int(crons.delete(asked.text("name")))}


def _all(jobs: JobClient, queue: str, verb: str) -> int:
    each = jobs.redrive_all if verb == "redrive" else jobs.purge_all
    total = 0
    while count := each(queue, limit=_BATCH):
        total += count
        if count < _BATCH:
            break
    return total

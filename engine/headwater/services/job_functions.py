"""The functions of jobs: their paths, and whether this process has them."""

from typing import Any, cast

from headwater.errors import FunctionKindError, FunctionNotFoundError
from headwater.functions.bound_calls import BoundCall
from headwater.functions.declaration import Action, Function, Mutation
from headwater.functions.job_options import JobOptions
from headwater.functions.jobs import Job
from headwater.functions.retry import ONCE, Retry
from headwater.functions.runner import Runner
from headwater.transactions.reader import Reader

_NO_OPTIONS = JobOptions()


class JobFunctions:
    """Finds the functions of jobs among those that a database was opened with."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def path_of(self, function: Function[..., Any]) -> str:
        """How a job names a function.

        Raises:
            FunctionNotFoundError: Nobody who opens the database anew could find it.
        """
        path = self._runner.application.path_of(function)
        if path is None:
            raise FunctionNotFoundError(
                f"{function.path} is in no module that this database was opened with, so that no "
                f"process could find it later; open it with hw.open(..., modules=["
                f"{function.module!r}])"
            )
        return path

    def path_of_mutation(self, function: object) -> str:
        """How a job names the mutation that is called when it has ended.

        Raises:
            FunctionKindError: It is no mutation.
            FunctionNotFoundError: Nobody who opens the database anew could find it.
        """
        if not isinstance(function, Mutation):
            raise FunctionKindError(f"on_complete={function!r}: expected a mutation")
        return self.path_of(cast("Function[..., Any]", function))

    def find(self, path: str) -> Function[..., Any] | None:
        """The function that a job names, None if this process does not have it."""
        function = self._runner.application.functions.get(path)
        return function if isinstance(function, Mutation | Action) else None

    def knows(self, reader: Reader, job: Job) -> bool:
        """Whether this process has all that a job needs: to run it, and to tell of its end."""
        paths = [job["function"]]
        batch_id = job.get("batch")
        batch = None if batch_id is None else reader.get(batch_id)
        for told in (job, batch):
            completion = None if told is None else told.get("on_complete")
            if completion is not None:
                paths.append(completion["function"])
        return all(self.find(path) is not None for path in paths)

    def is_mutation(self, job: Job) -> bool:
        """Whether the job is run as a transaction."""
        return isinstance(self.find(job["function"]), Mutation)

    def retry_of(self, job: Job) -> Retry:
        """How the job is tried again."""
        function = self.find(job["function"])
        return (function and function.options.retry) or ONCE

    def check(self, call: BoundCall) -> None:
        """Check the arguments of a job.

        Raises:
            ArgumentError: They do not fit.
        """
        self._runner.find(call.function).check_arguments(call.arguments)

    def mutation(self, path: str) -> Function[..., Any]:
        """The mutation that is told how something has ended.

        Raises:
            FunctionNotFoundError: This process does not have it.
        """
        return self._runner.application.function(path)


def options_of(function: Function[..., Any]) -> JobOptions:
    """How a function is run as a job."""
    return function.options.job or _NO_OPTIONS

"""Queries in a snapshot that the caller holds, of now or of the past."""

from contextlib import closing
from datetime import datetime
from typing import Any, Final, ParamSpec, TypeVar, cast

from headwater.errors import UsageError
from headwater.functions.calls import Call
from headwater.functions.declaration import Function, Query
from headwater.functions.runner import Runner
from headwater.tables.moments import moment_of
from headwater.transactions.explicit import SnapshotReader, snapshot_at
from headwater.transactions.moment import Moment

P = ParamSpec("P")
R = TypeVar("R")

_NS_PER_MS: Final = 1_000_000


class OpenSnapshot(SnapshotReader):
    """Reads of one moment, now or in the past, in a ``with`` block.

    Attributes:
        ts: Timestamp of the last commit in it, nanoseconds since the epoch; 0 if there is none.
    """

    __slots__ = ("_at", "_runner")

    def __init__(self, runner: Runner, at: int | None = None) -> None:
        super().__init__(runner.store, at)
        self._runner = runner
        self._at = at

    def run(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a query of the application in this snapshot and return its result.

        The function is that of today. In a snapshot of the past ``ctx.now`` is the moment that was
        asked for, and the time limit of queries does not apply.

        Raises:
            ArgumentError: The arguments do not fit.
            ReturnValueError: The result does not fit.
            ClosedError: The snapshot has ended.
        """
        snapshot = self._transaction.snapshot
        call = self._runner.call("query", function, args, kwargs)
        result: R = self._runner.query_in(call, snapshot, _moment(self._runner, self._at))
        return result


def query_at(runner: Runner, call: Call, at: int) -> Any:
    """Run a query on the state after all commits up to ``at``, nanoseconds since the epoch.

    Raises:
        LogTrimmedError: The log does not reach back so far.
        UsageError: It is a mutation.
    """
    if call.compiled.function.kind != "query":
        raise UsageError(
            f"{call.path} is a mutation, it cannot run in the past: what was committed stays. Call "
            "it without at=, or try it on db.fork(at=...)"
        )
    with closing(snapshot_at(runner.store, at)) as snapshot:
        return runner.query_in(call, snapshot, _moment(runner, at))


def take_moment(function: object, kwargs: dict[str, Any]) -> int | None:
    """Take ``at`` out of the arguments of a call, unless it is an argument of the function.

    Returns nanoseconds since the epoch, None for the newest state.

    Raises:
        ArgumentError: It is no moment.
    """
    if isinstance(function, Function):
        signature = cast("Function[..., Any]", function).signature
        if any(parameter.name == "at" for parameter in signature.parameters):
            return None
    return optional_moment(kwargs.pop("at"))


def optional_moment(at: int | datetime | None) -> int | None:
    """A moment in nanoseconds since the epoch; None for the newest state."""
    return None if at is None else moment_of(at)


def _moment(runner: Runner, at: int | None) -> Moment | None:
    """The time and the randomness of a run; None for those of now."""
    if at is None:
        return None
    clock = runner.store.clock
    return Moment(lambda: min(at, clock.now_ns()) / _NS_PER_MS, clock.seed)

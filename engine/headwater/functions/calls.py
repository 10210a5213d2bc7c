"""One call of a function on its way: what it is called with, by whom, and what it came to."""

from collections.abc import Hashable
from typing import Any, Final, Protocol, TypeAlias, cast

from headwater.functions.arguments import CompiledFunction
from headwater.functions.call_log import Lines
from headwater.functions.current_job import current_job
from headwater.functions.declaration import Function
from headwater.functions.identity import Identity, current_identity, fingerprint_of
from headwater.functions.statistics import FunctionStatistics
from headwater.reactive.evaluation import Evaluation
from headwater.storage.codec import pack, unpack
from headwater.storage.commit_log import RecordedCall
from headwater.tables.snapshot import Snapshot
from headwater.transactions.origins import marked_origin
from headwater.transactions.transaction import Transaction

_CONTAINERS: Final = (list, dict)

AnyFunction: TypeAlias = Function[..., Any]


class Call:
    """One call of a function, with checked arguments.

    Attributes:
        compiled: The function.
        arguments: By parameter, as the caller gave them.
        statistics: What was seen of the function before.
        caller: Who calls.
        job: The scheduled function that calls, None for any other caller.
        request_id: As the caller has marked it; empty if it has not.
        runs: How often the function has run.
        lines: What it logged in its last run.
        is_guarded: Whether the rules of the tables hold for it.
    """

    __slots__ = (
        "_packed",
        "_was_run",
        "arguments",
        "caller",
        "compiled",
        "is_guarded",
        "job",
        "lines",
        "request_id",
        "runs",
        "statistics",
    )

    def __init__(
        self,
        compiled: CompiledFunction[..., Any],
        arguments: dict[str, Any],
        statistics: FunctionStatistics,
    ) -> None:
        self.compiled: CompiledFunction[..., Any] = compiled
        self.arguments: dict[str, Any] = arguments
        self.statistics: FunctionStatistics = statistics
        self.caller: Identity | None = current_identity()
        self.request_id: str = marked_origin().request_id
        self.runs: int = 0
        self.lines: Lines | None = None
        self.is_guarded: bool = compiled.function.is_exposed
        self.job: str | None = current_job()
        self._packed: bytes | None = None
        self._was_run = False

    @property
    def path(self) -> str:
        """Published path of the function."""
        return self.compiled.path

    @property
    def packed(self) -> bytes:
        """The arguments as bytes, which nobody can change."""
        if self._packed is None:
            self._packed = pack(self.arguments)
        return self._packed

    def by(self, outer: "Call") -> "Call":
        """The same call, made by an action: the rules hold for it if they do for the action."""
        self.is_guarded = self.is_guarded or outer.is_guarded
        return self

    def own_arguments(self) -> dict[str, Any]:
        """The arguments for one more run; what an earlier run did to them is not seen.

        The first run gets what the caller gave: the caller waits for it.
        """
        if not self._has_containers():
            return self.arguments
        packed, is_first = self.packed, not self._was_run
        self._was_run = True
        return self.arguments if is_first else unpack(packed)

    def detach(self) -> None:
        """Copy the arguments now: the caller goes on, and may change its lists and dicts."""
        self._was_run = self._has_containers() and bool(self.packed)

    def _has_containers(self) -> bool:
        if not self.compiled.takes_containers:
            return False
        for value in self.arguments.values():  # noqa: SIM110 - a generator costs more than all of it
            if isinstance(value, _CONTAINERS):
                return True
        return False


def record(call: Call, packed: bytes, transaction: Transaction) -> None:
    """Keep what a function was called with, for the log."""
    moment, caller = transaction.moment, fingerprint_of(call.caller)
    transaction.recorded_call = RecordedCall(
        packed, moment.now_ms, moment.seed, caller, call.is_guarded
    )


def key_of(call: Call, *, by_identity: bool) -> Hashable:
    """What makes a query distinct: the function, its arguments, its rules, and perhaps who calls.

    Nobody is a caller too: what was found for nobody in particular does not hold for everybody.
    """
    key = (call.compiled.function, call.packed, call.is_guarded)
    return (*key, fingerprint_of(call.caller)) if by_identity else key


class EvaluatesLive(Protocol):
    """Who runs live queries."""

    def evaluate(self, live: "LiveCall", snapshot: Snapshot, journal: str | None) -> Evaluation:
        """Run one."""
        ...


class LiveCall:
    """A query as live queries keep it: what makes it distinct, and how it is run.

    There may be a million, so it is as small as it can be, and both in one. Equal to those that
    would give the same to the same caller, as the keys of `key_of`.
    """

    __slots__ = ("_runner", "caller", "compiled", "is_guarded", "packed")

    def __init__(self, runner: EvaluatesLive, call: Call) -> None:
        self._runner = runner
        self.compiled: CompiledFunction[..., Any] = call.compiled
        self.packed: bytes = call.packed
        self.is_guarded: bool = call.is_guarded
        self.caller: Identity | None = call.caller

    def __call__(self, snapshot: Snapshot, journal: str | None) -> Evaluation:
        """Run it on a snapshot, with the journal of its run before."""
        return self._runner.evaluate(self, snapshot, journal)

    def begin(self, statistics: FunctionStatistics) -> Call:
        """A call for one run."""
        call = Call(self.compiled, unpack(self.packed), statistics)
        call.caller, call.is_guarded = self.caller, self.is_guarded
        return call

    @property
    def shared_key(self) -> Hashable:
        """What makes it distinct, whoever calls."""
        return (self.compiled.function, self.packed, self.is_guarded)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LiveCall)
            and self.shared_key == other.shared_key
            and fingerprint_of(self.caller) == fingerprint_of(other.caller)
        )

    def __hash__(self) -> int:
        return hash((self.packed, self.compiled.function))


def query_of(key: Hashable) -> AnyFunction | None:
    """The function of a live query by its key, which may have been made a part of another one.

    None for what is no function: whether a session goes on.
    """
    found: object = key
    while isinstance(found, tuple):
        found = cast("tuple[object, ...]", found)[0]
    return found.compiled.function if isinstance(found, LiveCall) else None


def cache_keys(call: Call) -> tuple[Hashable, ...]:
    """Where the result of a call may be: a run that did not ask who calls holds for everybody."""
    return key_of(call, by_identity=False), key_of(call, by_identity=True)

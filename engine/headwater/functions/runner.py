"""How functions reach the database: which way to the committer, runs after a loss, live queries."""

import contextvars
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from headwater.errors import (
    ConflictError,
    FunctionInternalError,
    FunctionKindError,
)
from headwater.functions.arguments import CompiledFunction
from headwater.functions.attempt import Attempt
from headwater.functions.call_log import CallLog, Noted
from headwater.functions.calls import Call, LiveCall, cache_keys, record
from headwater.functions.context_services import ContextServices
from headwater.functions.declaration import BoundQuery, Function
from headwater.functions.evaluated_once import EvaluatedOnce
from headwater.functions.execution import Execution
from headwater.functions.identity import identity_of
from headwater.functions.kinds import A_KIND, Kind
from headwater.functions.modules import Application
from headwater.functions.purity import Pure, refuse_inside
from headwater.functions.statistics import FunctionStatistics
from headwater.reactive.evaluation import Evaluation, each_once
from headwater.reactive.live_queries import Wanted
from headwater.reactive.result_cache import ResultCache
from headwater.schema.explain import TableNumbers
from headwater.storage.codec import pack, unpack
from headwater.storage.commit_log import Origin, RecordedCall
from headwater.tables.snapshot import Snapshot
from headwater.transactions.commit_request import CommitRequest, Run
from headwater.transactions.moment import Moment
from headwater.transactions.origins import origin_of
from headwater.transactions.store import Store
from headwater.transactions.transaction import TableMissing, Transaction
from headwater.transactions.writer import Writer

T = TypeVar("T")

_WORTH_CACHING_SECONDS: Final = 0.0002
"""The result of a query that is faster than this is not kept: that costs a tenth of its run, and
pays only where the same is asked again."""
_INTERVALS_MAX: Final = 1000


class Runner:
    """Runs the functions of one application in one database."""

    def __init__(self, store: Store, application: Application) -> None:
        self.store = store
        self.application = application
        self.cache: ResultCache = ResultCache(store.recent, store.limits.cache_bytes)
        self.statistics: dict[str, FunctionStatistics] = {}
        self._monotonic = store.clock.monotonic
        self.calls: CallLog = CallLog(store.clock, store.limits)
        self._tables: TableNumbers = store.tables
        self._compiled: dict[Function[..., Any], CompiledFunction[..., Any]] = {}
        self._execution = Execution(self.find, store.clock, store.rules, application.access)
        self._evaluated_once = EvaluatedOnce()

    # -- calls ----------------------------------------------------------------------------------

    def call(
        self, kind: Kind, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Call:
        """Check a call of a function object.

        Raises:
            FunctionKindError: The function is of another kind, or none.
            ArgumentError: The arguments do not fit.
        """
        refuse_inside()
        if not isinstance(function, Function):
            raise FunctionKindError(
                f"expected a function declared with @hw.{kind}, got {function!r}; a path is called "
                "with db.call()"
            )
        if function.kind != kind:
            verb = {"query": "db.query", "mutation": "db.mutate", "action": "db.act"}
            raise FunctionKindError(
                f"{function.path} is {A_KIND[function.kind]}, expected {A_KIND[kind]}; use "
                f"{verb[function.kind]}({function.name}, ...)"
            )
        known: Function[..., Any] = function  # pyright: ignore[reportUnknownVariableType]
        compiled = self._compiled.get(known) or self.find(known)
        return self._call(compiled, compiled.bind(args, kwargs))

    def call_by_path(self, path: str, arguments: Mapping[str, Any]) -> Call:
        """Check a call from outside.

        Raises:
            FunctionNotFoundError: There is no such function.
            FunctionInternalError: It is not for callers from outside.
            ArgumentError: The arguments do not fit.
        """
        refuse_inside()
        function = self.application.function(path)
        if function.is_internal:
            raise FunctionInternalError(
                f"{path} is internal: it is called by other functions, not from outside; call a "
                "public function that uses it, or declare it without internal=True"
            )
        compiled = self.find(function)
        return self._call(compiled, compiled.bind_wire(arguments))

    def prepared(self, function: Function[..., Any], arguments: dict[str, Any]) -> Call:
        """A call with arguments of the database's own, which need be no values."""
        refuse_inside()
        return self._call(self.find(function), arguments)

    def bound(self, query: BoundQuery[Any]) -> Call:
        """Check a query that was bound to its arguments."""
        refuse_inside()
        compiled = self.find(query.query)
        arguments = dict(query.arguments)
        compiled.check_arguments(arguments)
        return self._call(compiled, arguments)

    def find(self, function: Function[..., Any]) -> CompiledFunction[..., Any]:
        """A function ready to be called; one of no opened module is compiled at its first call."""
        compiled = self._compiled.get(function)
        if compiled is None:
            compiled = self._compiled[function] = self.application.compile_function(
                function, self._tables, nesting=self.store.limits.nesting
            )
        return compiled

    def _call(self, compiled: CompiledFunction[..., Any], arguments: dict[str, Any]) -> Call:
        path = compiled.path
        return Call(compiled, arguments, self.statistics.get(path) or self._statistics_of(path))

    def _statistics_of(self, path: str) -> FunctionStatistics:
        statistics = self.statistics.get(path)
        if statistics is None:
            statistics = self.statistics.setdefault(path, FunctionStatistics())
        return statistics

    @property
    def services(self) -> ContextServices:
        """What contexts hand out besides the tables."""
        return self._execution.services

    @services.setter
    def services(self, services: ContextServices) -> None:
        self._execution.services = services

    @property
    def tables(self) -> TableNumbers:
        """How this database numbers its tables, for the checks of ids."""
        return self._tables

    # -- mutations ------------------------------------------------------------------------------

    def mutate(self, call: Call, run: Run | None = None) -> Any:
        """Run a mutation and return its result, once what it wrote is durable.

        Args:
            call: Of the mutation.
            run: What runs it and does something more; None for nothing more.
        """
        with self.noted(call):
            return self.mutate_unnoted(call, run)

    def mutate_unnoted(self, call: Call, run: Run | None = None) -> Any:
        """Run a mutation for somebody who notes the call."""
        return self._until_committed(
            run or self._run_of(call), origin_of(call.path), call.statistics
        )

    def noted(self, call: Call) -> Noted:
        """A ``with`` block that is a call, for the log of calls."""
        return Noted(self.calls, call, self._monotonic)

    def attempt(self, call: Call) -> Attempt:
        """Run a mutation on a snapshot now, to be committed later."""
        call.detach()
        run, origin = self._run_of(call), origin_of(call.path)
        again = partial(self._until_committed, run, origin, call.statistics)
        return Attempt(self.store, run, origin, call.statistics, again, self.noted(call))

    def _run_of(self, call: Call) -> Run:
        def run(transaction: Transaction) -> Any:
            arguments = call.own_arguments()
            # Packed before it runs: it may change its lists and dicts.
            packed = call.packed if call.compiled.function.options.record_arguments else None
            transaction.identity = call.caller
            call.runs += 1
            try:
                value = self._execution.run(
                    call.compiled, transaction, arguments, call.statistics, call.is_guarded
                )
            finally:
                call.lines = transaction.lines
            if packed is not None:
                record(call, packed, transaction)
            return value

        return run

    # -- what services do -----------------------------------------------------------------------

    def serve(self, name: str, run: Callable[[Transaction], T]) -> T:
        """Have a service do something short in a transaction of its own.

        Args:
            name: Says in the log who did.
            run: Is run by the committer, in turn, so that it loses to nobody of this process.
        """
        refuse_inside()
        return self.serve_as(origin_of(name), run)

    def serve_as(self, origin: Origin, run: Callable[[Transaction], T]) -> T:
        """The same, with an origin that is known."""
        while True:
            try:
                result: T = self._in_turn(run, origin)
            except TableMissing as missing:
                self.store.create_table(missing.name)
            else:
                return result

    def make_call(self, function: Function[..., Any], arguments: dict[str, Any]) -> Call:
        """Check a call that a service makes on behalf of nobody who waits.

        Raises:
            ArgumentError: The arguments do not fit.
        """
        compiled = self.find(function)
        compiled.check_arguments(arguments)
        return self._call(compiled, arguments)

    def run_inside(self, call: Call, transaction: Transaction) -> Any:
        """Run a mutation inside a transaction that goes on after it.

        If it raises, what it wrote is dropped, and nothing else.
        """
        arguments = call.own_arguments()
        return self._execution.run_inside(
            call.compiled, transaction, arguments, call.statistics, call.is_guarded
        )

    def run_job(self, call: Call, transaction: Transaction) -> Any:
        """The same for the mutation that the commit is of: it is recorded as other calls are."""
        packed = call.packed if call.compiled.function.options.record_arguments else None
        call.runs += 1
        try:
            value = self.run_inside(call, transaction)
        finally:
            call.lines = transaction.lines
        if packed is not None:
            record(call, packed, transaction)
        return value

    def is_short(self, path: str) -> bool:
        """Whether a mutation has proved short enough to be run by the committer."""
        return self._statistics_of(path).is_short

    def commit(self, run: Run, origin: Origin) -> Any:
        """Commit what a run writes, the way that calls of the function of its origin go."""
        return self._until_committed(run, origin, self._statistics_of(origin.function))

    def submit(
        self,
        run: Run,
        origin: Origin,
        context: contextvars.Context,
        when_done: Callable[[CommitRequest], None],
    ) -> None:
        """Have the committer run something short, without waiting for it."""
        request = CommitRequest(origin, run=run, context=context, when_done=when_done)
        self.store.committer.submit(request)

    # -- replays --------------------------------------------------------------------------------

    def run_again(
        self, compiled: CompiledFunction[..., Any], transaction: Transaction, call: RecordedCall
    ) -> Any:
        """Run a recorded call on a transaction that nobody commits, and return its result.

        Raises:
            ArgumentError: The function takes other arguments now.
        """
        arguments = unpack(call.packed)
        compiled.check_arguments(arguments)
        transaction.identity = identity_of(call.identity)
        value = self._execution.run(
            compiled,
            transaction,
            arguments,
            FunctionStatistics(),
            call.is_guarded,
        )
        self.store.feed(transaction)
        return value

    def transact(self, function: Callable[[Writer], T]) -> T:
        """Run a plain function as a mutation."""
        refuse_inside()
        name = getattr(function, "__qualname__", repr(function))
        statistics = self.statistics.setdefault(name, FunctionStatistics())

        def run(transaction: Transaction) -> T:
            started = self.store.clock.monotonic()
            try:
                with Pure(name, "transaction"):
                    return function(self.store.writer(transaction))
            finally:
                transaction.end()
                statistics.took(self.store.clock.monotonic() - started)

        result: T = self._until_committed(run, origin_of(name), statistics)
        return result

    def _until_committed(self, run: Run, origin: Origin, statistics: FunctionStatistics) -> Any:
        losses = 0
        while True:
            try:
                if statistics.is_short or losses >= self.store.limits.optimistic_attempts:
                    return self._in_turn(run, origin)
                try:
                    return self._optimistically(run, origin)
                except ConflictError as conflict:
                    statistics.lost(conflict)
                    losses += 1
            except TableMissing as missing:
                self.store.create_table(missing.name)

    def _optimistically(self, run: Run, origin: Origin) -> Any:
        """Run on a snapshot, on this thread, then be validated."""
        snapshot = self.store.snapshot()
        try:
            transaction = self.store.begin(snapshot, function=origin.function)
            # What it sets in the context stays inside, as it does in turn.
            value = contextvars.copy_context().run(run, transaction)
            self.store.commit(transaction, origin)
            return value
        finally:
            snapshot.close()

    def _in_turn(self, run: Run, origin: Origin) -> Any:
        """Have the committer run it, on the head."""
        request = CommitRequest(origin, run=run, context=contextvars.copy_context())
        return self.store.committer.run(request)

    def request(
        self, call: Call, when_done: Callable[[CommitRequest], None], run: Run | None = None
    ) -> CommitRequest:
        """Have the committer run a short mutation, without waiting for it.

        Args:
            call: Of the mutation.
            when_done: Called by the committer.
            run: As for `mutate`.
        """
        call.detach()
        request = CommitRequest(
            origin_of(call.path),
            run=run or self._run_of(call),
            context=contextvars.copy_context(),
            when_done=when_done,
        )
        self.store.committer.submit(request)
        return request

    # -- queries --------------------------------------------------------------------------------

    def query(self, call: Call) -> Any:
        """Run a query on a snapshot of the newest commit."""
        started = self._monotonic()
        snapshot = self.store.snapshot()
        try:
            if call.statistics.mean_seconds < _WORTH_CACHING_SECONDS:
                transaction = self._begin_query(call, snapshot, None)
                value = self._read(call, transaction, call.statistics)
            else:
                value = self._cached(call, snapshot)
        except BaseException as error:
            self.calls.end(call, self._monotonic() - started, error)
            raise
        finally:
            snapshot.close()
        self.calls.end(call, self._monotonic() - started, None)
        return value

    def query_in(self, call: Call, snapshot: Snapshot, moment: Moment | None) -> Any:
        """Run a query on a snapshot that somebody holds; nothing is kept of it.

        Args:
            call: Of a query.
            snapshot: Of now or of the past.
            moment: Its time and randomness, if these are not those of now; then it may take as long
                as it needs: how far back it looks is no fault of the function.
        """
        limit = "query_seconds" if moment is None else None
        transaction = self.store.begin(
            snapshot, function=call.path, seconds_limit=limit, is_read_only=True
        )
        transaction.moment = moment or transaction.moment
        return self._read(call, transaction, FunctionStatistics())

    def _cached(self, call: Call, snapshot: Snapshot) -> Any:
        keys = cache_keys(call)
        known = self.cache.find(keys, snapshot)
        if known is not None:
            return unpack(known)
        transaction = self._begin_query(call, snapshot, None)
        value = self._read(call, transaction, call.statistics)
        key = keys[transaction.observed_identity]
        if not transaction.observed_time and self.cache.wants(key):
            intervals = frozenset(transaction.reads.intervals())
            if len(intervals) <= _INTERVALS_MAX:
                self.cache.put(key, pack(value), intervals, snapshot)
        return value

    def _read(self, call: Call, transaction: Transaction, statistics: FunctionStatistics) -> Any:
        """Run a query on a transaction of its own."""
        transaction.identity = call.caller
        arguments = call.own_arguments()
        call.runs += 1
        try:
            return self._execution.run(
                call.compiled, transaction, arguments, statistics, call.is_guarded
            )
        finally:
            call.lines = transaction.lines

    def _begin_query(self, call: Call, snapshot: Snapshot, journal: str | None) -> Transaction:
        transaction = self.store.begin(
            snapshot,
            function=call.compiled.path,
            seconds_limit="query_seconds",
            is_read_only=True,
        )
        transaction.journal = journal
        return transaction

    def wanted(self, call: Call) -> Wanted:
        """A query as live queries run it."""
        live = LiveCall(self, call)
        return live, live

    def evaluate(self, live: LiveCall, snapshot: Snapshot, journal: str | None) -> Evaluation:
        """Run a live query, unless what another one has found serves it."""
        return self._evaluated_once.evaluate(
            live.shared_key, partial(self._evaluate, live), snapshot, journal
        )

    def _evaluate(self, live: LiveCall, snapshot: Snapshot, journal: str | None) -> Evaluation:
        call = live.begin(self._statistics_of(live.compiled.path))
        transaction = self._begin_query(call, snapshot, journal)
        result: bytes | None = None
        error: BaseException | None = None
        started, call.runs = self._monotonic(), 0
        try:
            result = pack(self._read(call, transaction, call.statistics))
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # noqa: BLE001 - it is the outcome, and may be mended
            error = raised
        self.calls.end(call, self._monotonic() - started, error, "live")
        return Evaluation(
            result,
            error,
            each_once(transaction.reads.intervals()),
            transaction.journal,
            transaction.observed_time,
            transaction.observed_identity,
        )

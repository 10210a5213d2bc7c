"""One run of one function on one transaction."""

from collections.abc import Callable, Mapping
from typing import Any

from headwater.clock import Clock
from headwater.errors import (
    FunctionKindError,
    ImpureFunctionError,
    LimitExceededError,
)
from headwater.functions.access import ALL_ALLOWED, Access
from headwater.functions.arguments import CompiledFunction
from headwater.functions.context_services import NO_SERVICES, ContextServices
from headwater.functions.contexts import MutationCtx, QueryCtx
from headwater.functions.declaration import Function, Mutation
from headwater.functions.guarding import RuleGuard
from headwater.functions.purity import enter, leave
from headwater.functions.statistics import FunctionStatistics
from headwater.transactions.guarded import Guard, GuardedReader, GuardedWriter
from headwater.transactions.reader import Reader
from headwater.transactions.rules import TableRules
from headwater.transactions.transaction import Transaction
from headwater.transactions.writer import Writer


class Execution:
    """Runs functions, and the functions that they call.

    Attributes:
        services: What contexts hand out besides the tables; set when the database has opened them.
    """

    def __init__(
        self,
        find: Callable[[Function[..., Any]], CompiledFunction[..., Any]],
        clock: Clock,
        rules: TableRules,
        access: Access = ALL_ALLOWED,
    ) -> None:
        self._find = find
        self._clock = clock
        self._rules = rules
        self._access = None if access.allows_all else access
        self.services: ContextServices = NO_SERVICES

    def run(
        self,
        compiled: CompiledFunction[..., Any],
        transaction: Transaction,
        arguments: Mapping[str, Any],
        statistics: FunctionStatistics,
        is_guarded: bool,  # noqa: FBT001 - between floors, at every call
    ) -> Any:
        """Run a function on a transaction and return its checked result.

        Args:
            compiled: The function.
            transaction: Of its own.
            arguments: Checked, by parameter.
            statistics: Take how long it took.
            is_guarded: Whether the rules of the tables hold for it and for all that it calls.
        """
        started = self._clock.monotonic()
        try:
            access = self._access if is_guarded else None
            guard = None if access is None else self._guard(transaction, access)
            value = _call(compiled, self._ctx(compiled, transaction, 0, guard), arguments)
        except Exception:
            statistics.failures += 1
            raise
        else:
            return value
        finally:
            if transaction.is_read_only:
                statistics.used(transaction.usage, 0, 0)
            else:
                own = transaction.own
                statistics.used(transaction.usage, own.writes, own.bytes_written)
            transaction.end()
            statistics.took(self._clock.monotonic() - started)

    def run_inside(
        self,
        compiled: CompiledFunction[..., Any],
        transaction: Transaction,
        arguments: Mapping[str, Any],
        statistics: FunctionStatistics,
        is_guarded: bool,  # noqa: FBT001 - as for `run`
    ) -> Any:
        """Run a mutation as a sub-transaction of a transaction that goes on after it.

        Args:
            compiled: The mutation.
            transaction: What has been written to it before stays if the mutation raises.
            arguments: Checked, by parameter.
            statistics: Take how long it took.
            is_guarded: Whether the rules of the tables hold for it and for all that it calls.
        """
        started = self._clock.monotonic()
        try:
            access = self._access if is_guarded else None
            guard = None if access is None else self._guard(transaction, access)
            with transaction.nested():
                return _call(compiled, self._ctx(compiled, transaction, 0, guard), arguments)
        except Exception:
            statistics.failures += 1
            raise
        finally:
            own = transaction.own
            statistics.used(transaction.usage, own.writes, own.bytes_written)
            statistics.took(self._clock.monotonic() - started)

    def run_nested(
        self, ctx: QueryCtx, function: Function[..., Any], arguments: Mapping[str, Any]
    ) -> Any:
        """Run a function inside the transaction of another; a mutation as a sub-transaction."""
        compiled = self._find(function)
        compiled.check_arguments(arguments)
        transaction = ctx.transaction
        depth = ctx.depth + 1
        _check_depth(transaction, compiled.path, depth)
        transaction.usage.check_time()
        inner = self._ctx(compiled, transaction, depth, ctx.guard)
        if not isinstance(function, Mutation):
            return _call(compiled, inner, arguments)
        if not isinstance(ctx, MutationCtx):
            raise FunctionKindError(
                f"{transaction.usage.who} is a query, it cannot call the mutation {compiled.path}. "
                "Make it a mutation, or call both from one"
            )
        with transaction.nested():
            return _call(compiled, inner, arguments)

    def _ctx(
        self,
        compiled: CompiledFunction[..., Any],
        transaction: Transaction,
        depth: int,
        guard: Guard | None,
    ) -> QueryCtx:
        if isinstance(compiled.function, Mutation):
            if guard is None:
                writer = Writer(transaction, self._rules)
            else:
                writer = GuardedWriter(transaction, self._rules, guard)
            return MutationCtx.of_run(transaction, writer, self, depth, guard)
        reader = Reader(transaction) if guard is None else GuardedReader(transaction, guard)
        return QueryCtx.of_run(transaction, reader, self, depth, guard)

    def _guard(self, transaction: Transaction, access: Access) -> Guard:
        """What the rules allow in one run."""
        ctx = QueryCtx.of_run(transaction, Reader(transaction), self, 1)
        return RuleGuard(access, ctx)


def _call(compiled: CompiledFunction[..., Any], ctx: QueryCtx, arguments: Mapping[str, Any]) -> Any:
    function = compiled.function
    before = enter(compiled.path, function.kind)
    try:
        value = compiled.handler(ctx, **arguments)
        if function.is_async:
            value = _finish(value, compiled.path)
    finally:
        leave(before)
    compiled.check_result(value)
    return value


def _finish(coroutine: Any, path: str) -> Any:
    """Drive a coroutine that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    except RuntimeError as error:
        # What asyncio says when something inside wants to wait on a loop that is not there.
        if "no running event loop" not in str(error):
            raise
    coroutine.close()
    raise ImpureFunctionError(
        f"{path} awaited something that is not ready. A query or mutation may run several times "
        "and must not wait: do that in an action, or before calling, and pass the result in"
    )


def _check_depth(transaction: Transaction, path: str, depth: int) -> None:
    maximum = transaction.usage.limits.call_depth
    if depth > maximum:
        raise LimitExceededError(
            f"{path}: call_depth reached {depth}, the limit is {maximum}; look for functions that "
            "call each other without end, or raise it: hw.open(..., limits=hw.Limits(call_depth="
            "...))",
            limit="call_depth",
            value=depth,
            maximum=maximum,
        )

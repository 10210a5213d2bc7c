"""What a function is handed: the tables, the time, and randomness that repeats."""

import random
from collections.abc import Mapping
from typing import Any, Protocol

from headwater.functions.call_log import FunctionLog, Level, Lines
from headwater.functions.context_services import Configuration, ContextServices
from headwater.functions.identity import Identity
from headwater.transactions.reader import Reader
from headwater.transactions.transaction import Transaction
from headwater.transactions.writer import Writer


class NestedCalls(Protocol):
    """How a function that is called inside another one is run."""

    @property
    def services(self) -> ContextServices:
        """What the contexts hand out besides the tables."""
        ...

    def run_nested(self, ctx: "QueryCtx", function: Any, arguments: Mapping[str, Any]) -> Any:
        """Run in the transaction of the context."""
        ...


class QueryCtx:
    """The context of a query: reads of one snapshot."""

    __slots__ = ("_calls", "_db", "_transaction", "depth")

    def __init__(
        self, transaction: Transaction, db: Reader, calls: NestedCalls, depth: int = 0
    ) -> None:
        self._transaction = transaction
        self._db: Reader = db
        self._calls = calls
        self.depth: int = depth

    @property
    def db(self) -> Reader:
        """The tables."""
        return self._db

    @property
    def now(self) -> float:
        """The time of this run, ms since the epoch. It stands still while the function runs."""
        self._transaction.observed_time = True
        return self._transaction.moment.now_ms

    @property
    def random(self) -> random.Random:
        """Randomness that repeats when the transaction is repeated. Not for secrets."""
        return self._transaction.random()

    @property
    def identity(self) -> Identity | None:
        """Who calls, None for nobody in particular. A query that asks is run for each identity."""
        self._transaction.observed_identity = True
        identity: Identity | None = self._transaction.identity
        return identity

    @property
    def env(self) -> Configuration:
        """The settings of the database: ``ctx.env["API_ROOT"]``."""
        return self._calls.services.env

    @property
    def log(self) -> FunctionLog:
        """Lines that are kept with the call: ``ctx.log.info("...")``; see ``db.calls``."""
        return FunctionLog(self._add_line)

    def _add_line(self, level: Level, message: str) -> None:
        transaction = self._transaction
        if transaction.lines is None:
            transaction.lines = Lines(transaction.usage.limits)
        transaction.lines.add(level, message)

    @property
    def transaction(self) -> Transaction:
        """The transaction of the run; for the floors above."""
        return self._transaction

    def run_function(self, function: Any, arguments: Mapping[str, Any]) -> Any:
        """Run another function in this transaction; calling the function does that."""
        return self._calls.run_nested(self, function, arguments)


class MutationCtx(QueryCtx):
    """The context of a mutation: reads and writes of one transaction."""

    __slots__ = ("_writer",)

    def __init__(
        self, transaction: Transaction, db: Writer, calls: NestedCalls, depth: int = 0
    ) -> None:
        super().__init__(transaction, db, calls, depth)
        self._writer = db

    @property
    def db(self) -> Writer:
        """The tables."""
        return self._writer

"""What a function is handed: the tables, the time, and randomness that repeats."""

import random
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol, Self

from headwater.functions.call_log import FunctionLog, Level, Lines
from headwater.functions.context_services import Configuration, ContextServices
from headwater.functions.identity import Identity
from headwater.transactions.guarded import Guard
from headwater.transactions.reader import Reader
from headwater.transactions.transaction import Transaction
from headwater.transactions.writer import Writer

if TYPE_CHECKING:
    from headwater.functions.crons import CronRegistry
    from headwater.functions.files import FileReader, FileWriter
    from headwater.functions.job_client import JobClient
    from headwater.functions.scheduling import Scheduler


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
    """The context of a query: reads of one snapshot.

    Args:
        of: Another context, for a class of one's own that has more to it, as middleware makes.
    """

    __slots__ = ("_calls", "_db", "_transaction", "depth", "guard")

    _transaction: Transaction
    _db: Reader
    _calls: NestedCalls
    depth: int
    guard: Guard | None

    def __init__(self, of: "QueryCtx") -> None:
        self._transaction = of._transaction  # noqa: SLF001
        self._db = of._db  # noqa: SLF001
        self._calls = of._calls  # noqa: SLF001
        self.depth = of.depth
        self.guard = of.guard

    @classmethod
    def of_run(
        cls,
        transaction: Transaction,
        db: Reader,
        calls: NestedCalls,
        depth: int = 0,
        guard: Guard | None = None,
    ) -> Self:
        """The context of one run of a function.

        Args:
            transaction: Of the run.
            db: The tables as the function sees them.
            calls: Runs what it calls.
            depth: How many functions are around it.
            guard: What the rules of the tables allow; None if it is all.
        """
        ctx = cls.__new__(cls)
        ctx._transaction = transaction  # noqa: SLF001
        ctx._db = db  # noqa: SLF001
        ctx._calls = calls  # noqa: SLF001
        ctx.depth = depth
        ctx.guard = guard
        return ctx

    if TYPE_CHECKING:

        @property
        def db(self) -> Reader:
            """The tables."""
            ...

    else:
        # Without a frame: functions ask for it at every step.
        db = property(attrgetter("_db"), doc="The tables.")

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

    def without_rules(self) -> "QueryCtx":
        """The same context without the rules of the tables, for what is called with it too.

        For trusted code in a public function: nothing checks what it shows to its caller.
        """
        if self.guard is None:
            return self
        db = self._db.without_rules()
        return QueryCtx.of_run(self._transaction, db, self._calls, self.depth)

    @property
    def storage(self) -> "FileReader":
        """The stored files: their metadata and URLs."""
        return self._calls.services.files.in_query(self._transaction)

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

    __slots__ = ()

    def __init__(self, of: "MutationCtx") -> None:
        super().__init__(of)

    if TYPE_CHECKING:

        @property
        def db(self) -> Writer:
            """The tables."""
            ...

    def without_rules(self) -> "MutationCtx":
        """The same context without the rules of the tables, for what is called with it too.

        For trusted code in a public function: nothing checks what it writes for its caller.
        """
        if self.guard is None:
            return self
        db = self._db.without_rules()
        return MutationCtx.of_run(self._transaction, db, self._calls, self.depth)

    @property
    def scheduler(self) -> "Scheduler":
        """Has functions run later, as a part of this transaction."""
        transaction = self._transaction
        return self._calls.services.scheduler(lambda _, run: run(transaction))

    @property
    def storage(self) -> "FileWriter":
        """The stored files: metadata and URLs, deleting, and letting others upload."""
        return self._calls.services.files.in_mutation(self._transaction)

    @property
    def jobs(self) -> "JobClient":
        """Enqueues jobs, as a part of this transaction."""
        transaction = self._transaction
        return self._calls.services.jobs(lambda _, run: run(transaction))

    @property
    def crons(self) -> "CronRegistry":
        """Crons that are registered at run time, as a part of this transaction."""
        transaction = self._transaction
        return self._calls.services.crons(lambda _, run: run(transaction))

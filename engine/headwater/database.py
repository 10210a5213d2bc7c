"""The open database: the one place that wires the floors together."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    ParamSpec,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    overload,
)

from headwater.clock import Clock
from headwater.functions.declaration import BoundQuery, Mutation, Query
from headwater.functions.modules import Application
from headwater.functions.purity import refuse_inside
from headwater.functions.runner import Runner
from headwater.functions.statistics import ConflictPlace
from headwater.limits import Limits
from headwater.reactive.live import Live
from headwater.reactive.reactor import Reactor
from headwater.schema.compile import compile_checker
from headwater.schema.json_form import to_json
from headwater.schema.tables import Id
from headwater.sharing import release
from headwater.storage.environment import Environment
from headwater.storage.wake import Beacon
from headwater.tables.problems import Problem
from headwater.tables.progress import Report
from headwater.tables.reports import RebuildReport, Revision
from headwater.transactions.explicit import OpenSnapshot, OpenTransaction, get_document
from headwater.transactions.store import Store
from headwater.transactions.writer import Writer

if TYPE_CHECKING:
    from headwater.aio import AsyncVerbs

Build: TypeAlias = Literal["wait", "later"]
"""Whether new indexes are filled before a database is handed out, or on a thread of their own."""

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


class Database:
    """An open database. Made by `open`; safe to use from any thread.

    Attributes:
        path: The directory.
    """

    def __init__(
        self,
        environment: Environment,
        application: Application,
        *,
        limits: Limits,
        clock: Clock,
        build: Build,
        progress: Report | None,
    ) -> None:
        self.path: Path = environment.path
        self._store = Store(environment, limits=limits, clock=clock)
        self._runner = Runner(self._store, application)
        self._reactor = Reactor(self._store)
        self._beacon = Beacon(environment.path)
        self._beacon_lock = threading.Lock()
        self._is_listening = False
        self._store.tell_others = self._beacon.notify
        self._aio: AsyncVerbs | None = None
        self._builder: threading.Thread | None = None
        self._is_closed = False
        try:
            self._deploy(build, progress)
        except BaseException:
            self._end()
            raise

    # -- functions ------------------------------------------------------------------------------

    def query(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a query on a snapshot of the newest commit and return its result.

        Raises:
            ArgumentError: The arguments do not fit.
            ReturnValueError: The result does not fit.
        """
        result: R = self._runner.query(self._runner.call("query", function, args, kwargs))
        return result

    def mutate(self, function: Mutation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a mutation as one serializable transaction and return its result.

        What it wrote is durable on return (with ``durability="full"``). It is run again when it
        lost a conflict; if it raises, nothing was written.

        Raises:
            ArgumentError: The arguments do not fit.
            ReturnValueError: The result does not fit.
        """
        result: R = self._runner.mutate(self._runner.call("mutation", function, args, kwargs))
        return result

    def call(self, path: str, arguments: dict[str, Any] | None = None) -> Any:
        """Call a public query or mutation by its path: ``db.call("chat:send", {...})``.

        Raises:
            FunctionNotFoundError: There is none; the nearest path is named.
            FunctionInternalError: It is internal.
            ArgumentError: The arguments do not fit.
        """
        call = self._runner.call_by_path(path, arguments or {})
        if call.compiled.function.kind == "query":
            return self._runner.query(call)
        return self._runner.mutate(call)

    @property
    def aio(self) -> "AsyncVerbs":
        """The same verbs for asyncio."""
        if self._aio is None:
            from headwater.aio import AsyncVerbs

            self._aio = AsyncVerbs(self._runner, self._watching())
        return self._aio

    # -- live queries ---------------------------------------------------------------------------

    def watch(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> Live[R]:
        """The result of a query now and after every commit that changes it.

        Raises:
            ArgumentError: The arguments do not fit.
        """
        wanted = self._runner.wanted(self._runner.call("query", function, args, kwargs))
        return Live(self._watching(), [wanted], is_single=True)

    @overload
    def watch_all(self, a: BoundQuery[A], /) -> Live[tuple[A]]: ...
    @overload
    def watch_all(self, a: BoundQuery[A], b: BoundQuery[B], /) -> Live[tuple[A, B]]: ...
    @overload
    def watch_all(
        self, a: BoundQuery[A], b: BoundQuery[B], c: BoundQuery[C], /
    ) -> Live[tuple[A, B, C]]: ...
    @overload
    def watch_all(
        self, a: BoundQuery[A], b: BoundQuery[B], c: BoundQuery[C], d: BoundQuery[E], /
    ) -> Live[tuple[A, B, C, E]]: ...
    @overload
    def watch_all(self, *queries: BoundQuery[Any]) -> Live[tuple[Any, ...]]: ...

    def watch_all(self, *queries: BoundQuery[Any]) -> Live[Any]:
        """Several queries as one: a tuple of results, always all of one moment.

        ``db.watch_all(chat.latest.bind(channel=general), chat.channels.bind())``
        """
        wanted = [self._runner.wanted(self._runner.bound(query)) for query in queries]
        return Live(self._watching(), wanted, is_single=False)

    def _watching(self) -> Reactor:
        """The reactor, which hears of the commits of other processes from now on."""
        with self._beacon_lock:
            if not self._is_listening:
                self._store.snapshot().close()  # which says so if it is closed, or was forked
                self._beacon.listen(self._reactor.wake)
                self._is_listening = True
        return self._reactor

    # -- by hand --------------------------------------------------------------------------------

    def get(self, id: Id[D]) -> D | None:
        """The newest committed version of a document, or None. The shortest way to one document.

        Raises:
            InvalidIdError: The string is no id.
        """
        refuse_inside()
        return cast("D | None", get_document(self._store, id))

    def snapshot(self) -> OpenSnapshot:
        """Reads of one moment: ``with db.snapshot() as s: s.get(id)``.

        An open snapshot keeps the file from reusing space; it ends by itself after
        ``limits.snapshot_seconds``.
        """
        refuse_inside()
        return OpenSnapshot(self._store)

    def transaction(self) -> OpenTransaction:
        """An explicit transaction, committed at the end of its ``with`` block.

        It is not run again: `ConflictError` says that it lost. `transact` runs again.
        """
        refuse_inside()
        return OpenTransaction(self._store)

    def transact(self, function: Callable[[Writer], T]) -> T:
        """Run ``function(tx)`` as one transaction, again if it lost a conflict.

        The function must do nothing but read and write documents: it may run several times, on
        another thread.
        """
        return self._runner.transact(function)

    def history(self, id: Id[Any]) -> list[Revision]:
        """Every version of a document, newest first, also of one that was deleted.

        O(number of versions).
        """
        from headwater.tables.history import history

        refuse_inside()
        snapshot = self._store.snapshot()
        try:
            return history(snapshot, id)
        finally:
            snapshot.close()

    # -- care -----------------------------------------------------------------------------------

    @property
    def ts(self) -> int:
        """Timestamp of the newest commit, 0 if there is none."""
        refuse_inside()
        snapshot = self._store.snapshot()
        snapshot.close()
        return snapshot.ts

    def tables(self) -> list[str]:
        """Names of the tables, in order."""
        return [table.name for table in self._store.catalog.user_tables()]

    def conflicts(self) -> dict[str, dict[ConflictPlace, int]]:
        """Conflicts that functions of this process have lost since it was opened, by function."""
        return {
            path: dict(statistics.conflicts)
            for path, statistics in self._runner.statistics.items()
            if statistics.conflicts
        }

    def wait_for_indexes(self, *, progress: Report | None = None) -> None:
        """Fill the indexes that are still being filled, in batches, while others write.

        Raises:
            SchemaMismatchError: Documents share a key of a unique index; it is given up.
        """
        from headwater.transactions.index_building import build_indexes

        refuse_inside()
        build_indexes(self._store, progress=progress)

    def verify(self, *, progress: Report | None = None) -> list[Problem]:
        """Check the log, the documents against the log, and the indexes against the documents.

        Reads everything. An empty list means that nothing is wrong.
        """
        from headwater.tables.verify import verify

        refuse_inside()
        with self._store.environment.read_for_long() as reader:
            return verify(self._store.snapshot_of(reader), progress=progress)

    def rebuild(self, *, progress: Report | None = None) -> RebuildReport:
        """Make all tables and indexes anew from the log, in one step; writers wait."""
        from headwater.tables.rebuild import rebuild

        refuse_inside()
        reports: list[RebuildReport] = []

        def job() -> None:
            reports.append(rebuild(self._store.environment, progress=progress))

        self._store.committer.call(job)
        return reports[0]

    def backup(self, path: str | Path) -> None:
        """Copy the newest commit's state into another directory, while others go on writing.

        The copy is a database of its own, log included, without unused space; it is there as a
        whole or not at all. Keeps the file from reusing space while it runs.

        Args:
            path: A directory that is missing or empty.

        Raises:
            AlreadyOpenError: There is a database already.
            NotADatabaseError: Something else is there.
            StorageError: The disk is full, or the system failed.
        """
        refuse_inside()
        self._store.environment.copy_to(Path(path).expanduser().absolute())

    # -- the beginning and the end --------------------------------------------------------------

    @property
    def application(self) -> Application:
        """The functions and tables that it was opened with."""
        return self._runner.application

    def _deploy(self, build: Build, progress: Report | None) -> None:
        """Bring the stored tables in line with the declared ones."""
        from headwater.transactions.deployment import DeclaredTable, deploy
        from headwater.transactions.index_building import build_indexes

        declared: list[DeclaredTable] = []
        nesting = self._store.limits.nesting
        for name, validator in self.application.documents.items():
            check = compile_checker(validator, self._runner.tables, nesting=nesting)
            indexes = self.application.tables[name].indexes.values()
            definitions = [index.definition for index in indexes]
            schema = to_json(validator)
            declared.append(DeclaredTable(name, schema, definitions, check))
            self._store.rules.declare(name, schema, check)
        deploy(self._store, declared, progress=progress)
        if build == "wait":
            build_indexes(self._store, progress=progress)
        else:
            self._builder = threading.Thread(
                target=self._build_later, name="headwater-indexes", daemon=True
            )
            self._builder.start()

    def _build_later(self) -> None:
        from headwater.transactions.index_building import build_indexes

        try:
            build_indexes(self._store, progress=None)
        except Exception:
            if self._is_closed:
                return  # it goes on at the next opening
            import logging

            logging.getLogger("headwater").exception("an index could not be filled")

    def close(self) -> None:
        """Finish what is queued, end live queries, and close.

        A database that was opened several times is closed with the last one. Does nothing again.
        """
        refuse_inside()
        if release(self):
            self._end()

    def _end(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._reactor.close()
        self._beacon.close()
        self._store.close()
        if self._builder is not None:
            # Its next step says that the database is closed, however much there is to fill.
            self._builder.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<headwater.Database {str(self.path)!r}>"

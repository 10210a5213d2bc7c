"""The parts of an open database, how they are put together, and how they end."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, TypeVar

from headwater.clock import Clock
from headwater.errors import ForkedError, HeadwaterError
from headwater.functions.acting import Actor
from headwater.functions.modules import Application
from headwater.functions.projecting import Projector
from headwater.functions.purity import refuse_inside
from headwater.functions.runner import Runner
from headwater.limits import Limits
from headwater.reactive.reactor import Reactor
from headwater.schema.compile import LateChecker
from headwater.services.services import ServiceOptions, Services
from headwater.sharing import release
from headwater.storage.environment import Environment
from headwater.storage.registry import notice_forks
from headwater.storage.taken_away import FORKED_TEXT
from headwater.storage.transactions import Gone, WriteTransaction
from headwater.storage.wake import Beacon
from headwater.tables.catalog import CASCADES
from headwater.tables.progress import Report
from headwater.transactions.store import Store

if TYPE_CHECKING:
    from headwater.aio import AsyncVerbs
    from headwater.transactions.declared_table import DeclaredTable

D = TypeVar("D", bound="Opened")

Build: TypeAlias = Literal["wait", "later"]
"""Whether new indexes and projections are filled before a database is handed out, or meanwhile."""


class Opened:
    """What every group of verbs works on.

    Attributes:
        path: The directory.
    """

    def __init__(  # noqa: PLR0913 - each is of its own, and given by name
        self,
        environment: Environment,
        application: Application,
        *,
        limits: Limits,
        clock: Clock,
        options: ServiceOptions,
        build: Build,
        progress: Report | None,
    ) -> None:
        self.path: Path = environment.path
        self._store = Store(environment, limits=limits, clock=clock)
        self._runner = Runner(self._store, application)
        self._actor = Actor(self._runner, lambda: self.aio)
        self._reactor = Reactor(self._store)
        self._services = Services(self._runner, options, actor=self._actor, watching=self._watching)
        self._projector = Projector(self._store, application.projections)
        self._beacon = Beacon(environment.path)
        self._beacon_lock = threading.Lock()
        self._is_listening = False
        self._store.tell_others = self._beacon.notify
        self._beacon.announce()
        self._aio: AsyncVerbs | None = None
        self._builder: threading.Thread | None = None
        self._is_closed = False
        notice_forks(self)
        try:
            self._deploy(build, progress)
            self._services.start()
        except BaseException:
            self._end()
            raise

    @property
    def application(self) -> Application:
        """The functions and tables that it was opened with."""
        return self._runner.application

    @property
    def runner(self) -> Runner:
        """What runs its functions; for the floors above."""
        return self._runner

    @property
    def limits(self) -> Limits:
        """The bounds that it was opened with."""
        return self._store.limits

    def _deploy(self, build: Build, progress: Report | None) -> None:
        """Bring the stored tables in line with the declared ones."""
        from headwater.transactions.deployment import deploy
        from headwater.transactions.index_building import build_indexes

        deploy(self._store, list(self._declared_tables()), progress=progress)
        self._projector.deploy()
        if build == "wait":
            build_indexes(self._store, progress=progress)
        else:
            self._builder = threading.Thread(
                target=self._build_later, name="headwater-indexes", daemon=True
            )
            self._builder.start()
        if self.application.projections:
            if build == "wait":
                self._projector.build()
            self._watching().listen(self._projector)
            self._projector.start()

    def _declared_tables(self) -> "Iterator[DeclaredTable]":
        """The tables that the application declares, and those of the services that are used."""
        from headwater.transactions.declared_table import declared

        application, services = self.application, self._services.tables
        nesting = self._store.limits.nesting
        for name, validator in application.documents.items():
            check = LateChecker(validator, self._runner.tables, nesting=nesting)
            schema, references = application.schemas[name], application.references[name]
            self._store.rules.declare(name, schema, check.compiled)
            yield declared(application.tables[name], schema, references, check)
        used = {table.name: table for table in services.stored(self._store.catalog)}
        cascades = services.find(CASCADES) if any(application.references.values()) else None
        if cascades is not None:
            used[CASCADES] = cascades
        yield from (table for name, table in used.items() if name not in application.tables)

    @property
    def aio(self) -> "AsyncVerbs":
        """The same verbs for asyncio."""
        if self._aio is None:
            from headwater.aio import AsyncVerbs

            self._aio = AsyncVerbs(self._runner, self._watching(), self._actor, self._services)
        return self._aio

    def _watching(self) -> Reactor:
        """The reactor, which hears of the commits of other processes from now on."""
        with self._beacon_lock:
            if not self._is_listening:
                self._store.snapshot().close()  # which says so if it is closed, or was forked
                self._beacon.listen(self._reactor.hear, on_death=self._notice_a_death)
                self._is_listening = True
        return self._reactor

    def _notice_a_death(self) -> None:
        """Another process died: what it held back can be used again, and what it did has ended."""
        with contextlib.suppress(HeadwaterError):
            self._store.environment.check_readers()
        self._services.somebody_died()

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
        self._services.close()
        self._actor.close()
        self._reactor.close()
        self._beacon.close()
        self._store.close()
        if self._builder is not None:
            # Its next step says that the database is closed, however much there is to fill.
            self._builder.join()

    def before_fork(self) -> None:
        """Everything that has to come to rest does so by itself."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Refuse all further use. What a lost thread may have locked is not touched any more."""
        self._is_closed = True
        self._services.after_fork_in_child()
        self._reactor.after_fork_in_child()
        self._aio = None
        self._beacon_lock = threading.Lock()
        refusal: Any = Gone(ForkedError, f"{self.path}: {FORKED_TEXT}")
        self._store = self._runner = self._reactor = refusal

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


def make(  # noqa: PLR0913 - each option is of its own, and given by name
    kind: type[D],
    directory: Path | None,
    application: Application,
    *,
    durability: Literal["full", "none"],
    limits: Limits,
    clock: Clock,
    options: ServiceOptions,
    build: Build = "wait",
    progress: Report | None = None,
    fill: Callable[[WriteTransaction], None] | None = None,
) -> D:
    """Open a database as an instance of a class; one that nobody else in the process shares.

    Args:
        kind: The class.
        directory: None for a throw-away database.
        application: Its functions and tables.
        durability: As for `open`, and so are limits, clock, build and progress.
        limits: Its bounds.
        clock: Its time and randomness.
        options: What concerns its services.
        build: When new indexes are filled.
        progress: Told about the steps that take long.
        fill: Writes what is to be in an empty database before anything else is done with it.

    Raises what `open` raises.
    """
    environment = Environment.open(
        directory,
        durability=durability,
        snapshot_seconds=limits.snapshot_seconds,
        snapshot_warning_seconds=limits.snapshot_warning_seconds,
        clock=clock,
    )
    try:
        if fill is not None:
            environment.run_write(fill)
        return kind(
            environment,
            application,
            limits=limits,
            clock=clock,
            options=options,
            build=build,
            progress=progress,
        )
    except BaseException:
        environment.close()
        raise

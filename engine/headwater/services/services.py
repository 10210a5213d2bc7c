"""The services of one open database, and when they begin and end."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast, get_args

from headwater.errors import ArgumentError, UsageError
from headwater.functions.acting import Actor
from headwater.functions.context_services import AsyncServe, Configuration, Entering, Serve
from headwater.functions.purity import suspended
from headwater.functions.runner import Runner
from headwater.reactive.log_listeners import Listener
from headwater.reactive.reactor import Reactor
from headwater.services.service_tables import ServiceTables
from headwater.storage.format import FILES_NAME
from headwater.tables.catalog import CASCADES, Catalog

if TYPE_CHECKING:
    from headwater.functions.crons import AsyncCronRegistry, CronRegistry
    from headwater.functions.job_client import JobClient
    from headwater.functions.job_client_async import AsyncJobClient
    from headwater.functions.scheduling import AsyncScheduler, Scheduler
    from headwater.functions.session_client import SessionClient
    from headwater.services.cascading import Cascader
    from headwater.services.executing import Executing
    from headwater.services.files import FileService
    from headwater.services.identifying import Identification
    from headwater.services.migrating import MigrationClient
    from headwater.services.session_options import Sessions
    from headwater.services.sessions import SessionService
    from headwater.services.tokens import TokenProvider

_WORK_TABLES: Final = ("_scheduled_functions", "_crons", "_jobs", "_migrations")
"""Where there is one of these tables, there may be work that is due some time."""

Jobs: TypeAlias = Literal["run", "hold"]
"""Whether an open database runs what is due by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """What a database is opened with that concerns its services.

    Attributes:
        env: Settings that functions read.
        jobs: Whether what is due runs by itself; None: it does once this process sees something.
        public_origin: What is put before the paths of signed URLs.
        log_accesses: Whether every access to a stored file is noted.
        keep_files_seconds: How long deleted files are kept.
        providers: Whose tokens are believed.
        sessions: How the database's own sessions behave; None: it has none.
    """

    env: Mapping[str, str]
    jobs: Jobs | None = None
    public_origin: str = ""
    log_accesses: bool = True
    keep_files_seconds: float = 0
    providers: "Sequence[TokenProvider]" = ()
    sessions: "Sessions | None" = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs not in get_args(Jobs):
            raise ArgumentError(
                f"jobs={self.jobs!r}: expected 'run' or 'hold', or nothing for the default"
            )


class Services:
    """What contexts and the database hand out beside the tables.

    Each service is made when it is first asked for.

    Attributes:
        options: What the database was opened with.
        env: The settings.
        tables: The declarations of the tables that services keep.
    """

    def __init__(
        self,
        runner: Runner,
        options: ServiceOptions,
        *,
        actor: Actor,
        watching: Callable[[], Reactor],
    ) -> None:
        self._runner = runner
        self._actor = actor
        self._watching = watching
        self._lock = threading.Lock()
        self._executing: Executing | None = None
        self._cascader: Cascader | None = None
        self._making = threading.RLock()
        self._files: FileService | None = None
        self.options: ServiceOptions = options
        self.env: Configuration = Configuration(options.env)
        store = runner.store
        self.tables: ServiceTables = ServiceTables(store.tables, nesting=store.limits.nesting)
        store.service_table = self.tables.find
        self._identification: Identification | None = None
        self._sessions: SessionService | None = None
        if options.sessions is not None:
            self._sessions = self._make_sessions(options.sessions)
        if options.providers:
            _ = self.identification  # whose keys have to be there
        runner.services = self

    @property
    def identification(self) -> "Identification":
        """Who has a token."""
        if self._identification is None:
            from headwater.services.identifying import Identification

            self._identification = Identification(
                self._runner, self.options.providers, self._sessions
            )
        return self._identification

    def _make_sessions(self, options: "Sessions") -> "SessionService":
        from headwater.services.session_options import Sessions
        from headwater.services.sessions import SessionService

        if not isinstance(cast("object", options), Sessions):
            raise ArgumentError(f"sessions={options!r}: expected hw.Sessions(...), or None")
        return SessionService(self._runner, options, self._actor)

    def sessions(self, entering: Entering) -> "SessionClient":
        """Signing up, in and out.

        Raises:
            UsageError: The database was opened without sessions.
        """
        if self._sessions is None:
            raise UsageError(
                "this database has no sessions of its own; open it with them: "
                "hw.open(..., sessions=hw.Sessions())"
            )
        from headwater.services.session_verbs import SessionVerbs

        return SessionVerbs(self._sessions, entering)

    # -- for contexts ---------------------------------------------------------------------------

    def scheduler(self, serve: Serve) -> "Scheduler":
        """Has functions run later."""
        from headwater.services.scheduling import ScheduleVerbs, Scheduling

        return ScheduleVerbs(Scheduling(self._runner), serve)

    def async_scheduler(self, serve: AsyncServe) -> "AsyncScheduler":
        """The same for tasks."""
        from headwater.services.scheduling import AsyncScheduleVerbs, Scheduling

        return AsyncScheduleVerbs(Scheduling(self._runner), serve)

    @property
    def files(self) -> "FileService":
        """The stored files."""
        if self._files is None:
            with self._making, suspended():  # the first to ask may be a query
                if self._files is None:  # still
                    self._files = self._make_files()
        return self._files

    def _make_files(self) -> "FileService":
        from headwater.services.files import FileService

        files = FileService(
            self._runner,
            self._watching,
            public_origin=self.options.public_origin,
            log_accesses=self.options.log_accesses,
            keep_seconds=self.options.keep_files_seconds,
        )
        files.start()
        return files

    def jobs(self, serve: Serve) -> "JobClient":
        """Enqueues jobs."""
        return self.executing.jobs.client(serve)

    def async_jobs(self, serve: AsyncServe) -> "AsyncJobClient":
        """The same for tasks."""
        return self.executing.jobs.async_client(serve)

    def crons(self, serve: Serve) -> "CronRegistry":
        """Crons that are registered at run time."""
        from headwater.services.cron_registry import CronVerbs, StoredCrons

        return CronVerbs(StoredCrons(self._runner), serve)

    def async_crons(self, serve: AsyncServe) -> "AsyncCronRegistry":
        """The same for tasks."""
        from headwater.services.cron_registry import AsyncCronVerbs, StoredCrons

        return AsyncCronVerbs(StoredCrons(self._runner), serve)

    # -- work that is done at its time ----------------------------------------------------------

    @property
    def executing(self) -> "Executing":
        """What does the work that is due."""
        with self._lock:
            if self._executing is None:
                from headwater.services.executing import Executing

                self._executing = Executing(self._runner, self._actor, self._listen)
            return self._executing

    @property
    def migrations(self) -> "MigrationClient":
        """Starts, tries and undoes migrations."""
        from headwater.services.migrating import MigrationClient

        return MigrationClient(self._runner, self.executing)

    def _start_cascades(self) -> None:
        """Begin to finish what deletions have left to do."""
        with self._lock:
            if self._cascader is None:
                from headwater.services.cascading import Cascader

                self._cascader = Cascader(self._runner.store, self._listen)
            self._cascader.start()

    def _listen(self, listener: Listener) -> None:
        self._watching().listen(listener)

    def _saw(self, catalog: Catalog) -> None:
        """Begin to work if there may be work."""
        if any(name in catalog.by_name for name in _WORK_TABLES):
            self.executing.start()
        if CASCADES in catalog.by_name:
            self._start_cascades()

    # -- its life -------------------------------------------------------------------------------

    def start(self) -> None:
        """The database is open, and its tables are those that are declared."""
        store = self._runner.store
        if self._runner.application.crons or "_crons" in store.catalog.by_name:
            from headwater.services.cron_registry import StoredCrons

            StoredCrons(self._runner).declare()
        if self.options.jobs == "run":
            self.executing.start()
            self._start_cascades()
        elif self.options.jobs is None:
            store.on_catalog = self._saw
            self._saw(store.catalog)
        if os.path.isdir(f"{store.environment.path}/{FILES_NAME}"):  # noqa: PTH112 - takes half
            _ = self.files  # which collects what was left

    def somebody_died(self) -> None:
        """Another process on the same directory may have died."""
        if self._executing is not None:
            self._executing.somebody_died()

    def close(self) -> None:
        """The database is about to close."""
        self._runner.store.on_catalog = None
        if self._executing is not None:
            self._executing.close()
        if self._cascader is not None:
            self._cascader.close()
        if self._files is not None:
            self._files.close()
        if self._sessions is not None:
            self._sessions.deliveries.close()

    def after_fork_in_child(self) -> None:
        """This is a child, without the threads of its parent."""

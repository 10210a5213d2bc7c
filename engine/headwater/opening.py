"""How a database is opened: by its directory, once in a process, with the application's modules."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from headwater.clock import Clock, SystemClock
from headwater.database import Database
from headwater.functions.access import DefaultAccess
from headwater.functions.context_services import Configuration
from headwater.limits import DEFAULT_LIMITS, Limits
from headwater.services.services import Jobs, ServiceOptions
from headwater.sharing import share
from headwater.tables.progress import Report
from headwater.verbs.opened import Build, make

if TYPE_CHECKING:
    from headwater.services.session_options import Sessions
    from headwater.services.tokens import TokenProvider


def open(  # noqa: PLR0913 - each option is of its own, and given by name
    path: str | Path | None = None,
    *,
    modules: Iterable[ModuleType | str] = (),
    durability: Literal["full", "none"] | None = None,
    limits: Limits | None = None,
    clock: Clock | None = None,
    build: Build = "wait",
    progress: Report | None = None,
    env: Mapping[str, str] | None = None,
    default_access: DefaultAccess | None = None,
    jobs: Jobs | None = None,
    public_origin: str | None = None,
    log_accesses: bool | None = None,
    keep_files_seconds: float | None = None,
    providers: "Sequence[TokenProvider]" = (),
    sessions: "Sessions | None" = None,
) -> Database:
    """Open a database, and create it if there is nothing yet.

    The tables that the modules declare are brought in line with what is stored: new tables and
    indexes are made, indexes that are no longer declared are dropped, and a changed document type
    is checked against the stored documents. Tables that no module declares are left alone.

    Opening a directory again in the same process gives the same database; each one is closed.

    Args:
        path: A directory; None for a throw-away database that is removed when closed.
        modules: Modules with functions and tables, or their dotted names.
        durability: "full", the default: what a mutation wrote survives a power loss when it
            returns. "none": nothing is flushed; for data that can be made again.
        limits: Bounds on documents, functions and transactions; `hw.Limits()` by default.
        clock: Time and randomness; tests put their own here.
        build: Whether to fill new indexes and projections before returning, or on threads of
            their own.
        progress: Told about the steps that take long.
        env: Settings that functions read as ``ctx.env``; those of the process's environment by
            default, as they are now.
        default_access: What public functions may do with a table that has no `hw.rules`: "allow",
            the default, is everything; "deny" closes it to them.
        jobs: Whether scheduled functions run here when their time comes. By default they do, on
            threads that begin once this process sees that there are any. "run": they do, and it
            hears from the start of those that other processes schedule; for a process that does
            nothing else. "hold": nothing runs by itself here; `Database.run_due_jobs` does it.
        public_origin: What the program is reached at, such as "https://example.org": it stands
            before the paths of signed URLs, which are paths alone by default.
        log_accesses: Whether every access to a stored file is noted; by default it is.
        keep_files_seconds: How long the contents of deleted files are kept, and the files can be
            restored; by default a content goes with its last file.
        providers: Identity providers whose tokens `Database.identify` believes. Needs the extra
            ``auth``.
        sessions: Accounts and sessions of the database's own, which `Database.sessions` has. Needs
            the extra ``auth``.

    Raises:
        NotADatabaseError: Something else is at ``path``.
        NewerFormatError: It was written by a newer version of Headwater.
        CorruptionError: Its files are damaged.
        AlreadyOpenError: It is open in this process with other modules or options.
        SchemaMismatchError: Stored documents do not fit a declared type; nothing was changed.
        DeclarationError: The modules declare something that cannot work.
    """
    from headwater.functions.applications import application_of  # who only imports needs none

    application = application_of(modules, default_access=default_access or "allow")

    bounds = limits or DEFAULT_LIMITS
    system = clock or SystemClock()
    directory = None if path is None else Path(path).expanduser()

    def new() -> Database:
        return make(
            Database,
            directory,
            application,
            durability=durability or "full",
            limits=bounds,
            clock=system,
            options=ServiceOptions(
                env=os.environ if env is None else env,
                jobs=jobs,
                public_origin=(public_origin or "").rstrip("/"),
                log_accesses=log_accesses is not False,
                keep_files_seconds=keep_files_seconds or 0,
                providers=tuple(providers),
                sessions=sessions,
            ),
            build=build,
            progress=progress,
        )

    if directory is None:
        return new()
    asked = {
        "modules": application.modules or None,
        "durability": durability,
        "limits": limits,
        "default_access": default_access,
        "env": None if env is None else Configuration(env),  # which keeps its values to itself
        "jobs": jobs,
        "public_origin": public_origin,
        "log_accesses": log_accesses,
        "keep_files_seconds": keep_files_seconds,
        "providers": tuple(providers) or None,
        "sessions": sessions,
    }
    return share(directory, asked, new)

"""The log as a stream."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from functools import cached_property

from headwater.functions.purity import refuse_inside
from headwater.reactive.log_reading import open_tail, read_log
from headwater.reactive.log_tail import LogTail
from headwater.reactive.reactor import Reactor
from headwater.tables.horizon import horizon
from headwater.tables.log_entries import LogEntry, TableFilter, Wanted
from headwater.tables.moments import moment_of
from headwater.tables.reports import ProjectionStatus
from headwater.transactions.following import standings
from headwater.transactions.store import Store
from headwater.verbs.opened import Opened


class Log:
    """The log of a database: every commit, in order. It is ``db.log``."""

    def __init__(self, store: Store, watching: Callable[[], Reactor]) -> None:
        self._store = store
        self._watching = watching

    @property
    def horizon(self) -> int:
        """The least ``after`` from which the log can be read: 0, unless it has been trimmed."""
        refuse_inside()
        with self._store.environment.read() as reader:
            return horizon(reader)

    def read(
        self,
        after: int | datetime = 0,
        *,
        limit: int | None = None,
        tables: TableFilter = None,
    ) -> list[LogEntry]:
        """The commits later than ``after``, oldest first.

        A commit none of whose changes are wanted is left out. O(commits read), and one look into
        the log for each version that was replaced; documents are unpacked when they are asked for.

        Args:
            after: A timestamp, such as that of the last entry that was read, or an aware datetime.
            limit: How many entries at most; by default all up to now, at once in memory.
            tables: Only changes of these tables, by class or by name; by default those of all
                tables of the application. System tables, such as ``"_tables"``, have to be named.

        Raises:
            LogTrimmedError: ``after`` lies below the `horizon` of a log that was trimmed; so does
                0 then.
            ArgumentError: ``after`` is no moment.
        """
        refuse_inside()
        return read_log(self._store, moment_of(after, "after"), limit, Wanted(tables))

    def tail(self, after: int | datetime | None = None, *, tables: TableFilter = None) -> LogTail:
        """Every commit later than ``after``, and then each new one, of any process.

        Args:
            after: Where to begin; by default at what is committed from now on. The ``position`` of
                another tail goes on where that one was.
            tables: As for `read`.

        Raises:
            LogTrimmedError: ``after`` lies below the `horizon` of a log that was trimmed; so does
                0 then.
            ArgumentError: ``after`` is no moment.
        """
        refuse_inside()
        begin = None if after is None else moment_of(after, "after")
        return open_tail(self._store, self._watching(), begin, Wanted(tables))


class StreamVerbs(Opened):
    """The log, and what is made from it."""

    @cached_property
    def log(self) -> Log:
        """The log of commits, to read and to follow."""
        return Log(self._store, self._watching)

    def projections(self) -> list[ProjectionStatus]:
        """How the stored projections stand, declared here or not, by name.

        O(commits since the position of each).
        """
        refuse_inside()
        with closing(self._store.snapshot()) as snapshot:
            errors = self._projector.errors
            found = standings(snapshot)
            return [one._replace(error=errors.get(one.name)) for one in found]

    def drop_projection(self, name: str) -> None:
        """Forget a projection that no opened module declares. Its tables stay, for anybody.

        Raises:
            UsageError: It is declared here, or there is none of that name.
        """
        refuse_inside()
        self._projector.drop(name)

    def wait_for_projections(self, timeout_seconds: float | None = None) -> None:
        """Wait until the projections of the opened modules have seen all that is committed now.

        Args:
            timeout_seconds: How long; for ever by default.

        Raises:
            TimeoutError: They have not, in time.
            Exception: What a projection has raised; it stays where it is until that is mended.
        """
        refuse_inside()
        self._projector.wait(timeout_seconds)

"""What a database holds, and what is going on in it."""

from dataclasses import dataclass

from headwater.functions.purity import refuse_inside
from headwater.storage.format import Database
from headwater.tables.measuring import LogStatistics, TableStatistics, measure_log, measure_tables
from headwater.tables.progress import Report
from headwater.verbs.opened import Opened


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """The data file.

    Attributes:
        bytes: Its size on disk.
        free_bytes: Of it, what is unused: the next commits take it, or `Database.compact` gives it
            back.
        documents_bytes: Of the pages that the documents take.
        indexes_bytes: Of the pages that the indexes take.
        map_bytes: Address space that is reserved for it; it grows when the file reaches it.
    """

    bytes: int
    free_bytes: int
    documents_bytes: int
    indexes_bytes: int
    map_bytes: int


@dataclass(frozen=True, slots=True)
class DatabaseStatistics:
    """What a database holds, and what is going on in it.

    Attributes:
        tables: The tables of the application, by name.
        log: The log.
        file: The data file.
        readers: Open snapshots of all processes, by process number; a reader keeps the file from
            reusing what was removed after it began.
        oldest_snapshot_seconds: Age of the oldest snapshot of this process; 0 if there is none.
        conflicts: Conflicts that functions of this process have lost since it was opened;
            `Database.conflicts` says which.
        live_queries: Distinct live queries in this process.
        subscriptions: Who watches them.
    """

    tables: dict[str, TableStatistics]
    log: LogStatistics
    file: FileStatistics
    readers: dict[int, int]
    oldest_snapshot_seconds: float
    conflicts: int
    live_queries: int
    subscriptions: int


class MeasuringVerbs(Opened):
    """Statistics."""

    def stats(self, *, sizes: bool = True, progress: Report | None = None) -> DatabaseStatistics:
        """Measure the database: tables, indexes, the log, the file, and who reads it.

        Args:
            sizes: Whether to count documents and index entries, which reads all of them: some
                seconds for each gigabyte. Without, it takes less than a millisecond, and these
                numbers are None.
            progress: Told how far the counting has come; what it raises ends it.
        """
        refuse_inside()
        environment = self._store.environment
        numbers = environment.stats()
        with environment.read_for_long("db.stats()") as reader:
            catalog = self._store.snapshot_of(reader).catalog
            tables = measure_tables(reader, catalog, sizes=sizes, progress=progress)
            log = measure_log(reader, numbers.bytes[Database.LOG])
        functions = list(self._runner.statistics.values())
        return DatabaseStatistics(
            tables=tables,
            log=log,
            file=FileStatistics(
                bytes=numbers.file_bytes,
                free_bytes=numbers.free_bytes,
                documents_bytes=numbers.bytes[Database.DOCUMENTS],
                indexes_bytes=numbers.bytes[Database.INDEXES],
                map_bytes=numbers.map_size_bytes,
            ),
            readers=numbers.readers,
            oldest_snapshot_seconds=numbers.oldest_snapshot_seconds,
            conflicts=sum(sum(function.conflicts.values()) for function in functions),
            live_queries=len(self._reactor.queries),
            subscriptions=self._reactor.queries.subscription_count,
        )

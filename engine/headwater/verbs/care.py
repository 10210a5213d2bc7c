"""Looking after a database: what is in it, whether it is sound, copies of it."""

from pathlib import Path

from headwater.functions.purity import refuse_inside
from headwater.functions.statistics import ConflictPlace
from headwater.tables.problems import Problem
from headwater.tables.progress import Report, in_bytes
from headwater.tables.reports import RebuildReport
from headwater.verbs.opened import Opened


class CareVerbs(Opened):
    """Checks, repairs and copies."""

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
        """Check the journal, the pages, the log, the documents against it, and the indexes.

        Reads everything. An empty list means that nothing is wrong; each problem has the
        ``advice`` what to do. If pages are damaged, no records are looked at, because LMDB could
        end this process over them: close the database and use `check`, which has another process
        look.

        Args:
            progress: Told about the steps.
        """
        from headwater.storage.manifest import read_manifest
        from headwater.tables.verify import verify
        from headwater.tables.verify_pages import verify_journal, verify_pages

        refuse_inside()
        with self._store.environment.read_for_long("db.verify()") as reader:
            damaged = verify_pages(self.path)  # first: what is read from such pages can be anything
            journal = verify_journal(self.path, reader.transaction_id())
            snapshot = self._store.snapshot_of(reader)
            format_version = read_manifest(self.path).format
            found = damaged or verify(snapshot, format_version=format_version, progress=progress)
            return journal + found

    def rebuild(self, *, progress: Report | None = None) -> RebuildReport:
        """Make all tables and indexes anew from the log, in one step; writers wait."""
        from headwater.tables.rebuild import rebuild

        refuse_inside()
        reports: list[RebuildReport] = []

        def job() -> None:
            reports.append(rebuild(self._store.environment, progress=progress))

        self._store.committer.call(job)
        return reports[0]

    def backup(self, path: str | Path, *, progress: Report | None = None) -> None:
        """Copy the newest commit's state into another directory, while others go on writing.

        The copy is a database of its own, log and stored files included, without unused space; it
        is there as a whole or not at all. Files are hard links where that can be; the keys of URLs
        stay here. Keeps the file from reusing space while it runs.

        Args:
            path: A directory that is missing or empty.
            progress: Told how many bytes have been copied; what it raises ends the copy, and
                nothing is there. It must not close or compact the database, which would wait for
                the copy to end.

        Raises:
            AlreadyOpenError: There is a database already.
            NotADatabaseError: Something else is there.
            SnapshotTooOldError: The file had to be opened anew meanwhile, because it outgrew its
                map or was compacted; do it again.
            StorageError: The disk is full, or the system failed.
        """
        refuse_inside()
        told = in_bytes("copying the database", progress)
        self._store.environment.copy_to(Path(path).expanduser().absolute(), told)

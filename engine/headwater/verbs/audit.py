"""What a commit did, whether it would do it again, and what would happen if."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self

from headwater.errors import NotReplayableError
from headwater.functions.purity import refuse_inside
from headwater.functions.replaying import Replayed
from headwater.sharing import share
from headwater.storage import commit_log
from headwater.storage.transactions import WriteTransaction
from headwater.tables.moments import moment_of
from headwater.tables.progress import Report
from headwater.verbs.opened import Opened, make


class AuditVerbs(Opened):
    """Replays and forks."""

    def replay(self, ts: int) -> Replayed:
        """Run the mutation of a commit again, on the state that it had. Writes nothing.

        O(what was committed since, as all reads of the past).

        Args:
            ts: Timestamp of the commit of a mutation with ``record_arguments=True``.

        Raises:
            NotReplayableError: There is no such commit, its arguments were not recorded, or its
                function is gone.
            LogTrimmedError: The state before it is gone.
        """
        from headwater.functions.replaying import replay
        from headwater.tables.past import past_snapshot

        refuse_inside()
        snapshot = self._store.snapshot()
        try:
            commit = commit_log.read(snapshot.reader, ts)
            if commit is None:
                raise NotReplayableError(
                    f"there is no commit {ts}; take the ts of a revision, as db.history(id) gives "
                    "them",
                    ts=ts,
                    function="",
                )
            before = past_snapshot(snapshot.reader, snapshot.catalog, commit.previous_ts)
            return replay(self._runner, commit, before)
        finally:
            snapshot.close()

    def fork(
        self,
        path: str | Path | None = None,
        *,
        at: int | datetime | None = None,
        progress: Report | None = None,
    ) -> Self:
        """A database of its own that starts with this one's state and history. Close it yourself.

        It has the same functions and limits, and the stored files that are there now. Nothing that
        was scheduled runs there by itself. Made whole or not at all; others go on writing here, and
        the file cannot reuse space meanwhile. O(documents and commits).

        Args:
            path: A directory that is missing or empty; None for a throw-away database.
            at: The moment to start from: a timestamp or an aware datetime; by default now.
            progress: Told how far it is.

        Raises:
            AlreadyOpenError: There is a database already.
            NotADatabaseError: Something else is at ``path``.
            LogTrimmedError: That moment is no longer in the log.
            SchemaMismatchError: The documents of then do not fit today's types.
        """
        from headwater.storage.contents import Contents, copy_contents
        from headwater.storage.filling import create_filled

        refuse_inside()

        def fill(writer: WriteTransaction) -> None:
            self._copy_into(writer, at, progress)

        contents = Contents(self.path, is_durable=True)
        with contents.kept():
            if path is None:
                made = self._same_over(None, progress, fill)
                copy_contents(self.path, made.path)
                return made
            directory = Path(path).expanduser().absolute()
            create_filled(directory, fill, clock=self._store.clock, files_of=self.path)
        modules = self.application.modules or None
        asked = {"modules": modules, "durability": None, "limits": self._store.limits}
        return share(directory, asked, lambda: self._same_over(directory, progress, None))

    def _same_over(
        self,
        directory: Path | None,
        progress: Report | None,
        fill: Callable[[WriteTransaction], None] | None,
    ) -> Self:
        """A database over other files, with the same functions, limits and clock."""
        return make(
            type(self),
            directory,
            self.application,
            durability="full",
            limits=self._store.limits,
            clock=self._store.clock,
            progress=progress,
            options=replace(self._services.options, jobs="hold"),
            fill=fill,
        )

    def _copy_into(
        self, writer: WriteTransaction, at: int | datetime | None, progress: Report | None
    ) -> None:
        """Write the state of then into an empty database."""
        from headwater.tables.copying import copy_state
        from headwater.tables.past import past_snapshot

        with self._store.environment.read_for_long("db.fork()") as reader:
            source = reader
            if at is not None:
                snapshot = self._store.snapshot_of(reader)
                source = past_snapshot(reader, snapshot.catalog, moment_of(at)).reader
            copy_state(writer, source, progress)

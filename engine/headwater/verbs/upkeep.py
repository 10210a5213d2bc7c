"""Keeping a database small: what may be forgotten, and space given back."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from headwater.functions.purity import refuse_inside
from headwater.storage.transactions import WriteTransaction
from headwater.tables.progress import Report, in_bytes
from headwater.tables.reports import CompactReport, TrimReport
from headwater.verbs.opened import Opened

T = TypeVar("T")


class UpkeepVerbs(Opened):
    """Retention and space."""

    def trim_log(self, before: int | datetime, *, progress: Report | None = None) -> TrimReport:
        """Forget the past before a moment; what is then and after it stays as it is.

        The newest commit before the moment becomes the horizon. Its state and all later ones can be
        read as before, by ``at=``, history, `diff` and undo; an earlier one raises
        `LogTrimmedError`. Of each document the version at the horizon stays, with its commit and
        origin; older versions are gone, and so is everything of documents that were deleted by
        then. Space becomes free inside the file, and `compact` gives it back.

        Others go on meanwhile: it is done in steps of ten milliseconds under the write lock. It
        may be interrupted or killed at any moment: the database is right then, and the next call
        goes on, whatever moment it names. O(log up to the horizon) time, plus once the log after
        it; some hundred bytes of memory for each document that is older than the horizon and was
        changed since.

        A transaction that began before the horizon in another process may lose with
        `ConflictError`, and live queries there run once more.

        Args:
            before: Nanoseconds since the epoch, such as `ts`, or an aware datetime. In the future:
                all history is forgotten, and the newest state stays.
            progress: Told about each step.

        Raises:
            ArgumentError: ``before`` is no moment.
            UsageError: A projection was not fed yet with something that would be forgotten.
            CorruptionError: The log is damaged, or the documents disagree with it. Nothing more
                was removed, as it may be needed to mend that.
            StorageError: The disk is full, or the system failed.
        """
        from headwater.tables.moments import moment_of
        from headwater.tables.trim import trim

        refuse_inside()
        moment = self._projector.settle(moment_of(before, "before"))
        return trim(self._store.environment, self._between_batches, moment, progress=progress)

    def compact(self, *, progress: Report | None = None) -> CompactReport:
        """Give the unused space of the file back to the system.

        The file is written anew beside itself and put into its own place in one step: O(data), and
        room on the disk for both. Whoever reads or writes waits until it is done; live queries and
        everything else go on afterwards. An open snapshot is waited for for half a second and then
        taken away: its next use raises `SnapshotTooOldError`.

        No other process may have the database open; one that opens it meanwhile waits. Interrupted
        or killed at any moment, it leaves the file as it was, or the new one.

        Args:
            progress: Told how many bytes have been copied.

        Raises:
            AlreadyOpenError: Another process has it open; nothing was done. It says which.
            DatabaseFullError: There is no room for the copy.
            CorruptionError: The file is damaged; it is as it was.
            StorageError: The system failed.
        """
        refuse_inside()
        told = in_bytes("compacting the file", progress)
        return CompactReport(*self._store.environment.compact(told))

    def _between_batches(self, function: Callable[[WriteTransaction], T]) -> T:
        """Run a storage transaction when it is its turn among the commits of this process."""
        results: list[T] = []
        environment = self._store.environment
        self._store.committer.call(lambda: results.append(environment.run_write(function)))
        return results[-1]

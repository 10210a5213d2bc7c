"""The past: what documents were, and when they changed."""

from contextlib import closing
from datetime import datetime
from typing import Any

from headwater.functions.purity import refuse_inside
from headwater.schema.tables import Id
from headwater.tables.moments import moment_of
from headwater.tables.reports import DocumentChange, Revision
from headwater.verbs.opened import Opened


class PastVerbs(Opened):
    """Reads of what was."""

    def history(self, id: Id[Any]) -> list[Revision]:
        """Every version of a document, newest first, also of one that was deleted.

        Each `Revision` has the timestamp and the origin of its commit, the document, and how it
        differs from the version before. O(number of versions).

        Raises:
            InvalidIdError: The string is no id.
        """
        from headwater.tables.history import history

        refuse_inside()
        snapshot = self._store.snapshot()
        try:
            return history(snapshot, id)
        finally:
            snapshot.close()

    def diff(self, first: int | datetime, second: int | datetime) -> list[DocumentChange]:
        """Documents that differ between two moments, by table and id.

        The net effect: what was changed and changed back is not listed. O(commits between the
        moments), however large the tables are.

        Args:
            first: The state after all commits up to that moment: nanoseconds since the epoch, or an
                aware datetime. A moment after the newest commit is the newest state.
            second: The state that it is compared with, in the same way. If it is the earlier one,
                the differences lead back: applied to the first state they give the second.

        Raises:
            ArgumentError: One of them is no moment.
            LogTrimmedError: The log does not reach back to one of them.
        """
        from headwater.tables.past_difference import difference

        refuse_inside()
        moments = moment_of(first, "first"), moment_of(second, "second")
        with closing(self._store.snapshot()) as snapshot:
            return difference(snapshot, *moments)

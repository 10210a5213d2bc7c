"""The past: what documents were, and when they changed."""

from typing import Any

from headwater.functions.purity import refuse_inside
from headwater.schema.tables import Id
from headwater.tables.reports import Revision
from headwater.verbs.opened import Opened


class PastVerbs(Opened):
    """Reads of what was."""

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

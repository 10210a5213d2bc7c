"""The keys that a commit touched, for conflict checks and for live queries."""

from bisect import bisect_left
from collections.abc import Collection, Set

from headwater.tables.snapshot import DOCUMENTS_SPACE


class CommitKeys:
    """Old and new key of each changed document, in every index of its table.

    A key appears although it did not change: whoever read it through the index has read the
    document behind it.

    Attributes:
        ts: Timestamp of the commit.
        previous_ts: Timestamp of the commit before it; a gap means that another process
            committed in between.
        function: The function that made it, or empty.
        documents: Keys of the changed documents.
        index_keys: Logical keys by index space, in no order.
        changes_catalog: Whether a table or an index was created, changed or dropped.
    """

    __slots__ = (
        "_sorted",
        "changes_catalog",
        "documents",
        "function",
        "index_keys",
        "previous_ts",
        "ts",
    )

    def __init__(
        self,
        ts: int,
        previous_ts: int,
        function: str,
        documents: Set[bytes],
        index_keys: dict[int, list[bytes]],
        *,
        changes_catalog: bool,
    ) -> None:
        self.ts: int = ts
        self.previous_ts: int = previous_ts
        self.function: str = function
        self.documents: Set[bytes] = documents
        self.index_keys: dict[int, list[bytes]] = index_keys
        self.changes_catalog: bool = changes_catalog
        self._sorted: dict[int, list[bytes]] = {}

    def first_within(self, space: int, low: bytes, high: bytes) -> bytes | None:
        """The least touched key of the space within ``[low, high)``. O(log n) once sorted."""
        keys = self._sorted.get(space)
        if keys is None:
            keys = self._sorted[space] = sorted(self.keys_of(space))
        at = bisect_left(keys, low)
        return keys[at] if at < len(keys) and keys[at] < high else None

    def keys_of(self, space: int) -> list[bytes]:
        """Touched keys of one space, in no order."""
        if space == DOCUMENTS_SPACE:
            return list(self.documents)
        return self.index_keys.get(space, [])

    def by_space(self) -> dict[int, Collection[bytes]]:
        """The touched keys of every space, in no order."""
        return {DOCUMENTS_SPACE: self.documents, **self.index_keys}

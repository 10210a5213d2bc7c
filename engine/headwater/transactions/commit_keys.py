"""The keys that a commit touched, for conflict checks and for live queries."""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from headwater.tables.snapshot import DOCUMENTS_SPACE

_FEW: Final = 16
"""Up to here a look at each key is as fast as one into a set."""


class CommitKeys:
    """Old and new key of each changed document, in every index of its table.

    A key appears although it did not change: whoever read it through the index has read the
    document behind it.

    Thousands of these are kept. Tuples of bytes are no work for the collector of garbage, which
    dicts, lists and sets are: it would look at all objects of the program the more often.

    Attributes:
        ts: Timestamp of the commit.
        previous_ts: Timestamp of the commit before it; a gap means that another process
            committed in between.
        function: The function that made it, or empty.
        documents: Keys of the changed documents, each once.
        spaces: The spaces of the indexes in which it touched keys.
        changes_catalog: Whether a table or an index was created, changed or dropped.
    """

    __slots__ = (
        "_keys",
        "_sorted",
        "changes_catalog",
        "documents",
        "function",
        "previous_ts",
        "spaces",
        "ts",
    )

    def __init__(
        self,
        ts: int,
        previous_ts: int,
        function: str,
        documents: Collection[bytes],
        index_keys: Mapping[int, Sequence[bytes]],
        *,
        changes_catalog: bool,
    ) -> None:
        """Take the keys of a commit.

        Args:
            ts: As above.
            previous_ts: As above.
            function: As above.
            documents: As above.
            index_keys: Logical keys by index space, in no order.
            changes_catalog: As above.
        """
        self.ts: int = ts
        self.previous_ts: int = previous_ts
        self.function: str = function
        few = len(documents) <= _FEW
        self.documents: Collection[bytes] = tuple(documents) if few else frozenset(documents)
        self.spaces: tuple[int, ...] = tuple(index_keys)
        self._keys = tuple(map(tuple, index_keys.values()))
        self.changes_catalog: bool = changes_catalog
        self._sorted: dict[int, list[bytes]] | None = None

    def first_within(self, space: int, low: bytes, high: bytes) -> bytes | None:
        """The least touched key of the space within ``[low, high)``. O(log n) once sorted."""
        known = self._sorted
        if known is None:
            known = self._sorted = {}
        keys = known.get(space)
        if keys is None:
            keys = known[space] = sorted(self.keys_of(space))
        at = bisect_left(keys, low)
        return keys[at] if at < len(keys) and keys[at] < high else None

    def keys_of(self, space: int) -> Collection[bytes]:
        """Touched keys of one space, in no order."""
        if space == DOCUMENTS_SPACE:
            return self.documents
        return self._keys[self.spaces.index(space)] if space in self.spaces else ()

    def by_space(self) -> dict[int, Collection[bytes]]:
        """The touched keys of every space, in no order."""
        return {DOCUMENTS_SPACE: self.documents, **dict(zip(self.spaces, self._keys, strict=True))}

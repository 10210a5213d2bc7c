"""Every record that a damaged data file still has, found without LMDB and checked one by one.

The trees are walked as far as they can be. Where one of them is damaged, all pages are searched
besides, also those that no tree leads to: LMDB never writes over a page that counts, so the space
that it is going to use again has older copies of most pages. What is found there is *stray*: it
may be older than what was lost, or of a commit that never happened. Who uses it has to ask
whether something that counts refers to it.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from headwater.errors import CorruptionError
from headwater.storage.commit_log import Commit, decode_commit
from headwater.storage.format import TIMESTAMP, Database, open_document, timestamp_of, unseal
from headwater.storage.pages import IS_TREE, NO_PAGE, Head, Node, Pages, Place, root_of_tree

_ID_BYTES: Final = range(31, 38)
_LMDB_MAGIC: Final = 0xBEEFC0DE


class Found(NamedTuple):
    """A version of a document: the commit that wrote it, and where it is."""

    ts: int
    place: Place


class Salvage:
    """The sound records of a data file. Holds places, not contents; use it in a ``with`` block.

    Attributes:
        commits: The log, by timestamp.
        older_commits: The log as of one transaction before, if the log is damaged.
        documents: The tables, by id.
        tombstones: Timestamps of the commits that deleted documents, by id.
        meta: What there is one of.
        stray_commits: Sound commits outside of the log's tree, all copies that differ.
        stray_documents: Sound versions of documents outside of the tree of documents.
        damage: What could not be read, a line for each.
        unsound: Timestamps of the commits that are there and are not what was written.
        unsound_documents: Ids of such documents.
        is_log_damaged: Whether a part of the log's tree cannot be read, or a newer one.
        is_searched: Whether all pages were searched.
    """

    def __init__(self, path: Path) -> None:
        self.commits: dict[int, Place] = {}
        self.older_commits: dict[int, Place] = {}
        self.documents: dict[str, Found] = {}
        self.tombstones: dict[str, int] = {}
        self.meta: dict[bytes, bytes] = {}
        self.stray_commits: dict[int, list[Place]] = {}
        self.stray_documents: dict[str, list[Found]] = {}
        self.damage: list[str] = []
        self.unsound: set[int] = set()
        self.unsound_documents: set[str] = set()
        self.is_log_damaged: bool = False
        self.is_searched: bool = False
        self._pages = Pages(path)
        newest, *older = self._ordered_roots()
        self._read_log(newest)
        self._read_documents(newest)
        self._read_others(newest)
        if self.is_log_damaged:
            for roots in older:
                self._read_older_log(roots)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pages.__exit__(kind, error, traceback)

    def commit(self, place: Place) -> Commit | None:
        """The commit at a place; None if it is sound and of another format."""
        node = self._pages.node(place)
        try:
            return decode_commit(node.key, node.value or b"")
        except CorruptionError:
            return None

    def document(self, found: Found) -> tuple[float, bytes]:
        """Creation time and packed fields of a version."""
        node = self._pages.node(found.place)
        _, creation_time, body = open_document(node.key, node.value or b"")
        return creation_time, body

    def search(self) -> None:
        """Look at every page for commits and documents. O(file). Does nothing again."""
        if self.is_searched:
            return
        self.is_searched = True
        for page in range(2, self._pages.count):
            for place in self._pages.nodes(page):
                self._consider(place)

    # The trees ----------------------------------------------------------------------------------

    def _ordered_roots(self) -> list[dict[bytes, int]]:
        """The roots of both heads, those first whose records are newer.

        LMDB takes the head with the greater transaction number; that number has no checksum, and
        the records have.
        """
        heads = [head for head in self._pages.heads if head.magic == _LMDB_MAGIC]
        heads.sort(key=lambda head: -head.transaction)  # equal records: as LMDB does
        scored = [(self._newest_ts(roots := self._roots(head)), roots) for head in heads]
        ordered = sorted(scored, key=lambda score: -score[0])
        if len(heads) < 2 or ordered != scored:
            # Without the other head, nobody knows whether it was the newer one.
            self.damage.append("a head is damaged")
            self.is_log_damaged = True
        return [roots for _, roots in ordered] or [{}]

    def _newest_ts(self, roots: dict[bytes, int]) -> int:
        log = map(self._sound_ts, self._leaves(Database.LOG, roots, []))
        documents = self._leaves(Database.DOCUMENTS, roots, [])
        written = (_document_ts(self._pages.node(place)) for place in documents)
        return max(max(log, default=0), max(written, default=0))

    def _roots(self, head: Head) -> dict[bytes, int]:
        nodes = map(self._pages.node, self._pages.leaves(head.roots[1], []))
        return {node.key: root_of_tree(node.value or b"") for node in nodes if node.flags & IS_TREE}

    def _leaves(
        self, database: Database, roots: dict[bytes, int], damage: list[str]
    ) -> Iterator[Place]:
        name = database.name_on_disk
        if name not in roots:
            damage.append(f"the tree {name.decode()} is not to be found")
        return self._pages.leaves(roots.get(name, NO_PAGE), damage)

    def _sound_ts(self, place: Place) -> int:
        """The timestamp of a sound commit, 0 for anything else."""
        node = self._pages.node(place)
        return _ts_of(node) if _is_commit(node) else 0

    def _read_log(self, roots: dict[bytes, int]) -> None:
        before = len(self.damage)
        for place in self._leaves(Database.LOG, roots, self.damage):
            node = self._pages.node(place)
            if _is_commit(node):
                self.commits[_ts_of(node)] = place
            else:
                self.unsound.add(_ts_of(node))
                self.damage.append(f"commit {_ts_of(node)} is not what was written")
        self.is_log_damaged |= len(self.damage) > before

    def _read_older_log(self, roots: dict[bytes, int]) -> None:
        for place in self._leaves(Database.LOG, roots, []):
            if ts := self._sound_ts(place):
                self.older_commits[ts] = place

    def _read_documents(self, roots: dict[bytes, int]) -> None:
        for place in self._leaves(Database.DOCUMENTS, roots, self.damage):
            node = self._pages.node(place)
            ts = _document_ts(node)
            if ts:
                self.documents[node.key.decode("ascii")] = Found(ts, place)
            else:
                self.unsound_documents.add(node.key.decode("ascii", "backslashreplace"))
                self.damage.append(f"document {node.key!r} is not what was written")

    def _read_others(self, roots: dict[bytes, int]) -> None:
        for place in self._leaves(Database.DELETED, roots, self.damage):
            key, value, _ = self._pages.node(place)
            if len(key) in _ID_BYTES and key.isascii() and value and len(value) == TIMESTAMP.size:
                self.tombstones[key.decode("ascii")] = TIMESTAMP.unpack(value)[0]
        for place in self._leaves(Database.META, roots, self.damage):
            key, value, _ = self._pages.node(place)
            if value is not None:
                self.meta[key] = value

    # All pages ----------------------------------------------------------------------------------

    def _consider(self, place: Place) -> None:
        node = self._pages.node(place)
        if _is_commit(node):
            ts = _ts_of(node)
            copies = self.stray_commits.setdefault(ts, [])
            if ts not in self.commits and node not in [self._pages.node(at) for at in copies]:
                copies.append(place)
        elif ts := _document_ts(node):
            id_text = node.key.decode("ascii")
            versions = self.stray_documents.setdefault(id_text, [])
            if all(version.ts != ts for version in versions):
                versions.append(Found(ts, place))


def _is_commit(node: Node) -> bool:
    return (
        len(node.key) == TIMESTAMP.size
        and node.value is not None
        and unseal(node.key, node.value) is not None
        and _ts_of(node) > 0
    )


def _ts_of(node: Node) -> int:
    try:
        return timestamp_of(node.key)
    except CorruptionError:
        return 0


def _document_ts(node: Node) -> int:
    """The commit of a sound version of a document; 0 for anything else."""
    if len(node.key) not in _ID_BYTES or not node.key.isascii() or node.value is None:
        return 0
    try:
        return open_document(node.key, node.value)[0]
    except CorruptionError:
        return 0

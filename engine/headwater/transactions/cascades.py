"""Large cascades: what hangs on deleted documents, deleted in steps that each are one transaction.

The transaction that deletes a document commits, with it, a document of ``_cascades`` that says
whose references are still to be followed. From then on nobody finds the deleted document, and
nothing new can refer to it. What hangs on it is deleted from above: a document goes before those
that refer to it, so that whoever finds it finds all of them.

A step follows some references and writes down what is left, in one commit: so each is followed
once, whoever takes the step, and a kill costs no more than the step in hand.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice, repeat
from typing import Any, ClassVar, TypedDict

from headwater.errors import UsageError
from headwater.schema.tables import Document, Index, Table
from headwater.storage.codec import pack
from headwater.tables.catalog import CASCADES, TableInfo
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.references import referring
from headwater.transactions.transaction import Transaction


class Pending(TypedDict):
    """Deleted documents of one table that others still refer to."""

    table: str
    ids: list[str]


class Cascade(Document["Cascade"]):
    """The deletion of documents on which more hangs than one transaction takes along.

    It is there until all of that is deleted. ``roots`` are the documents that were to be deleted,
    ``pending`` those whose references are to be followed next, the last ones first; ``deleted`` and
    ``changed`` count documents so far.
    """

    table: str
    roots: list[str]
    pending: list[Pending]
    deleted: int
    changed: int


class Cascades(Table[Cascade], name=CASCADES, number=1040):
    """The cascades that are under way."""

    by_table: ClassVar[Index] = Index("table")


def begin_cascades(transaction: Transaction, roots: Mapping[str, TableInfo]) -> None:
    """Note that what hangs on documents is to be deleted after this transaction."""
    by_table: dict[str, list[str]] = {}
    for id, table in roots.items():
        if _has_more(transaction, table, id):
            by_table.setdefault(table.name, []).append(id)
    cascades = transaction.table_for_writing(CASCADES)
    size = transaction.usage.limits.cascade_documents
    for name, ids in by_table.items():
        for at in range(0, len(ids), size):
            chunk = ids[at : at + size]
            pending: list[Pending] = [{"table": name, "ids": chunk}]
            counts = {"deleted": 0, "changed": 0}
            fields = {"table": name, "roots": chunk, "pending": pending, **counts}
            new_id, creation_time = transaction.new_id(cascades)
            transaction.insert(cascades, new_id, creation_time, fields, pack(fields))


def underway(transaction: Transaction) -> Iterator[dict[str, Any]]:
    """The cascades that are under way, the oldest first; the transaction depends on them."""
    table = transaction.table(CASCADES)
    if table is None:
        return
    read = transaction.reads.open_range(DOCUMENTS_SPACE, *table.bounds, 0, reverse=False)
    for keys, documents in transaction.chunks(table, None, read, repeat(1)):
        read.last = keys[-1] if keys else read.last
        yield from documents
    read.exhausted = True


def has_cascades(transaction: Transaction) -> bool:
    """Whether one is under way."""
    return next(underway(transaction), None) is not None


def check_not_pending(transaction: Transaction, ids: Set[str]) -> None:
    """Refuse to bring back documents while a cascade follows the references to them.

    Some of what hung on them may be deleted already.

    Raises:
        UsageError: One of them is such a document.
    """
    for cascade in underway(transaction):
        for group in cascade["pending"]:
            for id in ids & set(group["ids"]):
                raise UsageError(
                    f"{id} of {group['table']!r} cannot come back while what referred to it is "
                    "being deleted. Undo the commit that deleted it, which brings all of that "
                    "back, or wait until db.query on hw.Cascades finds none"
                )


def unset(transaction: Transaction, id: str, names: Iterable[str]) -> None:
    """Remove fields of a document that is there."""
    existing = transaction.existing(id.encode("ascii"))
    table = transaction.snapshot.catalog.table_of(id)
    assert existing is not None, f"{id} is in an index and not in its table"
    assert table is not None, f"{id} is in an index of its table"
    gone = set(names)
    fields = {name: value for name, value in existing.fields.items() if name not in gone}
    transaction.update(table, id, existing, fields, pack(fields))


def advance(transaction: Transaction, id: str) -> bool:
    """Take one step of a cascade; returns whether anything is left to do.

    O(``limits.cascade_documents``).

    Args:
        transaction: Takes the step.
        id: The document of the cascade; if it is not there, the cascade has ended.
    """
    existing = transaction.existing(id.encode("ascii"))
    if existing is None:
        return False
    cascades = transaction.table_for_writing(CASCADES)
    step = _Step(transaction, existing.fields["pending"])
    step.take()
    if not step.pending:
        transaction.remove(cascades, id, existing)
        return False
    fields = {
        **existing.fields,
        "pending": step.pending,
        "deleted": existing.fields["deleted"] + step.deleted,
        "changed": existing.fields["changed"] + step.changed,
    }
    transaction.update(cascades, id, existing, fields, pack(fields))
    return True


class _Step:
    """Follows references, depth first, so that what is pending stays little.

    Attributes:
        pending: What is left.
        deleted: Documents that were deleted.
        changed: Documents that lost a field.
    """

    def __init__(self, transaction: Transaction, pending: Sequence[Pending]) -> None:
        self._transaction = transaction
        self.pending: list[Pending] = list(pending)
        self.deleted: int = 0
        self.changed: int = 0

    @property
    def _left(self) -> int:
        """Documents that may still be written."""
        limits = self._transaction.usage.limits
        return limits.cascade_documents - self.deleted - self.changed

    def take(self) -> None:
        """Follow as many references as a step may."""
        while self.pending and self._left > 0:
            group = self.pending[-1]
            if not group["ids"]:
                self.pending.pop()
                continue
            id = group["ids"].pop()
            table = self._transaction.table(group["table"])
            # It may have been brought back meanwhile, and then keeps what hangs on it.
            if table is not None and not self._transaction.exists(id.encode("ascii")):
                self._follow(group, table, id)

    def _follow(self, group: Pending, table: TableInfo, id: str) -> None:
        """Delete or change what refers to a document that was deleted, as far as may be."""
        below: list[Pending] = []
        for referrer in table.referrers:
            if referrer.on_delete == "restrict":
                continue  # looked for before anything was deleted
            children = list(islice(referring(self._transaction, referrer, id), self._left))
            if referrer.on_delete == "set_missing":
                for child in children:
                    unset(self._transaction, child, [referrer.field])
                self.changed += len(children)
            else:
                below.append(self._delete(referrer.table, children))
        if self._left <= 0:
            group["ids"].append(id)  # there may be more
        self.pending += [one for one in below if one["ids"]]

    def _delete(self, name: str, ids: Sequence[str]) -> Pending:
        """Delete documents of one table; returns those that others refer to."""
        table = self._transaction.tables[name]
        for id in ids:
            existing = self._transaction.existing(id.encode("ascii"))
            assert existing is not None, f"{id} is in an index and not in its table"
            self._transaction.remove(table, id, existing)
        self.deleted += len(ids)
        return {
            "table": name,
            "ids": [id for id in ids if _has_more(self._transaction, table, id)],
        }


def _has_more(transaction: Transaction, table: TableInfo, id: str) -> bool:
    """Whether a document is referred to in a way that its deletion has to follow."""
    return any(
        next(referring(transaction, referrer, id), None) is not None
        for referrer in table.referrers
        if referrer.on_delete != "restrict"
    )

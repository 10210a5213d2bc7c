"""Documents deleted together with what references to them want.

All that hangs on them is found first, then all of it is written, in the same transaction. If that
is more than ``limits.cascade_documents``, the transaction deletes only what it was asked to, and
notes in ``_cascades`` what is left to do: see `headwater.transactions.cascades`.
"""

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Final, NamedTuple

from headwater.errors import ReferencedError
from headwater.tables.catalog import TableInfo
from headwater.tables.reference_graph import Referrer
from headwater.transactions.cascades import begin_cascades, unset
from headwater.transactions.references import referring
from headwater.transactions.transaction import Transaction

_SHOWN_MAX: Final = 5
"""Documents that an error names."""


class Consequences(NamedTuple):
    """What follows from the deletion of documents.

    Attributes:
        deleted: All that is deleted, with their tables; first those that were asked for.
        unset: Fields that are removed from others, by id.
    """

    deleted: dict[str, TableInfo]
    unset: dict[str, list[str]]


def delete_documents(
    transaction: Transaction, roots: Mapping[str, TableInfo], *, is_strict: bool = False
) -> None:
    """Delete documents and do what references to them want.

    Args:
        transaction: Sees all of them.
        roots: The documents and their tables.
        is_strict: Whether every reference holds what it names, whatever it wants otherwise.

    Raises:
        ReferencedError: One of them, or what would be deleted along with them, is held by a
            document that stays. Nothing was written.
    """
    if is_strict:
        _check_holders(transaction, roots, is_strict=True)
        found: Consequences | None = Consequences(dict(roots), {})
    else:
        found = _consequences(transaction, roots)
    if found is None:
        _check_all_holders(transaction, roots)
        begin_cascades(transaction, roots)
        found = Consequences(dict(roots), {})
    elif not is_strict:
        _check_holders(transaction, found.deleted, is_strict=False)
    _write(transaction, found)


def _consequences(transaction: Transaction, roots: Mapping[str, TableInfo]) -> Consequences | None:
    """What follows; None if that is more than this transaction may take along."""
    found = Consequences(dict(roots), {})
    waiting = deque(roots.items())
    left = transaction.usage.limits.cascade_documents - transaction.cascaded
    while waiting:
        id, table = waiting.popleft()
        for referrer in table.referrers:
            for child in _children(transaction, referrer, id, found, left + 1):
                left -= 1
                if left < 0:
                    return None
                if referrer.on_delete == "set_missing":
                    found.unset.setdefault(child, []).append(referrer.field)
                else:
                    found.deleted[child] = transaction.tables[referrer.table]
                    waiting.append((child, found.deleted[child]))
    transaction.cascaded = transaction.usage.limits.cascade_documents - left
    return found


def _children(
    transaction: Transaction, referrer: Referrer, id: str, found: Consequences, count: int
) -> list[str]:
    """The first of those that name a document and are not deleted anyway."""
    if referrer.on_delete == "restrict":
        return []
    others = (child for child in referring(transaction, referrer, id) if child not in found.deleted)
    return list(islice(others, count))


def _write(transaction: Transaction, found: Consequences) -> None:
    for id, table in found.deleted.items():
        existing = transaction.existing(id.encode("ascii"))
        if existing is not None:
            transaction.remove(table, id, existing)
    for id, fields in found.unset.items():
        if id not in found.deleted:
            unset(transaction, id, fields)


# What stands in the way -------------------------------------------------------------------------


def _check_all_holders(transaction: Transaction, roots: Mapping[str, TableInfo]) -> None:
    """Check all that hangs on documents, however much that is, by indexes alone."""
    graph = transaction.snapshot.catalog.graph
    if not any(table.name in graph.restricted for table in roots.values()):
        return
    deleted = dict(roots)
    waiting = deque(roots.items())
    while waiting:
        id, table = waiting.popleft()
        for referrer in table.referrers:
            if referrer.on_delete == "cascade" and referrer.table in graph.connected:
                below = transaction.tables[referrer.table]
                for child in referring(transaction, referrer, id):
                    if child not in deleted:
                        deleted[child] = below
                        waiting.append((child, below))
    _check_holders(transaction, deleted, is_strict=False)


def _check_holders(
    transaction: Transaction, deleted: Mapping[str, TableInfo], *, is_strict: bool
) -> None:
    """Refuse if a document that stays holds one that is deleted."""
    for id, table in deleted.items():
        for referrer in table.referrers:
            if is_strict or referrer.on_delete == "restrict":
                holders = (
                    child for child in referring(transaction, referrer, id) if child not in deleted
                )
                children = list(islice(holders, _SHOWN_MAX))
                if children:
                    raise _referenced(transaction, table, id, referrer, children)


def _referenced(
    transaction: Transaction, table: TableInfo, id: str, referrer: Referrer, children: list[str]
) -> ReferencedError:
    index = transaction.tables[referrer.table].index_of(referrer.field)
    name = "" if index is None else index.name
    more = ", ..." if len(children) == _SHOWN_MAX else ""
    return ReferencedError(
        f"{table.name}: {id} is not deleted, because documents of {referrer.table!r} refer to it "
        f"by {referrer.field!r} (index {name!r}): {', '.join(children)}{more}. Nothing was "
        "written. Delete those first, or let them refer to another one",
        id=id,
        table=referrer.table,
        field=referrer.field,
        index=name,
        children=children,
    )

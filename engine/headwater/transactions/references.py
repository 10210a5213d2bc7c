"""References held true: what a document names is there, and who names a document is found."""

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Final

from headwater.errors import DanglingReferenceError, DocumentNotFoundError, UsageError
from headwater.schema.references import ReferenceDefinition
from headwater.tables.catalog import IndexInfo, TableInfo
from headwater.tables.reference_graph import Referrer
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.read_set import RangeRead
from headwater.transactions.transaction import Fields, Transaction
from headwater_indexes.definition import range_bounds

_ROWS_AT_ONCE: Final = 256


def check_references(
    transaction: Transaction,
    table: TableInfo,
    id: str,
    fields: Fields,
    before: Fields | None = None,
    is_shown: Callable[[str], bool] | None = None,
) -> list[str]:
    """Check that what a document names is there; the transaction depends on it.

    What a running cascade has not reached yet may still be named, and will be deleted as if it had
    been named before. What could then not be deleted is refused: see `is_kept`.

    Args:
        transaction: About to write the document.
        table: Its table.
        id: The document; empty for a new one.
        fields: Its fields, of the right types.
        before: Its fields as they are; what it names already is not looked at again.
        is_shown: Whether whoever writes may know of a document that is there; None if of all.

    Returns:
        The ids that it has not named before.

    Raises:
        DanglingReferenceError: One of them is not there, or not shown, which is told alike.
        DocumentNotFoundError: The document itself is about to be deleted, and would get away.
    """
    new: list[str] = []
    graph = transaction.snapshot.catalog.graph
    for reference in table.references:
        target = fields.get(reference.field)
        old = None if before is None else before.get(reference.field)
        if target == old:
            continue
        is_above = reference.on_delete == "cascade"
        if old is not None and is_above and table.name in graph.connected:
            _refuse_escape(transaction, table, id, old)
        if target is None:
            continue
        has_others_below = before is not None and table.name in graph.restricted
        if reference.on_delete == "restrict" or (is_above and has_others_below):
            is_there = is_kept(transaction, target)
        else:
            is_there = transaction.exists(target.encode("ascii"))
        if not is_there or (is_shown is not None and not is_shown(target)):
            raise _dangling(table, id, reference, target)
        new.append(target)
    return new


def is_kept(transaction: Transaction, id: str) -> bool:
    """Whether a document is there, and no running cascade is about to reach it.

    That is so if all that it hangs on is there as well; the transaction depends on that.
    O(documents that it hangs on).

    A running cascade counts on it that nothing holds what it is about to delete, and that what
    holds something of that is deleted, too.
    """
    waiting, seen = [id], {id}
    while waiting:
        current = waiting.pop()
        fields = transaction.read(current.encode("ascii"))
        if fields is None:
            return False
        table = transaction.snapshot.catalog.table_of(current)
        for reference in () if table is None else table.references:
            above: str | None = fields.get(reference.field)
            if reference.on_delete == "cascade" and above is not None and above not in seen:
                seen.add(above)
                waiting.append(above)
    return True


def _refuse_escape(transaction: Transaction, table: TableInfo, id: str, above: str) -> None:
    if not is_kept(transaction, above):
        raise DocumentNotFoundError(
            f"cannot change what {id!r} of {table.name!r} refers to: {above} was deleted, and this "
            "document is about to be deleted with it",
            id=id,
        )


def _dangling(
    table: TableInfo, id: str, reference: ReferenceDefinition, target: str
) -> DanglingReferenceError:
    """The error for a document that names one that is not there."""
    return DanglingReferenceError(
        f"{table.name} ({id or 'insert'}): field {reference.field!r} refers to {target!r}, and "
        f"there is no such document in {reference.table!r}, or it is being deleted; insert it "
        "first, or name another one",
        table=table.name,
        field=reference.field,
        target=target,
    )


# Who names a document ---------------------------------------------------------------------------


def index_of_reference(table: TableInfo, target: TableInfo | None, by: str | None) -> str:
    """The name of the index that has who refers to a document.

    Args:
        table: The table of those that refer.
        target: That of the document; None if its id is of no table here.
        by: The field, None for the only one that refers to that table.

    Raises:
        UsageError: There is no such reference, or there are several.
    """
    fields = [
        reference.field
        for reference in table.references
        if target is not None and reference.table == target.name and by in (None, reference.field)
    ]
    if len(fields) != 1:
        raise _not_one_reference(table, target, by, fields)
    index = table.index_of(fields[0]) or _declared_index(table, fields[0])
    return index.name


def _not_one_reference(
    table: TableInfo, target: TableInfo | None, by: str | None, fields: Sequence[str]
) -> UsageError:
    named = "a document of no table here" if target is None else f"documents of {target.name!r}"
    if fields:
        return UsageError(
            f"documents of {table.name!r} refer to {named} by several fields: "
            f"{', '.join(map(repr, fields))}; say which with by=..."
        )
    where = "" if by is None else f" in a field {by!r}"
    known = ", ".join(f"{one.field!r} to {one.table!r}" for one in table.references)
    return UsageError(
        f"documents of {table.name!r} have no reference to {named}{where}; they have "
        f"{known or 'none'}. Declare it: Annotated[Id[...], hw.references(on_delete=...)], or read "
        "an index of your own: query(...).with_index(...)"
    )


def _declared_index(table: TableInfo, field: str) -> IndexInfo:
    """The index of a reference that is still being filled."""
    return next(index for index in table.indexes if index.definition.fields[0] == field)


def referring(transaction: Transaction, referrer: Referrer, target: str) -> Iterator[str]:
    """Ids of the documents that name another one in one of their fields, in order.

    They are those of the moment when the iteration begins; the transaction depends on what it
    consumes. O(their number) by an index; while that is being filled, O(documents of the table).
    """
    table = transaction.table(referrer.table)
    index = None if table is None else table.index_of(referrer.field)
    if table is not None and index is not None:
        low, high, _ = range_bounds(index.definition, (target,))
        yield from transaction.ids(table, index, low, high)
    elif table is not None:
        yield from _looked_for(transaction, table, referrer.field, target)


def _looked_for(
    transaction: Transaction, table: TableInfo, field: str, target: str
) -> Iterator[str]:
    """The same without an index."""
    read = RangeRead(DOCUMENTS_SPACE, *table.bounds, 0, reverse=False)
    transaction.reads.add_range(DOCUMENTS_SPACE, *table.bounds, 0)
    for _, documents in transaction.chunks(table, None, read, repeat(_ROWS_AT_ONCE)):
        for document in documents:
            if document.get(field) == target:
                yield document["_id"]

"""References that name no document, as a snapshot has them."""

from collections.abc import Iterator
from typing import NamedTuple

from headwater.storage.format import Database
from headwater.tables.catalog import Catalog, IndexInfo, TableInfo
from headwater.tables.snapshot import Snapshot
from headwater_indexes.intervals import KEYS_END
from headwater_indexes.keys import component_ends, decode, prefix_end

_AT_ONCE = 512


class Dangling(NamedTuple):
    """A document that names one that is not there.

    Attributes:
        table: Name of its table.
        id: The document; the first of those that name the same one, where an index says it.
        field: Its field.
        target: What it names.
    """

    table: str
    id: str
    field: str
    target: str


def dangling_in(snapshot: Snapshot, table: TableInfo) -> Iterator[Dangling]:
    """References of one table that name no document. O(documents that are named), by indexes."""
    for reference in table.references:
        index = table.index_of(reference.field)
        if index is None:
            named = _named_by_documents(snapshot, table, reference.field)
        else:
            named = _named_by_index(snapshot, table, index)
        for id, target in _absent(snapshot, named):
            yield Dangling(table.name, id, reference.field, target)


def dangling_to(snapshot: Snapshot, catalog: Catalog, table: TableInfo) -> Iterator[Dangling]:
    """The same of the references of other tables to one."""
    for name in dict.fromkeys(referrer.table for referrer in table.referrers):
        fields = {one.field for one in table.referrers if one.table == name}
        found = dangling_in(snapshot, catalog.by_name[name])
        yield from (one for one in found if one.field in fields)


def _named_by_index(
    snapshot: Snapshot, table: TableInfo, index: IndexInfo
) -> Iterator[tuple[str, str]]:
    """Each value of an index's first field once, with the first document that has it."""
    low = b""
    while keys := snapshot.first_entries(index, low, KEYS_END, 1, reverse=False):
        key = keys[0]
        first = key[: component_ends(key, 1)[0]]
        (target,) = decode(first)
        if type(target) is str and target:
            yield key[-table.id_length :].decode("ascii"), target
        low = prefix_end(first)


def _named_by_documents(
    snapshot: Snapshot, table: TableInfo, field: str
) -> Iterator[tuple[str, str]]:
    """What each document names, while the index is still being filled."""
    for document in snapshot.decode(snapshot.records(*table.bounds, reverse=False)):
        target = document.get(field)
        if type(target) is str and target:
            yield document["_id"], target


def _absent(snapshot: Snapshot, named: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Those whose target is not there."""
    chunk: list[tuple[str, str]] = []
    for pair in named:
        chunk.append(pair)
        if len(chunk) == _AT_ONCE:
            yield from _look_up(snapshot, chunk)
            chunk = []
    yield from _look_up(snapshot, chunk)


def _look_up(snapshot: Snapshot, chunk: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    keys = [target.encode("utf-8") for _, target in chunk]
    records = snapshot.reader.get_many(Database.DOCUMENTS, keys)
    return (pair for pair, record in zip(chunk, records, strict=True) if record is None)

"""All documents of a service's table, however many, in portions of one snapshot each."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any, Final, TypeVar, cast

from headwater.schema.tables import AnyDocument, Table
from headwater.tables.records import count_documents, decode_document
from headwater.transactions.store import Store

E = TypeVar("E", bound=AnyDocument)

_AT_ONCE: Final = 1000


def documents_of(store: Store, table: type[Table[E]]) -> Iterator[E]:
    """The documents by id; one that changes meanwhile is there as it was or as it is."""
    low: bytes | None = None
    while True:
        with closing(store.snapshot()) as snapshot:
            info = snapshot.catalog.by_name.get(table.table_name)
            if info is None:
                return
            begin, end = info.bounds
            records = snapshot.records(low or begin, end, reverse=False)
            chunk = list(islice(records, _AT_ONCE))
        for key, record in chunk:
            document: Any = decode_document(key, record)
            yield cast("E", document)
        if len(chunk) < _AT_ONCE:
            return
        low = chunk[-1][0] + b"\x00"


def count_of(store: Store, table: type[Table[Any]]) -> int:
    """How many documents there are. O(their number)."""
    with closing(store.snapshot()) as snapshot:
        info = snapshot.catalog.by_name.get(table.table_name)
        return 0 if info is None else count_documents(snapshot.reader, info.bounds)

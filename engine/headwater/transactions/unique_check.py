"""Documents that share a key of an index that is about to become unique."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from headwater.tables.catalog import IndexInfo, TableInfo
from headwater.transactions.store import Store
from headwater.transactions.transaction import Transaction
from headwater_indexes.intervals import KEYS_END
from headwater_indexes.keys import decode, prefix_end
from headwater_indexes.values import MISSING

SHOWN_MAX: Final = 5
"""Offending documents that an error names."""


@dataclass(slots=True)
class Duplicates:
    """What was found.

    Attributes:
        first: The first documents that have the key of another one, each with the reason.
        keys: Their encoded fields.
        total: How many there are.
    """

    first: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    keys: list[bytes] = field(default_factory=list[bytes])
    total: int = 0

    def __bool__(self) -> bool:
        return self.total > 0

    def add(self, index: IndexInfo, fields: bytes, id_text: str, holder: str) -> None:
        """Note a document that has the key of another one."""
        self.total += 1
        if self.total <= SHOWN_MAX:
            pairs = zip(index.definition.fields, decode(fields), strict=True)
            shown = ", ".join(f"{name}={value!r}" for name, value in pairs)
            self.first.append((id_text, f"has {shown}, as {holder} has"))
            self.keys.append(fields)


def find_duplicates(store: Store, table: TableInfo, index: IndexInfo) -> tuple[Duplicates, int]:
    """Look through a filled index, on several snapshots so that none is held for long.

    Returns:
        What was found, and the timestamp of the first snapshot: keys that were changed later may
        have been missed.
    """
    found, seen_ts = Duplicates(), -1
    last, before, holder = b"", b"", ""
    limit = store.limits.backfill_documents
    while True:
        with closing(store.snapshot()) as snapshot:
            seen_ts = snapshot.ts if seen_ts < 0 else seen_ts
            entries = snapshot.entries(index, last, KEYS_END, reverse=False)
            chunk = list(islice(entries, limit))
        for key in chunk:
            fields = index.fields_of(key, table.id_length)
            id_text = key[-table.id_length :].decode("ascii")
            if fields != before:
                before, holder = fields, id_text
            elif holder != id_text and MISSING not in decode(fields):
                found.add(index, fields, id_text, holder)
        if len(chunk) < limit:
            return found, seen_ts
        last = chunk[-1] + b"\x00"


def confirm(
    transaction: Transaction, table: TableInfo, index: IndexInfo, keys: Iterable[bytes]
) -> Duplicates:
    """Which of these encoded fields several documents have, as the transaction sees them."""
    found = Duplicates()
    for fields in sorted(set(keys)):
        if MISSING in decode(fields):
            continue
        bounds = fields, prefix_end(fields)
        holder = transaction.holder(table, index, *bounds, "")
        other = None if holder is None else transaction.holder(table, index, *bounds, holder)
        if holder is not None and other is not None:
            found.add(index, fields, other, holder)
    return found

"""Documents by their ids, many at once, with writes laid over them: storage is asked once."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from headwater.storage.format import DOCUMENTS
from headwater.tables.records import decode_body, decode_document
from headwater.tables.snapshot import Snapshot
from headwater.transactions.overlay import Overlay, Write


class Found(NamedTuple):
    """What was read.

    Attributes:
        documents: In the order of the keys; None for one that is not there.
        present: How many are there.
        size: Their size as stored.
    """

    documents: list[dict[str, Any] | None]
    present: int
    size: int


def documents_at(snapshot: Snapshot, layers: Sequence[Overlay], keys: Sequence[bytes]) -> Found:
    """The documents with those keys.

    Args:
        snapshot: What is stored.
        layers: The writes over it, the newest first.
        keys: The ids, as keys.
    """
    own = _newest_writes(layers, keys)
    stored = [key for key in keys if key not in own] if own else list(keys)
    remaining = iter(snapshot.reader.get_many(DOCUMENTS, stored))
    documents: list[dict[str, Any] | None] = []
    present = size = 0
    for key in keys:
        write = own.get(key)
        content = next(remaining) if write is None else write.body
        if content is None:
            documents.append(None)
            continue
        present += 1
        size += len(content)
        documents.append(
            decode_document(key, content)
            if write is None
            else decode_body(key, write.creation_time, content)
        )
    return Found(documents, present, size)


class FoundRows(NamedTuple):
    """Rows of a range.

    Attributes:
        keys: Those of the rows that are there, as they were given.
        documents: In the order of the keys.
        size: Their size as stored.
    """

    keys: list[bytes]
    documents: list[dict[str, Any]]
    size: int


def rows_at(
    snapshot: Snapshot, layers: Sequence[Overlay], keys: Sequence[bytes], ids: Sequence[bytes]
) -> FoundRows:
    """Rows whose keys a scan has found, without those that a write has deleted.

    Args:
        snapshot: What is stored.
        layers: The writes over it, the newest first.
        keys: Where the scan found the rows.
        ids: Their documents, one for each key.

    Raises:
        CorruptionError: One is neither stored nor written, or damaged.
    """
    own = _newest_writes(layers, ids)
    stored, size = snapshot.documents([id for id in ids if id not in own])
    found: list[bytes] = []
    documents: list[dict[str, Any]] = []
    for key, id in zip(keys, ids, strict=True):
        write = own.get(id)
        if write is None:
            document = next(stored)
        elif write.body is None:
            continue
        else:
            size += len(write.body)
            document = decode_body(id, write.creation_time, write.body)
        found.append(key)
        documents.append(document)
    return FoundRows(found, documents, size)


def _newest_writes(layers: Sequence[Overlay], keys: Iterable[bytes]) -> dict[bytes, Write]:
    found: dict[bytes, Write] = {}
    for layer in reversed(layers):
        written = layer.documents
        if written:
            found.update([(key, written[key]) for key in keys if key in written])
    return found

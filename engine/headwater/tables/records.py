"""A stored record and the document that a caller sees."""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from zlib import crc32

from headwater.storage.codec import unpack
from headwater.storage.format import DOCUMENT_HEADER, Database, open_document
from headwater.storage.transactions import ReadTransaction

_header_of: Final = DOCUMENT_HEADER.unpack_from
_BODY_AT: Final = DOCUMENT_HEADER.size


def decode_document(key: bytes, value: bytes) -> dict[str, Any]:
    """The document in a stored record: its fields, then ``_id`` and ``_creationTime``.

    Raises:
        CorruptionError: The record's checksum does not match.
    """
    # What open_document does, without the call: each read of a document goes through here.
    if len(value) < _BODY_AT:
        open_document(key, value)
    checksum, _, creation_time = _header_of(value)
    if crc32(value[4:], crc32(key)) != checksum:
        open_document(key, value)
    document: dict[str, Any] = unpack(value[_BODY_AT:])
    document["_id"] = key.decode("ascii")
    document["_creationTime"] = creation_time
    return document


def decode_documents(keys: Iterable[bytes], records: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The documents in stored records: what `decode_document` gives for each.

    Each is made when it is asked for: one that is used at once is still in the processor's cache.

    Raises:
        CorruptionError: A record's checksum does not match.
    """
    for key, record in zip(keys, records, strict=True):
        # What open_document does, without a call for each: every scan goes through here.
        if len(record) < _BODY_AT:
            open_document(key, record)
        checksum, _, creation_time = _header_of(record)
        if crc32(record[4:], crc32(key)) != checksum:
            open_document(key, record)
        document: dict[str, Any] = unpack(record[_BODY_AT:])
        document["_id"] = key.decode("ascii")
        document["_creationTime"] = creation_time
        yield document


def decode_body(key: bytes, creation_time: float, body: bytes) -> dict[str, Any]:
    """The document of a body that is not yet stored, or comes from the log."""
    document: dict[str, Any] = unpack(body)
    document["_id"] = key.decode("ascii")
    document["_creationTime"] = creation_time
    return document


def count_documents(reader: ReadTransaction, bounds: tuple[bytes, bytes]) -> int:
    """How many documents have ids within ``[low, high)``. O(their number)."""
    return sum(1 for _ in reader.scan(Database.DOCUMENTS, *bounds))

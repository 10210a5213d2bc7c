"""The on-disk format: names, layouts and checksums. `docs/format.md` draws it.

This file knows how the bytes of one record look and nothing of how they reach the disk. It and
`docs/format.md` change in the same commit; a change that an older library would misread gets a
new `FORMAT_VERSION`.
"""

from enum import IntEnum
from struct import Struct, calcsize
from typing import Final
from zlib import crc32

from headwater.errors import CorruptionError

MAGIC: Final = "headwater"
FORMAT_VERSION: Final = 3
FORMAT_WITHOUT_JOURNAL: Final = 1
FORMAT_UNCOMPRESSED: Final = 2
"""The last one whose readers know no compressed commits."""

MANIFEST_NAME: Final = "headwater.json"
DATA_NAME: Final = "data.mdb"
LOCK_NAME: Final = "lock.mdb"
JOURNAL_NAME: Final = "journal"
LAST_TRANSACTION_NAME: Final = "last-transaction"
WAKE_NAME: Final = "wake"
MEMBERS_NAME: Final = "members"
FILES_NAME: Final = "files"
URL_KEYS_NAME: Final = "url-keys.json"
SESSION_KEYS_NAME: Final = "session-keys.json"

KEY_BYTES_MAX: Final = 511
"""LMDB's own bound on a key (engine 0.9, default build)."""

TIMESTAMP_MAX: Final = 2**63 - 1


class Database(IntEnum):
    """The sorted maps of bytes inside the one LMDB file. The name on disk is in lower case."""

    META = 0
    LOG = 1
    DOCUMENTS = 2
    DELETED = 3
    INDEXES = 4

    @property
    def name_on_disk(self) -> bytes:
        """The name of the LMDB sub-database."""
        return self.name.lower().encode("ascii")


DOCUMENTS: Final = Database.DOCUMENTS
INDEXES: Final = Database.INDEXES
"""Names for what every read looks up: it takes 70 ns to find a member in its enum."""

META_FORMAT: Final = b"format"
META_UUID: Final = b"uuid"
META_JOURNAL: Final = b"journal"

TIMESTAMP: Final = Struct(">Q")
CHECKSUM: Final = Struct(">I")
DOCUMENT_HEADER: Final = Struct(">IQd")
_DOCUMENT_SEALED: Final = Struct(">Qd")

assert calcsize(">Q") == 8
assert calcsize(">I") == 4
assert DOCUMENT_HEADER.size == 20
assert DOCUMENT_HEADER.size == CHECKSUM.size + _DOCUMENT_SEALED.size

_checksum_of = CHECKSUM.unpack_from
_header_of = DOCUMENT_HEADER.unpack_from
_pack_sealed = _DOCUMENT_SEALED.pack
_BODY_AT: Final = DOCUMENT_HEADER.size


def seal(key: bytes, content: bytes) -> bytes:
    """Put a checksum of ``key`` and ``content`` before ``content``."""
    return crc32(content, crc32(key)).to_bytes(4, "big") + content


def unseal(key: bytes, value: bytes) -> bytes | None:
    """Return the content under the checksum; None if either key or content is not as written.

    A bit flipped anywhere in key, checksum or content is noticed, and so is every burst of up
    to 32 bits (the properties of CRC-32).
    """
    content = value[4:]
    if len(value) < 4 or crc32(content, crc32(key)) != _checksum_of(value)[0]:
        return None
    return content


def seal_document(key: bytes, ts: int, creation_time: float, body: bytes) -> bytes:
    """Build the stored value of a document.

    Args:
        key: The id, in ASCII. It is under the checksum: a value found at another key is damage.
        ts: Timestamp of the commit that wrote it, nanoseconds.
        creation_time: Milliseconds since the epoch.
        body: The packed fields.
    """
    content = _pack_sealed(ts, creation_time) + body
    # What seal does, without the call: there is one for each write.
    return crc32(content, crc32(key)).to_bytes(4, "big") + content


def open_document(key: bytes, value: bytes) -> tuple[int, float, bytes]:
    """Check and take apart the stored value of a document.

    Returns:
        Timestamp of the commit that wrote it, creation time in milliseconds, packed fields.

    Raises:
        CorruptionError: The bytes are not what `seal_document` made for this key.
    """
    if len(value) < _BODY_AT:
        raise _damaged_document(key, value)
    checksum, ts, creation_time = _header_of(value)
    if crc32(value[4:], crc32(key)) != checksum:
        raise _damaged_document(key, value)
    return ts, creation_time, value[_BODY_AT:]


def timestamp_key(ts: int) -> bytes:
    """The key of a commit in the log: eight bytes, big-endian, so that time order is key order."""
    assert 0 <= ts <= TIMESTAMP_MAX
    return TIMESTAMP.pack(ts)


def timestamp_of(key: bytes) -> int:
    """Read a key of the log.

    Raises:
        CorruptionError: The key has another length or is out of range.
    """
    if len(key) != TIMESTAMP.size or key[0] > 0x7F:
        raise CorruptionError(
            f"log: key {key!r} is no timestamp: expected 8 bytes below 2**63, got {len(key)}; "
            "hw.repair(path) saves the commits that are sound, or restore a backup"
        )
    return int.from_bytes(key, "big")


def _damaged_document(key: bytes, value: bytes) -> CorruptionError:
    name = key.decode("ascii", "backslashreplace")
    if len(value) < DOCUMENT_HEADER.size:
        found = f"{len(value)} bytes where a header alone has {DOCUMENT_HEADER.size}"
    else:
        stored = _checksum_of(value)[0]
        found = f"checksum {stored:#010x}, the bytes give {crc32(value[4:], crc32(key)):#010x}"
    return CorruptionError(
        f"document {name}: the stored bytes are not what was written: {found}; "
        "verify the database to see what else is damaged, then rebuild it or restore a backup"
    )

"""How the journal looks on disk: its two headers, and the frames after them.

`docs/format.md` draws it. This file knows bytes; `journal.py` knows the file.
"""

from enum import IntEnum
from functools import lru_cache
from struct import Struct
from typing import Any, Final, NamedTuple
from zlib import crc32

from headwater.storage.codec import pack_record, unpack_record
from headwater.storage.format import Database
from headwater.storage.pages import HEAD_BYTES, PAGE_BYTES_MAX

HEADER_PLACES: Final = (0, 4096)
"""Both headers, written in turn. Each has a page of its own: writing one cannot tear the other."""

FRAMES_AT: Final = 8192

_MAGIC: Final = b"HWJ1"
_HEADER: Final = Struct(f">I4sQIIQ16s16sQI{2 * HEAD_BYTES}s")
_FRAME: Final = Struct(">IIQQII")
_SEQUENCES: Final = Struct(f">8xQ{HEADER_PLACES[1] - 8}xQ")
"""From the beginning of the file, the sequence of each header."""

HEADER_BYTES: Final = _HEADER.size
SEQUENCES_BYTES: Final = _SEQUENCES.size
FRAME_BYTES: Final = _FRAME.size
NO_NAME: Final = bytes(16)

assert HEADER_BYTES <= 512, "a header is inside of one sector"
assert FRAME_BYTES == 32


class State(IntEnum):
    """What the journal says of the data file."""

    IDLE = 0
    """The data file stands for itself."""

    ACTIVE = 1
    """Its last state that is surely on the disk is that of the header; the frames lead on."""

    FAILED = 2
    """As ACTIVE, and a flush of the data file failed: it must be made anew from there."""


class Header(NamedTuple):
    """One header.

    Attributes:
        sequence: The header with the greater one counts; n is at place n mod 2.
        state: What the rest means.
        page_bytes: Size of a page of the data file.
        salt: Random; the frames that belong to this header have the same.
        uuid: The database, 16 bytes.
        name: The data file, 16 bytes: random, and also inside of it.
        transaction: LMDB's number of the transaction up to which the data file is flushed.
        roots: Checksum of the root pages of that transaction.
        heads: Both heads of the data file as of then.
    """

    sequence: int
    state: State
    page_bytes: int = 0
    salt: int = 0
    uuid: bytes = NO_NAME
    name: bytes = NO_NAME
    transaction: int = 0
    roots: int = 0
    heads: bytes = bytes(2 * HEAD_BYTES)

    @property
    def place(self) -> int:
        """Where in the file it stands."""
        return HEADER_PLACES[self.sequence % 2]

    def pack(self) -> bytes:
        """Its bytes."""
        sealed = _HEADER.pack(0, _MAGIC, *self)
        return _HEADER.pack(crc32(sealed[4:]), _MAGIC, *self)


@lru_cache(maxsize=16)  # each opening reads the same two, twice
def parse_header(raw: bytes) -> Header | None:
    """Take a header apart; None if it is not what was written."""
    if len(raw) < HEADER_BYTES:
        return None
    checksum, magic, sequence, state, page_bytes, *rest = _HEADER.unpack_from(raw)
    if magic != _MAGIC or crc32(raw[4:HEADER_BYTES]) != checksum or state not in set(State):
        return None
    if page_bytes > PAGE_BYTES_MAX:
        return None
    return Header(sequence, State(state), page_bytes, *rest)


def newest_sequence(raw: bytes) -> int:
    """The greater one of both sequences in the first `SEQUENCES_BYTES` of a journal.

    What stands there may be no headers.
    """
    if len(raw) < SEQUENCES_BYTES:
        return 0
    return int(max(_SEQUENCES.unpack(raw)))


class Frame(NamedTuple):
    """What stands before a payload.

    Attributes:
        checksum: Of everything that follows it.
        length: Bytes of the payload.
        salt: That of the header to which it belongs.
        transaction: LMDB's number of the transaction.
        part: Number of this part of the transaction, from 0.
        is_last: 1 for the part that completes it.
    """

    checksum: int
    length: int
    salt: int
    transaction: int
    part: int
    is_last: int


def pack_frame(salt: int, transaction: int, part: int, *, is_last: bool, payload: bytes) -> bytes:
    """A frame with its payload."""
    facts = (len(payload), salt, transaction, part, int(is_last))
    checksum = crc32(payload, crc32(_FRAME.pack(0, *facts)[4:]))
    return _FRAME.pack(checksum, *facts) + payload


def parse_frame(raw: bytes) -> Frame | None:
    """The beginning of a frame; None if there are not enough bytes. Nothing is checked."""
    return Frame(*_FRAME.unpack_from(raw)) if len(raw) >= FRAME_BYTES else None


def is_whole(frame: Frame, raw: bytes) -> bool:
    """Whether the bytes of a frame and its payload are those that were written."""
    size = FRAME_BYTES + frame.length
    return len(raw) >= size and crc32(raw[4:size]) == frame.checksum


class Change(NamedTuple):
    """One thing that a transaction did to a sub-database.

    Attributes:
        kind: One of the constants below.
        database: Its number.
        items: Keys and values, keys, or nothing.
    """

    kind: int
    database: int
    items: Any


PUT: Final = 0
DELETE: Final = 1
CLEAR: Final = 2


def pack_changes(changes: list[Change]) -> bytes:
    """A payload."""
    return pack_record(tuple(changes))


def unpack_changes(payload: bytes) -> list[Change]:
    """The changes in a payload.

    Raises:
        ValueError: It is none, although its checksum is right: another program wrote it.
    """
    try:
        changes = [Change(*change) for change in unpack_record(payload)]
    except TypeError as error:
        raise ValueError(str(error)) from error
    if any(change.database >= len(Database) or change.kind > CLEAR for change in changes):
        raise ValueError("a change of an unknown kind")
    return changes

"""Document ids: 31 to 37 characters that name a table and one document in it.

::

    id       = base32( VInt(table number)  internal  footer )
    VInt     = 1 to 5 bytes, 7 bits each, the lowest first, high bit set if more follow
    internal = 16 bytes; ours are 48 bits of ms since the epoch, 12 bits of a ms in 1/4096,
               68 random bits, big-endian
    footer   = 2 bytes, little-endian: Fletcher-16 modulo 256 over all that precedes
    base32   = Crockford's alphabet in lower case, without padding, highest bits first

The encoding is the one that Convex made public, so its tools read these ids. The alphabet is in
ASCII order, so ids of one table sort like their internal bytes: **ids that `mint` made sort by
creation time**. Each id has one spelling only.
"""

from functools import lru_cache
from typing import Final
from zlib import adler32

from headwater_indexes.errors import MalformedIdError, RangeError

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
INTERNAL_BYTES: Final = 16
TABLE_NUMBER_MAX: Final = 2**32 - 1
FIRST_USER_TABLE: Final = 10_001
USER_ID_LENGTH: Final = 32
"""Characters of the ids of user tables, as long as there are fewer than 6384 of them."""

TICKS_PER_MS: Final = 4096
"""Resolution of the creation time inside an id: that of a float64 of ms in this century."""

_FOOTER_BYTES: Final = 2
_RANDOM_BITS: Final = 68
_RANDOM_MASK: Final = 2**_RANDOM_BITS - 1
_TIME_MASK: Final = 2**60 - 1

# Characters by length of the VInt: each has five bits, the last one is filled up with zeros.
_LENGTHS: Final = {
    size: -(-8 * (size + INTERNAL_BYTES + _FOOTER_BYTES) // 5) for size in range(1, 6)
}
_SIZES: Final = {length: size for size, length in _LENGTHS.items()}

# Python reads base 32 with the digits 0-9 and a-v; "!" makes it refuse all else, among them what
# int() would forgive: signs, spaces, underscores and capitals.
_TO_PYTHON_DIGITS: Final = bytearray(b"!" * 256)
for _digit, _character in zip(b"0123456789abcdefghijklmnopqrstuv", ALPHABET, strict=True):
    _TO_PYTHON_DIGITS[ord(_character)] = _digit
_DIGITS: Final = bytes(_TO_PYTHON_DIGITS)


def encode_id(table_number: int, internal: bytes) -> str:
    """The id of a document.

    Args:
        table_number: From 0 to 2**32 - 1.
        internal: 16 bytes, unique in the table.

    Raises:
        RangeError: An argument is outside these bounds.
    """
    if len(internal) != INTERNAL_BYTES:
        raise RangeError(f"the internal part of an id has 16 bytes, not {len(internal)}")
    body = _table_bytes(table_number) + internal
    return _to_base32(body + _footer(body))


def decode_id(text: str) -> tuple[int, bytes]:
    """The table number and the 16 internal bytes of an id; `encode_id` gives back the same text.

    Raises:
        MalformedIdError: The text is no id; the message says why.
    """
    size = _SIZES.get(len(text))
    if size is None:
        raise _malformed(text, f"it has {len(text)} characters instead of 31, 32, 34, 36 or 37")
    data = _from_base32(text, size + INTERNAL_BYTES + _FOOTER_BYTES)
    number = _decode_vint(data[:size])
    if number is None or _table_bytes(number) != data[:size]:
        raise _malformed(text, "its length does not fit the table number that it begins with")
    body = data[:-_FOOTER_BYTES]
    if data[-_FOOTER_BYTES:] != _footer(body):
        raise _malformed(text, "its checksum does not match; was it typed, or cut and pasted?")
    return number, body[size:]


def table_number_of(text: str) -> int:
    """The table number that an id begins with. About 0.3 us.

    Looks at the length and the leading characters only; the checksum is for `decode_id`.

    Raises:
        MalformedIdError: No id begins so, or is so long.
    """
    number, length = _leading(text[:5])
    if len(text) != length:
        return decode_id(text)[0]
    return number


@lru_cache(maxsize=4096)
def _leading(leading: str) -> tuple[int, int]:
    """Table number and length of the ids that begin so; length -1: five characters do not tell."""
    digits = leading.encode("ascii", "replace").translate(_DIGITS)
    try:
        data = (int(digits, 32) >> 1).to_bytes(3, "big")
    except (ValueError, OverflowError):
        return 0, -1
    for size in range(1, 4):
        number = _decode_vint(data[:size])
        if number is not None and _table_bytes(number) == data[:size]:
            return number, _LENGTHS[size]
    return 0, -1


def creation_bits(creation_time_ms: float) -> int:
    """A creation time in 1/4096 ms, rounded down: the first 60 bits of what `mint` makes.

    Exact for the times of a clock: a float64 of ms since 2004 has no finer resolution.

    Args:
        creation_time_ms: Milliseconds since the epoch, from 0 up to 2**48 (the year 10 889).

    Raises:
        RangeError: The time is outside these bounds, or NaN.
    """
    if not 0 <= creation_time_ms < 2**48:
        raise RangeError(
            f"the creation time {creation_time_ms!r} cannot be in an id; "
            f"expected ms since the epoch, from 0 up to 2**48"
        )
    return int(creation_time_ms * TICKS_PER_MS)


def creation_time_of(text: str) -> float:
    """The creation time in ms since the epoch that is inside an id made by `mint`.

    Raises:
        MalformedIdError: The text is no id.
    """
    _, internal = decode_id(text)
    ticks = int.from_bytes(internal[:8], "big") >> 4
    return ticks / TICKS_PER_MS


def noted_creation_time(key: bytes) -> float:
    """What `creation_time_of` gives, of an id in ASCII that is known to be one. About 0.4 us.

    Args:
        key: The id. Its checksum is not looked at.

    Raises:
        MalformedIdError: It cannot be one.
    """
    if len(key) != USER_ID_LENGTH:
        return creation_time_of(key.decode("ascii", "replace"))
    try:
        # Of 13 characters, 65 bits: the last one of the VInt, 60 of time, and 4 random ones.
        bits = int(key[3:16].translate(_DIGITS), 32)
    except ValueError:
        return creation_time_of(key.decode("ascii", "replace"))
    return (bits >> 4 & _TIME_MASK) / TICKS_PER_MS


def mint(table_number: int, creation_time_ms: float, random_bits: int) -> str:
    """A new id. About 2 us.

    Of one table, the id with the later creation time sorts later.

    Args:
        table_number: From 0 to 2**32 - 1.
        creation_time_ms: Milliseconds since the epoch, as in `creation_bits`.
        random_bits: An int of which the lowest 68 bits are used.

    Raises:
        RangeError: The table number or the time is out of bounds.
    """
    return mint_at(table_number, creation_bits(creation_time_ms), random_bits)


def mint_at(table_number: int, ticks: int, random_bits: int) -> str:
    """The same as `mint` for a creation time that is in 1/4096 ms already, below 2**60."""
    internal = ticks << _RANDOM_BITS | random_bits & _RANDOM_MASK
    prefix = _short_table_bits(table_number)
    if prefix is None:
        return encode_id(table_number, internal.to_bytes(INTERNAL_BYTES, "big"))
    # The same as above for 20 bytes, without leaving ints for bytes more often than need be.
    body = prefix | internal
    sums = adler32(body.to_bytes(18, "big"), 0)
    return _spread(body << 16 | (sums & 0xFF) << 8 | sums >> 16 & 0xFF).decode()


@lru_cache(maxsize=1024)
def table_bounds(table_number: int) -> tuple[bytes, bytes]:
    """The interval ``[low, high)`` that holds the ids of a table, as ASCII, and no other ids.

    Raises:
        RangeError: The table number is out of bounds.
    """
    prefix = _table_bytes(table_number)
    characters = -(-8 * len(prefix) // 5)
    low = _to_base32(prefix + bytes(INTERNAL_BYTES))[:characters]
    high = _to_base32(prefix + b"\xff" * INTERNAL_BYTES)[:characters]
    # "{" comes after every character of the alphabet, and so after each continuation of `high`.
    return low.encode(), high.encode() + b"{"


@lru_cache(maxsize=1024)
def _table_bytes(table_number: int) -> bytes:
    if not 0 <= table_number <= TABLE_NUMBER_MAX:
        raise RangeError(f"the table number {table_number} is not between 0 and 2**32 - 1")
    groups = [table_number & 0x7F]
    while table_number := table_number >> 7:
        groups.append(table_number & 0x7F)
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


@lru_cache(maxsize=1024)
def _short_table_bits(table_number: int) -> int | None:
    """The table number as the first 16 of 144 bits, if its VInt is of two bytes."""
    data = _table_bytes(table_number)
    return int.from_bytes(data, "big") << 8 * INTERNAL_BYTES if len(data) == 2 else None


def _decode_vint(data: bytes) -> int | None:
    """The number if this is one VInt and nothing else; it may have needless zeros at its end."""
    is_whole = data[-1] < 0x80 and all(byte >= 0x80 for byte in data[:-1])
    number = sum((byte & 0x7F) << (7 * position) for position, byte in enumerate(data))
    return number if is_whole and number <= TABLE_NUMBER_MAX else None


def _footer(body: bytes) -> bytes:
    """Fletcher-16 modulo 256, the low sum first.

    Adler-32 from 0 keeps the same two sums, 16 bits each; over so few bytes it never reduces them.
    """
    sums = adler32(body, 0)
    return bytes((sums & 0xFF, sums >> 16 & 0xFF))


# Base 32 ----------------------------------------------------------------------------------------


def _spreading_steps() -> tuple[tuple[int, int, int], ...]:
    """Masks and shifts that move 32 groups of 5 bits into 32 bytes, halving five times.

    In each step every run of bits sits in a slot; its upper half moves to the upper half-slot.
    """
    steps: list[tuple[int, int, int]] = []
    run, slot = 160, 256
    while run > 5:
        half = run // 2
        low = sum(((1 << half) - 1) << start for start in range(0, 256, slot))
        steps.append((low, low << half, slot // 2 - half))
        run, slot = half, slot // 2
    return tuple(steps)


(
    (_LOW_80, _HIGH_80, _SHIFT_80),
    (_LOW_40, _HIGH_40, _SHIFT_40),
    (_LOW_20, _HIGH_20, _SHIFT_20),
    (_LOW_10, _HIGH_10, _SHIFT_10),
    (_LOW_5, _HIGH_5, _SHIFT_5),
) = _spreading_steps()
_TO_CHARACTERS: Final = ALPHABET.encode().ljust(256, b"!")


def _spread(bits: int) -> bytes:
    """160 bits as 32 characters: all groups move at once, which is far cheaper than a loop."""
    bits = bits & _LOW_80 | (bits & _HIGH_80) << _SHIFT_80
    bits = bits & _LOW_40 | (bits & _HIGH_40) << _SHIFT_40
    bits = bits & _LOW_20 | (bits & _HIGH_20) << _SHIFT_20
    bits = bits & _LOW_10 | (bits & _HIGH_10) << _SHIFT_10
    bits = bits & _LOW_5 | (bits & _HIGH_5) << _SHIFT_5
    return bits.to_bytes(32, "big").translate(_TO_CHARACTERS)


def _to_base32(data: bytes) -> str:
    """Up to 40 bytes as base 32."""
    if len(data) == 20:
        return _spread(int.from_bytes(data, "big")).decode()
    bits = int.from_bytes(data.ljust(40, b"\0"), "big")
    characters = _spread(bits >> 160) + _spread(bits & 2**160 - 1)
    return characters[: -(-8 * len(data) // 5)].decode()


def _from_base32(text: str, size: int) -> bytes:
    digits = text.encode("ascii", "replace").translate(_DIGITS)
    try:
        bits = int(digits, 32)
    except ValueError:
        strange = next(character for character in text if character not in ALPHABET)
        raise _malformed(text, f"{strange!r} is not one of the characters {ALPHABET}") from None
    filling = 5 * len(text) - 8 * size
    if bits & (1 << filling) - 1:
        raise _malformed(text, "its last character has bits that belong to no byte")
    return (bits >> filling).to_bytes(size, "big")


def _malformed(text: str, reason: str) -> MalformedIdError:
    shown = text if len(text) <= 64 else f"{text[:61]}..."
    return MalformedIdError(f"{shown!r} is no id: {reason}")

"""Values to bytes and back, by msgpack.

The bytes are canonical for a given value and order of fields. An `Int64` is extension type 1 so
that it comes back as one; subclasses that are plain at heart (a StrEnum, an OrderedDict) are
stored as what they are at heart. This is the only file that
knows msgpack.
"""

import threading
from collections.abc import Callable
from typing import Any, Final, cast

import msgpack  # pyright: ignore[reportMissingTypeStubs] - there are none

from headwater.errors import CorruptionError
from headwater_indexes.values import Int64, check_value

INT64_EXTENSION: Final = 1

_msgpack = cast("Any", msgpack)
_unpackb: Final[Callable[..., Any]] = _msgpack.unpackb


def _at_heart(value: Any) -> Any:
    """Turn what msgpack refuses under strict_types into a type that it knows."""
    if isinstance(value, Int64):
        return _msgpack.ExtType(INT64_EXTENSION, int.to_bytes(value, 8, "big", signed=True))
    for base, convert in _CONVERSIONS:
        if isinstance(value, base):
            return convert(value)
    raise TypeError(f"a {type(value).__name__} cannot be stored")


# The methods of the bases, called unbound: a subclass may have overridden its own.
_CONVERSIONS: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes.__bytes__),
    (list, list[Any].copy),
    (dict, dict[Any, Any].copy),
)


class _PerThread(threading.local):
    """Packers of one thread: a packer is a buffer, and `_at_heart` may let other threads run."""

    def __init__(self) -> None:
        packer = _msgpack.Packer(strict_types=True, default=_at_heart)
        self.pack: Callable[[Any], bytes] = packer.pack
        self.pack_record: Callable[[Any], bytes] = _msgpack.Packer().pack


_of_this_thread: Final = _PerThread()


def pack(value: Any) -> bytes:
    """Return the bytes of a value.

    The value must have passed `check_value` or a compiled checker that is as strict: msgpack
    itself lets some things pass that are no values (an unsigned 64 bit int, a bytearray).

    Raises:
        NotStorableError: Something inside is no value; names its path.
    """
    try:
        return _of_this_thread.pack(value)
    except (TypeError, ValueError, OverflowError):
        check_value(value)
        raise


def _restore_extension(code: int, data: bytes) -> Int64:
    if code != INT64_EXTENSION or len(data) != 8:
        raise ValueError(f"extension type {code} with {len(data)} bytes is not known")
    return Int64(int.from_bytes(data, "big", signed=True))


def unpack(data: bytes) -> Any:
    """Return the value of bytes that `pack` made.

    Raises:
        CorruptionError: The bytes are not one packed value.
    """
    try:
        return _unpackb(data, ext_hook=_restore_extension)
    except Exception as error:
        raise CorruptionError(
            f"{len(data)} bytes that should hold one packed value do not: {error}; "
            "verify the database, then rebuild it or restore a backup"
        ) from error


def pack_record(record: tuple[Any, ...]) -> bytes:
    """Return the bytes of a record of the log: nested tuples become arrays, of any subclass."""
    return _of_this_thread.pack_record(record)


def unpack_record(data: bytes) -> Any:
    """Return what `pack_record` packed, with tuples for arrays.

    Raises:
        ValueError: The bytes are not one record.
    """
    return _unpackb(data, use_list=False)

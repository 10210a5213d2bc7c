"""Large records of the log, made smaller by zlib.

A commit of many documents repeats itself: names of fields, the beginnings of ids, words. It is
written once and read seldom, so what compressing costs is paid once, and reading pays little. The
documents themselves are read often, one by one, and stay as they are.
"""

import zlib
from typing import Final

COMPRESSED: Final = 0xC1
"""The first byte of a compressed record; no msgpack object begins so."""

COMPRESSED_FROM_BYTES: Final = 2000
"""What is shorter fits into a page beside others, and has little that repeats itself."""

_LEVEL: Final = 1
"""Six makes a commit smaller by a fifth, and takes four times as long."""

_SAMPLE_BYTES: Final = 4096
_GAIN: Final = 0.9
"""What does not become smaller by a tenth stays as it is: images, keys, archives."""


def compress(record: bytes) -> bytes:
    """Return a record as it is to be stored: compressed, if it is large and that makes it smaller.

    Args:
        record: One msgpack object.
    """
    size = len(record)
    if size < COMPRESSED_FROM_BYTES:
        return record
    if size > 4 * _SAMPLE_BYTES:
        # From the middle: the origin, at the front, may be the one part that can be compressed.
        at = (size - _SAMPLE_BYTES) // 2
        if len(zlib.compress(record[at : at + _SAMPLE_BYTES], _LEVEL)) > _GAIN * _SAMPLE_BYTES:
            return record
    compressed = zlib.compress(record, _LEVEL)
    return b"\xc1" + compressed if len(compressed) < _GAIN * size else record


def decompress(stored: bytes) -> bytes:
    """Return the record that `compress` was given.

    Raises:
        ValueError: It is marked as compressed, and is not.
    """
    if not stored or stored[0] != COMPRESSED:
        return stored
    try:
        return zlib.decompress(memoryview(stored)[1:])
    except zlib.error as error:
        raise ValueError(str(error)) from error

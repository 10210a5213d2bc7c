"""Values as JSON that gives them back.

Two dialects. The *exact* one keeps every type: an integer is an ``int``, a number with a point or
an exponent a ``float``, ``{"$integer": ...}`` an `Int64`. *Convex's* is what Convex writes into its
snapshots: there a number with a point is a number of JavaScript, and an integer is a BigInt; so a
plain ``int`` that such a number can hold is written with a point. Both write bytes and numbers that
JSON cannot hold as objects with one name that begins with ``$``, which no stored object has.

Source: the formats of Convex's snapshot export and of its JSON encoding of values.
"""

import json
import math
from base64 import b64decode, b64encode
from binascii import Error as NotBase64Error
from collections.abc import Callable
from struct import Struct
from struct import error as WrongLengthError  # noqa: N812 - it is a class
from typing import Any, Final, Literal, TypeAlias, cast

from headwater.schema.explain import is_list
from headwater_indexes.values import Int64

Dialect: TypeAlias = Literal["exact", "convex"]

_EXACT_FLOAT: Final = 2**53
_FLOAT: Final = Struct("<d")
_INTEGER: Final = Struct("<q")
_NAMES: Final = ("$bytes", "$float", "$integer")


class NotReadableError(ValueError):
    """A line is no JSON, or not of a value."""


def write_line(document: dict[str, Any], dialect: Dialect) -> str:
    """One line of JSON, without the line's end. Lone values of every type are kept, see above."""
    return write_value(document, dialect)


def write_value(value: Any, dialect: Dialect, *, indent: int | None = None) -> str:
    """Any value as JSON: in one line, or indented for people."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(
        _written(value, dialect),
        ensure_ascii=False,
        allow_nan=False,
        separators=separators,
        indent=indent,
    )


def read_value(text: str) -> Any:
    """The value in a text, of either dialect. An integer without ``$integer`` is an ``int``.

    Raises:
        NotReadableError: Says what is wrong, and where in the text.
    """
    try:
        return json.loads(text, object_pairs_hook=_read_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise NotReadableError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NotReadableError(f"it is no JSON: {error.msg} at character {error.pos + 1}") from None


def read_line(line: str) -> dict[str, Any]:
    """The document in a line, as `read_value`.

    Raises:
        NotReadableError: Says what is wrong, and where in the line.
    """
    document = read_value(line)
    if not isinstance(document, dict):
        raise NotReadableError(f"expected an object, got {type(document).__name__}")
    return cast("dict[str, Any]", document)


# Writing ----------------------------------------------------------------------------------------


def _written(value: Any, dialect: Dialect) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return {name: _written(member, dialect) for name, member in members}
    if is_list(value):
        return [_written(item, dialect) for item in value]
    if isinstance(value, bytes):
        return {"$bytes": b64encode(value).decode("ascii")}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": b64encode(_FLOAT.pack(value)).decode("ascii")}
    if isinstance(value, int) and not isinstance(value, bool):
        return _written_integer(value, dialect)
    return value


def _written_integer(value: int, dialect: Dialect) -> Any:
    is_int64 = isinstance(value, Int64)
    if dialect == "convex":
        return float(value) if not is_int64 and abs(value) <= _EXACT_FLOAT else int(value)
    if is_int64:
        return {"$integer": b64encode(_INTEGER.pack(value)).decode("ascii")}
    return value


# Reading ----------------------------------------------------------------------------------------


def _read_object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotReadableError(f"the name {twice!r} is there twice in one object")
    if len(found) == 1:
        (name,) = found
        if name in _NAMES:
            return _read_special(name, found[name])
    return found


def _read_special(name: str, text: Any) -> Any:
    try:
        return _DECODERS[name](b64decode(text, validate=True))
    except (TypeError, NotBase64Error, ValueError, WrongLengthError):
        raise NotReadableError(
            f"{name} has {text!r}, expected base64"
            + ("" if name == "$bytes" else " of 8 bytes, least significant first")
        ) from None


def _float_of(data: bytes) -> float:
    number: float = _FLOAT.unpack(data)[0]
    return number


def _int64_of(data: bytes) -> Int64:
    return Int64(_INTEGER.unpack(data)[0])


def _bytes_of(data: bytes) -> bytes:
    return data


_DECODERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "$bytes": _bytes_of,
    "$float": _float_of,
    "$integer": _int64_of,
}


def _refuse_constant(name: str) -> Any:
    raise NotReadableError(f'{name} is no JSON; expected {{"$float": ...}}')

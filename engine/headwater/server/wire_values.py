"""Values as clients of Convex send and take them, in JSON.

A number of JSON is a number of JavaScript, whether it has a point or not; a BigInt, bytes and the
numbers that JSON cannot hold are objects with one name that begins with ``$``, which no value has.
There are three formats. The *encoded* one (``convex_encoded_json``), which the official clients ask
for, gives every value back; the *clean* one (``json``) is for people and has strings in those
places; arguments for both are read by the rules of the encoded one. The *exact* one is for clients
in Python: there a number without a point is an ``int``, and one with a point a ``float``.

Source: ``values/value.ts`` of the npm package ``convex`` 1.48.0, and what its HTTP clients and
those of the PyPI package 0.8.1 accept.
"""

import math
from base64 import b64decode, b64encode
from binascii import Error as NotBase64Error
from struct import Struct
from typing import Any, Final, Literal, NoReturn, TypeAlias, cast

from headwater.errors import RequestInvalidError
from headwater.schema.explain import is_dict, is_list
from headwater_indexes.values import NESTING_DEFAULT, Int64

WireFormat: TypeAlias = Literal["encoded", "clean", "exact"]

FORMATS: Final[dict[str, WireFormat]] = {
    "convex_encoded_json": "encoded",
    "convex_json": "encoded",
    "json": "clean",
    "convex_clean_json": "clean",
}
"""What clients call them."""

_EXACT_FLOAT: Final = 2**53
_FLOAT: Final = Struct("<d")
_INTEGER: Final = Struct("<q")
_TIMESTAMP: Final = Struct("<Q")
_SHOWN_CHARACTERS: Final = 60


def from_wire(
    data: Any, wire_format: WireFormat = "encoded", *, nesting: int = NESTING_DEFAULT
) -> Any:
    """The value that JSON stands for, once it was parsed. O(its size).

    But in the exact format numbers become floats, and BigInts become `Int64`;
    `headwater.exchange.fitting` makes of them what a function declares.

    Args:
        data: What a parser of JSON gives.
        wire_format: Who has written it.
        nesting: Levels of lists and objects inside one another.

    Raises:
        RequestInvalidError: It stands for none, or is nested too deeply.
    """
    given: object = data
    kind = type(given)
    if kind is str or data is None or kind is bool:
        return data
    if kind is int and wire_format == "exact":
        return _integer(data)
    if kind is float or kind is int:
        return _number(data)
    if is_dict(data) and len(data) == 1:
        ((name, member),) = data.items()
        if name.startswith("$"):
            return _special(name, member)
    if nesting <= 0:
        raise RequestInvalidError("a value is nested too deeply, by more than the limit nesting")
    if is_list(data):
        return [from_wire(item, wire_format, nesting=nesting - 1) for item in data]
    members = cast("dict[str, Any]", data)
    return {
        _key(name): from_wire(member, wire_format, nesting=nesting - 1)
        for name, member in members.items()
    }


def to_wire(value: Any, wire_format: WireFormat = "encoded") -> Any:
    """A value as a writer of JSON takes it. O(its size).

    Floats, and an ``int`` that a number of JavaScript holds exactly, become floats, which are
    written with a point: the client of PyPI refuses integers.
    """
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return _written_float(value, wire_format)
    if isinstance(value, int):
        return _written_integer(value, wire_format)
    if is_dict(value):
        return {name: to_wire(member, wire_format) for name, member in value.items()}
    if is_list(value):
        return [to_wire(item, wire_format) for item in value]
    text = b64encode(value).decode("ascii")
    return text if wire_format == "clean" else {"$bytes": text}


def timestamp_to_wire(ts: int) -> str:
    """A timestamp as clients keep it: base64 of 8 bytes, the least significant one first."""
    return b64encode(_TIMESTAMP.pack(ts)).decode("ascii")


def timestamp_from_wire(text: Any) -> int:
    """The timestamp that a client names.

    Raises:
        RequestInvalidError: It is none.
    """
    ts: int = _TIMESTAMP.unpack(_eight_bytes("ts", text))[0]
    return ts


# Writing ----------------------------------------------------------------------------------------


def _written_float(value: float, wire_format: WireFormat) -> Any:
    if math.isfinite(value) and (value != 0 or wire_format != "encoded" or _is_positive(value)):
        return float(value)
    if wire_format != "clean":
        return {"$float": b64encode(_FLOAT.pack(value)).decode("ascii")}
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _is_positive(value: float) -> bool:
    return math.copysign(1.0, value) > 0


def _written_integer(value: int, wire_format: WireFormat) -> Any:
    is_int64 = isinstance(value, Int64)
    if not is_int64 and wire_format == "exact":
        return value
    if not is_int64 and abs(value) <= _EXACT_FLOAT:
        return float(value)
    if wire_format == "clean":
        return str(int(value))
    return {"$integer": b64encode(_INTEGER.pack(value)).decode("ascii")}


# Reading ----------------------------------------------------------------------------------------


def _number(number: float) -> float:
    try:
        value = float(number)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise RequestInvalidError(
            'a number is too large for a number of JavaScript; expected {"$integer": ...} or '
            '{"$float": ...}'
        )
    return value


def _integer(number: int) -> int:
    if not -(2**63) <= number < 2**63:
        raise RequestInvalidError("a whole number needs more than 64 bits")
    return number


def _special(name: str, member: Any) -> Any:
    match name:
        case "$integer":
            return Int64(_INTEGER.unpack(_eight_bytes(name, member))[0])
        case "$float":
            return _special_float(_FLOAT.unpack(_eight_bytes(name, member))[0])
        case "$bytes":
            return _decoded(name, member)
        case _:
            return _key(name)


def _special_float(value: float) -> float:
    if math.isfinite(value) and (value != 0 or _is_positive(value)):
        raise RequestInvalidError(
            f"$float has {value!r}, which is written as a number; it is for those that JSON "
            "cannot hold"
        )
    return value


def _eight_bytes(name: str, text: Any) -> bytes:
    data = _decoded(name, text)
    if len(data) != _INTEGER.size:
        _refuse(name, text, "base64 of 8 bytes, the least significant one first")
    return data


def _decoded(name: str, text: Any) -> bytes:
    if not isinstance(text, str):
        _refuse(name, text, "base64")
    try:
        return b64decode(text, validate=True)
    except (NotBase64Error, ValueError):
        _refuse(name, text, "base64")


def _refuse(name: str, got: Any, expected: str) -> NoReturn:
    shown = repr(got)[:_SHOWN_CHARACTERS]
    raise RequestInvalidError(f"{name} has {shown}, expected {expected}")


def _key(name: str) -> str:
    if not name:
        raise RequestInvalidError("an object has a name that is empty")
    if name.startswith("$"):
        raise RequestInvalidError(
            f"an object has the name {name[:_SHOWN_CHARACTERS]!r}; names that begin with '$' are "
            "reserved"
        )
    return name

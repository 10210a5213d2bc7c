r"""Values as bytes that sort as the values do.

A key is a sequence of components, one for each field of an index::

    component = 0x10                        missing
              | 0x18                        None
              | 0x20 order [residual]       number
              | 0x28 | 0x29                 False, True
              | "@"  text 0x00              str: UTF-8, escaped
              | "P"  text 0x00              bytes, escaped
              | "`"  component* 0x00        list
              | "p"  (str component)* 0x00  dict, its pairs sorted by key
    text      = 0x00 is written 01 01, and 0x01 is written 01 02

*order* is the number as a big-endian float64 with its sign bit flipped, or with all bits flipped
if it is negative. An int that a float64 cannot hold is rounded down, and the *residual* (two
bytes, big-endian) says how far; it is written for each number from 2**53 on, whether float or int,
and also for the infinities and NaN. So ``1`` and ``1.0`` have one key, and no two different numbers
share one.

Two properties that the rest of the engine leans on:

- No component is the beginning of another one (0x00 ends a text and occurs nowhere inside).
- A component begins with a byte in 0x01..0xFE, and so does an id. Hence the keys that begin with
  the components of ``prefix`` are exactly those in ``[prefix, prefix + b"\xff")``.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import inf, nextafter
from typing import Any, Final, cast

from headwater_indexes import refusals
from headwater_indexes.errors import MalformedKeyError, NotStorableError
from headwater_indexes.values import INT_MAX, INT_MIN, MISSING, Missing, Value

_MISSING: Final = 0x10
_NULL: Final = 0x18
_NUMBER: Final = 0x20
_FALSE: Final = 0x28
_TRUE: Final = 0x29
_STRING: Final = 0x40
_BYTES: Final = 0x50
_LIST: Final = 0x60
_DICT: Final = 0x70
_END: Final = 0x00

_EXACT: Final = 2**53
"""Below it each int is a float64; from it on a number's key has a residual."""

# The order bits of -2**53 and of 2**53 begin with these two bytes.
_RESIDUAL_UP_TO: Final = 0x3CBF
_RESIDUAL_FROM: Final = 0xC340

_INVERTED: Final = bytes(range(255, -1, -1))
_NAN: Final = b"\x20\xff\xf8\0\0\0\0\0\0\0\0"

_pack_tagged = struct.Struct(">Bd").pack
_pack_double = struct.Struct(">d").pack
_unpack_double = struct.Struct(">d").unpack
assert struct.calcsize(">Bd") == len(_NAN) - 2, "a number is its tag and eight bytes"

# Encoding ---------------------------------------------------------------------------------------


def encode(values: Sequence[Value | Missing]) -> bytes:
    """The key of several values, one component each. O(size of the values).

    Raises:
        NotStorableError: One of them is no value.
    """
    return b"".join([encode_value(value) for value in values])


def encode_value(value: Value | Missing) -> bytes:
    """One component. O(size of the value).

    Nesting is bounded by the interpreter's stack only; `values.check_value` bounds it properly.

    Raises:
        NotStorableError: It is no value.
    """
    kind: type[object] = type(value)  # pyright: ignore[reportUnknownVariableType] - a Value is Any
    encoder = _ENCODERS.get(kind)
    return encoder(value) if encoder is not None else _encode_subclass(value)


def prefix_end(prefix: bytes) -> bytes:
    """The exclusive end of the keys that begin with these whole components."""
    return prefix + b"\xff"


def _encode_missing(_value: Missing) -> bytes:
    return b"\x10"


def _encode_null(_value: None) -> bytes:
    return b"\x18"


def _encode_boolean(value: object) -> bytes:
    return b"\x29" if value else b"\x28"


def _encode_number(value: float) -> bytes:
    if 0 <= value < _EXACT:
        # The sign bit is flipped by negating; adding 0.0 makes -0.0 and the int 0 a float 0.0.
        return _pack_tagged(_NUMBER, -(value + 0.0))
    if -_EXACT < value < 0:
        return b"\x20" + _pack_double(value).translate(_INVERTED)
    if value != value:  # noqa: PLR0124 - NaN
        return _NAN
    return _encode_large_number(value)


def _encode_large_number(value: float) -> bytes:
    floor, residual = value, 0
    if isinstance(value, int):
        if not INT_MIN <= value <= INT_MAX:
            raise NotStorableError("", refusals.int_out_of_range(value, INT_MIN, INT_MAX))
        floor = float(value)
        if floor > value:
            floor = nextafter(floor, -inf)
        residual = value - int(floor)
    order = _pack_double(-floor) if floor > 0 else _pack_double(floor).translate(_INVERTED)
    return b"\x20" + order + residual.to_bytes(2, "big")


def _encode_string(value: str) -> bytes:
    try:
        return b"@" + _escape(value.encode()) + b"\0"
    except UnicodeEncodeError as error:
        raise NotStorableError("", refusals.lone_surrogate(value, error.start)) from None


def _encode_bytes(value: bytes) -> bytes:
    return b"P" + _escape(value) + b"\0"


def _encode_list(value: list[Value]) -> bytes:
    return b"`" + encode(value) + b"\0"


def _encode_dict(value: dict[Any, Value]) -> bytes:
    for key in value:
        if not isinstance(key, str):
            raise NotStorableError("", refusals.key_not_str(key))
    pairs = [_encode_string(key) + encode_value(value[key]) for key in sorted(value)]
    return b"p" + b"".join(pairs) + b"\0"


def _encode_subclass(value: Any) -> bytes:
    for kind, encoder in _ENCODERS.items():
        if isinstance(value, cast("type[Any]", kind)):
            return encoder(value)
    raise NotStorableError("", refusals.not_a_value(value))


def _escape(text: bytes) -> bytes:
    if b"\0" in text or b"\1" in text:
        return text.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1")
    return text


_ENCODERS: Final[Mapping[object, Callable[[Any], bytes]]] = {
    str: _encode_string,
    bool: _encode_boolean,
    int: _encode_number,
    float: _encode_number,
    type(None): _encode_null,
    Missing: _encode_missing,
    bytes: _encode_bytes,
    list: _encode_list,
    dict: _encode_dict,
}

# Decoding ---------------------------------------------------------------------------------------


def decode(key: bytes) -> list[Value | Missing]:
    """The values of a key, each equal to the encoded one by `values.compare`. O(len(key)).

    A number comes back as an int if it is integral and fits into 64 bits, else as a float; a
    subclass comes back as its plain base.

    Raises:
        MalformedKeyError: The bytes are no key.
    """
    values: list[Any] = []
    position = 0
    try:
        while position < len(key):
            value, position = _decode_component(key, position)
            values.append(value)
    except (IndexError, ValueError, struct.error) as error:
        raise MalformedKeyError(
            f"no key: {key.hex()} cannot be read at byte {position} ({error})"
        ) from None
    return values


def component_ends(key: bytes, count: int) -> list[int]:
    """Offsets at which the first ``count`` components of a key end. O(offset of the last).

    What follows them is not looked at; it may be an id.

    Raises:
        MalformedKeyError: The key does not begin with so many components.
    """
    ends: list[int] = []
    position = 0
    try:
        for _ in range(count):
            if key[position] == _STRING:
                position = key.index(_END, position) + 1
            else:
                position = _component_end(key, position)
            ends.append(position)
    except (IndexError, ValueError) as error:
        raise MalformedKeyError(
            f"no key: {key.hex()} has no component at byte {position} ({error}); "
            f"expected {count} components"
        ) from None
    return ends


def component_count(prefix: bytes) -> int:
    """The number of whole components that these bytes are. O(len(prefix)).

    Raises:
        MalformedKeyError: They are not whole components.
    """
    count, position = 0, 0
    try:
        while position < len(prefix):
            position = _component_end(prefix, position)
            count += 1
    except (IndexError, ValueError) as error:
        raise MalformedKeyError(
            f"{prefix.hex()} has no whole component at byte {position} ({error})"
        ) from None
    return count


def _component_end(key: bytes, position: int) -> int:
    depth = 0
    while True:
        tag = key[position]
        if tag in (_STRING, _BYTES):
            position = key.index(_END, position) + 1
        elif tag == _NUMBER:
            position += 11 if _has_residual(key, position) else 9
        elif tag in _SINGLES:
            position += 1
        elif tag in (_LIST, _DICT):
            position += 1
            depth += 1
        elif tag == _END and depth:
            position += 1
            depth -= 1
        else:
            raise ValueError(f"0x{tag:02x} begins no component")
        if not depth:
            if position > len(key):
                raise ValueError("it ends inside a number")
            return position


def _has_residual(key: bytes, position: int) -> bool:
    leading = key[position + 1] << 8 | key[position + 2]
    return not _RESIDUAL_UP_TO < leading < _RESIDUAL_FROM


def _decode_component(key: bytes, position: int) -> tuple[Value, int]:
    """One component and its end. Not recursive, so that no key can exhaust the stack."""
    containers: list[tuple[int, list[Any]]] = []
    while True:
        tag = key[position]
        if tag in (_LIST, _DICT):
            containers.append((tag, []))
            position += 1
            continue
        if tag == _END and containers:
            value = _close(*containers.pop())
            position += 1
        else:
            end = _component_end(key, position)
            value = _decode_scalar(key[position:end])
            position = end
        if not containers:
            return value, position
        containers[-1][1].append(value)


def _close(tag: int, items: list[Any]) -> Value:
    if tag == _LIST:
        return items
    names, members = items[::2], items[1::2]
    if len(names) != len(members) or not all(isinstance(name, str) for name in names):
        raise ValueError("a dict is not made of pairs of str and value")
    return dict(zip(names, members, strict=True))


def _decode_scalar(component: bytes) -> Value | Missing:
    tag = component[0]
    if tag == _STRING:
        return _unescape(component[1:-1]).decode()
    if tag == _BYTES:
        return _unescape(component[1:-1])
    if tag == _NUMBER:
        return _decode_number(component)
    return _SINGLES[tag]


def _decode_number(component: bytes) -> float:
    order, residual = component[1:9], int.from_bytes(component[9:], "big")
    number = -_unpack(order) if order[0] & 0x80 else _unpack(order.translate(_INVERTED))
    if number.is_integer() and INT_MIN <= int(number) <= INT_MAX:
        return int(number) + residual
    return number


def _unpack(order: bytes) -> float:
    return cast("float", _unpack_double(order)[0])


def _unescape(text: bytes) -> bytes:
    if b"\1" not in text:
        return text
    plain = text.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1")
    if _escape(plain) != text:
        raise ValueError("0x01 is followed by neither 0x01 nor 0x02")
    return plain


_SINGLES: Final[dict[int, Value | Missing]] = {
    _MISSING: MISSING,
    _NULL: None,
    _FALSE: False,
    _TRUE: True,
}

# Encoders compiled for the fields of one index --------------------------------------------------


def compile_encoder(paths: Sequence[Sequence[str]]) -> Callable[[Mapping[str, Any]], bytes]:
    """A function from a document's fields to their key, as `encode` would make it.

    About 0.5 us for two short fields. A path walks dicts by name; where a name is absent or what
    is on the way is no dict, the component is missing.

    Args:
        paths: One path for each component: ``("address", "city")`` for the field ``address.city``.
    """
    return cast("Callable[[Mapping[str, Any]], bytes]", _compile(_frozen(paths), "fields", ""))


def compile_entry_encoder(
    paths: Sequence[Sequence[str]],
) -> Callable[[Mapping[str, Any], str], bytes]:
    """As `compile_encoder`, with the document's id as second argument, appended to the key."""
    compiled = _compile(_frozen(paths), "fields, id", "id.encode()")
    return cast("Callable[[Mapping[str, Any], str], bytes]", compiled)


def _frozen(paths: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, paths))


@lru_cache(maxsize=1024)  # databases are opened again and again, with the same indexes
def _compile(paths: tuple[tuple[str, ...], ...], parameters: str, last: str) -> object:
    parts = [f"part{number}" for number in range(len(paths))]
    lines = [f"def encode_fields({parameters}):", " try:"]
    for part, path in zip(parts, paths, strict=True):
        lines += [f"  {line}" for line in (*_walk(path), *_encode_inline(part))]
    lines += [
        f"  return {' + '.join([*parts, *([last] if last else [])]) or repr(b'')}",
        " except UnicodeEncodeError:",
        "  return encode_value(value)",
    ]
    namespace: dict[str, Any] = {
        "MISSING": MISSING,
        "EXACT": _EXACT,
        "pack_tagged": _pack_tagged,
        "encode_value": encode_value,
    }
    # The only text that comes from outside is field names, and repr() makes literals of them. When
    # a str refuses to be UTF-8 it is the current value, and `encode_value` says what is wrong.
    exec("\n".join(lines), namespace)  # noqa: S102 - a flat function is three times as fast
    return namespace["encode_fields"]


def _walk(path: Sequence[str]) -> list[str]:
    lines = [f"value = fields.get({path[0]!r}, MISSING)"]
    lines += [
        f"value = value.get({name!r}, MISSING) if isinstance(value, dict) else MISSING"
        for name in path[1:]
    ]
    return lines


def _encode_inline(part: str) -> list[str]:
    """`_encode_string` and `_encode_number` for the common cases, without a call."""
    return [
        "kind = type(value)",
        r"if kind is str and '\0' not in value and '\1' not in value:",
        rf" {part} = f'@{{value}}\0'.encode()",
        "elif (kind is int or kind is float) and 0 <= value < EXACT:",
        f" {part} = pack_tagged({_NUMBER}, -(value + 0.0))",
        "else:",
        f" {part} = encode_value(value)",
    ]

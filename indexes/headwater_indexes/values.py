"""What can be stored, and the one total order over it.

The order is *missing < None < numbers < bool < str < bytes < list < dict*:

- Numbers compare by value, exactly: ``1 == 1.0 < 1.5``, also where a float cannot hold the int.
  ``-0.0 == 0.0``; NaN is one value and comes after every other number.
- Strings compare by code points, which is the order of their UTF-8 bytes.
- Lists compare item by item; a list comes after its own beginnings.
- Dicts compare as the list of their pairs, sorted by key.

``keys`` holds the same order as bytes. The two are written apart on purpose: tests compare them.
"""

import functools
import reprlib
from collections.abc import Callable, Mapping
from math import isnan
from typing import Any, Final, TypeAlias, final

from headwater_indexes import refusals
from headwater_indexes.errors import NotStorableError

Value: TypeAlias = Any
"""``None``, bool, int (signed 64 bit), float, str, bytes, or a list or dict of these."""

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
NESTING_DEFAULT: Final = 64


class Int64(int):
    """An int that reaches clients in other languages as a 64-bit integer, not as a number."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Int64({int(self)})"


@final
class Missing:
    """The type of ``MISSING``: a field that is not there, which sorts before ``None``."""

    __slots__ = ()
    _instance: "Missing | None" = None

    def __new__(cls) -> "Missing":
        """The one instance."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"  # copies and pickles stay the one instance


MISSING: Final = Missing()


def check_value(value: Value, *, path: str = "", nesting: int = NESTING_DEFAULT) -> None:
    """Refuses a value that cannot be stored. O(size of the value).

    Subclasses that are at heart a str, bytes, int, float, list or dict (``StrEnum``, ``IntEnum``,
    ``OrderedDict``) are accepted; they are stored as that.

    Args:
        value: Anything.
        path: Name of the value in messages, such as ``messages[3]``.
        nesting: Levels of lists and dicts that may lie inside one another.

    Raises:
        NotStorableError: It names the path, the type and what to store instead.
    """
    try:
        _check(value, nesting)
    except _RefusalError as refusal:
        steps = "".join(reversed(refusal.steps))
        raise NotStorableError((path + steps).lstrip("."), refusal.reason) from None


def check_document(fields: Mapping[str, Value], *, nesting: int = NESTING_DEFAULT) -> None:
    """Refuses fields that a document cannot have. O(size of the fields).

    Args:
        fields: The user's fields, without ``_id`` and ``_creationTime``.
        nesting: Levels of lists and dicts inside each field; the document itself is not counted.

    Raises:
        NotStorableError: As in `check_value`; also for a top-level name that starts with ``_``.
    """
    try:
        _check_members(fields, nesting)
    except _RefusalError as refusal:
        steps = "".join(reversed(refusal.steps))
        raise NotStorableError(steps.lstrip("."), refusal.reason) from None
    for name in fields:
        if name.startswith("_"):
            raise NotStorableError(name, refusals.reserved_field(name))


def compare(a: Value | Missing, b: Value | Missing) -> int:
    """Compares two values, or `MISSING`: -1, 0 or 1. O(size of the smaller one).

    Raises:
        NotStorableError: One of them is no value.
    """
    rank_a, rank_b = _rank(a), _rank(b)
    if rank_a != rank_b:
        return -1 if rank_a < rank_b else 1
    return _COMPARISONS[rank_a](a, b)


sort_key = functools.cmp_to_key(compare)
"""``sorted(values, key=sort_key)`` sorts by `compare`."""


# Checking ---------------------------------------------------------------------------------------


class _RefusalError(Exception):
    """Collects the steps of the path, innermost first, on its way up: success pays nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []


def _check(value: Any, nesting: int) -> None:
    if isinstance(value, str):
        if not value.isascii():
            _check_text(value)
    elif isinstance(value, int):
        if not INT_MIN <= value <= INT_MAX:
            raise _RefusalError(refusals.int_out_of_range(value, INT_MIN, INT_MAX))
    elif value is None or isinstance(value, (float, bytes)):
        pass
    elif isinstance(value, dict):
        # Narrowing Any by a class leaves its parameters unknown to pyright; here they are Any.
        _check_members(value, _one_level_less(nesting))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        # As above.
        _check_items(value, _one_level_less(nesting))  # pyright: ignore[reportUnknownArgumentType]
    else:
        raise _RefusalError(refusals.not_a_value(value))


def _check_items(items: list[Any], nesting: int) -> None:
    position = 0
    try:
        for position, item in enumerate(items):  # noqa: B007 - the handler needs the position
            _check(item, nesting)
    except _RefusalError as refusal:
        refusal.steps.append(f"[{position}]")
        raise


def _check_members(members: Mapping[Any, Any], nesting: int) -> None:
    key: Any = ""
    try:
        for key, member in members.items():
            if type(key) is not str or not key or key[0] == "$" or not key.isascii():
                _check_key(key)
            _check(member, nesting)
    except _RefusalError as refusal:
        refusal.steps.append(_step(key))
        raise


def _check_key(key: Any) -> None:
    if not isinstance(key, str):
        raise _RefusalError(refusals.key_not_str(key))
    if not key:
        raise _RefusalError(refusals.EMPTY_KEY)
    if key.startswith("$"):
        raise _RefusalError(refusals.dollar_key(key))
    if not key.isascii():
        _check_text(key)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _RefusalError(refusals.lone_surrogate(text, error.start)) from None


def _one_level_less(nesting: int) -> int:
    if nesting <= 0:
        raise _RefusalError(refusals.NESTED_TOO_DEEPLY)
    return nesting - 1


def _step(key: Any) -> str:
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    return f"[{reprlib.repr(key)}]"


# Comparing --------------------------------------------------------------------------------------

_MISSING, _NULL, _NUMBER, _BOOLEAN, _STRING, _BYTES, _LIST, _DICT = range(8)


def _rank(value: Any) -> int:
    for rank, kinds in _KINDS:
        if isinstance(value, kinds):
            return rank
    raise NotStorableError("", refusals.not_a_value(value))


# bool comes before int, which it is a subclass of.
_KINDS: Final[tuple[tuple[int, Any], ...]] = (
    (_MISSING, Missing),
    (_NULL, type(None)),
    (_BOOLEAN, bool),
    (_NUMBER, (int, float)),
    (_STRING, str),
    (_BYTES, bytes),
    (_LIST, list),
    (_DICT, dict),
)


def _compare_equal(_a: Any, _b: Any) -> int:
    return 0


def _compare_plain(a: Any, b: Any) -> int:
    """For numbers Python's own comparison of int with float is exact, and so is this."""
    return -1 if a < b else int(a > b)


def _compare_numbers(a: Any, b: Any) -> int:
    a_is_nan, b_is_nan = _is_nan(a), _is_nan(b)
    if a_is_nan or b_is_nan:
        return int(a_is_nan) - int(b_is_nan)
    return _compare_plain(a, b)


def _is_nan(number: Any) -> bool:
    return isinstance(number, float) and isnan(number)


def _compare_lists(a: list[Any], b: list[Any]) -> int:
    for item_a, item_b in zip(a, b, strict=False):
        order = compare(item_a, item_b)
        if order:
            return order
    return _compare_plain(len(a), len(b))


def _compare_dicts(a: dict[str, Any], b: dict[str, Any]) -> int:
    for (key_a, value_a), (key_b, value_b) in zip(sorted_items(a), sorted_items(b), strict=False):
        order = _compare_plain(key_a, key_b) or compare(value_a, value_b)
        if order:
            return order
    return _compare_plain(len(a), len(b))


def sorted_items(members: Mapping[str, Value]) -> list[tuple[str, Value]]:
    """The pairs of a dict, sorted by key: the form in which dicts compare."""
    return sorted(members.items(), key=_first)


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


_COMPARISONS: Final[dict[int, Callable[[Any, Any], int]]] = {
    _MISSING: _compare_equal,
    _NULL: _compare_equal,
    _NUMBER: _compare_numbers,
    _BOOLEAN: _compare_plain,
    _STRING: _compare_plain,
    _BYTES: _compare_plain,
    _LIST: _compare_lists,
    _DICT: _compare_dicts,
}

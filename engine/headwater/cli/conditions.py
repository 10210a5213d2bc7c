"""Conditions on documents as they are typed: ``author=Ada``, ``size>=10``."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import typer

from headwater.exchange.json_values import NotReadableError, read_value
from headwater_indexes.values import MISSING, compare

_CONDITION: Final = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(==|!=|<=|>=|=|<|>)\s*(.*)", re.DOTALL)
_MISSING: Final = "missing"
_TESTS: Final[dict[str, Callable[[int], bool]]] = {
    "=": lambda order: order == 0,
    "!=": lambda order: order != 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


class Condition(NamedTuple):
    """What a field of a document has to be.

    Attributes:
        field: Its name; dotted for what is inside of a dict.
        operator: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        value: What it is compared with; `hw.MISSING` for no value at all.
    """

    field: str
    operator: str
    value: Any

    def holds(self, document: Any) -> bool:
        """Whether a document fulfils it. Only values of one type are less or greater."""
        found = field_of(document, self.field)
        if self.operator not in ("=", "!=") and _kind(found) is not _kind(self.value):
            return False
        return _TESTS[self.operator](compare(found, self.value))


def parse_condition(text: str) -> Condition:
    """A condition: a field, an operator and a value.

    The value is JSON in its exact form. What is no JSON is a string, and ``missing`` stands for an
    absent field; both can be given as strings in quotes.

    Raises:
        typer.BadParameter: It is none.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(
            f"{text!r}: expected a field, one of = != < <= > >=, and a value, as in 'size>=10'"
        )
    field, operator, value = match.groups()
    return Condition(field, "=" if operator == "==" else operator, _value(value.strip()))


def field_of(document: Any, path: str) -> Any:
    """A field of a document; MISSING if it has none."""
    found = document
    for name in path.split("."):
        if not isinstance(found, dict):
            return MISSING
        found = cast("dict[str, Any]", found).get(name, MISSING)
    return found


def _value(text: str) -> Any:
    if text == _MISSING:
        return MISSING
    try:
        return read_value(text)
    except NotReadableError:
        return text


def _kind(value: object) -> type[object]:
    """The type of a value; that of all numbers is one."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float
    return type(value)

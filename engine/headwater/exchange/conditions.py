"""Conditions on documents as they are typed, such as ``author=Ada`` and ``size>=10``."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, cast

from headwater.exchange.json_values import NotReadableError, read_value
from headwater.tables.catalog import TableInfo
from headwater.transactions.query import TableQuery
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


class ConditionInvalidError(ValueError):
    """A text is no condition."""


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


def read_condition(text: str) -> Condition:
    """A condition: a field, an operator and a value.

    The value is JSON in its exact form. What is no JSON is a string, and ``missing`` stands for an
    absent field; both can be given as strings in quotes.

    Raises:
        ConditionInvalidError: It is none.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ConditionInvalidError(
            f"{text!r}: expected a field, one of = != < <= > >=, and a value, as in 'size>=10'"
        )
    field, operator, value = match.groups()
    return Condition(field, "=" if operator == "==" else operator, _value(value.strip()))


def narrowed(
    query: TableQuery[dict[str, Any]],
    info: TableInfo,
    index: str | None,
    where: Sequence[Condition],
) -> TableQuery[dict[str, Any]]:
    """The part of an index that can have what is looked for.

    Args:
        query: Over the whole table.
        info: The table.
        index: The index to read; None for one that all of whose fields are given, so that what is
            left is in the order of creation, or else for none.
        where: All conditions.
    """
    equal = {one.field: one.value for one in where if one.operator == "="}
    chosen = index or _index_for(info, equal)
    if chosen is None:
        return query
    found = info.index(chosen)
    fields = () if found is None else found.definition.fields
    prefix: list[Any] = []
    for field in fields:
        if field not in equal:
            break
        prefix.append(equal[field])
    return query.with_index(chosen, *prefix)


def _index_for(info: TableInfo, equal: dict[str, Any]) -> str | None:
    usable = [
        one
        for one in info.indexes
        if one.state == "ready" and one.is_declared and set(one.definition.fields) <= equal.keys()
    ]
    return max(usable, key=lambda one: len(one.definition.fields)).name if usable else None


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

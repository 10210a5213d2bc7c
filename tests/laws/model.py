"""Documents in a dict, and ranges of indexes found by comparing values, without any keys."""

from collections.abc import Mapping, Sequence
from functools import cmp_to_key
from typing import Any

from headwater_indexes.values import MISSING, compare

Fields = dict[str, Any]


def value_at(fields: Any, path: str) -> Any:
    """The value of a dotted path; MISSING if there is none."""
    for step in path.split("."):
        if not isinstance(fields, dict) or step not in fields:
            return MISSING
        fields = fields[step]
    return fields


def is_same(one: Any, other: Any) -> bool:
    """Equal in value and in type, however deep; NaN is itself, and -0.0 is not 0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return repr(one) == repr(other)


def in_range(
    documents: Mapping[str, Fields],
    paths: Sequence[str],
    equal: Sequence[Any],
    bounds: Mapping[str, Any],
    *,
    is_descending: bool,
    times: Mapping[str, float] | None = None,
) -> list[str]:
    """Ids of the documents of a range, in order.

    Ids are in order of creation, unless creation times are given.
    """
    found = [
        (tuple(value_at(fields, path) for path in paths), (times[id_text] if times else 0, id_text))
        for id_text, fields in documents.items()
    ]
    found = [(key, last) for key, last in found if _is_within(key, equal, bounds)]
    found.sort(key=cmp_to_key(_compare_rows), reverse=is_descending)
    return [id_text for _, (_, id_text) in found]


def _is_within(key: Sequence[Any], equal: Sequence[Any], bounds: Mapping[str, Any]) -> bool:
    if any(compare(value, wanted) != 0 for value, wanted in zip(key, equal, strict=False)):
        return False
    if not bounds:
        return True
    value = key[len(equal)]
    return all(
        {
            "gt": compare(value, bound) > 0,
            "gte": compare(value, bound) >= 0,
            "lt": compare(value, bound) < 0,
            "lte": compare(value, bound) <= 0,
        }[name]
        for name, bound in bounds.items()
    )


_Row = tuple[Sequence[Any], tuple[float, str]]


def _compare_rows(one: _Row, other: _Row) -> int:
    for mine, theirs in zip(one[0], other[0], strict=True):
        if order := compare(mine, theirs):
            return order
    return (one[1] > other[1]) - (one[1] < other[1])


def holder_of(documents: Mapping[str, Fields], id_text: str, fields: Fields) -> str | None:
    """Another document with the same value of ``u``; an absent one is like no other."""
    if "u" not in fields:
        return None
    for other, others in documents.items():
        if other != id_text and "u" in others and compare(others["u"], fields["u"]) == 0:
            return other
    return None

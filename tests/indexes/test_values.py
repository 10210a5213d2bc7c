"""What is a value, in which words others are refused, and that the order is a total order."""

import copy
import dataclasses
import datetime as dt
import decimal
import enum
import itertools
import pathlib
import pickle
import uuid
from collections import OrderedDict
from functools import cmp_to_key
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.strategies import components, documents, integers, numbers, texts, values

from headwater_indexes.errors import NotStorableError
from headwater_indexes.values import (
    INT_MAX,
    INT_MIN,
    MISSING,
    Int64,
    Missing,
    check_document,
    check_value,
    compare,
    sort_key,
)


@given(values())
def test_every_value_is_accepted(value: Any) -> None:
    check_value(value)


@given(documents())
def test_every_document_is_accepted(fields: dict[str, Any]) -> None:
    check_document(fields)
    check_document(MappingProxyType(fields))


@given(components(), components(), components())
def test_the_order_is_total(a: Any, b: Any, c: Any) -> None:
    assert compare(a, a) == 0
    assert compare(a, b) == -compare(b, a)
    low, middle, high = sorted([a, b, c], key=sort_key)
    assert compare(low, middle) <= 0
    assert compare(middle, high) <= 0
    assert compare(low, high) <= 0


@given(st.lists(integers()))
def test_ints_sort_as_ints(items: list[int]) -> None:
    assert sorted(items, key=cmp_to_key(compare)) == sorted(items)


@given(st.lists(texts()))
def test_strings_sort_like_their_utf8(items: list[str]) -> None:
    assert sorted(items, key=sort_key) == sorted(items, key=str.encode)


@given(numbers(), numbers())
def test_numbers_compare_exactly(a: float, b: float) -> None:
    if a == a and b == b:
        assert compare(a, b) == (a > b) - (a < b)
        assert compare([a], [b]) == compare(a, b)


def test_the_kinds_come_in_this_order() -> None:
    in_order: list[Any] = [MISSING, None]
    in_order += [
        float("-inf"),
        -1,
        0,
        0.5,
        2**53,
        2**53 + 1,
        2.0**53 + 2,
        float("inf"),
        float("nan"),
    ]
    in_order += [False, True]
    in_order += ["", "a", "a\0", "b", "\uffff", "\U00010000", b"", b"\0", b"\xff"]
    in_order += [[], [None], [None, None], [1], ["a"], [[]]]
    in_order += [{}, {"a": 1}, {"a": 1, "b": 0}, {"a": 2}, {"b": 0}]
    for a, b in itertools.combinations(in_order, 2):
        assert compare(a, b) == -1
        assert compare(b, a) == 1


def test_equal_numbers_of_different_types_are_equal() -> None:
    assert compare(0.0, -0.0) == 0
    assert compare(1, 1.0) == 0
    assert compare(Int64(1), 1.0) == 0
    assert compare(float("nan"), -float("nan")) == 0
    assert compare(2**53 + 1, 2.0**53) == 1
    assert compare(2.0**63, INT_MAX) == 1


def test_what_is_no_value_has_no_order() -> None:
    with pytest.raises(NotStorableError, match="tuple cannot be stored"):
        compare((), 1)


class Color(enum.StrEnum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


class Plain(enum.Enum):
    ONE = 1


class Name(str):
    __slots__ = ()


@dataclasses.dataclass
class Point:
    x: int


def test_subclasses_that_are_plain_at_heart_are_accepted() -> None:
    check_value([Color.RED, Size.BIG, Int64(1), Name("é"), OrderedDict({Color.RED: 1})])


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "value.timestamp() * 1000"),
        (dt.date(2026, 1, 1), "value.isoformat()"),
        (dt.timedelta(1), "total_seconds() * 1000"),
        (decimal.Decimal(1), "int of minor units"),
        (uuid.UUID(int=1), "str(value)"),
        (pathlib.PurePosixPath("a"), "str(value)"),
        ({1}, "list(value)"),
        (frozenset({1}), "list(value)"),
        ((1,), "list(value)"),
        (Point(1), "dataclasses.asdict(value)"),
        (Plain.ONE, "value.value"),
        (bytearray(b"a"), "bytes(value)"),
        (memoryview(b"a"), "bytes(value)"),
        (1j, "value.real"),
        (MISSING, "leave the field out"),
        (object(), "None, a bool, int"),
        (Point, "None, a bool, int"),
        (INT_MAX + 1, "str(value)"),
        (INT_MIN - 1, "-9223372036854775809"),
        pytest.param(1 << 5000, "of 5001 bits", id="huge"),
        ("a\ud800", "position 1"),
        ("\udc00", "lone surrogate"),
        ({1: 2}, "use str(key)"),
        ({"": 2}, "at least one character"),
        ({"$a": 2}, "starts with '$'"),
        ({"é\ud800": 2}, "lone surrogate"),
    ],
)
def test_the_refusal_says_what_to_store_instead(value: Any, advice: str) -> None:
    with pytest.raises(NotStorableError) as caught:
        check_value({"sent": [0, value]}, path="messages[3]")
    assert advice in caught.value.reason
    assert caught.value.path.startswith("messages[3].sent[1]")
    assert str(caught.value) == f"{caught.value.path}: {caught.value.reason}"


def test_a_class_is_named_with_its_module() -> None:
    with pytest.raises(NotStorableError, match=r"^a decimal\.Decimal cannot be stored"):
        check_value(decimal.Decimal(1))


def test_the_path_leads_to_the_value() -> None:
    with pytest.raises(NotStorableError) as caught:
        check_value({"a": {"b c": [[{"d": {1}}]]}})
    assert caught.value.path == "a['b c'][0][0].d"


def test_the_error_survives_pickling() -> None:
    error = NotStorableError("a.b", "because")
    again = pickle.loads(pickle.dumps(error))
    assert (again.path, again.reason, str(again)) == ("a.b", "because", "a.b: because")


def _nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@given(st.integers(0, 80))
@example(64)
@example(65)
def test_nesting_is_bounded(levels: int) -> None:
    if levels <= 64:
        check_value(_nested(levels))
        check_document({"field": _nested(levels)})
    else:
        with pytest.raises(NotStorableError, match="nested more deeply"):
            check_value(_nested(levels))
        with pytest.raises(NotStorableError, match="nested more deeply"):
            check_document({"field": _nested(levels)})


def test_a_value_inside_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotStorableError, match="inside itself"):
        check_value(value)


@pytest.mark.parametrize("name", ["_id", "_creationTime", "_", "__x"])
def test_top_level_names_of_the_database_are_reserved(name: str) -> None:
    with pytest.raises(NotStorableError, match="reserved for the database") as caught:
        check_document({"a": 1, name: 1})
    assert caught.value.path == name
    check_document({"a": {name: 1}})


def test_missing_is_one_falsy_thing() -> None:
    assert Missing() is MISSING
    assert not MISSING
    assert repr(MISSING) == "MISSING"
    assert copy.deepcopy(MISSING) is MISSING
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING


def test_int64_is_an_int_that_shows_what_it_is() -> None:
    assert Int64(5) == 5
    assert repr(Int64(5)) == "Int64(5)"
    assert type(pickle.loads(pickle.dumps(Int64(5)))) is Int64

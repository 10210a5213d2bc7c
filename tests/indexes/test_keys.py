"""Keys sort like the values they were made from, decode back, and none begins another."""

import enum
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.strategies import components, documents, long_texts, numbers, texts, values

from headwater_indexes import keys
from headwater_indexes.errors import MalformedKeyError, NotStorableError
from headwater_indexes.values import INT_MAX, INT_MIN, MISSING, Int64, compare, sort_key

ROWS = st.lists(components(), max_size=3)


def _order(a: bytes, b: bytes) -> int:
    return (a > b) - (a < b)


@given(components(), components())
@example(2**53, 2.0**53)
@example(2**53 + 1, 2.0**53 + 2)
@example(INT_MAX, 2.0**63)
@example(INT_MIN, -(2.0**63))
@example(-(2**53) - 1, -(2.0**53))
@example(-0.0, 0)
@example(float("nan"), float("inf"))
@example(float("-inf"), INT_MIN)
@example("a", "a\0")
@example("a\1", "a\0\1")
@example(["a"], ["a\0"])
@example([[]], [])
@example({"a": 1, "b": 1}, {"a": 1})
@example("\uffff", "\U00010000")
def test_keys_sort_like_their_values(a: Any, b: Any) -> None:
    assert _order(keys.encode_value(a), keys.encode_value(b)) == compare(a, b)


@given(numbers(), numbers())
def test_keys_of_numbers_sort_like_numbers(a: float, b: float) -> None:
    assert _order(keys.encode_value(a), keys.encode_value(b)) == compare(a, b)


@given(numbers(), st.integers(-2, 2))
def test_keys_tell_apart_numbers_that_are_neighbours(number: float, step: int) -> None:
    other = math.nextafter(number, math.inf) if isinstance(number, float) else number + step
    if isinstance(other, int):
        other = min(max(other, INT_MIN), INT_MAX)
    assert _order(keys.encode_value(number), keys.encode_value(other)) == compare(number, other)


@given(st.lists(st.tuples(components(), components())))
def test_rows_sort_like_their_columns_one_after_the_other(rows: list[tuple[Any, Any]]) -> None:
    by_values = sorted(rows, key=lambda row: [sort_key(value) for value in row])
    assert [keys.encode(row) for row in by_values] == sorted(map(keys.encode, rows))


@given(long_texts(), long_texts())
def test_long_texts_sort_like_their_values(a: str, b: str) -> None:
    assert _order(keys.encode_value(a), keys.encode_value(b)) == compare(a, b)


@given(ROWS)
def test_keys_decode_to_what_was_encoded(row: list[Any]) -> None:
    decoded = keys.decode(keys.encode(row))
    assert len(decoded) == len(row)
    assert all(compare(a, b) == 0 for a, b in zip(decoded, row, strict=True))
    assert keys.encode(decoded) == keys.encode(row)


@given(components(), components())
def test_no_component_begins_another(a: Any, b: Any) -> None:
    if compare(a, b) != 0:
        assert not keys.encode_value(a).startswith(keys.encode_value(b))


@given(ROWS, ROWS)
def test_what_begins_with_a_prefix_lies_below_its_end(prefix: list[Any], row: list[Any]) -> None:
    low = keys.encode(prefix)
    high = keys.prefix_end(low)
    assert low <= keys.encode(prefix + row) + b"0" < high
    begins_so = len(row) >= len(prefix) and all(
        compare(a, b) == 0 for a, b in zip(prefix, row, strict=False)
    )
    assert (low <= keys.encode(row) < high) == begins_so


@given(ROWS, st.binary(max_size=4))
def test_ends_of_components_cut_a_key_into_them(row: list[Any], rest: bytes) -> None:
    key = keys.encode(row)
    ends = keys.component_ends(key + rest, len(row))
    assert ends == [len(keys.encode(row[: count + 1])) for count in range(len(row))]
    assert keys.component_count(key) == len(row)


@given(components())
def test_components_begin_with_an_ordinary_byte(value: Any) -> None:
    assert 0x01 <= keys.encode_value(value)[0] <= 0x7A


@given(
    st.binary(max_size=20) | st.lists(st.sampled_from(b"\x00\x01\x02\x20\x29@P`pa\xff")).map(bytes)
)
@example(b"`" * 5000)
@example(b"p" + b"@a\0" + b"\0")
@example(b"p\x18\x18\0")
@example(b"@\x01\x03\0")
@example(b"@\xff\0")
@example(b"\x20\xc3\x40\0\0\0\0\0\0\0")
@example(b"\x20\xff")
@example(b"@a")
@example(b"\0")
@example(b"")
def test_other_bytes_are_refused_or_decode(key: bytes) -> None:
    try:
        decoded = keys.decode(key)
    except MalformedKeyError:
        return
    assert len(keys.component_ends(key, len(decoded))) == len(decoded)


@pytest.mark.parametrize(
    "key",
    [b"", b"\0", b"\xff", b"@a", b"`", b"`\x10", b"\x20\x01", b"\x20\x80\0\0\0", b"\x20\xff" * 2],
)
def test_ends_are_refused_where_there_is_no_component(key: bytes) -> None:
    with pytest.raises(MalformedKeyError, match="expected 1 components"):
        keys.component_ends(key, 1)
    if key:
        with pytest.raises(MalformedKeyError, match="no whole component at byte 1"):
            keys.component_count(b"\x10" + key)


def test_numbers_come_back_as_ints_where_they_are_integral() -> None:
    row = [1, 1.0, -0.0, 2**53 + 1, INT_MIN, 2.0**63, 0.5, float("-inf"), Int64(7)]
    decoded = keys.decode(keys.encode(row))
    assert decoded == [1, 1, 0, 2**53 + 1, INT_MIN, 2.0**63, 0.5, float("-inf"), 7]
    assert [type(value) for value in decoded] == [int] * 5 + [float] * 3 + [int]
    (nan,) = keys.decode(keys.encode([float("nan")]))
    assert math.isnan(nan)


def test_keys_look_as_the_module_says() -> None:
    row = [MISSING, None, 1, -1.5, False, True, "a\0\1", b"\0", ["x"], {"b": None, "a": 2**53}]
    parts = [
        b"\x10\x18",
        b"\x20\xbf\xf0\0\0\0\0\0\0",
        b"\x20\x40\x07\xff\xff\xff\xff\xff\xff",
        b"\x28\x29",
        b"@a\1\1\1\2\0",
        b"P\1\1\0",
        b"`@x\0\0",
        b"p@a\0\x20\xc3\x40\0\0\0\0\0\0\0\0@b\0\x18\0",
    ]
    assert keys.encode(row) == b"".join(parts)


class Color(enum.StrEnum):
    RED = "red"


def test_subclasses_have_the_key_of_their_base() -> None:
    assert keys.encode_value(Color.RED) == keys.encode_value("red")
    assert keys.encode_value({Color.RED: Int64(1)}) == keys.encode_value({"red": 1})


@pytest.mark.parametrize(
    "value", [(), {1: 2}, "\ud800", {"\ud800": 1}, [set()], 2**63, -(2**63) - 1, object()]
)
def test_what_is_no_value_has_no_key(value: Any) -> None:
    with pytest.raises(NotStorableError):
        keys.encode_value(value)
    with pytest.raises(NotStorableError):
        keys.compile_encoder([("a",)])({"a": value})


PATHS = st.lists(
    st.sampled_from([("a",), ("b",), ("a", "b"), ("a", "b", "c"), ("'\"\n\\",), ("é", "a")]),
    max_size=4,
)


def _at(fields: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        fields = fields.get(name, MISSING) if isinstance(fields, dict) else MISSING
    return fields


@given(PATHS, documents() | st.dictionaries(st.sampled_from("abc"), values()))
@example([("a", "b")], {"a": {"b": 1}})
@example([("a", "b")], {"a": 1})
@example([("'\"\n\\",)], {"'\"\n\\": "x"})
def test_a_compiled_encoder_does_what_encode_does(
    paths: list[tuple[str, ...]], fields: dict[str, Any]
) -> None:
    expected = keys.encode([_at(fields, path) for path in paths])
    assert keys.compile_encoder(paths)(fields) == expected
    assert keys.compile_entry_encoder(paths)(fields, "id") == expected + b"id"


@given(numbers() | texts())
@example(2**53)
@example(2.0**53)
@example(-0.0)
def test_a_compiled_encoder_is_right_about_each_scalar(value: Any) -> None:
    assert keys.compile_encoder([("a",)])({"a": value}) == keys.encode_value(value)

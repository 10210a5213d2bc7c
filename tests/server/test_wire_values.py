"""Values on their way to clients and back: none is lost, and nothing else is taken for one."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.schema.validator_strategies import TABLES, fitting, validators, values

import headwater as hw
from headwater.errors import RequestInvalidError
from headwater.exchange.fitting import Fitting, fit
from headwater.schema import v
from headwater.schema.explain import Walk, find_mismatch
from headwater.schema.validators import AnyValidator
from headwater.server.wire_values import (
    from_wire,
    timestamp_from_wire,
    timestamp_to_wire,
    to_wire,
)
from headwater_indexes.values import compare

CALL = Fitting(Walk(TABLES), is_bigint=True)


def travelled(value: Any) -> Any:
    """A value after a client has had it."""
    return from_wire(json.loads(json.dumps(to_wire(value), allow_nan=False)))


def in_javascript(value: Any) -> Any:
    """The value with its numbers as JavaScript has them."""
    if isinstance(value, dict):
        return {name: in_javascript(member) for name, member in value.items()}
    if isinstance(value, list):
        return [in_javascript(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool | hw.Int64):
        return float(value) if abs(value) <= 2**53 else hw.Int64(value)
    return value


@given(values)
def test_a_value_comes_back_as_javascript_has_it(value: Any) -> None:
    assert compare(travelled(value), in_javascript(value)) == 0


@given(st.data())
def test_what_fits_a_type_still_fits_when_a_client_has_had_it(data: st.DataObject) -> None:
    validator = data.draw(validators)
    value = data.draw(fitting(validator))
    back = fit(validator, travelled(value), CALL)
    assert find_mismatch(validator, back, "", CALL.walk) is None, back


@given(values)
def test_the_clean_format_is_plain_json(value: Any) -> None:
    written = json.dumps(to_wire(value, "clean"), allow_nan=False)
    assert "$" not in written or "$" in repr(value)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$integer", "$float", "$bytes", "$set", "$undefined", "a", ""]),
            inner | st.sampled_from(["AAAAAAAAAAA=", "AAAAAAAA8H8=", "AA==", "=", "é"]),
            max_size=2,
        )
    ),
    max_leaves=6,
)


@given(JSON_LIKE)
def test_whatever_json_comes_is_a_value_or_refused(data: Any) -> None:
    try:
        value = from_wire(data)
    except RequestInvalidError:
        return
    assert json.loads(json.dumps(to_wire(value), allow_nan=False)) == to_wire(value)
    assert find_mismatch(AnyValidator(), value) is None


SPECIAL = [
    (math.inf, {"$float": "AAAAAAAA8H8="}, "Infinity"),
    (-math.inf, {"$float": "AAAAAAAA8P8="}, "-Infinity"),
    (math.nan, {"$float": "AAAAAAAA+H8="}, "NaN"),
    (-0.0, {"$float": "AAAAAAAAAIA="}, 0.0),
    (hw.Int64(1), {"$integer": "AQAAAAAAAAA="}, "1"),
    (hw.Int64(-1), {"$integer": "//////////8="}, "-1"),
    (2**53 + 1, {"$integer": "AQAAAAAAIAA="}, "9007199254740993"),
    (b"\x00\xff", {"$bytes": "AP8="}, "AP8="),
    (2**53, 2.0**53, 2.0**53),
    (3, 3.0, 3.0),
    (True, True, True),
]


@pytest.mark.parametrize(("value", "encoded", "clean"), SPECIAL, ids=[repr(s[0]) for s in SPECIAL])
def test_each_special_value_is_written_as_clients_know_it(
    value: Any, encoded: Any, clean: Any
) -> None:
    assert to_wire(value) == encoded
    assert to_wire(value, "clean") == clean
    assert type(to_wire(value)) is type(encoded)


REFUSED: list[Any] = [
    {"$integer": 1},
    {"$integer": "AQ=="},
    {"$integer": "AQAAAAAAAAA"},
    {"$integer": "AQAAAAAA AAA="},
    {"$integer": "é"},
    {"$float": "AAAAAAAA8D8="},
    {"$float": "AAAAAAAAAAA="},
    {"$bytes": None},
    {"$bytes": "A"},
    {"$set": []},
    {"$undefined": None},
    {"a": 1, "$b": 2},
    {"$integer": "AQAAAAAAAAA=", "a": 1},
    10**400,
    math.inf,
]


@pytest.mark.parametrize("data", REFUSED, ids=repr)
def test_what_is_no_value_is_refused(data: Any) -> None:
    with pytest.raises(RequestInvalidError):
        from_wire([data])


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> Any:
        data: Any = 0
        for _ in range(depth):
            data = [data]
        return data

    assert from_wire(nested(64)) is not None
    for depth in (65, 6400):
        with pytest.raises(RequestInvalidError, match="nested"):
            from_wire(nested(depth))


FITTED = [
    (v.integer(), 3.0, 3),
    (v.integer(), hw.Int64(2**60), 2**60),
    (v.integer(), 3.5, 3.5),
    (v.number(), 3.0, 3.0),
    (v.number(), hw.Int64(3), 3.0),
    (v.int64(), hw.Int64(3), hw.Int64(3)),
    (v.int64(), 3.0, 3.0),
    (v.any(), hw.Int64(3), hw.Int64(3)),
    (v.any(), 3.0, 3.0),
    (v.union(v.integer(), v.null()), hw.Int64(3), 3),
    (v.union(v.integer(), v.int64()), hw.Int64(3), hw.Int64(3)),
    (v.union(v.integer(), v.int64()), 3.0, 3),
    (v.union(v.list(v.integer()), v.null()), [hw.Int64(3), 4.0], [3, 4]),
    (v.union(v.literal(1), v.literal(2)), 2.0, 2),
]


@pytest.mark.parametrize(("validator", "value", "fitted"), FITTED, ids=repr)
def test_a_number_becomes_what_the_function_declares(
    validator: Any, value: Any, fitted: Any
) -> None:
    got = fit(validator, value, CALL)
    assert got == fitted
    assert repr(got) == repr(fitted)


@given(st.integers(0, 2**64 - 1))
def test_a_timestamp_comes_back(ts: int) -> None:
    assert timestamp_from_wire(timestamp_to_wire(ts)) == ts
    assert len(timestamp_to_wire(ts)) == 12


@pytest.mark.parametrize("text", [None, 1, "", "AAAA", "AAAAAAAAAAAA", "é" * 12, ["A"]])
def test_what_is_no_timestamp_is_refused(text: Any) -> None:
    with pytest.raises(RequestInvalidError):
        timestamp_from_wire(text)

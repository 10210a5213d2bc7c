"""Values survive the way through JSON."""

import json
import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.strategies import values

from headwater.exchange.json_values import NotReadableError, read_line, write_line
from headwater.storage.codec import pack
from headwater_indexes.values import Int64, compare


@given(values())
@example([Int64(5), 5, 5.0, -0.0, 1e300, 2**63 - 1, -(2**63), math.inf, -math.inf, math.nan])
@example({"a": {"b": [b"", b"\xff", None, True]}})
def test_the_exact_dialect_gives_back_every_type(value):
    line = write_line({"value": value}, "exact")
    assert "\n" not in line
    assert pack(read_line(line)) == pack({"value": value})


@given(values())
def test_convexs_dialect_gives_back_an_equal_value(value):
    assert compare(read_line(write_line({"value": value}, "convex"))["value"], value) == 0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, "1.0"),
        (Int64(1), "1"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (2**53, "9007199254740992.0"),
        (2**53 + 1, "9007199254740993"),
        (b"hi", '{"$bytes":"aGk="}'),
        (math.inf, '{"$float":"AAAAAAAA8H8="}'),
    ],
)
def test_convexs_dialect_is_what_convex_writes(value, written):
    assert write_line({"v": value}, "convex") == f'{{"v":{written}}}'


def test_the_payload_of_nan_is_kept():
    nan = struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf8\x7f")[0]
    back = read_line(write_line({"v": nan}, "exact"))["v"]
    assert struct.pack("<d", back) == struct.pack("<d", nan)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[1]", "expected an object, got list"),
        ("1", "expected an object, got int"),
        ('{"a": NaN}', "NaN is no JSON"),
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ('{"a": {"$bytes": "?"}}', "expected base64"),
        ('{"a": {"$bytes": 5}}', "expected base64"),
        ('{"a": {"$integer": "AA=="}}', "of 8 bytes"),
        ('{"a": {"$float": "AA=="}}', "of 8 bytes"),
        ('{"$float": "AAAAAAAA8H8="}', "expected an object, got float"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_document_is_refused(line, said):
    with pytest.raises(NotReadableError, match=said):
        read_line(line)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        document = read_line(text)
    except NotReadableError:
        return
    assert isinstance(document, dict)
    assert isinstance(json.loads(text), dict)

"""Ids: one spelling each, a checksum, and an order that is the order of creation."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater_indexes.errors import MalformedIdError, RangeError
from headwater_indexes.ids import (
    ALPHABET,
    FIRST_USER_TABLE,
    TABLE_NUMBER_MAX,
    TICKS_PER_MS,
    USER_ID_LENGTH,
    creation_bits,
    creation_time_of,
    decode_id,
    encode_id,
    mint,
    noted_creation_time,
    table_bounds,
    table_number_of,
)

TABLES = (
    st.integers(0, TABLE_NUMBER_MAX)
    | st.integers(0, 20_000)
    | st.sampled_from(
        [0, 127, 128, 513, 514, 10_001, 16_383, 16_384, 2**21 - 1, 2**21, 2**28 - 1, 2**28]
    )
)
INTERNALS = st.binary(min_size=16, max_size=16) | st.sampled_from([bytes(16), b"\xff" * 16])
RANDOM = st.integers(0, 2**68 - 1)
# What a clock may say from 2004 to 10889: float64 has no finer steps there than an id has.
TIMES = st.integers(2**40 * TICKS_PER_MS, 2**48 * TICKS_PER_MS - 1).map(
    lambda ticks: float(ticks >> 7 << 7) / TICKS_PER_MS
) | st.floats(2**40, 2**41)


def _fletcher16(data: bytes) -> bytes:
    """As its definition says, one byte after the other."""
    low = high = 0
    for byte in data:
        low = (low + byte) % 256
        high = (high + low) % 256
    return bytes((low, high))


def _base32(data: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(ALPHABET[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5))


def _vint(number: int) -> bytes:
    data = bytearray()
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


@given(TABLES, INTERNALS)
def test_an_id_decodes_to_what_was_encoded(table: int, internal: bytes) -> None:
    text = encode_id(table, internal)
    assert decode_id(text) == (table, internal)
    assert table_number_of(text) == table
    assert 31 <= len(text) <= 37
    assert set(text) <= set(ALPHABET)


@given(TABLES, INTERNALS)
def test_an_id_is_what_the_format_says(table: int, internal: bytes) -> None:
    body = _vint(table) + internal
    assert encode_id(table, internal) == _base32(body + _fletcher16(body))


def test_an_id_made_by_convex_is_read() -> None:
    internal = bytes(pow(251, power, 256) for power in range(1, 17))
    assert decode_id("z43zp6c3e75gkmz1kfwj6mbbx5sw281h") == (1017, internal)
    assert encode_id(1017, internal) == "z43zp6c3e75gkmz1kfwj6mbbx5sw281h"


@given(st.text(st.sampled_from(ALPHABET), min_size=30, max_size=38) | st.text(max_size=40))
@example("0" * 32)
@example("é" * 32)
@example("+" + "0" * 31)
@example("0_" * 16)
@example(" " * 32)
def test_a_text_is_the_id_it_decodes_to_or_none(text: str) -> None:
    try:
        table, internal = decode_id(text)
    except MalformedIdError:
        return
    assert encode_id(table, internal) == text


@given(TABLES, INTERNALS, st.data())
def test_one_wrong_character_is_noticed(table: int, internal: bytes, data: st.DataObject) -> None:
    text = encode_id(table, internal)
    position = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from(ALPHABET).filter(lambda other: other != text[position]))
    changed = text[:position] + character + text[position + 1 :]
    with pytest.raises(MalformedIdError):
        decode_id(changed)


@given(TABLES, INTERNALS, st.integers(1, 31))
def test_bits_after_the_last_byte_must_be_zero(table: int, internal: bytes, bits: int) -> None:
    text = encode_id(table, internal)
    last = ALPHABET[ALPHABET.index(text[-1]) | bits]
    if last != text[-1]:
        with pytest.raises(MalformedIdError):
            decode_id(text[:-1] + last)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 characters"),
        ("j5" * 100, "200 characters"),
        ("z43zp6c3e75gkmz1kfwj6mbbx5sw281", "bits that belong to no byte"),
        ("z43zp6c3e75gkmz1kfwj6mbbx5sw281i", "'i' is not one of"),
        ("Z43ZP6C3E75GKMZ1KFWJ6MBBX5SW281H", "'Z' is not one of"),
        ("z43zp6c3e75gkmz1kfwj6mbbx5sw281\x00", "is not one of"),
        ("z43zp6c3e75gkmz1kfwj6mbbx5sw281k", "checksum"),
        (_base32(b"\x05" + b"\0" * 18)[:-1] + "1", "bits that belong to no byte"),
        (_base32(b"\x85\x00" + b"\0" * 18), "does not fit the table number"),
        (_base32(b"\x80\x80\x80\x80\x10" + b"\0" * 18), "does not fit the table number"),
    ],
)
def test_the_refusal_says_why(text: str, reason: str) -> None:
    with pytest.raises(MalformedIdError, match=reason) as caught:
        decode_id(text)
    assert len(str(caught.value)) < 250
    with pytest.raises(MalformedIdError):
        # The leading characters may be right; then it takes the whole text to see what is wrong.
        table_number_of(text) if "characters" in reason or "fit" in reason else decode_id(text)


@given(st.text(max_size=40) | st.text(st.sampled_from(ALPHABET), min_size=31, max_size=37))
@example("")
@example("hello")
@example("vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv")
@example("!" * 32)
def test_the_table_is_read_from_the_beginning_or_refused(text: str) -> None:
    try:
        number = table_number_of(text)
    except MalformedIdError:
        return
    assert text.startswith(encode_id(number, bytes(16))[: 8 * len(_vint(number)) // 5])
    assert len(text) == len(encode_id(number, bytes(16)))


@given(TABLES, TABLES, INTERNALS, INTERNALS)
def test_the_bounds_of_a_table_hold_its_ids_and_no_others(
    table: int, other: int, internal: bytes, other_internal: bytes
) -> None:
    low, high = table_bounds(table)
    assert low <= encode_id(table, internal).encode() < high
    if other != table:
        assert not low <= encode_id(other, other_internal).encode() < high


@given(TABLES, INTERNALS, INTERNALS)
def test_ids_of_a_table_sort_like_their_internal_bytes(table: int, a: bytes, b: bytes) -> None:
    assert (encode_id(table, a) < encode_id(table, b)) == (a < b)


@given(TABLES, TIMES, TIMES, RANDOM, RANDOM)
def test_ids_sort_by_creation_time(
    table: int, time_a: float, time_b: float, random_a: int, random_b: int
) -> None:
    a, b = mint(table, time_a, random_a), mint(table, time_b, random_b)
    if time_a != time_b:
        assert (a < b) == (time_a < time_b)
    else:
        assert (a < b) == (random_a < random_b)


@given(TABLES, TIMES, RANDOM)
def test_an_id_holds_its_creation_time_exactly(table: int, time: float, random: int) -> None:
    text = mint(table, time, random)
    assert creation_time_of(text) == time
    assert table_number_of(text) == table
    number, internal = decode_id(text)
    assert number == table
    assert int.from_bytes(internal, "big") == creation_bits(time) << 68 | random


def test_a_clock_has_no_finer_steps_than_an_id() -> None:
    assert creation_bits(1_700_000_000_000.0) == 1_700_000_000_000 * 4096
    assert creation_bits(1_700_000_000_000.0 + 2**-12) == 1_700_000_000_000 * 4096 + 1
    assert creation_bits(0.0) == 0


def test_only_68_random_bits_are_used() -> None:
    assert mint(10_001, 5.0, 2**68 + 7) == mint(10_001, 5.0, 7) != mint(10_001, 5.0, 8)


def test_user_tables_have_ids_of_32_characters() -> None:
    for table in (513, 514, FIRST_USER_TABLE, 16_383):
        assert len(mint(table, 1.0, 1)) == USER_ID_LENGTH
    lengths = [len(encode_id(1 << 7 * size, bytes(16))) for size in range(5)]
    assert lengths == [31, 32, 34, 36, 37]


def test_what_cannot_be_in_an_id_is_refused() -> None:
    for time in (-1.0, 2.0**48, float("nan"), float("inf")):
        with pytest.raises(RangeError, match="creation time"):
            mint(10_001, time, 0)
    for table, call in itertools.product((-1, 2**32), (table_bounds, lambda n: mint(n, 1.0, 0))):
        with pytest.raises(RangeError, match="table number"):
            call(table)
    with pytest.raises(RangeError, match="16 bytes, not 15"):
        encode_id(1, bytes(15))


@given(TABLES, INTERNALS)
def test_the_time_in_a_key_is_the_time_in_the_id(number: int, internal: bytes) -> None:
    text = encode_id(number, internal)
    assert noted_creation_time(text.encode()) == creation_time_of(text)


@pytest.mark.parametrize("key", [b"", b"nonsense", b"u" * USER_ID_LENGTH, b"\xff" * 32, b"0" * 40])
def test_a_key_that_is_no_id_has_no_time(key: bytes) -> None:
    with pytest.raises(MalformedIdError):
        noted_creation_time(key)

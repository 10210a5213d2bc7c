"""Records on disk: what was sealed comes back, and every flipped bit is noticed.

Goal: bytes that are not what was written never become data. Method: round trips over drawn
values, then every single-bit flip of one record, in its key and in its value.
"""

import math
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import CorruptionError
from headwater.storage import codec, commit_log
from headwater.storage.commit_log import Commit, Event, Origin, decode_commit, encode_commit
from headwater.storage.environment import Environment
from headwater.storage.format import (
    DOCUMENT_HEADER,
    FORMAT_VERSION,
    Database,
    open_document,
    seal,
    seal_document,
    timestamp_key,
    timestamp_of,
)
from headwater_indexes.errors import NotStorableError
from headwater_indexes.values import Int64

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | INT64
    | INT64.map(Int64)
    | st.floats()
    | TEXT
    | st.binary(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
TIMESTAMPS = st.integers(0, 2**63 - 1)
IDS = st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=31, max_size=37)
EVENTS = st.builds(
    Event,
    id=IDS,
    previous_ts=TIMESTAMPS,
    creation_time=st.none() | st.floats(allow_nan=False),
    body=st.none() | st.binary(max_size=40),
)
ORIGINS = st.builds(
    Origin,
    function=TEXT,
    request_id=TEXT,
    identity=st.none() | TEXT,
    details=st.dictionaries(TEXT.map("x_".__add__), INT64, max_size=2),
)
COMMITS = st.builds(
    lambda stamps, origin, events: Commit(max(stamps), min(stamps), origin, tuple(events)),
    st.sets(TIMESTAMPS, min_size=2, max_size=2),
    ORIGINS,
    st.lists(EVENTS, max_size=4),
)

COMMIT = Commit(
    1_700_000_000_000_000_000,
    1_600_000_000_000_000_000,
    Origin("chat:send", "r1", "ada"),
    (Event("a" * 32, 0, None, b"\x81\xa1a\x01"), Event("b" * 32, 7, 1.5, None)),
)
KEY = b"0123456789abcdefghjkmnpqrstvwxyz"
SEALED = seal_document(KEY, 12345, 1_700_000_000_000.5, codec.pack({"body": "hello", "n": 3}))


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with Environment.open(None) as environment:
        yield environment


def identical(left: Any, right: Any) -> bool:
    """Whether two values are equal in type and bits: 1, 1.0, True and Int64(1) all differ."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(identical(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(identical, left, right))
    if isinstance(left, float):
        return (math.isnan(left) and math.isnan(right)) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    return left == right


def flips(raw: bytes) -> list[bytes]:
    """Every version of ``raw`` with one bit changed."""
    return [
        raw[:at] + bytes([raw[at] ^ (1 << bit)]) + raw[at + 1 :]
        for at in range(len(raw))
        for bit in range(8)
    ]


@given(VALUES)
def test_a_value_comes_back_with_its_exact_type(value: Any) -> None:
    assert identical(codec.unpack(codec.pack(value)), value)


class Colour(StrEnum):
    RED = "red"


class Number(IntEnum):
    TWO = 2


class Loud(str):
    def __str__(self) -> str:
        return "something else"


class Half(float):
    pass


class Raw(bytes):
    pass


class Row(list[Any]):
    def __iter__(self) -> Any:
        return iter(["something else"])


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (Number.TWO, 2),
        (Loud("text"), "text"),
        (Half(0.5), 0.5),
        (Raw(b"x"), b"x"),
        (Row([1, Int64(2)]), [1, Int64(2)]),
        (OrderedDict(a=1), {"a": 1}),
        ({"deep": [Number.TWO]}, {"deep": [2]}),
    ],
)
def test_subclasses_are_stored_as_what_they_are_at_heart(value: Any, plain: Any) -> None:
    assert identical(codec.unpack(codec.pack(value)), plain)


@pytest.mark.parametrize(
    "value", [datetime(2026, 1, 1, tzinfo=UTC), {1}, (1,), 2**64, "\ud800", object()]
)
def test_what_is_no_value_is_refused_with_its_path(value: Any) -> None:
    with pytest.raises(NotStorableError) as caught:
        codec.pack({"a": [0, value]})

    assert caught.value.path == "a[1]"


def test_a_packer_is_as_new_after_a_refusal() -> None:
    with pytest.raises(NotStorableError):
        codec.pack({"long": "x" * 100, "bad": {1}})

    assert codec.unpack(codec.pack("next")) == "next"


def test_what_only_msgpack_refuses_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "check_value", lambda value: None)

    with pytest.raises(TypeError, match="a set cannot be stored"):
        codec.pack({1})


@pytest.mark.parametrize(
    "raw", [b"", b"\x01\x02", b"\xc1", b"\xd7\x05" + bytes(8), b"\xd4\x01\x00", b"\x92\x01"]
)
def test_bytes_that_are_no_value_are_damage(raw: bytes) -> None:
    with pytest.raises(CorruptionError):
        codec.unpack(raw)


@given(st.binary(min_size=1, max_size=40), TIMESTAMPS, st.floats(allow_nan=False), st.binary())
def test_a_sealed_document_opens_to_what_was_sealed(
    key: bytes, ts: int, creation_time: float, body: bytes
) -> None:
    assert open_document(key, seal_document(key, ts, creation_time, body)) == (
        ts,
        creation_time,
        body,
    )


def test_every_flipped_bit_of_a_document_is_noticed() -> None:
    for damaged in flips(SEALED):
        with pytest.raises(CorruptionError, match=KEY.decode()):
            open_document(KEY, damaged)


def test_a_document_under_another_key_is_noticed() -> None:
    for key in flips(KEY):
        with pytest.raises(CorruptionError):
            open_document(key, SEALED)


@pytest.mark.parametrize("length", range(DOCUMENT_HEADER.size + 1))
def test_a_cut_document_is_noticed(length: int) -> None:
    with pytest.raises(CorruptionError):
        open_document(KEY, SEALED[:length])


@given(COMMITS)
def test_a_commit_comes_back_as_it_was_appended(commit: Commit) -> None:
    key, value = encode_commit(commit)

    assert decode_commit(key, value) == commit


def test_every_flipped_bit_of_a_commit_is_noticed() -> None:
    key, value = encode_commit(COMMIT)
    for damaged in flips(value):
        with pytest.raises(CorruptionError, match=f"commit {COMMIT.ts}"):
            decode_commit(key, damaged)
    for other in flips(key):
        with pytest.raises(CorruptionError):
            decode_commit(other, value)


@pytest.mark.parametrize("value", [b"", b"\x00\x00\x00"])
def test_a_cut_commit_is_noticed(value: bytes) -> None:
    with pytest.raises(CorruptionError):
        decode_commit(timestamp_key(5), value)


@pytest.mark.parametrize("record", [(), (1, {}), (1, "x", []), (1, {}, [(1, 2)]), (1, {}, 5)])
def test_a_record_of_another_shape_is_named_as_such(record: tuple[Any, ...]) -> None:
    key = timestamp_key(5)
    with pytest.raises(CorruptionError, match="another program"):
        decode_commit(key, seal(key, codec.pack_record(record)))


@given(TIMESTAMPS, TIMESTAMPS)
def test_keys_of_the_log_sort_like_time(left: int, right: int) -> None:
    assert (timestamp_key(left) < timestamp_key(right)) == (left < right)
    assert timestamp_of(timestamp_key(left)) == left


@pytest.mark.parametrize("key", [b"", b"1234567", b"\x80" + bytes(7), bytes(9)])
def test_a_key_that_is_no_timestamp_is_damage(key: bytes) -> None:
    with pytest.raises(CorruptionError):
        timestamp_of(key)


def test_names_on_disk_are_fixed() -> None:
    assert [(int(database), database.name_on_disk) for database in Database] == [
        (0, b"meta"),
        (1, b"log"),
        (2, b"documents"),
        (3, b"deleted"),
        (4, b"indexes"),
    ]


def example(name: str) -> tuple[bytes, bytes]:
    """Key and value of an example in docs/format.md."""
    text = (Path(__file__).absolute().parents[2] / "docs" / "format.md").read_text("utf-8")
    key, value = text.split(f"```{name}\n")[1].split("```")[0].split("\n\n")
    return bytes.fromhex(key), bytes.fromhex(value)


def test_the_examples_of_the_manual_are_what_is_written_and_read() -> None:
    id = "j57032yfwnm0000000000000000011v8"
    body = codec.pack({"body": "hi", "n": 3})
    commit = Commit(
        1_700_000_000_000_000_000,
        1_600_000_000_000_000_000,
        Origin("chat:send", "r-1"),
        (Event(id, 0, None, body),),
    )
    key = id.encode("ascii")

    assert encode_commit(commit) == example("log-entry")
    assert decode_commit(*example("log-entry")) == commit
    assert (key, seal_document(key, commit.ts, 1.7e12, body)) == example("document-entry")
    assert open_document(*example("document-entry")) == (commit.ts, 1.7e12, body)


BODIES = st.builds(lambda body, times: body * times, st.binary(max_size=40), st.integers(0, 300))
LARGE = st.lists(EVENTS | st.builds(Event._replace, EVENTS, body=BODIES))


@given(st.data(), TIMESTAMPS.filter(bool), ORIGINS, LARGE.map(tuple))
def test_a_large_commit_comes_back_compressed_or_not(data, ts, origin, events) -> None:
    commit = Commit(ts, data.draw(st.integers(0, ts - 1)), origin, events)
    plain, stored = encode_commit(commit, compressed=False), encode_commit(commit)

    assert decode_commit(*plain) == decode_commit(*stored) == commit
    assert len(stored[1]) <= len(plain[1])


@pytest.mark.parametrize("count", [40, 2000])
def test_commits_of_many_documents_take_less_than_half(count: int) -> None:
    texts = [f"the river {number} runs past {number * 7 % 13} mills" for number in range(count)]
    events = [Event(f"{n:031d}", 0, None, codec.pack({"text": t})) for n, t in enumerate(texts)]
    commit = Commit(2, 1, Origin(), events)

    assert 2 * len(encode_commit(commit)[1]) < len(encode_commit(commit, compressed=False)[1])


def test_what_does_not_become_smaller_is_stored_as_it_is() -> None:
    noise = Random(4).randbytes
    for size in (1_990, 2_100, 30_000):
        commit = Commit(2, 1, Origin(), (Event("0" * 31, 0, None, noise(size)),))
        assert encode_commit(commit) == encode_commit(commit, compressed=False)


@given(COMMITS)
def test_the_versions_of_a_commit_are_those_of_its_events(commit: Commit) -> None:
    key, value = encode_commit(commit)
    previous_ts, facts = commit_log.decode_facts(key, value)
    _, versions = commit_log.decode_versions(key, value)

    assert previous_ts == commit.previous_ts
    assert [commit_log.as_event(event) for event in facts] == list(commit.events)
    assert versions == {event.id: (event.creation_time, event.body) for event in commit.events}


def test_an_event_of_another_length_is_damage() -> None:
    key = timestamp_key(5)
    for event in (("0" * 31, 0, None), ("0" * 31, 0, None, b"", 0), ()):
        value = seal(key, codec.pack_record((0, {}, (event,))))
        for decode in (decode_commit, commit_log.decode_facts, commit_log.decode_versions):
            with pytest.raises(CorruptionError, match=r"commit 5: the checksum is right.*4 parts"):
                decode(key, value)


def test_a_compressed_commit_that_is_none_is_damage() -> None:
    key = timestamp_key(5)
    for content in (b"\xc1", b"\xc1 no zlib", b"\xc1" + zlib.compress(b"x" * 9)[:-1]):
        for decode in (decode_commit, commit_log.decode_facts, commit_log.decode_versions):
            with pytest.raises(CorruptionError, match="commit 5: the checksum is right"):
                decode(key, seal(key, content))


def test_the_manual_is_of_this_version() -> None:
    text = (Path(__file__).absolute().parents[2] / "docs" / "format.md").read_text("utf-8")

    assert text.startswith(f"# The format on disk, version {FORMAT_VERSION}\n")


@given(st.lists(COMMITS, max_size=30, unique_by=lambda commit: commit.ts), TIMESTAMPS, st.data())
def test_the_log_reads_like_a_list_sorted_by_time(
    environment: Environment, commits: list[Commit], ts: int, data: st.DataObject
) -> None:
    ordered = sorted(commits, key=lambda commit: commit.ts)
    ts = data.draw(st.sampled_from([ts, *(commit.ts for commit in ordered)]))
    limit = data.draw(st.none() | st.integers(0, 31))
    with environment.write() as transaction:
        transaction.clear(Database.LOG)
        transaction.put_many(Database.LOG, list(map(encode_commit, commits)))

    with environment.read() as snapshot:
        assert commit_log.head(snapshot) == (ordered[-1].ts if ordered else 0)
        assert commit_log.read(snapshot, ts) == next((c for c in ordered if c.ts == ts), None)
        later = [commit for commit in ordered if commit.ts > ts]
        assert list(commit_log.after(snapshot, ts, limit)) == later[:limit]
        earlier = [commit for commit in reversed(ordered) if commit.ts < ts]
        assert list(commit_log.before(snapshot, ts, limit)) == earlier[:limit]

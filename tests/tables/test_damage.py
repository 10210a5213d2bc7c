"""A damaged record is found wherever it is read, and never handed out.

Goal: every way to a document checks it. Method: each single byte of a record is changed, and each
beginning of it is taken, for both loops that take records apart; then an index entry without a
document.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import documents

import headwater as hw
from headwater.errors import CorruptionError
from headwater.storage.codec import pack
from headwater.storage.format import Database, seal_document
from headwater.tables.records import decode_document, decode_documents

KEY = b"j57032yfwnm010009adcb1katyxgjeyp"
WHOLE = seal_document(KEY, 7, 12.5, pack({"a": 1}))


def one(key: bytes, record: bytes) -> dict[str, Any]:
    return decode_document(key, record)


def behind_a_whole_one(key: bytes, record: bytes) -> dict[str, Any]:
    return list(decode_documents([KEY, key], [WHOLE, record]))[1]


WAYS = pytest.mark.parametrize("decode", [one, behind_a_whole_one])


@WAYS
@given(documents())
def test_a_whole_record_gives_its_document(decode: Any, fields: dict[str, Any]) -> None:
    record = seal_document(KEY, 7, 12.5, pack(fields))
    document = decode(KEY, record)
    assert list(document) == [*fields, "_id", "_creationTime"]
    assert pack(document) == pack({**fields, "_id": KEY.decode(), "_creationTime": 12.5})


@WAYS
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_record_with_any_other_byte_is_refused(decode: Any, at: int, change: int) -> None:
    damaged = WHOLE[:at] + bytes([WHOLE[at] ^ change]) + WHOLE[at + 1 :]
    with pytest.raises(CorruptionError, match=KEY.decode()):
        decode(KEY, damaged)


@WAYS
@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_record_that_was_cut_short_is_refused(decode: Any, length: int) -> None:
    with pytest.raises(CorruptionError, match=KEY.decode()):
        decode(KEY, WHOLE[:length])


@WAYS
def test_a_record_under_the_key_of_another_is_refused(decode: Any) -> None:
    with pytest.raises(CorruptionError, match=KEY.decode()[:-1]):
        decode(KEY[:-1] + b"q", WHOLE)


@pytest.mark.parametrize("read", ["collect", "first", "count"])
def test_an_index_entry_without_a_document_says_which_and_what_to_do(read: str) -> None:
    from tests.laws import cached

    with hw.open(None, modules=[cached]) as db:
        db.mutate(cached.add, group=1)
        with db.snapshot() as snapshot:
            item = snapshot.query("items").first()
        assert item is not None
        key = item["_id"].encode("ascii")
        db._store.environment.run_write(lambda writer: writer.delete(Database.DOCUMENTS, key))
        with (
            db.snapshot() as snapshot,
            pytest.raises(CorruptionError, match=rf"{item['_id']}, which is not there.*rebuild"),
        ):
            getattr(snapshot.query("items").with_index("by_group", 1), read)()
        db.rebuild()
        with db.snapshot() as snapshot:
            assert snapshot.query("items").with_index("by_group", 1).collect() == [item]

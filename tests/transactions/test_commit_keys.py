"""What is kept of a commit: the keys that it touched, and little for the collector to look at."""

import gc
import sys
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headwater as hw
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.commit_keys import CommitKeys

KEYS = st.binary(max_size=2)


class Note(hw.Document["Note"]):
    channel: str
    number: int


class Notes(hw.Table[Note]):
    by_channel = hw.Index("channel")
    by_number = hw.Index("number")


@given(
    st.sets(KEYS, max_size=40),
    st.dictionaries(st.integers(1, 9), st.lists(KEYS, min_size=1, max_size=40)),
    KEYS,
    KEYS,
)
def test_the_least_key_within_bounds_is_found_in_each_space(
    documents: set[bytes], index_keys: Mapping[int, list[bytes]], low: bytes, high: bytes
) -> None:
    commit = CommitKeys(2, 1, "", documents, index_keys, changes_catalog=False)
    expected = {DOCUMENTS_SPACE: sorted(documents)} | {
        space: sorted(keys) for space, keys in index_keys.items()
    }
    assert {space: sorted(keys) for space, keys in commit.by_space().items()} == expected
    assert set(commit.spaces) == set(index_keys)
    for space in range(10):
        within = [key for key in expected.get(space, []) if low <= key < high]
        assert sorted(commit.keys_of(space)) == expected.get(space, [])
        assert commit.first_within(space, low, high) == (within[0] if within else None)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="of CPython's collector")
def test_a_commit_leaves_one_object_to_the_collector() -> None:
    def tracked_after(count: int) -> int:
        for number in range(count):
            new = {"channel": "a", "number": number}
            db.transact(lambda tx, new=new: tx.insert(Notes, new))
        gc.collect()
        return len(gc.get_objects())

    with hw.open(None, modules=[sys.modules[__name__]], durability="none") as db:
        before = tracked_after(100)
        after = tracked_after(300)
    assert after - before < 1.5 * 300

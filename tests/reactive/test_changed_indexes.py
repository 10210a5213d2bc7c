"""Live queries and kept results over an index that is made anew while they are there.

Goal: nobody goes on with what an index held that is not written any more. Method: the index of a
table is replaced by one in another space, and then the table is written.
"""

from collections.abc import Iterator

import pytest
from tests.laws import application
from tests.laws.application import Cells
from tests.laws.batches import WAIT_SECONDS
from tests.laws.clocks import StillClock
from tests.laws.foreign import make_foreign

import headwater as hw

CELL = {"group": 1, "number": 1, "writer": "w"}


@pytest.fixture
def db() -> Iterator[hw.Database]:
    with hw.open(None, modules=[application], clock=StillClock()) as database:
        yield database


def insert(db: hw.Database) -> None:
    with db.transaction() as tx:
        tx.insert(Cells, CELL)


def test_a_live_query_follows_an_index_that_is_made_anew(db: hw.Database) -> None:
    live = db.watch(application.in_group, group=1)
    assert live.next(WAIT_SECONDS) == []
    make_foreign(db, "cells")
    insert(db)
    assert [cell["number"] for cell in live.next(WAIT_SECONDS)] == [1]


def test_a_result_of_an_old_index_is_not_kept(db: hw.Database) -> None:
    runner = db._runner
    call = runner.call("query", application.in_group, (), {"group": 1})
    for _ in range(3):
        with db._store.environment.read() as reader:
            assert runner._cached(call, db._store.snapshot_of(reader)) == []
    assert runner.cache.hits == 1
    make_foreign(db, "cells")
    insert(db)
    with db._store.environment.read() as reader:
        assert len(runner._cached(call, db._store.snapshot_of(reader))) == 1

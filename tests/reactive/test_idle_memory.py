"""How little an idle live query keeps alive.

Goal: there may be a million of them. Method: the blocks of Python's allocator are counted, which
are as many on every machine, after what is kept of any call has come to its bound.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.laws import cached
from tests.laws.clocks import StillClock

import headwater as hw
from headwater import QueryCtx

COUNT = 1000
KEPT_MAX = 256
"""Calls of which something is kept for others: the log, results, intervals."""
FIRST = 2 * KEPT_MAX
"""Live queries after which no more is kept for others; numbers below 256 are no blocks."""
OWN_BLOCKS = 10
"""The live result, its subscription, the queries that it wants (2), the transition that it saw (2),
the query, its call, its arguments, and what it gave."""
RANGE_BLOCKS = 5
"""A range that no other query reads: its two ends, the interval, where it is kept, where it is
found."""
TABLE_BLOCKS = 0.1
"""Of tables that hold many, for each."""


@hw.query
def rows(ctx: QueryCtx, group: int, asked: int) -> int:
    assert asked >= 0
    return ctx.db.query(cached.Items).with_index(cached.Items.by_group, group).count()


@pytest.fixture
def db() -> Iterator[hw.Database]:
    limits = hw.Limits(calls_kept=KEPT_MAX)
    with hw.open(None, modules=[cached], clock=StillClock(), limits=limits) as database:
        yield database


def blocks_of_each(watch: Callable[[int], hw.Live[Any]]) -> float:
    """By how many blocks memory grows for each live query."""
    first = [watch(-1 - at) for at in range(FIRST)]
    gc.collect()
    before = sys.getallocatedblocks()
    lives = [watch(at) for at in range(COUNT)]
    gc.collect()
    grown = sys.getallocatedblocks() - before
    for live in first + lives:
        live.close()
    return grown / COUNT


def test_a_live_query_of_a_range_of_its_own_keeps_few_objects(db: hw.Database) -> None:
    found = blocks_of_each(lambda at: db.watch(rows, group=at, asked=0))
    assert found <= OWN_BLOCKS + RANGE_BLOCKS + TABLE_BLOCKS


def test_live_queries_that_read_the_same_range_share_it(db: hw.Database) -> None:
    found = blocks_of_each(lambda at: db.watch(rows, group=0, asked=FIRST + at))
    assert found <= OWN_BLOCKS + TABLE_BLOCKS

"""Which results are kept, and which are not.

Goal: nothing is kept twice, nothing that a commit has touched meanwhile, and no more notes than
the bound. Method: the cache alone, over the commits of a store.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.laws import application, cached
from tests.laws.clocks import SlowClock

import headwater as hw
from headwater.functions import runner
from headwater.reactive import result_cache
from headwater.reactive.result_cache import ResultCache
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater_indexes.intervals import whole_space

EVERYTHING = frozenset({whole_space(DOCUMENTS_SPACE)})


@pytest.fixture
def db() -> Iterator[hw.Database]:
    with hw.open(None, modules=[application, cached], clock=SlowClock()) as database:
        database.mutate(cached.add, group=0)
        yield database


@pytest.fixture
def cache(db: hw.Database) -> Iterator[ResultCache]:
    made = ResultCache(db._store.recent, 10_000)
    yield made
    made._dependents.check()
    assert made._size == sum(result.size for result in made._results.values())


def test_of_two_who_ran_the_same_query_one_keeps_the_result(db: Any, cache: ResultCache) -> None:
    with closing(db._store.snapshot()) as snapshot:
        cache.put("query", b"first", EVERYTHING, snapshot)
        cache.put("query", b"second", EVERYTHING, snapshot)
        assert cache.find(["query"], snapshot) == b"first"
        assert len(cache._results) == 1


def test_a_result_that_was_touched_before_it_is_kept_is_not_kept(
    db: Any, cache: ResultCache
) -> None:
    with closing(db._store.snapshot()) as early:
        db.mutate(cached.add, group=1)
        with closing(db._store.snapshot()) as late:
            assert cache.find(["query"], late) is None
            cache.put("query", b"old", EVERYTHING, early)
            assert cache.find(["query"], late) is None


def test_a_result_is_gone_with_the_commit_that_touches_it(db: Any, cache: ResultCache) -> None:
    with closing(db._store.snapshot()) as snapshot:
        cache.put("query", b"old", EVERYTHING, snapshot)
    db.mutate(cached.add, group=1)
    with closing(db._store.snapshot()) as snapshot:
        assert cache.find(["query"], snapshot) is None
        cache.put("query", b"new", EVERYTHING, snapshot)
        assert cache.find(["query"], snapshot) == b"new"


def test_the_queries_that_were_asked_once_are_forgotten_in_their_order(
    cache: ResultCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_cache, "_SEEN_MAX", 3)
    assert [cache.wants(key) for key in "abcd"] == [False] * 4
    assert [cache.wants(key) for key in "bcd"] == [True] * 3
    assert not cache.wants("a")


@pytest.mark.parametrize(("maximum", "is_kept"), [(2, True), (1, False)])
def test_a_query_that_depends_on_too_much_is_run_each_time(
    db: hw.Database, monkeypatch: pytest.MonkeyPatch, maximum: int, is_kept: bool
) -> None:
    monkeypatch.setattr(runner, "_INTERVALS_MAX", maximum)
    options = {"numItems": 5, "cursor": None}
    for _ in range(6):
        assert len(db.query(cached.page_by_flag, options)["page"]) == 1
    assert (db._runner.cache.hits > 0) == is_kept

"""The mixed and the contended workloads: what is drawn, and that all engines get the same."""

from collections import Counter
from random import Random

import pytest
from bench.adapters.contract import Engine
from bench.draws import zipfian_places, zipfian_ranks
from bench.mixes import MIXED_WORKLOADS, MIXES, SCAN_MAX
from bench.sessions import Session
from bench.sizes import Sizes
from bench.writers import by_tasks, by_threads
from hypothesis import given
from hypothesis import strategies as st

SIZES = Sizes(documents=100, mixed=400)


class Recorder(Engine):
    """Writes down what it is asked; its keys differ from those of others by a letter."""

    name = "recorder"
    title = "nothing"
    failures = (KeyError,)

    def __init__(self, letter="k"):
        super().__init__(None, is_durable=False)
        self.letter = letter
        self.asked = []
        self.count = SIZES.documents

    def _key(self, number):
        return f"{self.letter}{number}"

    def _ask(self, verb, key):
        self.asked.append((verb, int(key[1:])))
        return {}

    def insert(self, fields):
        self.count += 1
        self._ask("insert", self._key(self.count - 1))
        return self._key(self.count - 1)

    def get(self, key):
        return self._ask("read", key)

    def patch(self, key, changes):
        self._ask("update", key)

    def bump(self, key):
        if key == "fails":
            raise KeyError(key)
        return self._ask("modify", key)

    def latest(self, channel, count):
        assert 1 <= count <= SCAN_MAX
        self.asked.append(("scan", channel, count))
        return []

    insert_many = reply = get_each = by_author = scan = close = None

    def session(self):
        keys = [self._key(number) for number in range(SIZES.documents)]
        return Session(self, lambda: self, keys, SIZES)


Recorder.__abstractmethods__ = frozenset()


@given(st.integers(1, 50), st.integers(0, 200), st.integers())
def test_places_are_a_permutation_of_ranks(items, count, seed):
    ranks = zipfian_ranks(Random(seed), items, count)
    places = zipfian_places(Random(seed), items, count)
    assert len(ranks) == count
    assert all(0 <= rank < items for rank in ranks)
    assert len(set(zip(ranks, places, strict=True))) == len(set(ranks)) == len(set(places))


def test_ranks_are_drawn_as_often_as_the_law_of_zipf_says():
    drawn = Counter(zipfian_ranks(Random(1), 1000, 200_000))
    total = sum(rank**-0.99 for rank in range(1, 1001))
    for rank in (1, 2, 10, 50):
        assert drawn[rank - 1] == pytest.approx(200_000 * rank**-0.99 / total, rel=0.1)


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: mix.name)
def test_shares_of_a_mix_are_one_together(mix):
    assert sum(mix.parts.values()) == pytest.approx(1)


@pytest.mark.parametrize("at", range(len(MIXES)), ids=lambda at: MIXES[at].name)
def test_a_turn_has_the_shares_of_its_mix_and_is_the_same_for_every_engine(at):
    turns = []
    for letter in "ab":
        engine = Recorder(letter)
        work = MIXED_WORKLOADS[at].prepare(engine.session(), Random("round 1"))
        assert engine.asked == [], "nothing is done before the clock starts"
        assert work() == SIZES.mixed
        turns.append(engine.asked)
    assert turns[0] == turns[1]
    seen = Counter(operation for operation, *_ in turns[0])
    for operation, share in MIXES[at].parts.items():
        assert seen[operation] / SIZES.mixed == pytest.approx(share, abs=0.07)
    assert set(seen) <= set(MIXES[at].parts)


def test_latest_means_the_newest_at_that_moment():
    engine = Recorder()
    (latest,) = [found for found in MIXED_WORKLOADS if found.name == "ycsb-d"]
    latest.prepare(engine.session(), Random("round 1"))()
    there, ages = SIZES.documents, Counter()
    for operation, number in engine.asked:
        there += operation == "insert"
        if operation == "read":
            ages[there - 1 - number] += 1
    assert min(ages) == 0
    assert ages.most_common(1)[0][0] == 0


@pytest.mark.parametrize("write", [by_threads, by_tasks])
def test_what_is_given_up_is_counted_and_is_no_work(write):
    engine = Recorder()
    session = engine.session()
    shares = [[("k1",), ("fails",), ("k2",)], [("fails",)]]
    assert write(session, "bump", shares)() == 2
    assert session.failures == 2
    assert sorted(engine.asked) == [("modify", 1), ("modify", 2)]

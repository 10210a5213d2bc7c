from collections import Counter
from itertools import count

from bench.measure import Contestant, measure, rotated
from hypothesis import given
from hypothesis import strategies as st


class Log:
    """Contestants that write down when they had a turn."""

    def __init__(self, names):
        self.turns = []
        self.contestants = [Contestant(name, self._prepare(name)) for name in names]

    def _prepare(self, name):
        def prepare(random):
            number = random.random()

            def work():
                self.turns.append((name, number))
                return 10

            return work

        return prepare


@given(st.lists(st.integers(), unique=True), st.integers(-10, 10))
def test_rotation_keeps_the_items_and_their_neighbours(items, by):
    turned = rotated(items, by)
    assert turned + turned[:0] in [items[at:] + items[:at] for at in range(max(1, len(items)))]


@given(st.integers(1, 5), st.integers(1, 6))
def test_each_round_gives_each_contestant_one_turn(contestants, rounds):
    log = Log([str(at) for at in range(contestants)])
    samples = measure(log.contestants, rounds, clock=count().__next__, settle=int)
    assert [len(mine) for mine in samples.values()] == [rounds] * contestants
    for at in range(rounds + 1):
        turn = log.turns[at * contestants : (at + 1) * contestants]
        assert Counter(name for name, _ in turn) == dict.fromkeys(samples, 1)
        assert len({number for _, number in turn}) == 1, "all draw the same numbers"


@given(st.integers(1, 5))
def test_each_contestant_is_first_once_in_as_many_rounds_as_there_are_contestants(contestants):
    log = Log([str(at) for at in range(contestants)])
    measure(log.contestants, contestants, clock=count().__next__, settle=int)
    firsts = [name for name, _ in log.turns[::contestants]][1:]
    assert sorted(firsts) == sorted(contestant.name for contestant in log.contestants)


def test_the_first_round_is_not_counted_and_rates_are_units_by_seconds():
    seconds = iter([0.0, 100.0, 0.0, 5.0, 0.0, 2.0])
    samples = measure(Log(["only"]).contestants, 2, clock=seconds.__next__, settle=int)
    assert samples == {"only": [2.0, 5.0]}

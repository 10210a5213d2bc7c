"""Several processes, a busy thread, very many subscriptions: that they do what they say."""

import sys
from random import Random
from threading import enumerate as threads

import pytest
from bench.adapters.catalog import ENGINES
from bench.adapters.sqlite_json import SqliteJson
from bench.affected import in_channel, in_scores, of_channel, of_scores
from bench.agree import Disagreement, check_process_agreement
from bench.beside import BusyThread, allowed
from bench.several import Crew
from hypothesis import given
from hypothesis import strategies as st

from headwater_indexes.interval_map import IntervalMap


class Losing(Crew):
    """One of two processes adds nothing."""

    def work(self, verb, shares):
        return super().work(verb, [shares[0], []] if verb == "bump" else shares)


def test_what_several_processes_write_is_all_there(tmp_path):
    check_process_agreement(ENGINES, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"together-{name}" for name in ("headwater", "sqlite-json", "lmdb-by-hand")
    }


def test_processes_that_lose_a_write_are_named(tmp_path, monkeypatch):
    def crew(make, *arguments, **options):
        return (Losing if make is SqliteJson else Crew)(make, *arguments, **options)

    monkeypatch.setattr("bench.agree.Crew", crew)
    engines = {name: ENGINES[name] for name in ("lmdb-by-hand", "sqlite-json")}
    with pytest.raises(Disagreement, match="lmdb-by-hand and sqlite-json disagree about how much"):
        check_process_agreement(engines, tmp_path)


def test_the_processes_of_a_crew_end_with_it(tmp_path):
    crew = Crew(ENGINES["sqlite-json"], tmp_path, 2, 5, is_durable=True)
    members = list(crew._members)
    assert all(member.poll() is None for member in members)
    crew.end()
    assert [member.returncode for member in members] == [0, 0]


def test_a_busy_thread_computes_until_it_is_stopped():
    busy = BusyThread()
    for _ in range(2):
        busy.start()
        assert any(thread.name == "busy" for thread in threads())
        busy.join()
        assert not any(thread.name == "busy" for thread in threads())
    busy.join()


@given(st.lists(st.floats(1, 1e6), min_size=1))
def test_what_is_allowed_is_twice_the_time_and_one_switch_interval(rates):
    found = allowed({"one, alone": rates, "one, beside a busy thread": rates})
    assert list(found) == ["one, allowed"]
    for rate, bound in zip(rates, found["one, allowed"], strict=True):
        assert 1 / bound == pytest.approx(2 / rate + sys.getswitchinterval())


@given(st.integers(1, 30), st.randoms())
def test_a_commit_affects_one_subscription_of_those_that_are_measured(count, random):
    for of, keys_of in ((of_channel, in_channel), (of_scores, in_scores)):
        subscriptions = IntervalMap()
        for number in range(count):
            subscriptions.add(number, of(number))
        for number in range(count):
            assert subscriptions.touched_many(keys_of(number, Random(random.random()))) == {number}

"""Time stands still until it is moved, randomness repeats, and nothing is left behind."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.testing import shop

import headwater as hw
from headwater import testing

MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds of aware ones are naive
STEPS = st.timedeltas(timedelta(0), timedelta(days=400))


@given(MOMENTS, st.lists(STEPS | MOMENTS, max_size=5))
def test_a_clock_is_where_it_was_moved_and_durations_never_step_back(start, moves):
    clock = testing.ManualClock(start)
    now, passed = start, timedelta(0)
    for move in moves:
        if isinstance(move, datetime):
            clock.set(move)
            passed += max(move - now, timedelta(0))
            now = move
        else:
            clock.advance(days=move.days, seconds=move.seconds, microseconds=move.microseconds)
            now, passed = now + move, passed + move
        assert clock.now == now
        assert (
            clock.now_ns()
            == (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
        )
        assert clock.monotonic() == pytest.approx(passed.total_seconds(), abs=1e-6)


def test_all_units_add_up():
    clock = testing.ManualClock(datetime(2024, 1, 1, tzinfo=UTC))
    clock.advance(days=1, hours=2, minutes=3, seconds=4, milliseconds=5, microseconds=6)
    assert clock.now == datetime(2024, 1, 2, 2, 3, 4, 5006, tzinfo=UTC)
    assert repr(clock) == "<ManualClock 2024-01-02T02:03:04.005006+00:00>"


def test_time_does_not_pass_by_itself():
    clock = testing.ManualClock()
    assert [clock.now_ns(), clock.monotonic()] == [clock.now_ns(), clock.monotonic()]


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (lambda: testing.ManualClock(datetime(2024, 1, 1)), "write datetime"),  # noqa: DTZ001
        (lambda: testing.ManualClock().set(datetime(2024, 1, 1)), "with a time zone"),  # noqa: DTZ001
        (lambda: testing.ManualClock().advance(seconds=-1), r"use set\(\)"),
    ],
)
def test_what_no_clock_can_do_is_refused(use, said):
    with pytest.raises(ValueError, match=said):
        use()


def test_seeds_repeat_and_differ():
    def seeds(seed: int) -> list[int]:
        clock = testing.ManualClock(seed=seed)
        return [clock.seed() for _ in range(20)]

    assert seeds(1) == seeds(1) != seeds(2)
    assert len(set(seeds(1))) == 20
    assert all(0 <= seed < 2**64 for seed in seeds(1))


def test_threads_move_a_clock_together_and_never_get_the_same_seed():
    clock = testing.ManualClock()
    start, found = clock.now, []

    def work() -> None:
        for _ in range(200):
            clock.advance(milliseconds=1)
            found.append(clock.seed())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now - start == timedelta(milliseconds=800)
    assert len(set(found)) == 800


# Databases --------------------------------------------------------------------------------------


def history_with(seed: int) -> list[object]:
    with testing.database(shop, seed=seed) as db:
        found: list[object] = []
        for name in ("Ada", "Bob"):
            found.append(db.get(db.mutate(shop.create, name=name)))
            db.clock.advance(minutes=1)
        return found


def test_the_same_seed_gives_the_same_ids_and_times():
    assert history_with(1) == history_with(1)
    assert history_with(1) != history_with(2)


@hw.query
def now(ctx: hw.QueryCtx) -> float:
    return ctx.now


def test_functions_see_the_time_of_the_clock():
    with testing.database() as db:
        before = db.query(now)
        assert before == db.clock.now.timestamp() * 1000
        db.clock.advance(hours=1)
        assert db.query(now) == before + 3_600_000


def test_no_files_are_left_whatever_happens():
    paths = []

    def fail() -> None:
        with testing.database(shop) as db:
            paths.append(db.path)
            assert db.path.exists()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [path.exists() for path in paths] == [False]


def test_a_database_has_the_modules_the_limits_and_the_clock_that_it_was_given():
    clock = testing.ManualClock()
    with testing.database(shop, clock=clock, limits=hw.Limits(document_bytes=50)) as db:
        assert isinstance(db, hw.Database)
        assert db.clock is clock
        assert db.tables() == ["customers", "orders"]
        with pytest.raises(hw.LimitExceededError):
            db.mutate(shop.create, name="Ada" * 20)


def test_two_at_a_time_share_nothing():
    with testing.database(shop) as one, testing.database(shop) as other:
        one.mutate(shop.create, name="Ada")
        assert other.query(shop.count, level="gold") == 0
        with other.snapshot() as snapshot:
            assert snapshot.query(shop.Customers).collect() == []

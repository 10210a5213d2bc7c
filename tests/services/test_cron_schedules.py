"""When crons come: as another reader of cron says, and through changes of the clocks."""
# ruff: noqa: DTZ001 - local times, which get their zones by the tests

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

import headwater as hw
from headwater.functions.cron_schedules import schedule_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC"]


def ms(moment):
    return (moment - EPOCH) / timedelta(milliseconds=1)


def local(time_ms, zone):
    return (EPOCH + timedelta(milliseconds=time_ms)).astimezone(ZoneInfo(zone))


def part(low, high):
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        st.integers(2, 9).map("*/{}".format),
        number.map(str),
        # Not from a number to itself, which the other reader takes for all there are.
        st.lists(number, min_size=2, max_size=2, unique=True).map(
            lambda two: f"{min(two)}-{max(two)}"
        ),
        st.lists(number, min_size=1, max_size=3, unique=True).map(
            lambda several: ",".join(map(str, sorted(several)))
        ),
    )


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(
    lambda naive: naive.replace(tzinfo=UTC, microsecond=0)
)
LINES = st.tuples(part(0, 59), part(0, 23), st.just("*"), part(1, 12), part(0, 6)).map(" ".join)


@given(LINES, MOMENTS)
def test_in_utc_times_are_those_of_another_reader_of_cron(line, moment):
    schedule = hw.CronSchedule(line)
    other = croniter(line, moment)
    time = ms(moment)
    for _ in range(5):
        time = schedule.following(time)
        assert time == ms(other.get_next(datetime))


@given(
    st.integers(0, 59),
    st.sampled_from([0, 1, 2, 3, 12, 23]),  # clocks are changed at night
    st.sampled_from(ZONES),
    MOMENTS,
    st.integers(1, 400),
)
def test_a_daily_time_comes_once_a_day_through_all_changes_of_the_clocks(
    minute, hour, zone, moment, days
):
    schedule = hw.CronSchedule.daily(hour=hour, minute=minute, tz=zone)
    time = schedule.following(ms(moment))
    dates = [local(time, zone).date()]
    for _ in range(days):
        time = schedule.following(time)
        at = local(time, zone)
        dates.append(at.date())
        wanted = at.replace(hour=hour, minute=minute, fold=0, second=0, microsecond=0)
        there_and_back = wanted.astimezone(UTC).astimezone(ZoneInfo(zone))
        if there_and_back.replace(tzinfo=None) == wanted.replace(tzinfo=None):
            assert (at.hour, at.minute, at.fold) == (hour, minute, 0)
        else:  # at the end of the gap
            assert local(time - 60_000, zone).utcoffset() != at.utcoffset()
    assert dates == [dates[0] + timedelta(days=n) for n in range(days + 1)]


@given(LINES, st.sampled_from(ZONES), MOMENTS, st.integers(0, 40), st.integers(0, 10**7))
def test_the_last_time_is_the_last_that_has_come(line, zone, moment, steps, later):
    schedule = hw.CronSchedule(line, zone)
    first = time = schedule.following(ms(moment))
    for _ in range(steps):
        time = schedule.following(time)
    now = min(time + later, schedule.following(time) - 1)
    assert schedule.last_until(first, now) == time
    assert schedule.count_before(first, time) == steps


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**9))
def test_an_interval_does_not_drift(seconds, count, later):
    schedule = hw.IntervalSchedule(seconds=seconds)
    first = schedule.first(1000.75)
    assert first == 1000
    time = first + count * seconds * 1000
    now = min(time + later, schedule.following(time) - 1)
    assert schedule.last_until(first, now) == time
    assert schedule.count_before(first, time) == count


@given(LINES, st.sampled_from(ZONES))
def test_a_schedule_is_stored_and_read_again(line, zone):
    schedule = hw.CronSchedule(line, zone)
    assert schedule_of(schedule.stored()) == schedule
    interval = hw.IntervalSchedule(hours=1, minutes=30)
    assert schedule_of(interval.stored()).period_seconds == interval.period_seconds == 5400


def times(line, zone, start, count):
    schedule, time = hw.CronSchedule(line, zone), ms(start.replace(tzinfo=ZoneInfo(zone)))
    found = []
    for _ in range(count):
        time = schedule.following(time)
        found.append(local(time, zone).strftime("%d %H:%M %z"))
    return found


def test_a_time_that_there_is_not_comes_at_the_end_of_the_gap():
    found = times("30 2 * * *", "Europe/Zurich", datetime(2024, 3, 30, 12), 2)
    assert found == ["31 03:00 +0200", "01 02:30 +0200"]


def test_a_fixed_time_that_there_is_twice_comes_once():
    found = times("30 2 * * *", "Europe/Zurich", datetime(2024, 10, 26, 12), 2)
    assert found == ["27 02:30 +0200", "28 02:30 +0100"]


def test_a_star_goes_on_through_an_hour_that_comes_twice():
    found = times("30 * * * *", "Europe/Zurich", datetime(2024, 10, 27, 1), 4)
    assert found == ["27 01:30 +0200", "27 02:30 +0200", "27 02:30 +0100", "27 03:30 +0100"]


def test_inside_the_second_of_two_equal_hours_a_fixed_time_is_over():
    second = ms(datetime(2024, 10, 27, 1, 15, tzinfo=UTC))  # 02:15, for the second time
    found = hw.CronSchedule("30 2 * * *", "Europe/Zurich").following(second)
    assert local(found, "Europe/Zurich").strftime("%d %H:%M") == "28 02:30"


@pytest.mark.parametrize(
    "line", ["", "* * * *", "* * * * * *", "60 * * * *", "x * * * *", "0 0 31 2 *", "0 0 30 FEB *"]
)
def test_what_is_no_line_of_cron_is_refused(line):
    with pytest.raises(hw.DeclarationError, match="no line of cron"):
        hw.CronSchedule(line)


def test_wrong_parts_are_refused():
    with pytest.raises(hw.DeclarationError, match="time zone"):
        hw.CronSchedule("0 9 * * *", "Europe/Atlantis")
    with pytest.raises(hw.DeclarationError, match="hour=24"):
        hw.CronSchedule.daily(hour=24)
    for parts in [{"seconds": 0.5}, {"seconds": "5"}, {"hours": True}, {}, {"hours": 10**6}]:
        with pytest.raises(hw.DeclarationError, match="at least one second"):
            hw.IntervalSchedule(**parts)
    with pytest.raises(hw.DeclarationError, match="five fields"):
        hw.CronSchedule(5)
    with pytest.raises(hw.DeclarationError, match="weekday='fri'"):
        hw.CronSchedule.weekly(weekday="fri")
    with pytest.raises(hw.DeclarationError, match="time zone"):
        hw.CronSchedule("0 9 * * *", None)

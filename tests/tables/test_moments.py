"""Moments as callers name them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headwater as hw
from headwater.tables.moments import moment_of

zones = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))


@given(st.integers(0, 2**63 - 1))
def test_a_timestamp_is_itself(ts):
    assert moment_of(ts) == ts


@given(st.datetimes(datetime(1970, 1, 3), datetime(2262, 1, 1), timezones=zones))  # noqa: DTZ001
def test_a_datetime_counts_to_the_end_of_its_microsecond(at):
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86400 + since.seconds) * 10**6 + since.microseconds
    assert moment_of(at) == microseconds * 1000 + 999


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (datetime(2026, 1, 1), "without a time zone"),  # noqa: DTZ001
        (1.5, "got float"),
        ("2026-01-01", "got str"),
        (True, "got bool"),
        (None, "got NoneType"),
        (-1, "from 1970 to 2262"),
        (2**63, "from 1970 to 2262"),
        (datetime(1969, 1, 1, tzinfo=UTC), "from 1970 to 2262"),
        (datetime(2300, 1, 1, tzinfo=UTC), "from 1970 to 2262"),
    ],
)
def test_what_is_no_moment_is_refused(at, said):
    with pytest.raises(hw.ArgumentError, match=said) as caught:
        moment_of(at, "before")
    assert str(caught.value).startswith("before=")

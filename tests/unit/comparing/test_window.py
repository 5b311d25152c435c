"""The window of a backfill: what can be written, when it is open, and how long it is until then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosync.comparing.window import DAYS, BackfillWindow
from geosync.errors import ConfigurationError

NIGHTS = "Mon-Fri 20:00-06:00 UTC"
MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("window", "moment", "opens_in"),
    [
        ("", MONDAY, timedelta()),
        (NIGHTS, MONDAY, timedelta(hours=20)),
        (NIGHTS, MONDAY + timedelta(hours=19, minutes=59, seconds=59), timedelta(seconds=1)),
        (NIGHTS, MONDAY + timedelta(hours=20), timedelta()),
        (NIGHTS, MONDAY + timedelta(days=1, hours=5, minutes=59), timedelta()),
        (NIGHTS, MONDAY + timedelta(days=1, hours=6), timedelta(hours=14)),
        (NIGHTS, MONDAY + timedelta(days=5, hours=5), timedelta()),  # Friday's ends on Saturday
        (NIGHTS, MONDAY + timedelta(days=5, hours=6), timedelta(days=2, hours=14)),
        ("Sat,Sun 00:00-24:00", MONDAY, timedelta(days=5)),
        ("Sat,Sun 00:00-24:00", MONDAY + timedelta(days=6, hours=23, minutes=59), timedelta()),
        ("Sat-Mon 10:00-11:00", MONDAY, timedelta(hours=10)),
        ("01:00-02:00", MONDAY + timedelta(hours=3), timedelta(hours=22)),
        ("Mon 01:00-02:00; Mon 05:00-06:00", MONDAY + timedelta(hours=3), timedelta(hours=2)),
        ("08:00-08:00", MONDAY, timedelta()),
    ],
)
def test_a_window_is_open_at_its_own_times(window: str, moment: datetime, opens_in: timedelta) -> None:
    assert BackfillWindow.parse(window).opens_in_ms(ms(moment)) == opens_in / timedelta(milliseconds=1)


@given(moment=moments)
def test_a_window_opens_at_the_announced_moment_and_not_before(moment: datetime) -> None:
    window = BackfillWindow.parse("Mon-Fri 20:00-06:00; Sun 12:00-13:00")
    left = window.opens_in_ms(ms(moment))
    assert window.opens_in_ms(ms(moment) + left) == 0
    assert left == 0 or window.opens_in_ms(ms(moment) + left - 1) == 1


@given(moment=moments)
def test_a_window_without_days_is_the_one_with_all_of_them(moment: datetime) -> None:
    each = ";".join(f"{day} 22:30-04:00" for day in DAYS)
    assert BackfillWindow.parse(each).opens_in_ms(ms(moment)) == BackfillWindow.parse("22:30-04:00").opens_in_ms(
        ms(moment)
    )


@pytest.mark.parametrize(
    "window", ["always", "Mon-Fri", "20:00", "25:00-06:00", "20:60-06:00", "mon 20:00-06:00", "20:00-06:00 CET", ";"]
)
def test_a_malformed_window_is_refused_with_an_example(window: str) -> None:
    with pytest.raises(ConfigurationError, match=r"BackfillWindow has .*Mon-Fri 20:00-06:00 UTC"):
        BackfillWindow.parse(window)

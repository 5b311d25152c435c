"""The window in which a backfill may run: days of the week, and hours of the day in UTC.

`Mon-Fri 20:00-06:00 UTC` begins at 20:00 of Monday to Friday and ends at 06:00 of the day after. Several windows are
separated by `;`. Days are `Mon`, `Mon-Fri`, `Sat,Sun`; without days it is every day. No window at all: at any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from geosync.errors import ConfigurationError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTE_MS = 60_000
DAY_MIN = 24 * 60
WEEK_MIN = 7 * DAY_MIN
EPOCH_DAY = DAYS.index("Thu")
"""1970-01-01 was a Thursday."""
_DAY = f"(?:{'|'.join(DAYS)})"
_WINDOW = re.compile(
    rf"(?:(?P<days>{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?){{0,6}}) )?"
    r"(?P<start>(?:[01]\d|2[0-3]):[0-5]\d)-(?P<end>(?:[01]\d|2[0-3]):[0-5]\d|24:00)(?: UTC)?"
)
EXAMPLE = "Mon-Fri 20:00-06:00 UTC"


@dataclass(frozen=True, slots=True)
class BackfillWindow:
    """Spans of a week, in minutes since Monday 00:00 UTC: the first minute of each and its length. None: any time."""

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the parameter BackfillWindow. Raises ConfigurationError, which names what cannot be read."""
        windows = [one.strip() for one in text.split(";")] if text.strip() else []
        return cls(tuple(span for one in windows for span in _spans(one)))

    def opens_in_ms(self, now_ms: int) -> int:
        """Milliseconds until a window is open; 0 while one is."""
        if not self.spans:
            return 0
        minute, rest_ms = divmod(now_ms, MINUTE_MS)
        week_minute = (minute + EPOCH_DAY * DAY_MIN) % WEEK_MIN
        if any((week_minute - start) % WEEK_MIN < length for start, length in self.spans):
            return 0
        return min((start - week_minute) % WEEK_MIN for start, _ in self.spans) * MINUTE_MS - rest_ms


ANY_TIME = BackfillWindow()


def _spans(window: str) -> list[tuple[int, int]]:
    read = _WINDOW.fullmatch(window)
    if read is None:
        raise ConfigurationError(f"BackfillWindow has {window!r}, which is none: write it as {EXAMPLE!r}")
    start, end = _minute(read["start"]), _minute(read["end"])
    length = (end - start) % DAY_MIN or DAY_MIN
    return [(day * DAY_MIN + start, length) for day in _days(read["days"])]


def _days(text: str | None) -> list[int]:
    if text is None:
        return list(range(len(DAYS)))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days |= {(begin + step) % len(DAYS) for step in range((end - begin) % len(DAYS) + 1)}
    return sorted(days)


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)

"""The one clock. Whoever needs the time or has to wait gets it passed in: a test or a simulation passes another.

Moments are milliseconds since the epoch; here is how they are written and read as text, too.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

DAY_MS = 86_400_000
LAST_MOMENT_MS = 253_402_300_799_000
"""The last second that `moment` can write: the year 9999 ends."""


class Clock:
    """The machine's clocks; a simulated world passes a subclass."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Wall-clock time in milliseconds since the epoch, as it is stored and sent."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds of a clock that never goes back; only differences mean something."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


SYSTEM_CLOCK = Clock()
"""The machine's own clock, for handlers and commands to pass on."""


def moment(milliseconds: int) -> str:
    """Write a moment (ms since the epoch) as RFC 3339 in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def parsed_moment(text: str) -> int:
    """Read a moment that `moment` wrote (ms since the epoch); 0 for anything else."""
    try:
        return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0


def optional_moment(milliseconds: int | None) -> str | None:
    """Write a moment that may be missing."""
    return moment(milliseconds) if milliseconds is not None else None


def optional_seconds(milliseconds: int | None) -> float | None:
    """A duration in seconds; None stays None."""
    return milliseconds / 1000 if milliseconds is not None else None


def in_utc(text: str | None) -> str | None:
    """Write somebody else's moment (RFC 3339 with any offset) as `moment` does; what is none stays as it is."""
    try:
        read = datetime.fromisoformat(text or "")
        return read.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if read.tzinfo else text
    except (ValueError, OverflowError):
        return text

"""The history of a site for a chart: the recorded minutes put together in steps, so that there are not too many rows.

A step of whole hours is read from the hours, any other from the minutes. A step in which nothing was recorded has no
row: nothing is known of it.
"""

from __future__ import annotations

from itertools import groupby

from geosync.sync_registry.site.history import HOUR_S, MINUTE_S, Record
from geosync.sync_registry.sync_registry import SyncRegistry

MOST_ROWS = 1_000
"""Rows of one reading."""
MOST_MINUTES = 3 * 1_440
"""Minutes that one reading puts together: three days, some 2 MB. Hours reach further."""
MOST_HOURS = 92 * 24
"""Hours that one reading puts together: three months, some 4 MB, of which less than half is sent and parsed.

All of 400 days are 19 MB, and functions/admin has 29 s for an answer.
"""


def why_not(since_ms: int, until_ms: int, step_s: int) -> str | None:
    """Say why this history cannot be read; None: it can."""
    if until_ms <= since_ms:
        return "until must be later than since"
    if step_s < MINUTE_S or step_s % MINUTE_S:
        return "step must be a number of whole minutes, in seconds"
    span_s = (until_ms - since_ms) / 1000
    if span_s / step_s > MOST_ROWS:
        return f"that is more than {MOST_ROWS} rows: take a longer step, or a shorter time"
    if step_s % HOUR_S and span_s / MINUTE_S > MOST_MINUTES:
        return f"for more than {MOST_MINUTES // 1440} days take a step of whole hours"
    if span_s / HOUR_S > MOST_HOURS:
        return f"that is more than {MOST_HOURS // 24} days: ask for one part after the other"
    return None


def history(sync_registry: SyncRegistry, since_ms: int, until_ms: int, step_s: int) -> list[Record]:
    """The rows whose steps begin at `since_ms` or later and before `until_ms`, in order; see `why_not` for its bounds.

    Steps begin at multiples of themselves, so that the same step is the same row in each reading.
    """
    step_ms = step_s * 1000
    since_ms -= since_ms % step_ms
    read = sync_registry.history.minutes if step_s % HOUR_S else sync_registry.history.hours
    records = read(since_ms, until_ms)
    if step_s in (MINUTE_S, HOUR_S):
        return records
    steps = groupby(records, key=lambda one: one.at // step_ms)
    return [Record.merged(found, at=number * step_ms, seconds=step_s) for number, found in steps]

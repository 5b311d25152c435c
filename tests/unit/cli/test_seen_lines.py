"""`geosync logs --follow` shows each line once, and remembers those alone that a look may come to again."""

from __future__ import annotations

from typing import Any

from geosync.cli.logs import OVERLAP_MS, _SeenLines
from geosync.clock import moment

NOW = 1_764_500_000_000


def line(number: int, at_ms: int) -> dict[str, Any]:
    return {"event_id": f"event-{number}", "logged_at": moment(at_ms)}


def test_a_line_that_two_looks_come_to_is_shown_once() -> None:
    seen = _SeenLines()
    first, second = line(1, NOW), line(2, NOW + 10)
    assert seen.take([first, first], again_from_ms=NOW - OVERLAP_MS) == [first]
    assert seen.take([first, second], again_from_ms=NOW + 2_000 - OVERLAP_MS) == [second]
    assert seen.take([first, second], again_from_ms=NOW) == []


def test_days_of_following_remember_the_lines_of_the_overlap() -> None:
    seen = _SeenLines()
    for number in range(10_000):  # a line each second
        now_ms = NOW + number * 1_000
        overlap = [line(one, NOW + one * 1_000) for one in range(max(number - 30, 0), number + 1)]
        assert [one["event_id"] for one in seen.take(overlap, again_from_ms=now_ms - OVERLAP_MS)] == [f"event-{number}"]
        assert len(seen) <= OVERLAP_MS // 1_000 + 1

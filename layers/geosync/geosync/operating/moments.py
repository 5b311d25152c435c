"""Moments as text."""

from __future__ import annotations

from datetime import UTC, datetime


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

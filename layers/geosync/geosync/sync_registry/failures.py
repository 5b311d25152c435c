"""A failure's text as it is kept, and the moment of the next try."""

from __future__ import annotations

FAILURE_LENGTH = 255
"""Characters of a failure that are kept."""


def retry_at(attempts: int, *, now_ms: int, jitter: int) -> int:
    """The moment (ms) at which a reference that failed `attempts` times is tried again: GitLab's backoff, at most 1 h.

    delay(n) = n^4 + 15 + jitter * (n + 1) seconds with `jitter` 0 to 29; min(now + delay(n), now + 1 h + delay(1)).
    GitLab's other bound, 4 h, is for what is missing on the primary. That is no failure here: it is proved, and
    discharged.
    """
    return now_ms + 1000 * min(_delay(attempts, jitter), 3600 + _delay(1, jitter))


def _delay(attempts: int, jitter: int) -> int:
    return int(attempts**4 + 15 + jitter * (attempts + 1))


def cut(failure: str) -> str:
    """A failure's text, at most 255 characters, with `...` at the end when it was longer."""
    return failure if len(failure) <= FAILURE_LENGTH else failure[: FAILURE_LENGTH - 3] + "..."

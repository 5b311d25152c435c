"""Lists in a report: what is not named is counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice


def cut(lines: Sequence[str], most: int, *, of: int | None = None) -> Iterator[str]:
    """The first `most` lines, and in one more how many others there are; `of`: in all, where `lines` are a part."""
    yield from islice(lines, most)
    others = (len(lines) if of is None else of) - min(len(lines), most)
    if others > 0:
        yield f"and {others} more"

"""Rules of Geosync's, and for each the library without it: the simulation must find what is false then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

BROKEN: dict[str, Callable[[], None]] = {}


@contextmanager
def broken(rule: str | None) -> Iterator[None]:
    """Run without a rule; None: with all of them."""
    if rule is not None:
        BROKEN[rule]()
    yield

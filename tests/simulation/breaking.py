"""Rules of Geosync's, and for each the library without it: the simulation must find what is false then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.simulation.broken_rules import promoting, pulling, reporting, selecting, syncing
from tests.simulation.broken_rules.rule import Rule

RULES: dict[str, Rule] = {
    **syncing.RULES,
    **promoting.RULES,
    **pulling.RULES,
    **selecting.RULES,
    **reporting.RULES,
}


@contextmanager
def broken(rule: str | None) -> Iterator[None]:
    """Run without a rule; None: with all of them."""
    with ExitStack() as stack:
        for patch_of in RULES[rule].without if rule is not None else ():
            stack.enter_context(patch_of())
        yield

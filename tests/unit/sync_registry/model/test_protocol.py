"""The protocol of the sync registry, explored whole: it holds, and not one of its rules can be left out.

The world around the library is in `world`, `library`, `steps` and `takeovers`, the scenarios in `scenarios`, and what
is taken out in `rules`. The properties are in `properties`: whenever nothing is owed, and no event or push is underway,
the secondary's tag is the primary's, and recorded as that; a tag that Geosync did not put there is never removed, nor
one that an announced push is about to write; a row says synced only if nothing is owed; what an event marked is worked
on without the sweep unless something died; and from every state everything can still become synced.

Of superseded digests: each that an accepted push named is owed, at the secondary, or not at the primary; and a tag is
taken before what was overtaken. A holder works on one reference at a time here, in the library on a few side by side:
that a digest which is left owed while somebody looks at it is marked anew is tested with the transitions.

Of deaths: where every holder dies that works on one tag, that tag can still be parked from every state, and the other
synced. All deaths over a tag but the first are counted, so that there is no endless chain. No more deaths are counted
for a tag than holders died over it since its mark, so that what nobody worked on is never parked. A row that nobody
holds speaks of no death.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator

import pytest
from tests.unit.sync_registry.model import canonical
from tests.unit.sync_registry.model.explorer import explore
from tests.unit.sync_registry.model.rules import RULES
from tests.unit.sync_registry.model.scenarios import SCENARIOS
from tests.unit.sync_registry.model.steps import World
from tests.unit.sync_registry.model.without import Rule


@pytest.fixture(scope="module", autouse=True)
def no_garbage_collection() -> Iterator[None]:
    """States are tuples of tuples without cycles: to look for some among millions of them takes a third of the time.

    None of them stays: in each test of the same process after these, a collection would look through them again.
    """
    gc.disable()
    yield
    canonical.forget()
    gc.enable()
    gc.collect()


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_protocol_holds_in_every_reachable_state(name: str) -> None:
    found = explore(World(SCENARIOS[name]))

    assert found.violation is None, "\n".join((found.violation or "", *found.trace))
    assert found.states > 100, "the scenario does nothing"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_without_any_one_rule_the_protocol_does_not_hold(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    rule.patch(monkeypatch)

    found = explore(World(SCENARIOS[rule.scenario], mark_first=rule.mark_first), depth_first=True)

    assert found.violation is not None, f"nothing goes wrong without: {rule.name}"
    assert re.search(rule.violation, found.violation), "\n".join((found.violation, *found.trace))

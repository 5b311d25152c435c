"""Rules of a pull: how new the tag is that it is answered with."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.broken_rules.rule import Rule, answer, instead

from geosync.pair.selection import Selection
from geosync.reading import freshness, manifest_pull, waiting
from geosync.reading.freshness import Known
from geosync.reading.since import SinceAsked
from geosync.sync_registry import decisions
from geosync.sync_registry.items import Seen
from geosync.sync_registry.overview import Accounting

_is_the_primarys = decisions.is_the_primarys
_accounted_ms = freshness.accounted_ms


def _whatever_was_shown(_: object, known: Known) -> str | None:
    if known.owed is not None:
        return known.owed.shown
    return known.seen.digest if known.seen is not None else None


def _accounted_whatever_is_selected(site: Accounting, _: Selection | None) -> int | None:
    return _accounted_ms(replace(site, subscription=None), None)


def _is_there(seen: Seen) -> bool:
    return _is_the_primarys(replace(seen, outside_since=None))


RULES: dict[str, Rule] = {
    "as new as promised": Rule(
        says="a tag is served only if nothing is owed for it and its recovery point is new enough",
        without=(answer(manifest_pull, "may_be_served", True),),
        finds="pulled: ",
        seeds=30,
        often=("pull", "push_many"),
    ),
    "since it began": Rule(
        says="a strict pull is answered by a look that was made after it began",
        without=(instead(SinceAsked, "shown", _whatever_was_shown),),
        finds="pulled: ",
        seeds=30,
        often=("pull", "push_many"),
    ),
    "selected meanwhile": Rule(
        says="nothing is accounted of the time in which a tag was outside the selection",
        without=(
            instead(waiting, "accounted_ms", _accounted_whatever_is_selected),
            instead(freshness, "is_the_primarys", _is_there),
        ),
        finds="pulled: ",
        first=40,
        seeds=60,
        minutes=10,
        often=("select", "pull", "push", "retag"),
    ),
}

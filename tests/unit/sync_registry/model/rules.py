"""The rules of the protocol, and for each the library without it.

Every entry patches the library's own functions: what is explored is the real code with one rule taken out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr
from tests.unit.sync_registry.model.library import Library
from tests.unit.sync_registry.model.steps import World

from geosync.sync_registry import deaths, decisions
from geosync.sync_registry.items import ABSENT, KEEP, MISSING
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Check, Delete, Update
from geosync.sync_registry.transitions import attempts, discharge, leases, marks

Patch = Callable[[pytest.MonkeyPatch], None]
ALWAYS = Attr("repository").exists() | Attr("repository").not_exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule in words, how to take it out, and the scenario that misses it."""

    name: str
    patch: Patch
    scenario: str
    violation: str
    """What the exploration finds without the rule (a regular expression)."""
    mark_first: bool = True


def without_attributes(name: str, *attributes: str) -> Patch:
    """Let a transition leave out attributes that it sets or adds to."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = getattr(leases, name)

        def changed(*args: Any, **kwargs: Any) -> Any:
            change = original(*args, **kwargs)
            if change is None:
                return None
            return replace(
                change,
                set={key: value for key, value in change.set.items() if key not in attributes},
                add={key: value for key, value in change.add.items() if key not in attributes},
            )

        monkeypatch.setattr(leases, name, changed)

    return patch


def instead(module: Any, name: str, replacement: Any) -> Patch:
    """Put something else in place of a function."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, name, replacement)

    return patch


def not_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a leased row not be in the index."""
    original = leases._lease_time

    def changed(*args: Any) -> dict[str, Any]:
        return {**original(*args), "due_shard": "not swept"}

    monkeypatch.setattr(leases, "_lease_time", changed)


def knocked_and_not_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a knock that takes no lease leave nothing for the sweep to find."""
    original = leases.knock

    def changed(*args: Any, **kwargs: Any) -> Update:
        change = original(*args, **kwargs)
        if kwargs.get("take", True) or "state" not in change.set:
            return change
        kept = {key: value for key, value in change.set.items() if key not in ("due", "due_shard")}
        return replace(change, set=kept, remove=(*change.remove, "due", "due_shard"))

    monkeypatch.setattr(leases, "knock", changed)


def discharge_unchecked(position: int) -> Patch:
    """Take the condition from the lease's check (0) or from the deletion of what is owed (1)."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = discharge.discharge

        def changed(*args: Any, **kwargs: Any) -> Any:
            changes = original(*args, **kwargs)
            change = changes[position]
            assert isinstance(change, Check | Update | Delete)
            changes[position] = replace(change, when=ALWAYS)
            return changes

        monkeypatch.setattr(discharge, "discharge", changed)

    return patch


def newest_mark_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a mark forget what earlier marks expected."""
    original = marks.mark

    def changed(*args: Any, **kwargs: Any) -> Update:
        change = original(*args, **kwargs)
        return replace(change, set={**change.set, **change.union}, union={}, when=None)

    monkeypatch.setattr(marks, "mark", changed)


def marked_as_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a comparison finds be due since it is marked itself."""
    original = marks.mark

    def changed(repository: Any, reference: Any, said: Any, **kwargs: Any) -> Update:
        return original(repository, reference, replace(said, since=None), **kwargs)

    monkeypatch.setattr(marks, "mark", changed)


def deletion_believed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a 404 that a deletion announced be proof like a digest that a push announced."""
    original = decisions.proves_primary

    def changed(owed: Any, look: Any, timing: Any) -> bool:
        return original(owed, look, timing) or (look.digest is None and owed.expects == {ABSENT})

    monkeypatch.setattr(decisions, "proves_primary", changed)


def missing_believed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a 404 be proof at once where a comparison missed the tag before."""
    original = decisions.proves_primary

    def changed(owed: Any, look: Any, timing: Any) -> bool:
        return original(owed, look, timing) or (look.digest is None and MISSING in owed.if_absent)

    monkeypatch.setattr(decisions, "proves_primary", changed)


def said_anew_by_each_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each mark forget what an operator said before."""
    original = marks.mark

    def changed(*args: Any, **kwargs: Any) -> Update:
        change = original(*args, **kwargs)
        return replace(
            change,
            set={**change.set, "if_absent": change.union.get("if_absent", frozenset())},
            union={name: texts for name, texts in change.union.items() if name != "if_absent"},
        )

    monkeypatch.setattr(marks, "mark", changed)


def kept_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a tag that is kept go on as one that Geosync put there."""
    original = decisions.next_step

    def changed(owed: Any, *args: Any, **kwargs: Any) -> Any:
        step = original(owed, *args, **kwargs)
        forgotten = step == decisions.Discharge(None) and KEEP in owed.if_absent
        return decisions.Discharge(owed.seen) if forgotten else step

    monkeypatch.setattr(decisions, "next_step", changed)


def never_waits(owed: Any, look: Any, timing: Any) -> bool:
    """Whatever the primary answers is proof."""
    return True


def exact_or_not(owed: Any, at: Any, timing: Any) -> frozenset[str]:
    """Whatever was announced, nothing is waited for."""
    return frozenset()


def announced_by_marks(owed: Any, at: Any, timing: Any) -> frozenset[str]:
    """What was seen a moment ago does not count as announced."""
    return owed.expects  # type: ignore[no-any-return]


def seen_by_digest(owed: Any, seen: Any, digest: Any, received_at: Any) -> bool:
    """The digest alone tells that an event was seen."""
    return owed is None and seen is not None and seen.digest == digest


def counted_and_still_named(**fields: Any) -> Update:
    """Let the count of a death leave in the row what it was counted for."""
    return Update(**{**fields, "remove": ()})


def marked_and_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a mark leave the deaths that are counted for its reference."""
    original = marks.mark

    def changed(*args: Any, **kwargs: Any) -> Update:
        change = original(*args, **kwargs)
        return replace(change, remove=tuple(name for name in change.remove if name != "deaths"))

    monkeypatch.setattr(marks, "mark", changed)


def left_as_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a discharge leaves owed be due since the discharge."""
    original = marks.becomes_owed

    def changed(*args: Any, **kwargs: Any) -> Update:
        change = original(*args, **kwargs)
        return replace(change, set={**change.set, "due": kwargs["now_ms"]})

    monkeypatch.setattr(marks, "becomes_owed", changed)


RULES = (
    Rule(
        name="discharge: what a later push overtook becomes owed by itself",
        patch=instead(decisions, "superseded", lambda owed, seen: frozenset()),
        scenario="overtaken",
        violation="a push named",
    ),
    Rule(
        name="discharge: what it leaves owed is due since the tag is",
        patch=left_as_of_now,
        scenario="overtaken under two tags",
        violation="a push waits for one that it overtook",
    ),
    Rule(
        name="mark: a digest that the tag's item does not take is marked by itself",
        patch=instead(SyncRegistry, "_mark_apart", lambda registry, key, said, digests, item: None),
        scenario="overtaken in a full item",
        violation="a push named",
    ),
    Rule(
        name="primary: exact, or settled",
        patch=instead(decisions, "proves_primary", never_waits),
        scenario="back and forth",
        violation="nothing is owed",
    ),
    Rule(
        name="primary: an answer that is not exactly what was announced waits",
        patch=instead(decisions, "_announced", exact_or_not),
        scenario="back and forth",
        violation="nothing is owed",
    ),
    Rule(
        name="primary: what was seen a moment ago counts as announced",
        patch=instead(decisions, "_announced", announced_by_marks),
        scenario="back and forth",
        violation="nothing is owed",
    ),
    Rule(
        name="knock: without a lease the row is due",
        patch=knocked_and_not_due,
        scenario="a wake is lost",
        violation="nothing that can happen any more",
    ),
    Rule(
        name="mark: expects grows",
        patch=newest_mark_only,
        scenario="back and forth",
        violation="nothing is owed",
    ),
    Rule(
        name="mark: what a comparison finds is due since its repository was marked",
        patch=marked_as_of_now,
        scenario="pushed while comparing",
        violation="a push waits",
    ),
    Rule(
        name="mark: what an event marked keeps its place when a comparison finds it too",
        patch=instead(marks, "_is_behind", lambda due: ALWAYS),
        scenario="compared meanwhile",
        violation="a push lost its place",
    ),
    Rule(
        name="skip: the look is not older than the event",
        patch=instead(decisions, "is_already_seen", seen_by_digest),
        scenario="back and forth",
        violation="nothing is owed",
    ),
    Rule(
        name="discharge: not marked again",
        patch=discharge_unchecked(1),
        scenario="back and forth",
        violation="nothing is owed",
    ),
    Rule(
        name="discharge: the lease is mine",
        patch=discharge_unchecked(0),
        scenario="a worker stalls over one push",
        violation="leads to synced",
    ),
    Rule(
        name="secondary: seen after suspect_until",
        patch=instead(decisions, "proves_secondary", lambda look, suspect_until: True),
        scenario="a worker dies",
        violation="nothing is owed",
    ),
    Rule(
        name="acquire: over an expired lease suspect its writes",
        patch=without_attributes("_take", "suspect_until"),
        scenario="a worker dies",
        violation="nothing is owed",
    ),
    Rule(
        name="suspect: a write without an answer",
        patch=instead(leases, "suspect", lambda lease, now_ms, timing: lease),
        scenario="no answer",
        violation="nothing is owed",
    ),
    Rule(
        name="release: what its holder suspects, whether that was written before or not",
        patch=without_attributes("release", "suspect_until"),
        scenario="no answer, and the table refuses",
        violation="nothing is owed",
    ),
    Rule(
        name="write: only under a lease that was renewed lately",
        patch=instead(decisions, "may_write_tag", lambda renewed_at_s, now_s, timing: True),
        scenario="a worker stalls",
        violation="nothing is owed",
    ),
    Rule(
        name="acquire: only when no lease is live",
        patch=instead(leases, "_not_taken_since", lambda believed: ALWAYS),
        scenario="back and forth",
        violation="nothing is owed",
    ),
    Rule(
        name="acquire: a new token each time",
        patch=instead(Library, "fresh", "held"),
        scenario="two tags",
        violation="the row says synced",
    ),
    Rule(
        name="knock: the revision moves",
        patch=without_attributes("knock", "revision"),
        scenario="back and forth",
        violation="only the sweep would find it|the row says synced",
    ),
    Rule(
        name="finish: the revision did not move",
        patch=instead(leases, "_is_unmoved", lambda lease: ALWAYS),
        scenario="back and forth",
        violation="only the sweep would find it|the row says synced",
    ),
    Rule(
        name="mark before knock",
        patch=lambda monkeypatch: None,
        scenario="back and forth",
        violation="only the sweep would find it|the row says synced",
        mark_first=False,
    ),
    Rule(
        name="finish: synced only if nothing at all is owed",
        patch=instead(leases.Remaining, "of", lambda items: leases.Remaining(owed=0)),
        scenario="back and forth",
        violation="the row says synced",
    ),
    Rule(
        name="removal: only after settle",
        patch=deletion_believed_at_once,
        scenario="removed and pushed again",
        violation="a tag is removed that a push",
    ),
    Rule(
        name="removal: only what Geosync put there",
        patch=instead(decisions, "is_ours", lambda owed, digest: True),
        scenario="not ours",
        violation="a tag is removed that Geosync did not put there",
    ),
    Rule(
        name="removal: what comparisons miss, only after settle",
        patch=missing_believed_at_once,
        scenario="missed and pushed again",
        violation="a tag is removed that a push|nothing is owed",
    ),
    Rule(
        name="removal: nothing that comparisons miss while the breaker is on",
        patch=instead(decisions, "may_remove", lambda owed, suspended: True),
        scenario="missed, and the breaker is on",
        violation="the breaker is on",
    ),
    Rule(
        name="removal: somebody missed the tag before, or said that it may go",
        patch=instead(decisions, "may_remove", lambda owed, suspended: True),
        scenario="lost, and asked about",
        violation="a tag is removed that nobody missed",
    ),
    Rule(
        name="what stays: a copy that nobody recorded is remembered as ours",
        patch=instead(decisions, "_stay", lambda owed, *_, **__: decisions.Discharge(owed.seen)),
        scenario="a worker dies over a new tag",
        violation="nothing is owed",
    ),
    Rule(
        name="keep: whatever else was said",
        patch=instead(decisions, "may_remove", lambda owed, suspended: ABSENT in owed.expects),
        scenario="kept",
        violation="an operator said to keep|nothing is owed",
    ),
    Rule(
        name="keep: a later mark does not take it back",
        patch=said_anew_by_each_mark,
        scenario="kept",
        violation="an operator said to keep|nothing is owed",
    ),
    Rule(
        name="keep: the tag is not ours any more",
        patch=kept_and_remembered,
        scenario="kept",
        violation="nothing is owed",
    ),
    Rule(
        name="index: a leased row is due when its lease expires",
        patch=not_due,
        scenario="a worker dies",
        violation="leads to synced",
    ),
    Rule(
        name="finish: what is synced waits for its verification",
        patch=without_attributes("finish", "due_shard"),
        scenario="a worker dies",
        violation="what waits for its verification",
    ),
    Rule(
        name="take-over: a death is noted in the row, so that the next holder names what it begins",
        patch=without_attributes("_take", "deaths"),
        scenario="a tag kills",
        violation="again and again",
    ),
    Rule(
        name="take-over: after a death the row names a reference before it is begun",
        patch=instead(World, "_is_careful", lambda world, worker, owed: False),
        scenario="a tag kills",
        violation="again and again",
    ),
    Rule(
        name="take-over: what counts a death is named before it is begun, whoever let go since",
        patch=instead(World, "_is_careful", lambda world, worker, owed: bool(worker.lease[5])),
        scenario="a tag kills",
        violation="again and again",
    ),
    Rule(
        name="take-over: a death is counted for what stands in the row",
        patch=instead(SyncRegistry, "left_behind", lambda registry, lease: []),
        scenario="a tag kills",
        violation="again and again",
    ),
    Rule(
        name="take-over: after so many deaths a reference is parked",
        patch=instead(attempts, "is_last_death", lambda owed, timing: False),
        scenario="a tag kills",
        violation="again and again",
    ),
    Rule(
        name="take-over: what is counted is named no more",
        patch=instead(deaths, "Update", counted_and_still_named),
        scenario="a tag kills, and is pushed again",
        violation="more deaths are counted",
    ),
    Rule(
        name="take-over: names go even if nothing of what they name is owed",
        patch=instead(World, "_leaves_names", lambda world, lease, left: not left),
        scenario="a tag is pushed again between deaths by chance",
        violation="more deaths are counted",
    ),
    Rule(
        name="take-over: nothing is counted for what was marked since it was read",
        patch=instead(attempts, "is_unmarked", lambda owed: ALWAYS),
        scenario="a tag kills, and is pushed again",
        violation="more deaths are counted",
    ),
    Rule(
        name="finish: whoever lets go leaves no deaths behind",
        patch=instead(leases, "HELD", tuple(name for name in leases.HELD if name != "deaths")),
        scenario="a tag kills",
        violation="speaks of a holder's death",
    ),
    Rule(
        name="mark: the reference starts afresh, without deaths",
        patch=marked_and_still_counted,
        scenario="a tag kills, and is pushed again",
        violation="more deaths are counted",
    ),
)

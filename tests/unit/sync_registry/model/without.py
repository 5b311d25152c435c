"""What takes a rule out of the protocol, for rules.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr

from geosync.sync_registry import decisions
from geosync.sync_registry.items import ABSENT, KEEP, MISSING
from geosync.sync_registry.table.changes import Check, Delete, Update
from geosync.sync_registry.transitions import discharge, leases, marks

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


def skipped_for_what_was_asked(owed: Any, seen: Any, digest: Any, received_at: Any) -> bool:
    """A look that was only asked for answers an event that came before it."""
    return owed is None and seen is not None and seen.digest == digest and seen.looked_at >= received_at


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

"""The rules of the protocol, and for each the library without it.

Every entry patches the library's own functions: what is explored is the real code with one rule taken out.
"""

from __future__ import annotations

from tests.unit.sync_registry.model.library import Library
from tests.unit.sync_registry.model.steps import World
from tests.unit.sync_registry.model.without import (
    ALWAYS,
    Rule,
    announced_by_marks,
    counted_and_still_named,
    deletion_believed_at_once,
    discharge_unchecked,
    exact_or_not,
    instead,
    kept_and_remembered,
    knocked_and_not_due,
    left_as_of_now,
    marked_and_still_counted,
    marked_as_of_now,
    missing_believed_at_once,
    never_waits,
    newest_mark_only,
    not_due,
    said_anew_by_each_mark,
    seen_by_digest,
    skipped_for_what_was_asked,
    without_attributes,
)

from geosync.sync_registry import deaths, decisions
from geosync.sync_registry.items import ABSENT
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.transitions import attempts, leases, marks

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
        name="primary: a look that was only asked for takes nothing from what an earlier one answered",
        patch=instead(decisions, "answered_before", lambda owed, digest: None if owed.expects else 0),
        scenario="pulled meanwhile",
        violation="nothing is owed",
    ),
    Rule(
        name="skip: no event for a look that was only asked for",
        patch=instead(decisions, "is_already_seen", skipped_for_what_was_asked),
        scenario="pulled meanwhile",
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

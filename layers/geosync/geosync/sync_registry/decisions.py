"""Decisions about one owed reference: what a look proves, and what comes next. Pure functions, no I/O, no clock.

A look proves something only for its moment, so every `Look` carries the one **before** its request was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from geosync.sync_registry.items import ABSENT, ADOPT, KEEP, MISSING, OUTSIDE, UNNAMED, Owed, Seen
from geosync.sync_registry.timing import Timing, ms


@dataclass(frozen=True, slots=True)
class Look:
    """A registry's answer for a reference (None: a 404 that counts), asked at `at` (ms, before the request)."""

    digest: str | None
    at: int


@dataclass(frozen=True, slots=True)
class LookAtSecondary:
    """Ask the secondary what it has under the reference, then ask `next_step` again with both looks."""


@dataclass(frozen=True, slots=True)
class Write:
    """Copy what the primary answered to the secondary, under the reference, if `may_write_tag`; then LookAtSecondary.

    When the outcome of the PUT is unknown: `suspect` at once, then postpone to the lease's `suspect_until`.
    """


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the tag at the secondary, if `may_write_tag`; then LookAtSecondary. An unknown outcome as for Write."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Ask the primary again after so many seconds, within this invocation, then `next_step` with one poll more."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Postpone:
    """Nothing is proved yet: postpone to `due` (ms); no failure."""

    due: int


@dataclass(frozen=True, slots=True)
class Fail:
    """The secondary accepted a write and shows something else: `fail` the reference with this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Discharge:
    """Proved. `seen` is what to record; None: the reference is gone and its `tag#` item goes too."""

    seen: Seen | None


Step: TypeAlias = LookAtSecondary | Write | Remove | LookAgain | Postpone | Fail | Discharge


def next_step(  # noqa: PLR0913 - all that one decision depends on; the model gives each
    owed: Owed,
    primary: Look,
    secondary: Look | None,
    *,
    suspect_until: int,
    timing: Timing,
    polls: int = 0,
    writes: int = 0,
    removals: bool = True,
    suspended: bool = False,
) -> Step:
    """Decide what a holder does next with `owed` (with its `seen`, read under the lease), given what it saw.

    `primary` is the newest look at the primary; `secondary` the newest look at the secondary made after it (or before
    it, if it shows no tag: that decides a write, never a removal) and after every write, None when there is none;
    `suspect_until` the lease's. `polls` and `writes` count how often this run followed LookAgain, and Write or Remove,
    for this reference. `removals` is False under the policy `keep`; `suspended`: the breaker is on. The order of a
    holder's requests, which the model explores:

    1. read the owed reference, look at the primary, ask; on Write copy at once, without a look at the secondary first;
    2. look at the secondary, ask; on Discharge discharge the very `owed` that was read before the look at the primary.
    """
    if primary.digest is None:
        return _step_when_absent(
            owed,
            primary,
            secondary,
            suspect_until,
            timing=timing,
            polls=polls,
            writes=writes,
            allowed=removals and may_remove(owed, suspended=suspended),
        )
    proved = proves_primary(owed, primary, timing)
    if not proved and not _is_wanted(owed, primary.digest, polls, len(timing.polls_s)):
        return _wait(owed, primary, timing, polls)
    if secondary is None:
        return LookAtSecondary() if writes or not is_written_first(owed, primary.digest) else Write()
    if secondary.digest != primary.digest:
        return _write_again(Write(), primary, secondary, suspect_until, writes)
    if proved:
        return _step_when_equal(owed, primary.digest, primary, secondary, suspect_until)
    return Postpone(max(proved_from(owed, primary.digest, timing), suspect_until))


def _step_when_equal(owed: Owed, digest: str, primary: Look, secondary: Look, suspect_until: int) -> Step:
    """Discharge what both registries have, the primary proved, once the look at the secondary proves it too."""
    if proves_secondary(secondary, suspect_until):
        at = answered_before(owed, digest)
        return Discharge(Seen(digest=digest, looked_at=primary.at, seen_at=secondary.at, announced_at=at))
    return Postpone(suspect_until)


def answered_before(owed: Owed, digest: str) -> int | None:
    """Return the last look (ms) that answered an event of `digest`; 0: none did.

    None: the look that discharges `owed` may answer one itself. A look that somebody only asked for answers no event:
    is_already_seen skips no later event for it, as the write that the event tells of may still be outstanding. What was
    seen with another digest counts for nothing: that digest is proved to be gone, and no write of it is outstanding.
    """
    if owed.expects or not owed.asked:
        return None
    return owed.seen.answered_at if owed.seen is not None and owed.seen.digest == digest else 0


def _step_when_absent(  # noqa: PLR0913 - those of next_step
    owed: Owed,
    primary: Look,
    secondary: Look | None,
    suspect_until: int,
    *,
    timing: Timing,
    polls: int,
    writes: int,
    allowed: bool,
) -> Step:
    """Decide as `next_step` when the primary answered 404: without proof nothing is removed or discharged."""
    if not proves_primary(owed, primary, timing):
        return _wait(owed, primary, timing, polls)
    if owed.reference.kind != "tag":
        return Discharge(None)  # manifests without a tag are left to the registry's garbage collection
    if not allowed:
        return _stay(owed, secondary, suspect_until, gone_since=primary.at)
    if secondary is None:
        return LookAtSecondary()
    if secondary.digest is not None and is_ours(owed, secondary.digest):
        return _write_again(Remove(), primary, secondary, suspect_until, writes)
    return Discharge(None) if proves_secondary(secondary, suspect_until) else Postpone(suspect_until)


def step_outside(
    owed: Owed,
    secondary: Look | None,
    *,
    suspect_until: int,
    writes: int = 0,
    removes: bool = False,
    suspended: bool = False,
) -> Step:
    """Decide what a holder does next with a reference that the site's selection does not have.

    The primary is not asked: whatever it has, this site does not replicate it. `removes` is True under the policy
    `remove`; without it the reference is forgotten, and what is at the secondary stays. The other arguments are those
    of `next_step`.

    A tag is removed only where comparisons said OUTSIDE, and where the secondary shows a digest that Geosync put there
    or saw equal: a tag that somebody wrote over stays, and is forgotten. A manifest is left to garbage collection.
    """
    if not removes or owed.reference.kind != "tag" or KEEP in owed.if_absent:
        return Discharge(None)
    if OUTSIDE not in owed.if_absent or suspended:
        return _stay(owed, secondary, suspect_until)
    if secondary is None:
        return LookAtSecondary()
    if secondary.digest is not None and _shows_ours(owed, secondary.digest):
        return _write_again(Remove(), Look(None, secondary.at), secondary, suspect_until, writes)
    return Discharge(None) if proves_secondary(secondary, suspect_until) else Postpone(suspect_until)


def _stay(owed: Owed, secondary: Look | None, suspect_until: int, *, gone_since: int | None = None) -> Step:
    """Record whether Geosync owns a tag that left the primary or the selection, while nothing may be removed.

    A tag that an operator said to keep counts from now on as one that Geosync did not put there. A copy whose holder
    died before recording it is known from what is owed alone, which is discharged now: so it is recorded here, without
    a look at the primary that could answer an event. So is a copy that was never proved, in place of what was seen
    before it. `gone_since` (ms) is the look that proved the tag to be gone from the primary; None: it was not asked.

    What somebody wrote over the tag is never recorded: later it would be taken for what Geosync put there, and would be
    removed once it is outside the selection. A tag that left the selection is forgotten then; of one that is gone from
    the primary it stays recorded what Geosync saw there.
    """
    if KEEP in owed.if_absent:
        return Discharge(None)
    seen = _gone(owed.seen, gone_since)
    known = {seen.digest} if seen is not None else set()
    if not (owed.expects | owed.copied) - known - {UNNAMED, ABSENT}:
        return Discharge(seen)
    if secondary is None:
        return LookAtSecondary()
    if not proves_secondary(secondary, suspect_until):
        return Postpone(suspect_until)
    return Discharge(_kept(owed, seen, secondary, gone_since=gone_since))


def _kept(owed: Owed, seen: Seen | None, secondary: Look, *, gone_since: int | None) -> Seen | None:
    """Return what is recorded of a tag that stays, of which `seen` was recorded; None: it is forgotten."""
    if secondary.digest is None:
        return None
    if not _shows_ours(owed, secondary.digest):
        return seen if gone_since is not None else None
    found = Seen(digest=secondary.digest, looked_at=0, seen_at=secondary.at, gone_since=gone_since)
    return seen if seen is not None and seen.digest == found.digest else found


def _gone(seen: Seen | None, gone_since: int | None) -> Seen | None:
    """Note in `seen` the first look (ms) that proved it to be gone; `gone_since` None: this one proved nothing."""
    if seen is None or gone_since is None:
        return seen
    return replace(seen, gone_since=seen.gone_since or gone_since)


def _write_again(write: Write | Remove, primary: Look, secondary: Look, suspect_until: int, writes: int) -> Step:
    """`write`, unless it was accepted in this run already and the secondary still shows something else."""
    if writes == 0:
        return write
    if not proves_secondary(secondary, suspect_until):
        return Postpone(suspect_until)
    return Fail(f"the secondary shows {secondary.digest or ABSENT} after it accepted {primary.digest or ABSENT}")


def _is_wanted(owed: Owed, digest: str, polls: int, most_polls: int) -> bool:
    """An event named `digest`, or no digest; or somebody asked, and what was named is not there: copy it unproved."""
    return bool(owed.expects & {digest, UNNAMED}) or (owed.asked and polls >= (most_polls if owed.expects else 0))


def _wait(owed: Owed, primary: Look, timing: Timing, polls: int) -> Step:
    """Poll while the primary does not show what an event named; then come back when an answer that stays is proof."""
    answer = primary.digest or ABSENT
    if owed.expects and answer not in owed.expects and UNNAMED not in owed.expects and polls < len(timing.polls_s):
        return LookAgain(timing.polls_s[polls])
    return Postpone(proved_from(owed, primary.digest, timing))


def proves_primary(owed: Owed, look: Look, timing: Timing) -> bool:
    """The primary's answer will stay, except for events that are still to come.

    Every write that an event announced until the mark is done by now (`settle` passed since), or the answer is exactly
    what was announced. What the reference was last seen to be counts as announced until `settle` after the last look
    that may have answered an event of it: by an older write, while its own is still to come. A 404 proves nothing
    before the deletion delay has passed, too. For a digest whose deletion an event told, that is left to its tags.
    """
    if look.at >= _settled_at(owed, look.digest, timing):
        return True
    return look.digest is not None and _announced(owed, look.at, timing) <= {look.digest}


def proved_from(owed: Owed, digest: str | None, timing: Timing) -> int:
    """From when on (ms) a look that finds `digest` proves it, if nobody marks the reference again."""
    settled_at = _settled_at(owed, digest, timing)
    if digest is not None and owed.seen is not None and owed.expects <= {digest}:
        return min(settled_at, owed.seen.answered_at + ms(timing.settle_s))
    return settled_at


def _settled_at(owed: Owed, digest: str | None, timing: Timing) -> int:
    is_told = owed.reference.kind == "digest" and ABSENT in owed.expects
    waits = digest is None and not is_told and KEEP not in owed.if_absent
    return owed.marked_at + ms(timing.settle_s) + (ms(timing.deletion_delay_s) if waits else 0)


def _announced(owed: Owed, at: int, timing: Timing) -> frozenset[str]:
    """The digests whose writes may be outstanding at `at`, as far as is known here."""
    if owed.seen is not None and at < owed.seen.answered_at + ms(timing.settle_s):
        return owed.expects | {owed.seen.digest}
    return owed.expects


def may_be_half_copied(owed: Owed, digest: str) -> bool:
    """An attempt at a copy may have broken off: the secondary can show `digest`, and lack what is below it.

    A registry that does not check takes a manifest before its parts are there. A mark forgets failures and deaths, and
    an attempt that ran out of time leaves neither: so copies are noted (is_to_be_noted). What is here is here under any
    primary.
    """
    return owed.failure is not None or owed.deaths > 0 or digest in owed.copied | owed.half_copied


def is_written_first(owed: Owed, digest: str) -> bool:
    """A holder that finds `digest` at the primary writes it, without a look at the secondary first."""
    known = owed.worked_on or not owed.expects or (owed.seen is not None and owed.seen.digest == digest)
    return bool(owed.distrust) or not known


def is_to_be_noted(owed: Owed, digest: str) -> bool:
    """A copy of `digest` must be noted before it begins, so that no later attempt takes a half copy for a whole one.

    Not where the next attempt writes it without a look first, and a write looks below: that is so once an event named
    it, whatever marks follow, until it is discharged. A write that a look decided upon is noted: the next look would
    find the secondary equal.
    """
    if digest in owed.copied:
        return False
    return digest not in owed.expects or not is_written_first(owed, digest)


def half_copied_if_postponed(owed: Owed) -> frozenset[str]:
    """The digests to note when an attempt postpones `owed` and wrote nothing: the next one looks before it writes.

    An earlier attempt may have broken off. Until now its copy needed no note (see is_to_be_noted).
    """
    digests = owed.expects - {ABSENT, UNNAMED} - owed.copied
    return frozenset(one for one in digests if is_written_first(owed, one))


def proves_secondary(look: Look, suspect_until: int) -> bool:
    """No earlier write can change what the secondary answered: it was asked at or after `suspect_until`."""
    return look.at >= suspect_until


def is_ours(owed: Owed, digest: str) -> bool:
    """Geosync put the tag there: it was seen equal before, or an event named this digest, or its copy was begun.

    (The last two hold for a copy whose holder died before it could record it.) Any other tag stays, unless an operator
    adopted it.
    """
    return owed.seen is not None or digest in owed.expects | owed.copied or ADOPT in owed.if_absent


def _shows_ours(owed: Owed, digest: str) -> bool:
    """The very digest is Geosync's: it was seen equal, or an event named it for the tag, or its copy was begun."""
    return digest in owed.expects | owed.copied or (owed.seen is not None and owed.seen.digest == digest)


def may_remove(owed: Owed, *, suspended: bool) -> bool:
    """The removal of a tag that the primary is proved not to have is allowed.

    An event said that it was deleted, or an operator adopted it; or comparisons found it missing, and not so many with
    it that the breaker is on (`suspended`). A tag that an operator said to keep stays whatever else was said.
    """
    if KEEP in owed.if_absent:
        return False
    if ABSENT in owed.expects or ADOPT in owed.if_absent:
        return True
    return MISSING in owed.if_absent and not suspended


def is_the_primarys(seen: Seen) -> bool:
    """Tell whether what was seen is there and replicated: no copy that only stays, none outside of the selection."""
    return seen.gone_since is None and seen.missing_since is None and seen.outside_since is None


def is_of_a_backfill(owed: Owed) -> bool:
    """Tell whether only a comparison made it owed: no event spoke of it since, and nobody asked (BackfillWindow)."""
    return owed.walk is not None and not owed.expects and not owed.asked


def superseded(owed: Owed, seen: Seen | None) -> frozenset[str]:
    """The digests of earlier pushes that a tag leaves owed when it is discharged as `seen`.

    A later push overtook them before the tag was looked at, or the tag is gone. Clients that pull by digest still need
    them, so each is looked at separately. There are none if the tag was not overtaken.
    """
    if owed.reference.kind != "tag":
        return frozenset()
    return owed.named - {seen.digest if seen is not None else None}


def may_write_tag(renewed_at_s: float, now_s: float, timing: Timing) -> bool:
    """A tag may be written or removed under a lease renewed at `renewed_at_s` (both monotonic seconds)."""
    return now_s - renewed_at_s <= timing.stale_renewal_s


def is_already_seen(owed: Owed | None, seen: Seen | None, digest: str | None, received_at: int) -> bool:
    """An event (its `digest`, None for a deletion; `received_at` ms) needs no request at all.

    The digest alone would fail when a tag goes from A to B and back to A: the look must not be older than the event.
    One that was only asked for answers none (answered_before).
    """
    if owed is not None or seen is None or digest is None:
        return False
    return seen.digest == digest and seen.answered_at >= received_at


def as_announced(seen: Seen, before: Seen | None) -> Seen:
    """Keep what is known of the announcement of a digest that was seen `before`: a look is no announcement."""
    if before is None or before.digest != seen.digest:
        return seen
    return replace(seen, unannounced=before.unannounced, suspected=before.suspected)

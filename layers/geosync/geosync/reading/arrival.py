"""Judges whether an image is at this site, for the command and the admin API alike.

The caller gives the moment since which it waits, or has marked the reference itself (`since_ms` None). A reference is
here when it was seen here, and is known to have been that at the primary since then: by a holder's look, or because
every push until then is accounted (see freshness.py). A mark that only asks for a look does not change that, however
long the look waits for a worker. The caller's own mark needs no moment: it is discharged only after a later look at the
primary, and a look here that showed the same digest, whatever any clock says.

For a caller without a mark, a digest that is asked for by name is here once it was seen here, whenever that was,
because a digest has one content. A tag that is asked for with a digest is here once it was seen as that digest. That
the digest is here by itself, or under another tag, says nothing of the tag.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from geosync.clock import moment
from geosync.pair.selection import EVERYTHING, Selection
from geosync.reading.freshness import Known, tag_point_ms
from geosync.sync_registry.decisions import is_the_primarys
from geosync.sync_registry.items import ABSENT, UNNAMED, Owed, Reference, Seen

ArrivalState = Literal["here", "waiting", "not_here"]
LOOK_MS = 500
"""A look at the primary is asked for only if the last one is older than this: many who wait for a tag cause one."""
UNHEARD_MS = 30_000
"""An event arrives within moments of its push, unless the registry or a starting function is slow: a pipeline that has
just pushed must not be told that it never did. After that time, if the way from the primary is open, there was no push.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedImage:
    """The image that somebody waits for: a reference of the primary's `repository`.

    With `digest` it is that digest under a tag, or a later one. `since_ms`: see the module.
    """

    repository: str
    reference: Reference
    digest: str | None = None
    since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The rest that the verdict depends on.

    `beside` is what is known of a digest that was asked for, by itself or under another tag. `obstacle` says what keeps
    the site from copying anything now; None: nothing does. `is_open`: the way from the primary is open, and no event
    waits. `is_compared`: the whole repository waits for no comparison. `apart` says why there may be a push that nobody
    sends the site and no comparison has found yet (why_apart); None: there is none.
    """

    site: str
    now_ms: int
    selection: Selection = EVERYTHING
    is_selection_known: bool = True
    obstacle: str | None = None
    is_open: bool = False
    is_compared: bool = True
    apart: str | None = None
    beside: Known = field(default_factory=lambda: Known(accounted_ms=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The verdict; times in milliseconds, None where they are not known.

    `digest` is what was seen here, `reason` says why it is not here. `announced` are the digests that pushes named and
    that are not here yet. `needs_look`: only a look at the primary now tells more, or the next heartbeats. `waiting`
    may change, the two others do not.
    """

    state: ArrivalState
    digest: str | None = None
    seen_at_ms: int | None = None
    reason: str | None = None
    owed_since_ms: int | None = None
    failure: str | None = None
    parked: bool = False
    announced: frozenset[str] = frozenset()
    needs_look: bool = False


def judge(image: AwaitedImage, known: Known, around: Surroundings) -> Arrival:
    """Say whether an image is here."""
    seen = known.seen if _is_the_primarys(known.seen) else None
    named = _named(image, seen, around)
    if named is not None:
        return _here(named)
    if not around.selection.has(image.repository, image.reference):
        return _not_here(f"it is outside the selection of {around.site} (geosync selection)")
    owed = known.owed or around.beside.owed
    if seen is not None and _is_fresh(image, known, seen) and not _is_announced(known, around):
        return _here(seen)
    if owed is not None:
        return _owed(owed, around)
    return _unsure(seen, around) if seen is not None else _unseen(image, known, around)


def is_unheard_of(image: AwaitedImage, known: Known, beside: Known) -> bool:
    """Tell whether nothing of an image is owed, and nothing that could be it is here."""
    could_be_it = known.seen if image.digest is not None else known.seen or beside.seen
    return known.owed is None and beside.owed is None and not _is_the_primarys(could_be_it)


def _is_the_primarys(seen: Seen | None) -> bool:
    return seen is not None and is_the_primarys(seen)


def _named(image: AwaitedImage, seen: Seen | None, around: Surroundings) -> Seen | None:
    """Find what was seen of the very digest that was asked for by name; None: nothing, or the asker's mark decides."""
    if image.since_ms is None:
        return None
    if image.reference.kind != "digest":
        return seen if seen is not None and seen.digest == image.digest else None
    beside = around.beside.seen
    return seen or (beside if _is_the_primarys(beside) else None)


def _is_fresh(image: AwaitedImage, known: Known, seen: Seen) -> bool:
    """Tell whether the primary had what was seen here since somebody waits, whatever is owed of it."""
    if image.since_ms is None:
        return known.owed is None
    if known.is_unclear or known.is_renamed_or_gone:
        return False
    at_ms = tag_point_ms(replace(known, owed=None), seen.digest)
    return at_ms is not None and at_ms >= image.since_ms


def _is_announced(known: Known, around: Surroundings) -> bool:
    """Tell whether anything that is owed announces a change; a mark that only asks for a look does not."""
    return any(one is not None and not _only_asks(one) for one in (known.owed, around.beside.owed))


def _only_asks(owed: Owed) -> bool:
    """Tell whether somebody asked for a look, and no event, comparison, verification or holder has said more.

    A holder that put it off saw something other than what is here, or nothing, and has not proved it yet.
    """
    digests = owed.expects | owed.named | owed.copied | owed.half_copied | owed.distrust
    says_more = digests or owed.if_absent or owed.shown or owed.renamed_to or owed.failure is not None
    return owed.asked and owed.walk is None and not says_more and not owed.worked_on


def _here(seen: Seen) -> Arrival:
    return Arrival(state="here", digest=seen.digest, seen_at_ms=seen.seen_at)


def _not_here(reason: str) -> Arrival:
    return Arrival(state="not_here", reason=reason)


def _owed(owed: Owed, around: Surroundings) -> Arrival:
    """Say why a reference that is owed is not here yet."""
    since = f"owed since {moment(owed.owed_since)}"
    if owed.failure is not None:
        what = "parked, after it failed" if owed.parked else "failing"
        reason = f"{since}, and {what}: {owed.failure}"
    elif around.obstacle is not None:
        reason = f"{since}, and {around.obstacle}"
    else:
        reason = f"{since}, and nothing has failed"
    return Arrival(
        state="waiting",
        reason=reason,
        owed_since_ms=owed.owed_since,
        failure=owed.failure,
        parked=owed.parked,
        announced=owed.expects - {ABSENT, UNNAMED},
    )


def _unsure(seen: Seen, around: Surroundings) -> Arrival:
    """Judge a tag that was seen here before the question: it may be older."""
    return Arrival(
        state="waiting",
        reason=f"{seen.digest} was seen here at {moment(seen.seen_at)}; whether the primary has another one since is "
        "not known until it is looked at again, or a heartbeat sent after now is accounted, in about two minutes",
        needs_look=around.now_ms - seen.looked_at >= LOOK_MS,
    )


def _unseen(image: AwaitedImage, known: Known, around: Surroundings) -> Arrival:
    """Judge a reference of which nothing is owed, and that was never seen here or is not the primary's any more."""
    whether = "is its name right" if around.is_selection_known else "is its name right, and does the site select it"
    check = f"was it pushed there, {whether}?"
    if image.since_ms is None:
        return _not_here(f"it is not at the primary: {check}")
    why = around.apart if around.is_compared else "the repository has not been compared yet"
    if why is not None or known.accounted_ms is None:
        return _uncompared(why or "nothing is known before", around)
    if known.accounted_ms >= image.since_ms:
        return _not_here(f"{around.site} knows every push to the primary until now, and none of it: {check}")
    if around.is_open and around.now_ms - image.since_ms >= UNHEARD_MS:
        return _not_here(f"{around.site} has heard of no push of it at the primary: {check}")
    return Arrival(state="waiting", reason=f"{around.site} has heard of no push of it yet: {check}")


def _uncompared(why: str, around: Surroundings) -> Arrival:
    """Judge a reference that a comparison may still find, though no event announced it."""
    return Arrival(state="waiting", reason=f"{why}: a comparison of {around.site} with the primary is to come")

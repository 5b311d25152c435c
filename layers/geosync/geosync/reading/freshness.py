"""The age of what this site has under a tag. Pure functions.

A tag has a recovery point of its own: the latest moment at which it is known to have been, at the primary, what it is
here. It is served while that is not longer ago than the site's MaxStaleness. Four things are known of it:

- `accounted_ms`: every push before that moment is marked (recovery/point.py). So a tag of which nothing is owed is what
  it was at the primary then, whatever else is owed at the site;
- `seen.looked_at`: a holder asked the primary itself, and saw this very digest there and here;
- `owed.pushed_at`: the earliest push that is not here. A tag of which anything is owed is not served as it is;
- `owed.shown`: a holder saw that digest at both registries since the tag was marked, and whether it stays is not proved
  yet. It is served if it is all that events named since, and it is as old as that look.

A deletion by digest is owed for the digest alone until it is proved, and then for its tags. So what is owed of the
digest counts for a tag that was seen before that deletion was marked. A tag that a holder did not find at the primary
(`seen.gone_since`) is not served, though it stays here. One that a comparison missed there (`seen.missing_since`), or
found outside of the site's selection (`seen.outside_since`), has the moment of its last look alone: it may have gone,
or moved, long before, without an event that this site got.

Nothing is accounted of the time in which the site did not select a tag: its events were dropped, and what was owed for
it was discharged without a look. So `accounted_ms` is not known while events are marked by another selection than the
one by which the tag is judged, and until a comparison is complete that began after the selection changed.

A digest that nobody has seen equal under this primary has no recovery point: somebody else put it here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from geosync.pair.selection import Selection
from geosync.recovery import point
from geosync.sync_registry.decisions import is_the_primarys
from geosync.sync_registry.items import ABSENT, Owed, Row, Seen
from geosync.sync_registry.overview import Accounting


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The state of one reference in the sync registry.

    `deleted` is what is owed of the digest that was seen, if an event said that it was deleted, and `shown_deleted`
    the same of the one that both registries showed since the tag was last marked. `is_unclear`: the tag was seen anew
    while it was read. `is_renamed_or_gone`: an event said that the whole repository was deleted or renamed.
    `is_left_alone`: the site is paused, or one of its registries is on hold, so that nothing is copied now.
    `is_unheard_of`: nobody but those who pull ever named the repository.
    """

    accounted_ms: int | None
    owed: Owed | None = None
    seen: Seen | None = None
    row: Row | None = None
    deleted: Owed | None = None
    shown_deleted: Owed | None = None
    is_unclear: bool = False
    is_renamed_or_gone: bool = False
    is_left_alone: bool = False
    is_unheard_of: bool = False


def accounted_ms(site: Accounting, selection: Selection | None) -> int | None:
    """The moment (ms) before which every push of what `selection`, the site's own, has is marked.

    None until the first comparison of that selection has settled. With `selection` None the site's is not known, and
    taken for the one by which events are marked. The moment is the recovery point of a site that owes nothing: what is
    owed counts for its own reference only.
    """
    settled_at = site.comparison.settled_at if site.comparison is not None else None
    known = site.subscription
    if selection is not None and (known is None or known.selection != selection.fingerprint):
        return None
    if known is not None and settled_at is not None and not known.is_of_its_selection(settled_at):
        return None
    return point.point(sent_at=site.recovery.sent_at, proved_at=settled_at, is_losing=site.lost is not None, pushes=())


def is_gone(owed: Owed | None) -> bool:
    """Tell whether an event said that a digest, or the whole repository, is gone; no other mark says so."""
    return owed is not None and ABSENT in owed.expects


def is_unheard_of(row: Row | None, owed: Owed | None, whole: Owed | None) -> bool:
    """Tell whether no event, comparison or holder named the repository: all that is known of it may be a pull's."""
    is_named = whole is not None or (owed is not None and bool(owed.expects))
    return not is_named and (row is None or row.last_synced_at is None)


def tag_point_ms(known: Known, digest: str | None) -> int | None:
    """The latest moment (ms) at which the primary is known to have had `digest` under the tag; None: not known."""
    seen = known.seen
    if digest is not None and known.owed is not None and known.owed.shown == digest:
        return known.owed.shown_at
    if seen is None or digest is None or seen.digest != digest:
        return None
    if not is_the_primarys(seen):
        return seen.looked_at or None  # when it went is not known; 0: no holder saw it at the primary
    return max(min(_bounds(known)), seen.looked_at)


def _bounds(known: Known) -> Iterator[int]:
    """The moments (ms) up to which all that was pushed and deleted is known, each for its own reason."""
    yield known.accounted_ms or 0
    for owed in (known.owed, known.deleted):
        if owed is not None:
            yield owed.pushed_at


def may_be_served(known: Known, digest: str | None, *, now_ms: int, max_staleness_ms: int) -> bool:
    """Tell whether the tag may be given out as it is: nothing is owed for it, and it is not older than allowed."""
    at = tag_point_ms(known, digest)
    if at is None or at < now_ms - max_staleness_ms or known.is_renamed_or_gone:
        return False
    if known.owed is not None:
        return _is_all_that_was_announced(known.owed, digest) and not _was_deleted_after(known.shown_deleted, at)
    return not known.is_unclear and not _is_deleted(known)


def _is_all_that_was_announced(owed: Owed, digest: str | None) -> bool:
    """Tell whether a digest that both registries showed is the only one that events named since the tag is owed."""
    shown = shown_since_the_mark(owed)
    return shown is not None and shown == digest and owed.expects <= {shown}


def shown_since_the_mark(owed: Owed | None) -> str | None:
    """The digest that both registries showed since the latest mark; None: it was marked again since, or none was."""
    return owed.shown if owed is not None and owed.shown_by == owed.mark else None


def _was_deleted_after(deleted: Owed | None, at_ms: int) -> bool:
    return deleted is not None and at_ms < deleted.marked_at


def _is_deleted(known: Known) -> bool:
    """Tell whether the tag is gone: a holder did not find it, or its digest was deleted after the tag was last seen."""
    seen = known.seen
    if seen is None or seen.gone_since is not None:
        return True
    return _was_deleted_after(known.deleted, seen.looked_at)

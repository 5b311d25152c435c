"""Reads what decides whether an image is at this site, for the judge (arrival.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from geosync.oci.deadline import Deadline
from geosync.operating.stalled import why_apart
from geosync.pair.selection import EVERYTHING, Selection
from geosync.reading.arrival import Arrival, AwaitedImage, Surroundings, is_unheard_of, judge
from geosync.reading.freshness import Known
from geosync.reading.waiting import Whereabouts
from geosync.sync_registry.decisions import is_the_primarys
from geosync.sync_registry.items import Reference
from geosync.sync_registry.overview import SiteItems
from geosync.sync_registry.site.holds import longest
from geosync.sync_registry.sync_registry import SyncRegistry

MOST_OWED = 100
"""Owed references of a repository that are looked through for a digest."""
TAGS_OF_A_PAGE, MOST_PAGES = 100, 10
"""Tags of a repository that are looked through for a digest: a thousand."""
SILENT_MS = 150_000
"""The primary sends a heartbeat each minute: after that time without one the way from it may be closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSite:
    """The site that is asked.

    `primary` names the one that it follows, as in SyncRegistry, under which `sync_registry` must be opened.
    `is_selection_known` is False where `selection` may be only a part of it. `events_waiting` counts the events in its
    queue; it is called only where nobody has heard of the image.
    """

    name: str
    sync_registry: SyncRegistry
    primary: str | None
    deadline: Deadline
    selection: Selection = EVERYTHING
    is_selection_known: bool = True
    events_waiting: Callable[[], int] = lambda: 0


def look(site: AskedSite, image: AwaitedImage) -> Arrival:
    """Say whether an image is at a site now. Raises what DynamoDB and SQS raise, and CorruptItem."""
    where = Whereabouts(
        sync_registry=site.sync_registry,
        primary=site.primary,
        selection=site.selection if site.is_selection_known else None,
        registry_names=(),
        deadline=site.deadline,
    )
    known = where.of(image.repository, image.reference)
    beside = _beside(site, where, image, known)
    nothing = is_unheard_of(image, known, beside)
    items = site.sync_registry.overview.read(site.primary) if nothing and image.since_ms is not None else None
    around = Surroundings(
        site=site.name,
        now_ms=where.clock.now_ms(),
        selection=site.selection,
        is_selection_known=site.is_selection_known,
        obstacle=_obstacle(site) if known.owed is not None or beside.owed is not None else None,
        is_open=items is not None and _is_open(site, items),
        is_compared=not nothing or not site.sync_registry.owed_whole([image.repository]),
        apart=why_apart(items.subscription, items.comparison) if items is not None else None,
        beside=beside,
    )
    return judge(image, known, around)


def _beside(site: AskedSite, where: Whereabouts, image: AwaitedImage, known: Known) -> Known:
    """Read what is known of the digest that was asked for, by itself or under another tag."""
    nothing = Known(accounted_ms=known.accounted_ms)
    if image.since_ms is None:
        return nothing
    if image.digest is not None:
        is_here = known.seen is not None and known.seen.digest == image.digest
        return nothing if is_here else where.of(image.repository, Reference.digest(image.digest))
    if image.reference.kind != "digest" or known.seen is not None or known.owed is not None:
        return nothing
    return _under_a_tag(site.sync_registry, image.repository, image.reference.value, nothing)


def _under_a_tag(sync_registry: SyncRegistry, repository: str, digest: str, nothing: Known) -> Known:
    """Look for a digest under the repository's tags: one that is pushed under a tag is owed, and seen, as that tag."""
    after = ""
    for _ in range(MOST_PAGES):
        page = sync_registry.seen_tags(repository, limit=TAGS_OF_A_PAGE, after=after)
        found = next((seen for _, seen in page if seen.digest == digest and is_the_primarys(seen)), None)
        if found is not None:
            return Known(accounted_ms=nothing.accounted_ms, seen=found)
        if len(page) < TAGS_OF_A_PAGE:
            break
        after = page[-1][0].seen_key
    owed = sync_registry.owed(repository, limit=MOST_OWED)
    return Known(accounted_ms=nothing.accounted_ms, owed=next((one for one in owed if digest in one.named), None))


def _obstacle(site: AskedSite) -> str | None:
    """Say what keeps the site from copying anything now."""
    if site.sync_registry.is_paused():
        return "the site is paused (geosync resume)"
    hold = longest(site.sync_registry.holds(), site.deadline.clock.now_ms())
    return f"the registry {hold.registry} is on hold: {hold.reason}" if hold is not None else None


def _is_open(site: AskedSite, items: SiteItems) -> bool:
    """Tell whether the way from the primary was open just now, and every event that came is marked."""
    heartbeat = items.heartbeat
    if heartbeat is None or site.deadline.clock.now_ms() - heartbeat.arrived_at > SILENT_MS:
        return False
    return not items.has_refused and site.events_waiting() == 0

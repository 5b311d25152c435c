"""One look at a site: what its table and its queues say, and at a primary what its sites reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from geosync.cli.site import StackSite
from geosync.messages.event_log import LastEvent
from geosync.messages.queues import Queue
from geosync.operating import fleet
from geosync.operating.health import Health, health_of, signs_of
from geosync.operating.queued_messages import QueuedMessages, with_queues
from geosync.operating.site_report import CountedCatalogue, site_report
from geosync.operating.sites import silent_sites
from geosync.operating.status import Status
from geosync.sync_registry.site.sites import KnownSite, SiteReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The sites that a primary expects, each with its last report, and the newest event that it published lately."""

    sites: tuple[tuple[KnownSite, SiteReport | None], ...]
    last_event: LastEvent | None
    catalogue: CountedCatalogue | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLook:
    """A site as it was found; `fleet` is None at a secondary."""

    site: StackSite
    found: Status
    queued: QueuedMessages
    fleet: Fleet | None

    @property
    def health(self) -> Health:
        """The health of the site, with the reasons."""
        facts, letters = self.site.facts, self.queued.dead_letters
        return health_of(signs_of(facts, self.found, dead_letters=letters, silent=self._silent()))

    @property
    def superseded_images(self) -> str:
        """The site's parameter of this name."""
        return self.site.parameters.get("SupersededImages", "replicate")

    def report(self) -> dict[str, Any]:
        """The status as the admin API answers with it; the version is the stack's, whatever that of this command is.

        The revision is null: nothing but the site's own code knows it.
        """
        report = site_report(
            self.found,
            self.site.facts,
            queued=self.queued,
            catalogue=self.fleet.catalogue if self.fleet is not None else None,
            silent=self._silent(),
            last_event=self.fleet.last_event if self.fleet is not None else None,
        )
        own = {"version": self.site.version, "revision": None}
        return {**report, **own, "superseded_images": self.superseded_images}

    def _silent(self) -> tuple[str, ...]:
        """Say of each site that a primary expects, and that is silent, what is wrong."""
        if self.fleet is None:
            return ()
        reports = {known.name: report for known, report in self.fleet.sites if report is not None}
        return silent_sites((known for known, _ in self.fleet.sites), reports, now_ms=self.found.at)


def look_at(site: StackSite) -> SiteLook:
    """Look at a site once. Raises botocore's errors."""
    sync_registry = site.sync_registry
    site.client("sqs")  # here: one session makes one client at a time
    found, queued = with_queues(
        site.read_status,
        dead_letters=lambda: dead_letters(site),
        events_waiting=lambda: waiting(site, "EventsQueueUrl"),
        threads=sync_registry.threads,
    )
    fleet_now = _fleet(site, found.at) if site.is_primary else None
    return SiteLook(site=site, found=found, queued=queued, fleet=fleet_now)


def _fleet(site: StackSite, now_ms: int) -> Fleet:
    known, reports = site.sync_registry.sites.all(), site.sync_registry.sites.reports()
    return Fleet(
        sites=tuple((one, reports.get(one.name)) for one in known),
        last_event=site.event_log.last(now_ms=now_ms),
        catalogue=fleet.counted_catalogue(reports.values()),
    )


def dead_letters(site: StackSite) -> int:
    """About how many messages the DLQ holds."""
    return waiting(site, "DeadLetterQueueUrl")


def waiting(site: StackSite, queue: str) -> int:
    """About how many messages a queue (the name of its output) holds, in flight or not."""
    return Queue(site.client("sqs"), site.outputs[queue]).messages()

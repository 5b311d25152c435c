"""The sites that a primary expects, and the last report of each.

In the partition `#site` of the primary's sync registry:

    known#oregon    url, added_at, report_key (sha256 of the site's report token, in hex); id, for the version before,
                    which numbered its sites
    report#oregon   sent_at (the site's clock), arrived_at (ours), status (the site's own GeoSiteStatus, as JSON text)
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, Update

_KNOWN, _REPORT = "known#", "report#"
MOST_SITES = 100
LATE_SECONDS = 600
"""A site whose last report is older is unhealthy (GitLab waits an hour)."""


def site_id(name: str) -> int:
    """The id of a site: the same at every site, whoever is the primary, as it follows from the name alone.

    A positive number of 31 bits, which every language has. Two of a hundred names give the same one in about two of a
    million cases: `geosync sites add` refuses that (operating/sites.py).
    """
    return int.from_bytes(hashlib.sha256(f"geosync site {name}".encode()).digest()[:4], "big") % (2**31 - 1) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSite:
    """A site that this one was told to expect, at `added_at` (ms)."""

    name: str
    url: str
    added_at: int
    report_key: str = field(repr=False)

    @property
    def id(self) -> int:
        """The site's id."""
        return site_id(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReport:
    """The last report of a site; times in milliseconds, `sent_at` by its own clock."""

    site: str
    sent_at: int
    arrived_at: int
    status: str

    def is_late(self, now_ms: int) -> bool:
        """True when the site has been silent for too long at `now_ms` (ms)."""
        return now_ms - self.arrived_at > LATE_SECONDS * 1000


class KnownSites:
    """The items of the expected sites and of their reports."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, *, name: str, url: str, key: str, now_ms: int) -> KnownSite:
        """Expect a site, or change the address of one that is expected. See operating.sites.expect.

        Raises ConditionFailed when one of this name with another key is expected.
        """
        item = self._store.write(
            Update(
                key=Key(SITE, _KNOWN + name),
                set={"url": url, "report_key": key},
                set_once={"id": site_id(name), "added_at": now_ms},
                when=Attr("report_key").not_exists() | Attr("report_key").eq(key),
            )
        )
        return _known(item or {})

    def remove(self, name: str) -> None:
        """Stop expecting a site, and forget its report."""
        self._store.write(Delete(key=Key(SITE, _KNOWN + name)))
        self._store.write(Delete(key=Key(SITE, _REPORT + name)))

    def find(self, name: str) -> KnownSite | None:
        """One site by its name."""
        item = self._store.get(Key(SITE, _KNOWN + name))
        return _known(item) if item is not None else None

    def all(self) -> list[KnownSite]:
        """The sites that are expected, in the order they were added."""
        items = self._store.items(SITE, _KNOWN, limit=MOST_SITES)
        return sorted(map(_known, items), key=lambda site: (site.added_at, site.name))

    def reports(self) -> dict[str, SiteReport]:
        """The last report of each site by name."""
        items = self._store.items(SITE, _REPORT, limit=MOST_SITES)
        return {report.site: report for report in map(_report, items)}

    def record(self, report: SiteReport) -> bool:
        """Keep a report. False: a newer one of the site is there (this one was sent again, or held up on its way)."""
        newest = Attr("sent_at").not_exists() | Attr("sent_at").lt(report.sent_at)
        values = {"sent_at": report.sent_at, "arrived_at": report.arrived_at, "status": report.status}
        with suppress(ConditionFailed):
            self._store.write(Update(key=Key(SITE, _REPORT + report.site), set=values, when=newest))
            return True
        return False


def _known(item: Item) -> KnownSite:
    return KnownSite(
        name=str(item["item"]).removeprefix(_KNOWN),
        url=str(item["url"]),
        added_at=int(item["added_at"]),
        report_key=str(item["report_key"]),
    )


def _report(item: Item) -> SiteReport:
    return SiteReport(
        site=str(item["item"]).removeprefix(_REPORT),
        sent_at=int(item["sent_at"]),
        arrived_at=int(item["arrived_at"]),
        status=str(item["status"]),
    )

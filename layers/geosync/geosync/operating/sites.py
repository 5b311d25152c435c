"""The sites that a primary expects, and what they report of themselves.

In the partition `#site` of the primary's sync registry:

    known#oregon    id, url, added_at, report_key (sha256 of the site's report token, in hex)
    report#oregon   sent_at (the site's clock), arrived_at (ours), status (the site's own GeoSiteStatus, as JSON text)

A secondary posts its status every minute to the primary's admin API, with a token that its own stack made and that it
alone can read; the primary keeps the token's digest, so that nobody who reads the primary's table can report in a
site's name, and no site in another's. The digest needs no salt and no slow hash: the token is random, 285 bits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from contextlib import suppress
from dataclasses import dataclass, field

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, Update

KNOWN, REPORT = "known#", "report#"
MOST_SITES = 100
MOST_REPORT_BYTES = 16 * 1024
LATE_SECONDS = 600
"""A site whose last report is older is unhealthy (GitLab waits an hour)."""
AHEAD_SECONDS = 300
"""How far a site's clock may be ahead: a report from further in the future would make all true ones look old."""
OWN_ID = 1
"""The id of the site that is asked; those that it knows have the ids from 2 on, in the order they were added."""
NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
"""A site's name, as the template's parameter SiteName."""
URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?")
"""A site's address: no user, no query."""
KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSite:
    """A site that this one was told to expect."""

    id: int
    name: str
    url: str
    added_at: int
    report_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a site said last of itself; times in milliseconds, `sent_at` by its own clock."""

    site: str
    sent_at: int
    arrived_at: int
    status: str

    def is_late(self, now: int) -> bool:
        """Whether the site has been silent for too long."""
        return now - self.arrived_at > LATE_SECONDS * 1000


def report_key(token: str) -> str:
    """What the primary keeps of a site's report token."""
    return hashlib.sha256(token.encode()).hexdigest()


def add(store: Store, *, name: str, url: str, key: str, now: int) -> KnownSite:
    """Expect a site, or change the address and the key of one that is expected; its id stays."""
    known = find(store, name)
    number = known.id if known is not None else _next_id(store)
    item = store.write(
        Update(
            key=Key(SITE, KNOWN + name),
            set={"url": url, "report_key": key},
            set_once={"id": number, "added_at": now},
        )
    )
    return _known(item or {})


def _next_id(store: Store) -> int:
    item = store.write(Update(key=Key(SITE, "counter#sites"), add={"value": 1})) or {}
    return OWN_ID + int(item["value"])


def remove(store: Store, name: str) -> None:
    """Expect a site no more, and forget what it reported."""
    store.write(Delete(key=Key(SITE, KNOWN + name)))
    store.write(Delete(key=Key(SITE, REPORT + name)))


def find(store: Store, name: str) -> KnownSite | None:
    """One site by its name."""
    item = store.get(Key(SITE, KNOWN + name))
    return _known(item) if item is not None else None


def known(store: Store) -> list[KnownSite]:
    """The sites that are expected, in the order they were added."""
    items = store.items(SITE, KNOWN, limit=MOST_SITES)
    return sorted(map(_known, items), key=lambda site: site.id)


def reports(store: Store) -> dict[str, Report]:
    """The last report of each site by name."""
    items = store.items(SITE, REPORT, limit=MOST_SITES)
    return {report.site: report for report in map(_report, items)}


def may_report(site: KnownSite | None, token: str) -> bool:
    """Whether the token is that of the site; takes as long for a site that is not known."""
    expected = site.report_key if site is not None else "-" * 64
    return hmac.compare_digest(expected, report_key(token))


def record(store: Store, report: Report) -> bool:
    """Keep a report. False: a newer one of the site is there (one that was sent again, or held up on its way)."""
    newest = Attr("sent_at").not_exists() | Attr("sent_at").lt(report.sent_at)
    values = {"sent_at": report.sent_at, "arrived_at": report.arrived_at, "status": report.status}
    with suppress(ConditionFailed):
        store.write(Update(key=Key(SITE, REPORT + report.site), set=values, when=newest))
        return True
    return False


def _known(item: Item) -> KnownSite:
    return KnownSite(
        id=int(item["id"]),
        name=str(item["item"]).removeprefix(KNOWN),
        url=str(item["url"]),
        added_at=int(item["added_at"]),
        report_key=str(item["report_key"]),
    )


def _report(item: Item) -> Report:
    return Report(
        site=str(item["item"]).removeprefix(REPORT),
        sent_at=int(item["sent_at"]),
        arrived_at=int(item["arrived_at"]),
        status=str(item["status"]),
    )

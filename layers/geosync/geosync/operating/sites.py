"""The rules for the sites that report to a primary: names, addresses, sizes, clocks, and the token of each.

A secondary posts its status every minute to the primary's admin API, with a token that its own stack made and that it
alone can read. The primary keeps the token's digest, so that nobody who reads the primary's table can report in a
site's name, and no site in another's. The digest needs no salt and no slow hash: the token is random, 285 bits.
The items are in `sync_registry/site/sites.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping

from geosync.errors import ConditionFailed, SiteRefused
from geosync.sync_registry.site.sites import MOST_SITES, KnownSite, KnownSites, SiteReport, site_id

MOST_REPORT_BYTES = 16 * 1024
AHEAD_SECONDS = 300
"""The most that a site's clock may be ahead: a report from further in the future would make true ones look old."""
NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
"""A site's name, as the template's parameter SiteName."""
URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?")
"""A site's address: no user, no query."""
KEY = re.compile(r"[0-9a-f]{64}")
"""The digest of a report token."""


def report_key(token: str) -> str:
    """The digest of a site's report token, which is all that the primary keeps of it."""
    return hashlib.sha256(token.encode()).hexdigest()


def may_report(site: KnownSite | None, token: str) -> bool:
    """True for the site's own token; takes as long for a site that is not known."""
    expected = site.report_key if site is not None else "-" * 64
    return hmac.compare_digest(expected, report_key(token))


def expect(sites: KnownSites, own_name: str, wanted: KnownSite) -> KnownSite:
    """Have the primary `own_name` expect a site, or change the address of one that it expects.

    Raises SiteRefused for a site that cannot be told apart from another: one with this site's own name, with the name
    of an expected site that has another report token, or with another one's id.
    """
    refuse_twin(sites, own_name, wanted)
    try:
        return sites.add(name=wanted.name, url=wanted.url, key=wanted.report_key, now_ms=wanted.added_at)
    except ConditionFailed:
        raise SiteRefused(f"another site {wanted.name} was added at this very moment: look, and try again") from None


def refuse_twin(sites: KnownSites, own_name: str, wanted: KnownSite) -> None:
    """Raise SiteRefused for a site that cannot be told apart from another, or is one too many."""
    if wanted.name == own_name:
        raise SiteRefused(
            f"{own_name} is the name of this site itself, which need not be added: two sites must not have one name"
        )
    expected = {one.name: one for one in sites.all()}
    known = expected.get(wanted.name)
    if known is not None and not hmac.compare_digest(known.report_key, wanted.report_key):
        raise SiteRefused(
            f"a site {wanted.name} with another report token is expected already, at {known.url}: two sites must not "
            f"have one name. If it is the same site, with a new token: geosync sites remove {wanted.name}, then again"
        )
    if known is None and len(expected) >= MOST_SITES:
        raise SiteRefused(f"{MOST_SITES} sites are expected already: remove one first")
    for name in (own_name, *expected):
        if name != wanted.name and site_id(name) == wanted.id:
            raise SiteRefused(f"the names {name} and {wanted.name} give the same id {wanted.id}: choose another name")


def private(name: str) -> SiteRefused:
    """Return the error for a primary whose admin API is private: other sites' reports never reach it."""
    return SiteRefused(
        f"the admin API of {name} is private (AdminVpcEndpointIds), and reports of other sites do not arrive there: "
        "expect none, or deploy it with an empty AdminVpcEndpointIds"
    )


def silence(report: SiteReport | None, *, now_ms: int) -> str | None:
    """Say what is wrong with the reports of a site at `now_ms` (ms); None: nothing is."""
    if report is None:
        return "has not reported yet"
    if report.arrived_at > now_ms + AHEAD_SECONDS * 1000:
        return f"reported {(report.arrived_at - now_ms) // 1000} s in the future: the clock of this site was set back"
    if report.is_late(now_ms):
        return f"has not reported for {(now_ms - report.arrived_at) // 60_000} minutes"
    return None


def silent_sites(known: Iterable[KnownSite], reports: Mapping[str, SiteReport], *, now_ms: int) -> tuple[str, ...]:
    """Say of each site that is silent at `now_ms` (ms) what is wrong with its reports."""
    said = ((one.name, silence(reports.get(one.name), now_ms=now_ms)) for one in known)
    return tuple(f"the site {name} {why}" for name, why in said if why is not None)

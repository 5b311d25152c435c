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

from geosync.sync_registry.site.sites import KnownSite

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

"""The other sites, as the primary last told of them in its answer to this site's report.

The item `#site`/`told`: at (ms, this site's clock), sites (JSON text: name, url, primary and status of each). It stays
when the primary is lost, so that a site that is promoted still knows the others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Key, Store, Update

_KEY = Key(SITE, "told")
MOST_BYTES = 256 * 1024
"""Of what is kept, far below the 400 KB of an item: of a hundred sites that is more than 2 KiB each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldSite:
    """Another site as the primary told of it; `status` holds its GeoSiteStatus, {} where it was too long to be kept."""

    name: str
    url: str | None
    primary: bool
    status: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The other sites as they were told of at `at` (ms)."""

    at: int
    sites: tuple[ToldSite, ...]


NOTHING_TOLD = Told(at=0, sites=())


class ToldSites:
    """Keeps the last that the primary told."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> Told:
        """The last that was told; nothing where there is none, or another version wrote it."""
        item = self._store.get(_KEY)
        if item is None:
            return NOTHING_TOLD
        try:
            sites = tuple(ToldSite(**one) for one in json.loads(str(item.get("sites"))))
        except (ValueError, TypeError):
            return NOTHING_TOLD
        return Told(at=whole_number(item, "at"), sites=sites)

    def record(self, told: Told) -> None:
        """Keep what was told; statuses that are too long together are left out."""
        text = _text(told.sites)
        if len(text) > MOST_BYTES:
            text = _text([ToldSite(name=one.name, url=one.url, primary=one.primary) for one in told.sites])
        self._store.write(Update(key=_KEY, set={"at": told.at, "sites": text}))

    def forget(self, name: str) -> bool:
        """Forget one site. False: it was not told of."""
        told = self.read()
        left = tuple(one for one in told.sites if one.name != name)
        if len(left) == len(told.sites):
            return False
        self.record(Told(at=told.at, sites=left))
        return True


def _text(sites: Sequence[ToldSite]) -> str:
    names = [one.name for one in fields(ToldSite)]
    return json.dumps([{name: getattr(one, name) for name in names} for one in sites], separators=(",", ":"))

"""The names that complete a word: contexts, sites, repositories. A shell shows no error: what cannot be read is none.

Repositories and sites are read from the chosen site's table, at most MOST names. They are kept for a minute in a file
of the user's own (0600), as a shell asks with each key.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from geosync.cli.choosing import contexts
from geosync.cli.choosing.contexts import SiteContext
from geosync.cli.own_files import own_folder, write_private
from geosync.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from geosync.cli.site import Chosen

MOST = 1000
"""Names that are read at once; of a site with more those that begin with the word."""
KEPT_MS = 60_000
_FILE = re.compile(r"[0-9a-f]{32}\.json")
_PREFIX = ".names-"
_WHOSE = ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL")
"""Variables that say whose site it is, and where; a file's name has their hash alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPlace:
    """Where the names are: the chosen site and the way to it, and the folder of a local stack."""

    context: Callable[[], SiteContext]
    choose: Callable[[], Chosen]
    local_state: str


def items(kind: str, incomplete: str, place: NamedPlace) -> list[CompletionItem]:
    """The names of a kind that begin with a word; none where they cannot be read."""
    with suppress(Exception):  # a traceback would land in the middle of somebody's command line
        return [CompletionItem(name) for name in _KINDS[kind](place, incomplete) if name.startswith(incomplete)]
    return []


def _contexts(_: NamedPlace, __: str) -> Iterable[str]:
    return sorted(contexts.read().by_name)


def _local_sites(place: NamedPlace, _: str) -> Iterable[str]:
    return [site["name"] for site in json.loads((Path(place.local_state) / "stack.json").read_text())["sites"]]


def _sites(place: NamedPlace, _: str) -> Iterable[str]:
    def read() -> list[str]:
        return [one.name for one in place.choose().site().sync_registry.sites.all()]

    return _kept(place, "sites", read)


def _repositories(place: NamedPlace, incomplete: str) -> Iterable[str]:
    """All that the site knows; where there are more than MOST, those with this beginning."""

    def read(prefix: str = "") -> list[str]:
        return place.choose().site().sync_registry.listing.names(prefix=prefix, limit=MOST)

    known = _kept(place, "repositories", read)
    return known if len(known) < MOST else _kept(place, f"repositories {incomplete}", lambda: read(incomplete))


def _kept(place: NamedPlace, what: str, read: Callable[[], list[str]]) -> list[str]:
    """Names as they were read within the last minute, or now."""
    site = [*place.context().fields().items(), *map(os.environ.get, _WHOSE), str(Path(place.local_state).absolute())]
    key = hashlib.sha256(json.dumps([site, what]).encode()).hexdigest()
    file, now_ms = own_folder("XDG_CACHE_HOME", ".cache") / f"{key[:32]}.json", SYSTEM_CLOCK.now_ms()
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(file.read_text(encoding="utf-8"))
        if 0 <= now_ms - kept["read_at"] < KEPT_MS:
            return list(kept["names"])
    names = read()
    with suppress(OSError):
        write_private(file, json.dumps({"read_at": now_ms, "names": names}), prefix=_PREFIX)
        _forget(file.parent)
    return names


def _forget(folder: Path) -> None:
    """Delete the names that are older than KEPT_MS, and what an interruption left of some."""
    oldest_s = (SYSTEM_CLOCK.now_ms() - KEPT_MS) / 1000
    for one in folder.iterdir():
        is_ours = one.name.startswith(_PREFIX) or _FILE.fullmatch(one.name)
        with suppress(OSError):  # another shell deleted it
            if is_ours and one.stat().st_mtime < oldest_s:
                one.unlink()


_KINDS: dict[str, Callable[[NamedPlace, str], Iterable[str]]] = {
    "contexts": _contexts,
    "local sites": _local_sites,
    "sites": _sites,
    "repositories": _repositories,
}

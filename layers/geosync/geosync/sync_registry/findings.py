"""What comparisons found that is not owed and not synced: tags missing at the primary, and extra ones at the secondary.

One item for each repository that has any, `name#<repository>` in the partition `#findings`, written by the comparison
of that repository under its lease and gone when there is nothing to tell. Names are bounded, numbers are not:

    of                       tags that Geosync put there or saw equal
    missing, missing_names   those that the primary has no more (and that stay, as yet)
    extra, extra_names       tags at the secondary that Geosync never put there and the primary has not
    gone                     the primary does not know the repository at all
    found_at                 ms
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from geosync.sync_registry.changes import Delete, Key, Store, Update
from geosync.sync_registry.items import Item

FINDINGS = "#findings"
_NAME = "name#"
PAGE = 100
"""Findings read at a time."""
MOST_NAMES = 50
"""Names of tags that an item holds: of 128 characters each, 6 KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the latest comparison of one repository found."""

    repository: str
    found_at: int
    of: int = 0
    missing: int = 0
    missing_names: tuple[str, ...] = ()
    extra: int = 0
    extra_names: tuple[str, ...] = ()
    gone: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.missing or self.extra or self.gone)

    @classmethod
    def from_item(cls, item: Item) -> Finding:
        """Read an item."""
        return cls(
            repository=str(item["item"]).removeprefix(_NAME),
            found_at=int(item.get("found_at", 0)),
            of=int(item.get("of", 0)),
            missing=int(item.get("missing", 0)),
            missing_names=tuple(item.get("missing_names", ())),
            extra=int(item.get("extra", 0)),
            extra_names=tuple(item.get("extra_names", ())),
            gone=bool(item.get("gone", False)),
        )


def key(repository: str) -> Key:
    """The item of one repository."""
    return Key(FINDINGS, _NAME + repository)


def get(store: Store, repository: str) -> Finding | None:
    """What was found in one repository, None when there was nothing to tell."""
    item = store.get(key(repository))
    return Finding.from_item(item) if item is not None else None


def page(store: Store, *, limit: int, after: str = "", prefix: str = "") -> list[Finding]:
    """Findings by the repositories' names, at most `limit`."""
    items = store.items(FINDINGS, _NAME + prefix, limit=limit, after=_NAME + after if after else "")
    return [Finding.from_item(item) for item in items]


def walk(store: Store) -> Iterator[Finding]:
    """All findings, read as they are taken."""
    after = ""
    while read := page(store, limit=PAGE, after=after):
        yield from read
        after = read[-1].repository


def missing(store: Store, *, limit: int) -> list[Finding]:
    """The first findings with missing tags, at most `limit`."""
    return list(islice((one for one in walk(store) if one.missing), limit))


def put(store: Store, finding: Finding, before: Finding | None) -> None:
    """Note what a comparison found, in place of what the one `before` it did; one write, none if nothing changed."""
    if finding.is_nothing:
        if before is not None:
            store.write(Delete(key=key(finding.repository)))
    elif before is None or replace(before, found_at=finding.found_at) != finding:
        values = {
            "found_at": finding.found_at,
            "of": finding.of,
            "missing": finding.missing,
            "missing_names": list(finding.missing_names),
            "extra": finding.extra,
            "extra_names": list(finding.extra_names),
            "gone": finding.gone,
        }
        store.write(Update(key=key(finding.repository), set=values))

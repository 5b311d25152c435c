"""Findings of comparisons, neither owed nor synced: tags missing at the primary, and extra ones at the secondary.

One item for each repository that has any, `name#<repository>` in the partition `#findings`, written by the comparison
of that repository under its lease and gone when there is nothing to tell. The numbers of tags that go are written
before the breaker counts these tags, the rest at the end of the comparison. Names are bounded, numbers are not:

    of                       selected tags that Geosync put there or saw equal
    missing, missing_names   those that the primary no longer has (they stay for now)
    extra, extra_names       tags at the secondary that Geosync never put there and the primary lacks
    outside, outside_names   tags that Geosync put there or saw equal and that left the selection, where these go
    digests                  of all names that are missing, extra and outside, those beyond MOST_NAMES too
    gone                     the primary does not know the repository at all
    found_at                 ms
    spoken_of                of these, names that an operator adopted or kept since: the next comparison lists anew
    dismissed_at             ms; an operator wants to see it no more until it tells something else
    dismissed_by, dismissed_because   who, and the reason
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, Update

FINDINGS = "#findings"
_NAME = "name#"
PAGE = 100
"""Findings read at a time."""
MOST_NAMES = 50
"""Names of tags that an item holds: of 128 characters each, 6 KB."""
_DISMISSAL = ("dismissed_at", "dismissed_by", "dismissed_because")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissal:
    """An operator's word, `by` whom and `at` when (ms), that a finding is to be shown no more; `reason` says why."""

    at: int
    by: str
    reason: str

    @classmethod
    def from_item(cls, item: Item) -> Dismissal | None:
        """Read an item; None: it is not dismissed."""
        if "dismissed_at" not in item:
            return None
        by, reason = (str(item.get(name, "")) for name in _DISMISSAL[1:])
        return cls(at=int(item["dismissed_at"]), by=by, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The findings of the latest comparison of one repository."""

    repository: str
    found_at: int
    of: int = 0
    missing: int = 0
    missing_names: tuple[str, ...] = ()
    extra: int = 0
    extra_names: tuple[str, ...] = ()
    outside: int = 0
    outside_names: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    """Of all names that are missing, extra and outside, in this order; () in an item of the version before."""
    gone: bool = False
    spoken_of: tuple[str, ...] = ()
    dismissed: Dismissal | None = None

    @property
    def is_nothing(self) -> bool:
        """True when there is nothing to tell."""
        return not (self.missing or self.extra or self.outside or self.gone)

    @property
    def goes(self) -> int:
        """Tags that comparisons remove, as far as the breaker allows it."""
        return self.missing + self.outside

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
            outside=int(item.get("outside", 0)),
            outside_names=tuple(item.get("outside_names", ())),
            digests=tuple(item.get("digests", ())),
            gone=bool(item.get("gone", False)),
            spoken_of=tuple(sorted(item.get("spoken_of", ()))),
            dismissed=Dismissal.from_item(item),
        )

    def tells_the_same(self, other: Finding) -> bool:
        """True when another comparison found the same to tell, whenever that was and of however many tags."""
        is_known = self.digests == other.digests if self.digests and other.digests else self._names_all
        told = replace(other, found_at=self.found_at, of=self.of, dismissed=self.dismissed, digests=self.digests)
        return is_known and told == self

    @property
    def _names_all(self) -> bool:
        names = (*self.missing_names, *self.extra_names, *self.outside_names)
        return len(names) == self.missing + self.extra + self.outside

    def open(self) -> Finding:
        """The finding without the tags that an operator has spoken of."""
        missing = tuple(name for name in self.missing_names if name not in self.spoken_of)
        extra = tuple(name for name in self.extra_names if name not in self.spoken_of)
        outside = tuple(name for name in self.outside_names if name not in self.spoken_of)
        return replace(
            self,
            missing=self.missing - len(self.missing_names) + len(missing),
            missing_names=missing,
            extra=self.extra - len(self.extra_names) + len(extra),
            extra_names=extra,
            outside=self.outside - len(self.outside_names) + len(outside),
            outside_names=outside,
        )


def names_digest(names: Iterable[str]) -> str:
    """The digest of names in any order; a tag holds no line break."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def key(repository: str) -> Key:
    """The item of one repository."""
    return Key(FINDINGS, _NAME + repository)


def change(finding: Finding, before: Finding | None) -> Update | Delete | None:
    """The write that notes what a comparison found, in place of the finding `before`; None if nothing changed.

    A finding that an operator dismissed is shown again when it tells something else.
    """
    if finding.is_nothing:
        return Delete(key=key(finding.repository)) if before is not None else None
    if before is not None and replace(before, found_at=finding.found_at, dismissed=None) == finding:
        return None
    values = {
        "found_at": finding.found_at,
        "of": finding.of,
        "missing": finding.missing,
        "missing_names": list(finding.missing_names),
        "extra": finding.extra,
        "extra_names": list(finding.extra_names),
        "outside": finding.outside,
        "outside_names": list(finding.outside_names),
        "digests": list(finding.digests),
        "gone": finding.gone,
    }
    is_told = before is None or not before.tells_the_same(finding)
    return Update(key=key(finding.repository), set=values, remove=("spoken_of", *(_DISMISSAL if is_told else ())))


def note_going(
    repository: str, *, missing: int | None = None, outside: int | None = None, of: int, at_ms: int
) -> Update:
    """The write that notes how many tags go, so far as a comparison has found them; None leaves a number as it is.

    The breaker's decisions rest on findings. So a comparison writes this before the breaker counts the tags. The names
    and an operator's dismissal stay as they were until the comparison ends (`change`).
    """
    numbers = {name: number for name, number in (("missing", missing), ("outside", outside)) if number is not None}
    return Update(key=key(repository), set={"found_at": at_ms, "of": of, **numbers})


class Findings:
    """The findings of the latest comparisons of the site's repositories."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, repository: str) -> Finding | None:
        """The finding of one repository, None when there was nothing to tell."""
        item = self._store.get(key(repository))
        return Finding.from_item(item) if item is not None else None

    def page(self, *, limit: int, after: str = "", prefix: str = "") -> list[Finding]:
        """Findings by the repositories' names, at most `limit`."""
        items = self._store.items(FINDINGS, _NAME + prefix, limit=limit, after=_NAME + after if after else "")
        return [Finding.from_item(item) for item in items]

    def walk(self, *, prefix: str = "", after: str = "", step: int = PAGE) -> Iterator[Finding]:
        """All findings after the repository `after`, read as they are taken, `step` at a time."""
        while read := self.page(limit=step, after=after, prefix=prefix):
            yield from read
            after = read[-1].repository

    def going(self, *, limit: int) -> list[Finding]:
        """The first findings with tags that are missing or outside the selection, at most `limit`."""
        return list(islice((one for one in self.walk() if one.goes), limit))

    def speak_of(self, repository: str, tags: Iterable[str]) -> None:
        """Note that an operator adopted or kept these tags: they are no longer told.

        What becomes of them takes a moment, and the next comparison may be a day away; it then tells what is the case.
        """
        found = self.get(repository)
        if found is None:
            return
        named = frozenset(tags) & {*found.missing_names, *found.extra_names, *found.outside_names}
        if named:
            with suppress(ConditionFailed):  # compared anew meanwhile
                self._store.write(
                    Update(key=key(repository), union={"spoken_of": named}, when=Attr("found_at").eq(found.found_at))
                )

    def dismiss(self, finding: Finding, dismissal: Dismissal) -> bool:
        """Note that an operator wants to see this finding no more; False: a comparison found something else since."""
        values = {"dismissed_at": dismissal.at, "dismissed_by": dismissal.by, "dismissed_because": dismissal.reason}
        return self._write(Update(key=key(finding.repository), set=values, when=Attr("found_at").eq(finding.found_at)))

    def undismiss(self, repository: str) -> bool:
        """Show a finding again; False: it was not dismissed, or there is none."""
        return self._write(Update(key=key(repository), remove=_DISMISSAL, when=Attr("dismissed_at").exists()))

    def _write(self, change: Update) -> bool:
        try:
            self._store.write(change)
        except ConditionFailed:
            return False
        return True

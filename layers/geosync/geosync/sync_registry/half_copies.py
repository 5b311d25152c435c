"""Digests of which half a copy may have stayed here when it left the selection: items `half#<digest>`.

Nothing outside the selection is copied, so such a copy is never completed, and its reference is no longer owed. The
secondary may still show it, as may an index that names it. So the transaction that discharges the reference records the
half copy here, or one before its repository is forgotten (forgetting.py). The first comparison that finds it selected
again makes it owed by its digest (comparing/halves.py). An item stays until then: under any primary, and for as long as
the selection leaves it out, without a row of its repository, too. No more items are written than digests were owed when
they left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from geosync.sync_registry.items import Item, Owed, Seen
from geosync.sync_registry.table.attributes import texts, whole_number
from geosync.sync_registry.table.changes import Delete, Key, Store, Update

HALF_PREFIX = "half#"


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfCopy:
    """A digest of which half a copy may be here, with the `tags` that it left under (none: it was pushed by digest).

    `pushed_at` (ms) is a push that it stands for.
    """

    digest: str
    tags: frozenset[str]
    pushed_at: int

    @classmethod
    def from_item(cls, item: Item) -> HalfCopy:
        """Read a `half#…` item, as far as it can be read."""
        return cls(
            digest=str(item["item"]).removeprefix(HALF_PREFIX),
            tags=texts(item, "tags"),
            pushed_at=whole_number(item, "pushed_at"),
        )


class HalfCopies:
    """The recorded half copies of every repository. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, repository: str, *, limit: int, after: str = "") -> list[HalfCopy]:
        """Read those of a repository in the order of their digests, behind the digest `after`."""
        begin = _key(repository, after).item if after else ""
        return [HalfCopy.from_item(one) for one in self._store.items(repository, HALF_PREFIX, limit=limit, after=begin)]

    def forget(self, repository: str, digest: str) -> None:
        """Delete the record of one: it is owed."""
        self._store.write(Delete(key=_key(repository, digest)))


def kept(left: Iterable[tuple[Owed, frozenset[str]]]) -> list[Update]:
    """The changes that keep in mind what each of the references leaves half here; one for each digest."""
    found: dict[Key, list[Owed]] = {}
    for owed, digests in left:
        for digest in digests:
            found.setdefault(_key(owed.repository, digest), []).append(owed)
    return [_kept(key, by) for key, by in found.items()]


def _kept(key: Key, by: list[Owed]) -> Update:
    named = (owed.reference.value if owed.reference.kind == "tag" else owed.pushed_as for owed in by)
    tags = frozenset(tag for tag in named if tag is not None)
    pushed_at = min(owed.pushed_at for owed in by)
    return Update(key=key, set_once={"pushed_at": pushed_at}, union={"tags": tags} if tags else {})


def _key(repository: str, digest: str) -> Key:
    return Key(repository, f"{HALF_PREFIX}{digest}")


def left_half(owed: Owed, seen: Seen | None) -> frozenset[str]:
    """The digests of which a tag that is discharged as `seen` may leave half a copy: each becomes owed by itself.

    An index that finds it here would take it for whole. A holder that makes it equal by its digest checks its parts.
    The parts of a tag that only stays here, gone from the primary, were not checked.
    """
    if owed.reference.kind != "tag":
        return frozenset()
    whole = seen.digest if seen is not None and seen.gone_since is None else None
    broke_off = owed.named if owed.failure is not None or owed.deaths else frozenset()
    return (owed.copied | owed.half_copied | broke_off) - {whole}


def stays_half(owed: Owed) -> frozenset[str]:
    """The digests of which half a copy may stay here when a reference leaves the selection, as nobody brings the rest.

    A mark forgets failures and deaths, so each digest that was named for a tag may be one. Most manifests by digest
    that leave were never begun: those that failed were.
    """
    begun = owed.copied | owed.half_copied
    may_be_more = owed.reference.kind == "tag" or owed.failure is not None or owed.deaths > 0
    return begun | owed.named if may_be_more else begun

"""Discharge: what was owed ends, and what was seen is recorded, under the lease."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry import half_copies
from geosync.sync_registry.items import ROW, Lease, Owed, Reference, Seen
from geosync.sync_registry.pushes import announced_at
from geosync.sync_registry.site import walks
from geosync.sync_registry.table.changes import Change, Check, Delete, Key, Update
from geosync.sync_registry.transitions import leases, marks
from geosync.sync_registry.transitions.attempts import is_unmarked

DIGEST_MEMORY_S = 30 * 86_400
"""Seconds for which a discharged reference by digest is remembered (TTL `expire_at`)."""


class Discharged(NamedTuple):
    """A reference to discharge, with what was `seen` of it (None: gone).

    `superseded` are digests of earlier pushes of a tag, which become owed by digest. Those in `half` stay here half
    copied, and are no longer owed (half_copies.py).
    """

    owed: Owed
    seen: Seen | None
    superseded: frozenset[str] = frozenset()
    half: frozenset[str] = frozenset()


def discharge(
    lease: Lease,
    references: Sequence[Discharged],
    *,
    now_ms: int,
    primary: str | None = None,
    names: Callable[[], str],
) -> list[Change]:
    """The transaction of discharges: first the lease, then for each reference its owed and its seen item.

    `primary` is the one under which it was seen; `names` gives a new name for each mark.

    The positions identify the failed changes of a TransactionFailed: 0 is the lease, 1 + 2i the mark of reference i.
    After them come what the references leave owed (see marks.becomes_owed), then, without a condition, what they leave
    half here, and the counters of the comparisons that found them.
    """
    changes: list[Change] = [leases.check(lease)]
    if any(one.owed.reference.kind != "repository" for one in references):
        changes = [Update(key=Key(lease.repository, ROW), remove=leases.UNVERIFIED, when=leases.is_mine(lease))]
    for owed, seen, *_ in references:
        changes.append(Delete(key=Key(owed.repository, owed.reference.owed_key), when=is_unmarked(owed)))
        changes.append(_seen(owed.repository, owed.reference, seen, now_ms, primary))
    for digest, tag in _left_owed(references).items():
        changes.append(marks.becomes_owed(tag, digest, name=names(), now_ms=now_ms, primary=primary))
    changes += half_copies.kept((one.owed, one.half) for one in references)
    return changes + walks.discharged((one.owed for one in references), now_ms=now_ms)


def _left_owed(references: Iterable[Discharged]) -> dict[str, Owed]:
    """The overtaken digests, each with the tag to name: of several the earliest, with the earliest announced push."""
    left: dict[str, Owed] = {}
    for tag, digests in sorted(((one.owed, one.superseded) for one in references), key=lambda one: one[0].pushed_at):
        for digest in digests:
            left[digest] = _told_earliest(left.get(digest, tag), tag)
    return left


def _told_earliest(tag: Owed, other: Owed) -> Owed:
    told = [at for at in map(announced_at, (tag, other)) if at is not None]
    return replace(tag, told_at=min(told)) if told else tag


def record(
    lease: Lease, seen: Iterable[tuple[Reference, Seen]], *, now_ms: int, primary: str | None = None
) -> list[Change]:
    """The transaction that records what a comparison saw (equal, or missing), nothing of it owed, under the lease."""
    changes: list[Change] = [leases.check(lease)]
    for reference, what in seen:
        changes.append(Check(key=Key(lease.repository, reference.owed_key), when=Attr("mark").not_exists()))
        changes.append(_seen(lease.repository, reference, what, now_ms, primary))
    return changes


def _seen(
    repository: str, reference: Reference, seen: Seen | None, now_ms: int, primary: str | None
) -> Update | Delete:
    key = Key(repository, reference.seen_key)
    if seen is None or reference.kind == "repository":
        return Delete(key=key)
    values: dict[str, Any] = {"digest": seen.digest, "looked_at": seen.looked_at, "seen_at": seen.seen_at}
    if primary is not None:
        values["primary"] = primary
    if seen.size_bytes is not None:
        values |= {"size_bytes": seen.size_bytes, "sized": seen.digest}
    if reference.kind == "digest":
        values["expire_at"] = now_ms // 1000 + DIGEST_MEMORY_S
    noted = _noted(seen)
    values |= {name: value for name, value in noted.items() if value is not None}
    return Update(key=key, set=values, remove=tuple(name for name, value in noted.items() if value is None))


def _noted(seen: Seen) -> dict[str, int | bool | None]:
    """The fields that only some have; None: the item has no such attribute."""
    return {
        "unannounced": seen.unannounced or None,
        "suspected": seen.suspected or None,
        "counted_lost": seen.counted_lost or None,
        "missing_since": seen.missing_since,
        "outside_since": seen.outside_since,
        "gone_since": seen.gone_since,
        "announced_at": seen.announced_at,
        "asked_at": seen.looked_at if seen.announced_at is not None else None,
    }

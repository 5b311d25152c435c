"""What a site owes, since when and why, read from its sync registry: bounded, whatever the size of the backlog.

Everything owed is in the index `due`, what is parked too (far in the future), so a status costs 33 queries and a batch
read per hundred references, and touches no row that owes nothing. Nothing here is secret: names, times, failure texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from geosync.errors import CorruptItem
from geosync.operating.owed_references import OwedReference, by_age, owed_references
from geosync.sync_registry.items import OWED_PREFIX, PARKED_DUE, ROW, SITE, Item, Row
from geosync.sync_registry.registry import wall_clock
from geosync.sync_registry.site import breaker, cursor, heartbeat, minute, recovery, sweep
from geosync.sync_registry.site import holds as hold_items
from geosync.sync_registry.site.cursor import EventCursor
from geosync.sync_registry.site.heartbeat import LastHeartbeat
from geosync.sync_registry.site.holds import MOST_HOLDS, Hold
from geosync.sync_registry.site.recovery import Lost, Recovery
from geosync.sync_registry.site.sweep import LastSweep
from geosync.sync_registry.table.changes import Key, Store
from geosync.sync_registry.table.shards import FAILED_SHARDS, OWED_SHARDS, SHARDS

MOST = 1000
"""References, owed and parked each, that a status reads: of more it says "more than"."""

LONGEST_LEASE_MS = 600_000
"""The template takes no longer LeaseSeconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The site is paused since `since` (milliseconds since the epoch)."""

    since: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A site's sync registry at the moment `at` (milliseconds since the epoch).

    `owed` holds what is read of the references that are tried again by themselves, `parked` of those that wait for an
    operator or a new event; each oldest first. `more_owed` and `more_parked`: there are more than those.
    """

    at: int
    owed: tuple[OwedReference, ...]
    more_owed: bool
    parked: tuple[OwedReference, ...]
    more_parked: bool
    worked_on: int
    """Repositories that somebody holds the lease of."""
    repositories: int
    """Repositories that ever had something owed: the number of rows."""
    pause: Pause | None
    holds: tuple[Hold, ...]
    heartbeat: LastHeartbeat | None
    comparison: Walk | None
    """The latest walk through the primary's catalogue."""
    cursor: EventCursor | None
    """The last event that was processed here."""
    last_minute: int | None
    """When functions/reconcile last ran (ms)."""
    open_repositories: int
    """Repositories in which something is owed."""
    failed_repositories: int
    """Of those, repositories in which a reference has failed."""

    recovery: Recovery
    """What functions/reconcile last made of the heartbeats."""
    lost: Lost | None
    """Notifications known to be lost, None when there are none."""
    refused: bool
    """Whether a message could not be marked, and may be in the DLQ still."""
    last_sweep: LastSweep | None
    deletes: breaker.State = breaker.NEVER
    """Whether deletes by comparison are suspended, and why."""

    @property
    def on_primary(self) -> int:
        """Repositories on the primary, as far as the last walk through its catalogue saw."""
        return max(self.comparison.repositories if self.comparison is not None else 0, self.repositories)

    @property
    def proved_at(self) -> int | None:
        """Start (ms) of the last complete comparison: everything pushed before it is here, whatever was announced."""
        return self.comparison.proved_at if self.comparison is not None else None

    @property
    def recovery_point(self) -> int | None:
        """Everything pushed before this moment (ms) is here and was seen; None while that cannot be said.

        See sync_registry/site/recovery.py. Where more is owed than was read, it is what it was when last all of it was
        read: that stays true. A repository that is to be compared (`*`) is no push.
        """
        if self.more_owed or self.more_parked:
            return self.recovery.point
        return self._point(self.proved_at, self.references)

    @property
    def recovery_point_but_parked(self) -> int | None:
        """The recovery point of everything but the references that are parked."""
        if self.more_owed:
            return self.recovery.point_but_parked
        return self._point(self.comparison.settled_at if self.comparison is not None else None, self.owed)

    def _point(self, proved_at: int | None, references: Iterable[OwedReference]) -> int | None:
        return recovery.point(
            sent_at=self.recovery.sent_at,
            proved_at=proved_at,
            is_losing=self.lost is not None,
            pushes=(one.pushed_at for one in references if one.is_a_push_to_come),
        )

    @property
    def would_be_lost(self) -> tuple[OwedReference, ...]:
        """What would be lost if the primary died now, as far as it is known.

        What is owed, but for whole repositories (a comparison is no push), what is only to be removed, and what was
        announced again though it is here.
        """
        return tuple(one for one in self.references if one.is_a_push_to_come)

    @property
    def references(self) -> tuple[OwedReference, ...]:
        """Everything that was read, oldest first."""
        return tuple(sorted((*self.owed, *self.parked), key=by_age))

    @property
    def oldest(self) -> OwedReference | None:
        """What is owed the longest, of what was read."""
        return next(iter(self.references), None)

    @property
    def failed(self) -> int:
        """How many of what was read have failed since they were last marked."""
        return sum(reference.failure is not None for reference in self.references)

    @property
    def nothing_owed(self) -> bool:
        """Whether every reference that anybody named, or that a comparison found different, was seen at this site.

        While the first comparison (the backfill) goes on, or more is owed than was read, that cannot be said. A later
        comparison that goes on is no debt.
        """
        if self.parked or self.more_owed or (self.comparison is not None and self.comparison.settled_at is None):
            return False
        return all(one.reference == "*" and one.walk is not None and one.failure is None for one in self.owed)


def read(store: Store, *, most: int = MOST, counts: bool = True, clock: Callable[[], int] = wall_clock) -> Status:
    """Read a site's status; `most` bounds the references read, owed and parked each.

    Where there are more, the repositories that are open or failed are counted by the keys of all of them (a query per
    thousand), and those worked on by `leased`, unless `counts` is False: then all three are what was read of them.
    """
    now = clock()
    site = store.batch_get(_SITE_ITEMS)  # before what is owed: what is accounted was marked before
    waiting, more_owed = _keys(store, start=0, until=PARKED_DUE - 1, most=most)
    parked, more_parked = _keys(store, start=PARKED_DUE, until=PARKED_DUE, most=most)
    open_repositories = {key.repository for key in (*waiting, *parked) if key.item.startswith(OWED_PREFIX)}
    found = store.batch_get([*waiting, *parked])
    references = sorted(owed_references(store, found), key=by_age)
    failed_repositories = {one.repository for one in references if one.failure is not None}
    if counts and (more_owed or more_parked):
        failed_repositories |= _repositories(store, FAILED_SHARDS)
        open_repositories |= failed_repositories | _repositories(store, SHARDS)
    pause, rows = (site.get(key) for key in (hold_items.PAUSE, _ROWS))
    return Status(
        at=now,
        owed=tuple(reference for reference in references if not reference.parked),
        more_owed=more_owed,
        parked=tuple(reference for reference in references if reference.parked),
        more_parked=more_parked,
        worked_on=len(leased(store, clock=clock)) if counts and more_owed else len(_leased(found, now)),
        repositories=_number(rows, "value"),
        pause=pause_of(pause),
        holds=holds_in_force(store, now),
        heartbeat=LastHeartbeat.from_item(site.get(heartbeat.KEY)),
        comparison=catalogue.walk_of(site.get(catalogue.KEY)),
        cursor=EventCursor.from_item(site.get(cursor.KEY)),
        last_minute=minute.last_minute(site.get(minute.KEY)),
        open_repositories=len(open_repositories),
        failed_repositories=len(failed_repositories),
        recovery=Recovery.from_item(site.get(recovery.RECOVERY)),
        lost=Lost.from_item(site.get(recovery.LOST)),
        refused=recovery.REFUSED in site,
        last_sweep=LastSweep.from_item(site.get(sweep.KEY)),
        deletes=breaker.State.from_item(site.get(breaker.KEY)),
    )


def leased(store: Store, *, clock: Callable[[], int] = wall_clock) -> list[str]:
    """The repositories that somebody holds the lease of, however much is owed.

    A leased row is in the index `due` at the moment when its lease expires, so that nothing before now is read: a query
    per partition (a further one per thousand references whose next attempt comes that soon), and the rows.
    """
    now = clock()
    keys = [key for shard in SHARDS for key in store.due_keys(shard, now + LONGEST_LEASE_MS, start=now)]
    return _leased(store.batch_get(key for key in keys if key.item == ROW), now)


def _leased(items: Mapping[Key, Item], now: int) -> list[str]:
    return sorted(key.repository for key, item in items.items() if key.item == ROW and _is_leased(item, now))


def pause_of(item: Item | None) -> Pause | None:
    """Read the item sync_registry.holds.PAUSE; None when there is none."""
    if item is None:
        return None
    return Pause(since=_number(item, "since"), reason=str(item.get("reason", "")))


def holds_in_force(store: Store, now: int) -> tuple[Hold, ...]:
    """The registries that are left alone at `now`: one query."""
    holds = (Hold.from_item(item) for item in store.items(SITE, hold_items.PREFIX, limit=MOST_HOLDS))
    return tuple(hold for hold in holds if hold.until > now)


_ROWS = Key(SITE, "counter#rows")
_SITE_ITEMS = (
    hold_items.PAUSE,
    heartbeat.KEY,
    catalogue.KEY,
    cursor.KEY,
    recovery.RECOVERY,
    recovery.LOST,
    recovery.REFUSED,
    minute.KEY,
    sweep.KEY,
    breaker.KEY,
    _ROWS,
)


def _keys(store: Store, *, start: int, until: int, most: int) -> tuple[list[Key], bool]:
    """Keys of the index from every shard in turn, and whether there are more than `most`."""
    shards: list[Iterator[Key]] = [iter(store.due_keys(shard, until, start=start)) for shard in OWED_SHARDS]
    found: list[Key] = []
    while shards:
        for shard in list(shards):
            key = next(shard, None)
            if key is None:
                shards.remove(shard)
            elif len(found) == most:
                return found, True
            else:
                found.append(key)
    return found, False


def _repositories(store: Store, shards: Iterable[str]) -> set[str]:
    """The repositories of all that is owed in `shards`."""
    keys = (key for shard in shards for key in store.due_keys(shard, PARKED_DUE))
    return {key.repository for key in keys if key.item.startswith(OWED_PREFIX)}


def _is_leased(item: Item, now: int) -> bool:
    try:
        return Row.from_item(item).leased(now)
    except CorruptItem:
        return False


def _number(item: Item | None, name: str) -> int:
    value = item.get(name, 0) if item is not None else 0
    return value if isinstance(value, int) else 0

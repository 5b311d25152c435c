"""What must be so after every step: nothing that a site says is false. One function for each sentence, with a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from tests.simulation.clock import EPOCH_MS
from tests.simulation.ledger import Ledger
from tests.simulation.registry.storage import TagMove
from tests.simulation.site import Site
from tests.simulation.table import LAG_S, Table
from tests.simulation.threads import InOneThread
from tests.simulation.truth import lost_since, missing_digests, was_cut_below

from geosync.clock import Clock
from geosync.comparing.progress import progress_of
from geosync.operating import status as site_status
from geosync.operating.status import Status
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key

EVENT_OF_MS = 15_000
"""A notification is of the move of a tag that comes within that after it: the same digest may be pushed again later."""


@dataclass(slots=True)
class View:
    """A secondary as an invariant sees it: what it says (`status`), and what is so."""

    now_s: float
    site: Site
    primary: Site
    ledger: Ledger
    events: Ledger
    """The primary's."""
    status: Status
    clocks_ms: int = 0
    """What recovery points may be wrong by, as clocks differ."""
    followed_s: float = 0.0
    """Since when the site follows this primary."""
    said_ms: int | None = None
    """The recovery point that is judged; None: that of the status."""

    @property
    def recovery_point_ms(self) -> int | None:
        """The recovery point as it is said, by the primary's clock or by this site's."""
        return self.said_ms if self.said_ms is not None else self.status.recovery_point

    def at_primary_ms(self, at_s: float) -> int:
        """A moment of the world by the primary's clock."""
        return EPOCH_MS + int(at_s * 1000) + self.primary.skew_ms

    @property
    def compared_s(self) -> float:
        """When the last complete comparison began, by the world's time."""
        proved = self.status.proved_at
        return -1.0 if proved is None else (proved - EPOCH_MS - self.site.skew_ms - self.clocks_ms) / 1000

    def is_promised(self, repository: str, tag: str) -> bool:
        """The site replicates a tag: it was selected all the time, or since the last complete comparison began.

        For whoever marks, that is: a worker that still has a former selection lets nothing go by it that counts.
        """
        since_s = self.site.selections.marked_since_s(repository, tag)
        return not since_s or since_s < self.compared_s

    @property
    def is_settled(self) -> bool:
        """As below, now."""
        return is_settled(self.now_s, self.ledger)


def is_settled(now_s: float, ledger: Ledger) -> bool:
    """Nothing was written in the site's table for as long as the index lags."""
    return now_s - ledger.changed_s > LAG_S + 0.05


def look(site: Site, primary: Site, ledgers: dict[str, Ledger], now_s: float, *, counts: bool = False) -> View:
    """Read what a site says now, without any delay; with `counts` also what no sentence here is about."""
    topic, clock = site.parameters["PRIMARY_TOPIC_ARN"], _SiteClock(EPOCH_MS + int(now_s * 1000) + site.skew_ms)
    status = site_status.read(_opened(site.table), primary=topic or None, counts=counts, clock=clock)
    return View(now_s, site, primary, ledgers[site.name], ledgers[primary.name], status)


@lru_cache(3)
def _opened(table: Table) -> SyncRegistry:
    """The sync registry in a site's table, for whoever judges."""
    return SyncRegistry(table, threads=InOneThread())


class _SiteClock(Clock):
    __slots__ = ("_now_ms",)

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms


# ------------------------------------------------------------------------------------------------------- the sentences


def recovery_point(view: View) -> Iterator[str]:
    """Everything pushed before the recovery point is at the secondary, byte for byte."""
    said = view.recovery_point_ms
    if said is None:
        return
    for tag, moves in _moves_by_tag(view.primary).items():
        before = [at for at, move in enumerate(moves) if view.at_primary_ms(move.at_s) + view.clocks_ms < said]
        if not before:
            continue
        needed, later = moves[before[-1]], moves[before[-1] :]
        if not view.is_promised(*tag):
            continue
        if any(move.why != "client" or move.digest is None for move in later) or _is_excused(view, needed, said):
            continue
        here = view.site.server.storage.repositories.get(tag[0])
        digest = here.tags.get(tag[1]) if here is not None else None
        if any(_was_overwritten(view, *tag, str(move.digest)) for move in later):
            continue
        if digest not in {move.digest for move in later}:
            pushed = f"{tag[0]}:{tag[1]} was pushed at {needed.at_s:.3f}"
            yield f"{pushed}, and the tag is {digest} instead of {needed.digest}"
        elif (
            not view.site.server.storage.is_complete(tag[0], str(digest))
            and view.primary.server.storage.is_complete(tag[0], str(digest))
            and not was_cut_below(view.site.server.storage, *tag)
        ):
            yield f"{tag[0]}:{tag[1]} was pushed at {needed.at_s:.3f}, and {digest} is not complete"


def _is_excused(view: View, move: TagMove, said: int) -> bool:
    """What the product documents: a notification that nobody has sent yet, content that went away afterwards."""
    if any(
        lost_s >= move.at_s and not _was_compared_since(view, lost_s) for lost_s in view.site.server.storage.lost_at_s
    ):
        return True
    if _is_on_record_alone(view, move.repository, move.tag):
        return True
    if _was_compared_since(view, move.at_s):
        return False
    taken = events_of(view, move)
    if not taken:
        return True
    at_s, identifier = min(taken)
    return view.at_primary_ms(at_s) > said and identifier not in view.ledger.marked


def events_of(view: View, move: TagMove) -> list[tuple[float, str]]:
    """The notifications that may be of a move of a tag: when each was taken, and its id."""
    return [
        (one.at_s, identifier)
        for identifier, one in view.events.taken.items()
        if one.reference == (move.repository, move.tag)
        and one.event["target"].get("digest") == move.digest
        and abs(one.occurred_ms - view.at_primary_ms(move.at_s)) < EVENT_OF_MS + view.clocks_ms
    ]


def _is_on_record_alone(view: View, repository: str, tag: str) -> bool:
    """The registry came back with the tag as it was in a backup, and nobody has looked at it since.

    A comparison looks at few of the tags that are listed (docs/operations/act.md), and at each where nothing is
    verified; verification looks at each.
    """
    storage = view.site.server.storage
    here, seen = storage.repositories.get(repository), view.site.table.table.get(Key(repository, f"tag#{tag}"))
    if here is None or tag not in here.tags or seen is None:
        return False
    seen_s = (seen["seen_at"] - EPOCH_MS - view.site.skew_ms) / 1000
    verifies = view.site.parameters["VERIFICATION_SECONDS"] != "0"
    return any(lost_s > seen_s and (verifies or not _was_compared_since(view, lost_s)) for lost_s in storage.lost_at_s)


def _was_compared_since(view: View, at_s: float) -> bool:
    """A comparison that began after that moment is complete."""
    proved = view.status.proved_at
    return proved is not None and proved > EPOCH_MS + int(at_s * 1000) + view.clocks_ms


def _was_overwritten(view: View, repository: str, tag: str, digest: str) -> bool:
    """Somebody else moved the tag after Geosync had put it here and seen it: that is not known before the next look.

    Nobody who looks at a tag, and then writes down what it was, keeps a client of the secondary's registry from it.
    """
    moves = [one for one in view.site.server.storage.moves if (one.repository, one.tag) == (repository, tag)]
    seen = view.site.table.table.get(Key(repository, f"tag#{tag}"), {})
    theirs = [*takewhile(lambda one: one.why == "client", reversed(moves))]
    if not theirs or len(theirs) == len(moves) or seen.get("digest") != digest:
        return False
    ours, first = moves[-len(theirs) - 1], theirs[-1]
    seen_s = (seen["seen_at"] - EPOCH_MS - view.site.skew_ms) / 1000
    return ours.why.startswith("sync@") and ours.digest == digest and seen_s <= first.at_s


def _moves_by_tag(site: Site) -> dict[tuple[str, str], list[TagMove]]:
    found: dict[tuple[str, str], list[TagMove]] = {}
    for move in site.server.storage.moves:
        found.setdefault((move.repository, move.tag), []).append(move)
    return found


def would_be_lost(view: View) -> Iterator[str]:
    """A push whose event was marked, and that is not at the secondary, is named among what would be lost."""
    if view.status.more_owed or not view.is_settled:
        return
    named = {(one.repository, one.reference) for one in view.status.would_be_lost}
    for repository, tag, marked_s in missing_tags(view, view.now_s):
        if (repository, tag) not in named:
            yield f"{repository}:{tag} is not here, its event was marked at {marked_s:.3f}, and nobody names it"


def missing_tags(view: View, until_s: float) -> Iterator[tuple[str, str, float]]:
    """The tags that were pushed, whose events were marked until a moment, and that are not here.

    Each with the moment of the mark.
    """
    storage, here = view.primary.server.storage, view.site.server.storage
    for repository, tag, digest in storage.all_tags():
        found = here.repositories.get(repository)
        if not view.is_promised(repository, tag) or (found is not None and found.tags.get(tag) == digest):
            continue
        last = next(move for move in reversed(storage.moves) if (move.repository, move.tag) == (repository, tag))
        if last.why != "client":
            continue
        events = [
            one.event["id"]
            for one in view.events.taken.values()
            if one.reference == (repository, tag)
            and one.event["target"].get("digest") == digest
            and one.at_s >= last.at_s - 10
        ]
        marked = [view.ledger.marked[one] for one in events if one in view.ledger.marked]
        # What went away since it was seen is not known before the next comparison, and not when it is announced again.
        lost = any(not _was_compared_since(view, lost_s) for lost_s in here.lost_at_s)
        lost |= _is_on_record_alone(view, repository, tag)
        if marked and min(marked) <= until_s and not lost and not _was_overwritten(view, repository, tag, digest):
            yield repository, tag, min(marked)


def numbers(view: View) -> Iterator[str]:
    """The counts are those of the table, once the index of what is owed has followed."""
    status, said = view.status, view.status.rows
    if not view.is_settled or said is None:
        return
    rows = [item for key, item in view.site.table.table.items() if key.item == "row" and "id" in item]
    states = Counter(item.get("state") for item in rows)
    verifications = Counter(item.get("verification_counted") for item in rows)
    owed = [item for key, item in view.site.table.table.items() if key.item.startswith("owed#")]
    lost = view.site.table.table.get(Key("#site", "lost"), {})
    for name, number, there in (
        ("repositories", said.rows, len(rows)),
        ("synced", said.synced, states["2"]),
        ("failed", said.failed, states["3"]),
        ("verified", said.verified, verifications["verified"]),
        ("found different", said.verification_failed, verifications["failed"]),
        ("without a checksum", said.unreadable, verifications["unreadable"]),
        ("owed", len(status.references), len(owed)),
        ("parked", len(status.parked), sum(bool(item.get("parked")) for item in owed)),
        ("failed references", status.failed, sum("failure" in item for item in owed)),
        ("lost notifications", status.lost.count if status.lost is not None else 0, max(lost.get("count", 0), 0)),
    ):
        if number != there:
            yield f"{name}: {number} are said, {there} are there"
    least, most = view.ledger.comparing_since(view.now_s)
    if most and status.comparison is not None:
        far = progress_of(_opened(view.site.table), status.comparison, now_ms=status.at)
        if not least <= far.to_compare <= most:
            yield f"to compare: {far.to_compare} are said, between {least} and {most} are there"


def history(view: View) -> Iterator[str]:
    """A minute counts once in its hour, however often it ran: no hour has more minutes than went by."""
    for name, item in view.site.table.partitions.get("#history", {}).items():
        minutes = len(view.ledger.recorded[name]) if name.startswith("hour#") else 1
        if item.get("minutes", 0) > minutes:
            yield f"{name} has {item['minutes']} minutes, and {minutes} went by"
        if item.get("unknown_minutes", 0) > item.get("minutes", 0):
            yield f"{name} has {item['minutes']} minutes, and {item['unknown_minutes']} are unknown"


def synced(view: View) -> Iterator[str]:
    """What a site saw equal is there: of each repository in which nothing is owed, every tag that the primary has."""
    here, primary = view.site.server.storage, view.primary.server.storage
    for repository, items in view.site.table.partitions.items():
        row = items.get("row")
        if row is None or row.get("state") != "2" or any(name.startswith("owed#") for name in items):
            continue
        for name, item in items.items():
            if not name.startswith("tag#") or item.get("missing_since") is not None:
                continue
            tag, digest = name.removeprefix("tag#"), item["digest"]
            if not view.is_promised(repository, tag) or _was_overwritten(view, repository, tag, digest):
                continue
            if repository not in primary.repositories or tag not in primary.repositories[repository].tags:
                continue  # it was deleted, and nobody has announced that
            seen_s = (item["seen_at"] - EPOCH_MS - view.site.skew_ms) / 1000
            if lost_since(here, seen_s) or seen_s < view.followed_s:
                continue  # it went away since, or it was seen under a former primary, which counts for nothing
            found = here.repositories.get(repository)
            if found is None or found.tags.get(tag) != digest:
                yield f"{repository}:{tag} is synced as {digest}, and is {found.tags.get(tag) if found else None}"
            elif not here.is_complete(repository, digest) and not was_cut_below(here, repository, tag):
                yield f"{repository}:{tag} is synced, and {digest} is not complete"


def digests(view: View) -> Iterator[str]:
    """A pushed manifest whose event was marked is at the secondary, or is named among what would be lost."""
    if view.status.more_owed or not view.is_settled:
        return
    named = {(one.repository, one.reference) for one in view.status.would_be_lost}
    for identifier, repository, digest in missing_digests(view.events, view.ledger):
        target = view.events.taken[identifier].event["target"]
        if (repository, digest) not in named and (repository, target.get("tag")) not in named:
            yield f"{repository}@{digest} is not here, its event was marked, and nobody names it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A tag that a pull at a secondary was given, by an invocation that began at `began_s` and has just ended.

    `said_ms` is the moment of which the answer is, as its header says it; None: it says that it is not known.
    """

    repository: str
    tag: str
    digest: str
    began_s: float
    said_ms: int | None
    max_staleness_s: int


def pulled(view: View, served: Served) -> Iterator[str]:
    """A tag that is served is not older than MaxStaleness: it was the primary's at the moment that the answer names."""
    name, said = f"{served.repository}:{served.tag}", served.said_ms
    oldest = EPOCH_MS + int((served.began_s - served.max_staleness_s) * 1000) + view.site.skew_ms
    if said is None or said < oldest - view.clocks_ms:
        yield f"{name} was served as {served.digest} of {said}, and nothing before {oldest} was promised"
        return
    moves = _moves_by_tag(view.primary).get((served.repository, served.tag), [])
    if served.max_staleness_s == 0:
        yield from _strictly_pulled(moves, served)
        return
    before = [at for at, move in enumerate(moves) if view.at_primary_ms(move.at_s) + view.clocks_ms < said]
    later = moves[before[-1] if before else 0 :]
    if any(move.why != "client" for move in later) or served.digest in {move.digest for move in later}:
        return
    if not before or _is_excused(view, moves[before[-1]], said):
        return
    yield f"{name} was served as {served.digest} of {said}, and was {moves[before[-1]].digest} by then"


def _strictly_pulled(moves: list[TagMove], served: Served) -> Iterator[str]:
    """With MaxStaleness 0 it was the primary's at a moment since the pull began: nobody's clock excuses it."""
    earlier = [at for at, move in enumerate(moves) if move.at_s <= served.began_s]
    since = moves[earlier[-1] if earlier else 0 :]
    if served.digest not in {move.digest for move in since}:
        name, now = f"{served.repository}:{served.tag}", since[0].digest if since else None
        yield f"{name} was served as {served.digest}, and has been {now} since before the pull began"


INVARIANTS: tuple[Callable[[View], Iterator[str]], ...] = (
    recovery_point,
    would_be_lost,
    digests,
    numbers,
    synced,
    history,
)


def violations(view: View) -> Iterator[str]:
    """Every sentence that is false now."""
    for invariant in INVARIANTS:
        for text in invariant(view):
            yield f"{view.site.name}: {invariant.__name__}: {text}"

"""A repository that is owed as a whole: what its comparison marks, in which order it is taken, and what is extra."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest
from tests.support.clock import FakeClock

from geosync.comparing.context import ComparisonContext
from geosync.comparing.missing import Removals
from geosync.comparing.repository import RepositoryComparison
from geosync.errors import LeaseLost
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair
from geosync.pair.selection import Selection
from geosync.registries.registry import Registry
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import ABSENT, ADOPT, KEEP, ROW, Lease, Owed, Reference, Seen
from geosync.sync_registry.pushes import announced_at
from geosync.sync_registry.site.breaker import Breaker, Limits
from geosync.sync_registry.site.findings import names_digest
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Comparison, Mark
from geosync.syncing.backlog import Backlog

REPOSITORY = "team/app"
DIGEST = f"sha256:{'1' * 64}"
START = 1_000_000
PUSHED = START + 1000


class Tags(Registry):
    """A registry with tags of one digest, which it lists two to a page; a test may step in before a page."""

    def __init__(self, *tags: str) -> None:
        self.deadline = Deadline()
        self._has_referrers = False
        self.there = set(tags)
        self.before_page: Callable[[str | None], None] = lambda last: None

    def tags(self, repository: str, *, last: str | None = None) -> Iterator[list[str]]:
        while True:
            self.before_page(last)
            page = sorted(tag for tag in self.there if last is None or tag > last)[:2]
            if not page:
                return
            yield page
            last = page[-1]

    def repositories(self, *, last: str | None = None) -> Iterator[list[str]]:
        yield [REPOSITORY]

    def head_manifest(self, repository: str, reference: str) -> Descriptor | None:
        if reference not in self.there:
            return None
        return Descriptor(media_type="application/vnd.oci.image.manifest.v1+json", digest=DIGEST, size=2)


class Site:
    """A secondary with one repository, between two registries, and a clock that only the test moves."""

    def __init__(self, primary: Tags, secondary: Tags) -> None:
        self.clock = FakeClock(START)
        self.store = MemoryStore()
        self.sync_registry = SyncRegistry(self.store, clock=self.clock)
        self.primary, self.secondary = primary, secondary

    def compare(self, owed: Owed, *, check: Callable[[], None] = lambda: None) -> None:
        self.lease = self.acquire()
        breaker = Breaker(self.store, Limits(), self.clock)
        held = HeldLease(self.sync_registry, self.lease, on_moved=lambda: None, on_lost=lambda _: None)
        try:
            RepositoryComparison(
                ComparisonContext(
                    pair=Pair(Repository(self.primary, REPOSITORY), Repository(self.secondary, REPOSITORY)),
                    sync_registry=self.sync_registry,
                    held=held,
                    selection=Selection(),
                    check=check,
                ),
                removals=Removals(breaker=breaker),
            ).sync(owed)
        finally:
            self.sync_registry.release(self.lease)

    def acquire(self) -> Lease:
        lease = self.sync_registry.acquire(REPOSITORY)
        assert lease is not None
        return lease

    def whole(self, *said: str) -> Owed:
        return self.sync_registry.mark(REPOSITORY, Reference.whole(), Mark(if_absent=frozenset(said)))

    def push(self, tag: str) -> None:
        self.sync_registry.mark(REPOSITORY, Reference.tag(tag), Mark(expects=DIGEST))

    def seen(self, *tags: str, at: int = 1, missing_since: int | None = None) -> None:
        """Have the tags seen equal."""
        lease = self.acquire()
        seen = Seen(digest=DIGEST, looked_at=at, seen_at=at, missing_since=missing_since)
        self.sync_registry.record(lease, [(Reference.tag(tag), seen) for tag in tags])
        self.sync_registry.release(lease)

    def order(self) -> list[str]:
        """The references as a holder takes them."""
        backlog = Backlog(self.sync_registry, REPOSITORY, self.clock)
        backlog.refill({})
        return [owed.reference.value for owed in iter(lambda: backlog.take(idle=True), None)]

    def extras(self) -> tuple[str, ...]:
        found = self.sync_registry.findings.get(REPOSITORY)
        return found.extra_names if found is not None else ()


class Cut(Exception):
    """The invocation ends."""


def test_a_push_comes_before_what_the_comparison_marks_after_it() -> None:
    tags = [f"v{number}" for number in range(6)]
    primary = Tags(*tags)
    site = Site(primary, Tags())
    whole = site.whole()
    site.clock.now += 60_000

    def push_in_between(last: str | None) -> None:
        site.clock.now += 1_000
        if last == "v1":
            site.push("pushed")

    primary.before_page = push_in_between
    site.compare(whole)

    assert site.order() == ["pushed", *reversed(tags)]
    owed = {one.reference.value: one for one in site.sync_registry.owed(REPOSITORY)}
    assert owed["v5"].marked_at > owed["pushed"].marked_at, "it was marked later"
    assert owed["v5"].due == owed["v5"].owed_since == whole.marked_at
    assert not any(one.worked_on for one in owed.values())


@pytest.mark.parametrize("said", [(), (KEEP,)])
def test_a_push_comes_before_what_is_missing(said: tuple[str, ...]) -> None:
    gone = [f"v{number}" for number in range(4)]
    site = Site(Tags(), Tags(*gone))
    site.seen(*gone, missing_since=1)
    site.sync_registry.breaker.resume()  # an operator accepted that all are gone
    site.clock.now += 24 * 3_600_000
    whole = site.whole(*said)
    site.clock.now += 1_000
    site.push("pushed")
    site.clock.now += 1_000

    site.compare(whole)

    assert site.order() == ["pushed", *reversed(gone)]


def test_a_push_that_the_comparison_finds_too_keeps_its_place() -> None:
    site = Site(Tags("a", "b", "c"), Tags())
    whole = site.whole()
    site.clock.now += 1_000
    site.push("a")
    site.clock.now += 1_000

    site.compare(whole)

    assert site.order() == ["a", "c", "b"]


def test_extra_tags_are_found_on_both_sides_of_the_cursor_of_a_comparison_that_was_cut() -> None:
    ours = [f"v{number}" for number in range(6)]
    site = Site(Tags(*ours), Tags(*ours, "a-extra", "v2-extra", "z-extra"))
    site.seen("v0", "v2", "v5")
    parts: list[None] = []

    def cut() -> None:
        parts.append(None)
        if len(parts) == 3:
            raise Cut

    with pytest.raises(Cut):
        site.compare(site.whole(), check=cut)
    (resumed,) = site.sync_registry.owed(REPOSITORY, limit=1)
    assert resumed.cursor == "v3"

    site.compare(resumed)

    assert site.extras() == ("a-extra", "v2-extra", "z-extra")
    found = site.sync_registry.findings.get(REPOSITORY)
    assert found is not None
    assert found.digests == tuple(map(names_digest, ([], ["z-extra", "v2-extra", "a-extra"], [])))


def test_a_comparison_that_was_cut_adopts_what_is_before_its_cursor() -> None:
    site = Site(Tags("v0", "v1", "v2"), Tags("a-extra", "v0", "v1", "v2"))
    site.seen("v0", "v1", "v2", at=START)
    whole = site.whole(ADOPT)
    resumed = site.sync_registry.advance(whole, "v1")
    assert resumed is not None

    site.compare(resumed)

    assert {one.reference.value: one.if_absent for one in site.sync_registry.owed(REPOSITORY)} == {"a-extra": {ADOPT}}


@pytest.mark.parametrize(
    ("gapless_from", "since"),
    [
        (None, {"asked": START, "pushed": START, "seen": PUSHED}),
        (START + 1, {"asked": START, "pushed": START, "seen": PUSHED}),
        (START, {"asked": START, "pushed": PUSHED, "seen": PUSHED}),
    ],
)
def test_a_tag_that_is_owed_already_counts_as_found(gapless_from: int | None, since: dict[str, int]) -> None:
    """Who asked told of no push, nor an event of an earlier one in a gap. What is equal now is no older than that."""
    site = Site(Tags("asked", "new", "pushed", "seen"), Tags("seen"))
    if gapless_from is not None:
        site.sync_registry.subscription.begin_anew("subscription", settle_s=(gapless_from - START) / 1000)
    site.seen("seen")
    site.clock.now = PUSHED
    site.sync_registry.ask(REPOSITORY, Reference.tag("asked"))
    site.push("pushed")
    site.push("seen")

    for walk in (PUSHED, PUSHED + 1):
        said = Mark(pushed_at=START, comparison=Comparison(walk=walk))
        site.compare(site.sync_registry.mark(REPOSITORY, Reference.whole(), said))

    owed = {one.reference.value: one for one in site.sync_registry.owed(REPOSITORY)}
    assert {name: one.differs_since for name, one in owed.items()} == {**since, "new": None}
    assert {name: (one.walk, one.pushed_at) for name, one in owed.items()} == {
        **dict.fromkeys(since, (None, PUSHED)),
        "new": (PUSHED, START),
    }


@pytest.mark.parametrize("walk", [None, PUSHED])
@pytest.mark.parametrize(("gapless_from", "since"), [(1, PUSHED), (PUSHED, 1)])
def test_a_request_does_not_date_an_announced_push_back(walk: int | None, gapless_from: int, since: int) -> None:
    """The tag was equal long ago. Where events came without a gap since, the one that they told of is all of it."""
    site = Site(Tags("pushed"), Tags())
    site.sync_registry.subscription.begin_anew("subscription", settle_s=(gapless_from - START) / 1000)
    site.seen("pushed")
    site.clock.now = PUSHED
    site.push("pushed")
    site.clock.now += 1000
    comparison = Comparison(walk=walk) if walk is not None else None
    said = Mark(pushed_at=0 if walk is not None else None, comparison=comparison, asked=True)

    site.compare(site.sync_registry.mark(REPOSITORY, Reference.whole(), said))

    (owed,) = site.sync_registry.owed(REPOSITORY)
    assert (owed.marked_at, owed.pushed_at, announced_at(owed)) == (site.clock.now, since, PUSHED)


@pytest.mark.parametrize("asked", [False, True])
def test_a_tag_owed_as_deleted_that_the_primary_lists_was_pushed_again(
    asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it was just seen equal, or is gone there by now: then it was deleted since, and nothing is missing."""
    site = Site(Tags("again", "found", "gone", "seen"), Tags("gone", "seen"))
    site.seen("again", "found", "gone", "seen")
    site.clock.now = PUSHED
    found_before = Mark(pushed_at=START, comparison=Comparison(walk=START))
    site.sync_registry.mark(REPOSITORY, Reference.tag("found"), found_before)
    for tag in ("again", "found", "gone", "seen"):
        site.sync_registry.mark(REPOSITORY, Reference.tag(tag), Mark(expects=ABSENT))
    look = site.primary.head_manifest
    monkeypatch.setattr(site.primary, "head_manifest", lambda name, tag: None if tag == "gone" else look(name, tag))
    said = Mark(pushed_at=START, comparison=Comparison(walk=PUSHED), asked=asked)

    site.compare(site.sync_registry.mark(REPOSITORY, Reference.whole(), said))

    owed = {one.reference.value: one.differs_since for one in site.sync_registry.owed(REPOSITORY)}
    assert owed == {"again": START, "found": START, "gone": None, "seen": None}


@pytest.mark.parametrize("asked", [False, True])
def test_only_a_requested_comparison_marks_a_parked_tag_again(asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be it a tag, a referrer of an equal tag, or an image without a tag."""
    referrer, untagged = (Descriptor(media_type="", digest=f"sha256:{one * 64}", size=2) for one in "23")
    site = Site(Tags("equal", "parked"), Tags("equal"))
    monkeypatch.setattr(site.primary, "untagged_digests", lambda _: iter([[untagged.digest]]))
    monkeypatch.setattr(site.primary, "referrers", lambda _, digest: [referrer] if digest == DIGEST else [])
    monkeypatch.setattr(site.primary, "_has_referrers", True)
    site.seen("equal")
    site.clock.now = PUSHED
    parked = [Reference.tag("parked"), *(Reference.digest(one.digest) for one in (referrer, untagged))]
    for reference in parked:
        owed = site.sync_registry.mark(REPOSITORY, reference)
        assert site.sync_registry.fail(owed, "it is broken", parked=True)
    said = Mark(pushed_at=START, comparison=Comparison(walk=PUSHED), asked=asked)

    site.compare(site.sync_registry.mark(REPOSITORY, Reference.whole(), said))

    owed_now = {one.reference: one.parked for one in site.sync_registry.owed(REPOSITORY)}
    assert owed_now == dict.fromkeys(parked, not asked)


@pytest.mark.parametrize("asked", [False, True])
def test_an_untagged_image_that_was_seen_here_is_looked_for_again_only_if_somebody_asked(
    asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secondary's registry may have been restored from a backup that does not have it."""
    site = Site(Tags(), Tags())
    monkeypatch.setattr(site.primary, "untagged_digests", lambda _: iter([[DIGEST]]))
    lease = site.acquire()
    site.sync_registry.record(lease, [(Reference.digest(DIGEST), Seen(digest=DIGEST, looked_at=1, seen_at=1))])
    site.sync_registry.release(lease)
    site.clock.now = PUSHED
    said = Mark(pushed_at=START, comparison=Comparison(walk=PUSHED), asked=asked)

    site.compare(site.sync_registry.mark(REPOSITORY, Reference.whole(), said))

    owed = [one.reference for one in site.sync_registry.owed(REPOSITORY)]
    assert owed == ([Reference.digest(DIGEST)] if asked else [])


def test_a_tag_discharged_during_the_search_for_extra_tags_is_not_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(Tags("v0"), Tags("v0", "pushed"))
    site.seen("v0")
    whole = site.whole()
    site.push("pushed")
    owed_among = site.sync_registry.owed_among

    def discharged_first(repository: str, references: Iterable[Reference]) -> set[Reference]:
        for owed in site.sync_registry.due(REPOSITORY):
            if owed.reference.value == "pushed":
                site.sync_registry.discharge(
                    site.lease, owed, Seen(digest=DIGEST, looked_at=site.clock.now, seen_at=site.clock.now)
                )
        return owed_among(repository, references)

    monkeypatch.setattr(site.sync_registry, "owed_among", discharged_first)
    site.compare(whole)

    assert site.extras() == ()


def test_a_holder_that_lost_its_lease_records_no_finding() -> None:
    primary = Tags("v0")
    site = Site(primary, Tags("v0", "extra"))
    whole = site.whole()

    def take(_: str | None) -> None:
        site.store.write(Update(key=Key(REPOSITORY, ROW), set={"lease_token": "another holder's"}))

    primary.before_page = take
    with pytest.raises(LeaseLost):
        site.compare(whole)

    assert site.extras() == ()

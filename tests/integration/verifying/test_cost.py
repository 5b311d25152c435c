"""What a verification costs, on the wire, and how it goes on when its time or its requests are spent."""

from __future__ import annotations

import logging
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.secondary import Queue, Secondary, SilentMetrics, pushed
from tests.integration.verifying.conftest import Breakable
from tests.support.ahead_clock import AheadClock
from tests.support.images import ImageMaker, Made
from tests.support.proxy import Call

from geosync.clock import DAY_MS, SYSTEM_CLOCK
from geosync.copying.outcome import VerificationEnding
from geosync.pair.settings import Bounds
from geosync.sync_registry.items import ROW, SYNCED, Reference, Seen
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.transitions.verification import ABANDONED_AFTER_MS
from geosync.syncing.reporting import Reporter
from geosync.verifying import known_tags, place
from geosync.verifying.context import VerificationContext
from geosync.verifying.verifier import Verifier

LAYERS = 2


@pytest.fixture
def clock() -> AheadClock:
    return AheadClock()


def verifier(secondary: Secondary, clock: AheadClock, **bounds: Any) -> Verifier:
    reporter = Reporter(
        logger=logging.getLogger("verifier"),  # type: ignore[arg-type]
        metrics=SilentMetrics(),  # type: ignore[arg-type]
        sqs=Queue(),  # type: ignore[arg-type]
        dlq_url="dlq",
    )
    context = VerificationContext(
        sync_registry=secondary.sync_registry,
        registries=secondary.registries,
        bounds=Bounds(**bounds),
        deadline=secondary.deadline,
        clock=clock,
    )
    return Verifier(context, reporter=reporter)


def tagged(secondary: Secondary, make: ImageMaker, repository: str, tags: int) -> Made:
    """One image under many tags, synced, and recorded as the sync records it."""
    made = make.image(repository, "t000", layers=LAYERS)
    names = [f"t{number:03}" for number in range(1, tags)]
    for name in names:
        make.retag(made, name)
    secondary.receive(pushed(made))
    lease = secondary.sync_registry.acquire(repository)
    assert lease is not None
    for name in names:
        manifest = secondary.registries.primary.get_manifest(repository, name)
        assert manifest is not None
        secondary.registries.secondary.put_manifest(repository, name, manifest)
    now = SYSTEM_CLOCK.now_ms()
    seen = Seen(digest=made.digest, looked_at=now, seen_at=now)
    assert len(secondary.sync_registry.record(lease, [(Reference.tag(name), seen) for name in names])) == len(names)
    assert secondary.sync_registry.finish(lease)
    assert secondary.row(repository).state == SYNCED
    secondary.reset()
    return made


def test_a_tag_costs_two_requests_and_what_tags_share_is_looked_for_once(
    secondary: Secondary, make: ImageMaker, repository: str, clock: AheadClock
) -> None:
    tags = 30
    tagged(secondary, make, repository, tags)

    result = verifier(secondary, clock).verify(repository)

    assert result.ending is VerificationEnding.VERIFIED
    assert secondary.primary_proxy.counts() == {("HEAD", "tag"): tags, ("GET", "tags"): 1}
    counts = secondary.secondary_proxy.counts()
    assert counts == {
        ("GET", "tag"): known_tags.GROUP,
        ("HEAD", "tag"): tags - known_tags.GROUP,
        ("HEAD", "blob"): LAYERS + 1,
        ("GET", "blob"): known_tags.SAMPLE,
    }
    assert result.requests == secondary.requests()


def test_a_day_s_requests_bound_a_repository_and_the_next_day_goes_on_where_it_stopped(
    secondary: Secondary, make: ImageMaker, repository: str, clock: AheadClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_tags, "PAGE", 10)
    tags, limit = 60, 40
    tagged(secondary, make, repository, tags)
    one = verifier(secondary, clock, requests=limit)
    cursors = []

    for _ in range(10):
        secondary.reset()
        result = one.verify(repository)
        assert result.requests == secondary.requests()
        assert secondary.requests() <= limit + known_tags.GROUP * 2 + LAYERS + 1 + known_tags.SAMPLE
        if result.ending is VerificationEnding.VERIFIED:
            break
        assert result.reason == "the requests of the day are spent"
        secondary.reset()
        assert one.verify(repository).ending is VerificationEnding.NOT_NOW, "it is not due before tomorrow"
        assert one.verify(repository, asked=True).ending is VerificationEnding.NOT_NOW
        assert secondary.requests() == 0
        row = secondary.store.get(Key(repository, ROW))
        assert row is not None
        cursors.append((row["verification_phase"], row["verification_cursor"]))
        clock.ahead += DAY_MS
    else:
        raise AssertionError(f"never done: {cursors}")

    assert len(cursors) >= 3
    assert cursors == sorted(set(cursors), key=cursors.index)
    assert secondary.row(repository).verification_state == "2"


def test_an_invocation_that_ends_leaves_its_place(
    secondary: Secondary, make: ImageMaker, repository: str, clock: AheadClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_tags, "PAGE", 10)
    tags = 40
    tagged(secondary, make, repository, tags)
    secondary.primary_proxy.add(Call(method="HEAD", kind="tag", nth=20, after=lambda: secondary.deadline.set(0)))
    one = verifier(secondary, clock)

    result = one.verify(repository)
    assert result.ending is VerificationEnding.LATER
    before = secondary.primary_proxy.counts()["HEAD", "tag"]
    secondary.deadline.clear()
    secondary.reset()

    assert one.verify(repository).ending is VerificationEnding.VERIFIED
    after = secondary.primary_proxy.counts()["HEAD", "tag"]
    assert tags <= before + after <= tags + known_tags.GROUP


def test_a_run_makes_room_for_others_after_its_slice(
    secondary: Secondary, make: ImageMaker, repository: str, clock: AheadClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged(secondary, make, repository, 3)
    monkeypatch.setattr(place, "SLICE_S", 0.0)

    result = verifier(secondary, clock).verify(repository)

    assert (result.ending, result.reason) == (VerificationEnding.LATER, "others wait for their turn")
    assert secondary.requests() == 0


def test_the_sample_is_bounded_by_the_site_s_bytes_of_the_day(
    secondary: Secondary, make: ImageMaker, repository: str, clock: AheadClock
) -> None:
    made = make.image(repository, "v1", layers=3, size=5000)
    secondary.receive(pushed(made))
    sizes = [secondary.registries.secondary.head_blob(repository, blob) or 0 for blob in made.blobs]
    limit = max(sizes) * 2
    one = verifier(secondary, clock, sample_bytes=limit)
    secondary.reset()

    for _ in range(3):
        assert one.verify(repository, asked=True).ending is VerificationEnding.VERIFIED
    read = sum(
        each.received for each in secondary.secondary_proxy.exchanges if (each.method, each.kind) == ("GET", "blob")
    )
    assert min(sizes) <= read <= limit

    clock.ahead += DAY_MS
    before = secondary.secondary_proxy.counts()["GET", "blob"]
    assert one.verify(repository, asked=True).ending is VerificationEnding.VERIFIED
    assert secondary.secondary_proxy.counts()["GET", "blob"] > before, "another day"


def test_nothing_is_read_back_where_the_sample_is_off(
    secondary: Secondary, make: ImageMaker, repository: str, clock: AheadClock
) -> None:
    tagged(secondary, make, repository, 2)

    assert verifier(secondary, clock, sample_bytes=0).verify(repository).ending is VerificationEnding.VERIFIED

    assert secondary.secondary_proxy.counts()["GET", "blob"] == 0


def test_a_run_that_died_is_taken_over_and_writes_nothing_should_it_live(
    secondary: Secondary, make: ImageMaker, repository: str, clock: AheadClock
) -> None:
    tagged(secondary, make, repository, 3)
    other = AheadClock()
    other.ahead = ABANDONED_AFTER_MS + 1
    endings = []

    def take_over() -> None:
        endings.append(verifier(secondary, clock).verify(repository).ending)
        endings.append(verifier(secondary, other).verify(repository).ending)

    secondary.primary_proxy.add(Call(method="GET", kind="tags", before=take_over))

    assert verifier(secondary, clock).verify(repository).ending is VerificationEnding.OVERTAKEN
    assert endings == [VerificationEnding.NOT_NOW, VerificationEnding.VERIFIED]
    assert secondary.row(repository).verification_state == "2"


def test_a_comparison_that_holds_the_repository_keeps_no_verification_from_its_end(
    secondary: Secondary, make: ImageMaker, repository: str, clock: AheadClock
) -> None:
    tagged(secondary, make, repository, 3)
    taken = []
    secondary.primary_proxy.add(
        Call(method="GET", kind="tags", before=lambda: taken.append(secondary.sync_registry.acquire(repository)))
    )

    result = verifier(secondary, clock, interval_s=3600).verify(repository)

    assert result.ending is VerificationEnding.VERIFIED
    (lease,) = taken
    assert lease is not None
    held = secondary.store.get(Key(repository, ROW))
    assert held is not None
    assert held["due"] == held["lease_expires"], "the sweep finds a holder that vanished"
    assert secondary.sync_registry.finish(secondary.sync_registry.renew(lease))
    free = secondary.store.get(Key(repository, ROW))
    assert free is not None
    assert free["verification_state"] == "2"
    assert free["due"] == free["verification_due"] > SYSTEM_CLOCK.now_ms() + 3_000_000


def test_a_blob_of_many_megabytes_is_read_back_in_flat_memory(
    follow: Callable[..., Secondary], forgetful: Breakable, make: ImageMaker, repository: str, clock: AheadClock
) -> None:
    secondary = follow(forgetful)
    size = 32 * 1024 * 1024
    made = make.image(repository, "v1", layers=1, size=size)
    secondary.receive(pushed(made))
    one = verifier(secondary, clock)
    tracemalloc.start()
    try:
        assert one.verify(repository).ending is VerificationEnding.VERIFIED
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    read = sum(
        each.received for each in secondary.secondary_proxy.exchanges if (each.method, each.kind) == ("GET", "blob")
    )
    assert read >= size
    assert peak < size / 4

"""A namespace that has its share of the slots waits for one; its worker goes on with another namespace."""

from __future__ import annotations

import time

import pytest
from tests.functional.sync.parts import DONE, TABLE, Log, Site, handle, sample, wake

from geosync.sync_registry import sweep
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.slots import Pool, Slot, partition
from geosync.sync_registry.table.dynamodb import DynamoStore
from geosync.sync_registry.transitions.marks import Mark
from geosync.working import verification, worker

WORK, LIVE = 7, 12
"""MaxNamespaceShare, 75 %, of WorkConcurrency and LiveConcurrency."""


def owe(site: Site, repository: str) -> str:
    """Push an image to the primary, and mark it; its digest."""
    made = site.make.image(repository, "v1")
    site.sync_registry.mark(repository, Reference.tag("v1"), Mark(expects=made.digest))
    site.sync_registry.tell(repository)
    return made.digest


def fill(site: Site, pool: Pool, namespace: str, most: int) -> list[Slot]:
    """Take all slots of a namespace, as other invocations do."""
    taken = [site.sync_registry.take_slot(pool, namespace, most=most, lasting_s=960) for _ in range(most)]
    return [slot for slot in taken if slot is not None]


def test_a_worker_goes_on_with_another_namespace_and_comes_back_once_a_slot_is_free(site: Site, log: Log) -> None:
    busy, quiet = f"busy-{WORK}/app", f"quiet-{WORK}/app"
    wanted = {busy: owe(site, busy), quiet: owe(site, quiet)}
    slots = fill(site, "work", f"busy-{WORK}", WORK)

    assert handle(wake(busy)) == DONE
    assert (site.digest(busy, "v1"), site.digest(quiet, "v1")) == (None, wanted[quiet])
    assert {line["repository"] for line in log() if line["message"] == "namespace_has_its_share"} == {busy}

    site.sync_registry.give_slot_back(slots[0])
    assert handle(wake(busy)) == DONE
    assert site.digest(busy, "v1") == wanted[busy]
    left = DynamoStore(site.dynamodb, TABLE).items(partition(f"busy-{WORK}"), "slot#", limit=100)
    assert len(left) == WORK - 1, "every slot is given back"


def test_a_push_to_a_namespace_that_has_its_share_stays_due_for_the_sweep(site: Site) -> None:
    busy, quiet = f"busy-{LIVE}/app", f"quiet-{LIVE}/app"
    wanted = {busy: owe(site, busy), quiet: owe(site, quiet)}
    fill(site, "live", f"busy-{LIVE}", LIVE)

    for repository in (busy, quiet):
        assert handle(sample("sync-live.json", repository=repository)) == DONE
    assert (site.digest(busy, "v1"), site.digest(quiet, "v1")) == (None, wanted[quiet])
    assert site.sync_registry.due_repositories(10) == [busy]

    assert handle(wake(busy)) == DONE
    assert site.digest(busy, "v1") == wanted[busy]


def test_a_worker_finds_another_namespace_behind_more_of_a_full_one_than_are_chosen_from(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "WINDOW", 10)
    monkeypatch.setattr(worker, "CANDIDATES", 5)
    names = [f"busy-long/app-{number}" for number in range(60)]
    for name in names:
        site.sync_registry.mark(name, Reference.tag("v1"))
    wanted = owe(site, "quiet-long/app")
    fill(site, "work", "busy-long", WORK)
    assert handle(wake(names[0])) == DONE
    assert site.digest("quiet-long/app", "v1") == wanted


def is_due(site: Site, repository: str, *, in_ms: int = 0) -> bool:
    """True if the repository is among those that are chosen for verification, then."""
    return repository in site.sync_registry.verification.due(now_ms=time.time_ns() // 1_000_000 + in_ms, limit=40)


def test_a_verification_without_a_slot_makes_room_for_others_and_one_that_was_asked_for_is_made(site: Site) -> None:
    busy = "busy-verified/app"
    owe(site, busy)
    assert handle(wake(busy)) == DONE
    assert is_due(site, busy)
    fill(site, "work", "busy-verified", WORK)

    assert handle(sample("sync-verify.json", repository=busy)) == DONE
    assert site.row(busy).verified_at is None
    assert not is_due(site, busy)
    assert is_due(site, busy, in_ms=verification.SLOTLESS_MS)

    assert handle(sample("sync-verify.json", repository=busy, asked_at=time.time_ns() // 1_000_000)) == DONE
    assert site.row(busy).verified_at is not None

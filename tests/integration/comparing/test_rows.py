"""Rows that the catalogue does not list: one outside the selection is forgotten, one gone from the primary reported."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, event, pushed, quick
from tests.support.images import ImageMaker, Made
from tests.support.proxy import Status

from geosync.comparing import rows
from geosync.messages.work import CatalogueMessage, WorkMessage
from geosync.pair.selection import Selection
from geosync.sync_registry import forgetting
from geosync.sync_registry.items import SYNCED, Lease, Reference
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.table.changes import Key

WINDOW = 0.3


@pytest.fixture
def primary(start_registry: StartRegistry) -> Place:
    return Place(registry=start_registry(RegistrySpec(name="rows")))


@pytest.fixture
def secondary(primary: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(primary, second_registry, timing=quick(settle=0.3, suspect=0.3), limits=Limits(window_s=WINDOW))
    yield one
    one.close()


def select(secondary: Secondary, **patterns: str) -> None:
    secondary.registries = replace(secondary.registries, selection=Selection.parse(**patterns))
    secondary.open()


def walk(secondary: Secondary) -> None:
    """Compare everything, work off what that brings, and let the window pass."""
    secondary.receive(CatalogueMessage().to_json())
    done = secondary.sync_registry.catalogue.latest()
    assert done is not None
    assert done.finished_at is not None
    secondary.sweep_until(lambda: not any(key.item.startswith("owed#") for key in secondary.store.table))
    secondary.have_passed(WINDOW)


def left_of(secondary: Secondary, repository: str) -> list[Key]:
    names = (repository, f"name#{repository}")
    return [key for key in secondary.store.table if key.repository == repository or key.item in names]


def counted(secondary: Secondary) -> int:
    rows = secondary.sync_registry.counters.read()
    assert rows is not None
    return rows.rows


def test_what_left_the_selection_is_forgotten_in_batches_and_stays_at_the_secondary(
    secondary: Secondary, make: ImageMaker, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 4)
    monkeypatch.setattr(forgetting, "PER_TRANSACTION", 3)
    monkeypatch.setattr(rows, "PAGE", 1)
    image = make.image(repository, "v0", layers=1)
    others = [f"{repository}-{number}" for number in range(2)]
    secondary.receive(pushed(image), *(pushed(make.retag(image, f"v{number}")) for number in range(1, 12)))
    secondary.receive(*(pushed(make.image(name, "v1", layers=1)) for name in others))
    secondary.sync_registry.mark(repository, Reference.tag("owed"))
    assert counted(secondary) == 3
    select(secondary, include_repositories=f"{repository}-*")

    walk(secondary)

    assert left_of(secondary, repository) == []
    assert secondary.sync_registry.listing.names(limit=9) == others
    assert counted(secondary) == 2
    assert secondary.digest(repository, "v0") == secondary.digest(repository, "v11") == image.digest
    assert {secondary.row(name).state for name in others} == {SYNCED}


def test_what_comes_back_into_the_selection_is_brought_and_gets_an_id_of_its_own(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    secondary.receive(pushed(make.image(repository, "v1", layers=1)))
    former = secondary.row(repository).id
    select(secondary, exclude_repositories=repository)
    walk(secondary)
    assert secondary.sync_registry.row(repository) is None
    moved = make.image(repository, "v1", layers=1)
    select(secondary)

    walk(secondary)

    assert secondary.digest(repository, "v1") == moved.digest
    assert secondary.row(repository).id == 2 != former


def test_a_wake_of_a_repository_outside_forgets_it_unless_somebody_holds_it(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    secondary.receive(pushed(make.image(repository, "v1", layers=1)))
    secondary.sync_registry.mark(repository, Reference.tag("v2"))
    select(secondary, exclude_repositories=repository)
    lease = secondary.sync_registry.acquire(repository)
    assert lease is not None
    wake = WorkMessage(repository=repository, reason="sweep").to_json()

    secondary.receive(wake)

    assert secondary.sync_registry.row(repository) is not None
    secondary.sync_registry.release(lease)
    secondary.reset()
    secondary.receive(wake)
    assert left_of(secondary, repository) == []
    assert secondary.requests() == 0


def test_a_repository_outside_that_has_no_row_gets_none(secondary: Secondary, repository: str) -> None:
    select(secondary, exclude_repositories=repository)
    secondary.receive(WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),)).to_json())
    assert left_of(secondary, repository) == []


def test_a_repository_that_is_gone_is_told_then_accepted_and_forgotten(
    secondary: Secondary, primary: Place, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1", layers=1)
    stays = make.image(f"{repository}-stays", "v1", layers=1)
    secondary.receive(pushed(made), pushed(stays))
    shutil.rmtree(next(primary.registry.folder.rglob(f"repositories/{repository}")))

    walk(secondary)
    walk(secondary)

    assert secondary.row(repository).missing_on_primary
    assert not secondary.row(stays.repository).missing_on_primary
    assert secondary.digest(repository, "v1") == made.digest
    secondary.decide_about_deletes()
    assert secondary.sync_registry.breaker.state().suspended

    secondary.sync_registry.breaker.resume()
    walk(secondary)
    assert secondary.digest(repository, "v1") is None

    walk(secondary)
    walk(secondary)
    assert secondary.sync_registry.row(repository) is None
    assert secondary.sync_registry.findings.get(repository) is None
    assert secondary.digest(stays.repository, "v1") == stays.digest


@pytest.mark.parametrize("status", [401, 500])
def test_a_repository_is_never_gone_because_a_listing_failed(
    secondary: Secondary, make: ImageMaker, repository: str, status: int
) -> None:
    made = make.image(repository, "v1", layers=1)
    secondary.receive(pushed(made))
    secondary.primary_proxy.add(Status(status=status, kind="tags", times=1000))

    secondary.receive(CatalogueMessage().to_json())
    secondary.sweep()

    assert not secondary.row(repository).missing_on_primary
    assert secondary.sync_registry.findings.get(repository) is None
    assert secondary.digest(repository, "v1") == made.digest


# ── repositories that are nowhere ──


def asked_for(repository: str, *references: Reference) -> str:
    wanted = references or (Reference.whole(),)
    return WorkMessage(repository=repository, reason="resync", references=wanted).to_json()


@pytest.mark.parametrize("reference", [Reference.whole(), Reference.tag("v1"), Reference.digest(f"sha256:{'0' * 64}")])
def test_a_resync_of_a_repository_that_is_nowhere_leaves_no_row(
    secondary: Secondary, repository: str, reference: Reference
) -> None:
    secondary.receive(asked_for(repository, reference))
    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert left_of(secondary, repository) == []
    assert counted(secondary) == 0


def test_a_notification_of_a_repository_that_is_nowhere_leaves_no_row(secondary: Secondary, repository: str) -> None:
    other = f"{repository}-other"
    digest = f"sha256:{'1' * 64}"
    secondary.receive(event("created", repository, tag="v1", digest=digest), event("deleted", other, tag="v1"))
    secondary.sweep_until(lambda: not secondary.owed(repository) and not secondary.owed(other))
    for name in (repository, other):
        assert left_of(secondary, name) == []
    assert counted(secondary) == 0


def test_a_row_stays_while_either_registry_knows_the_repository(
    secondary: Secondary, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    make.image(repository, "v1", layers=1)
    secondary.receive(event("deleted", repository, tag="v9"), asked_for(f"{repository}-here"))
    with second_registry.maker(seed=7) as vandal:
        vandal.image(f"{repository}-there", "v1", layers=1)
    secondary.receive(asked_for(f"{repository}-there"))
    secondary.sweep_until(lambda: not any(key.item.startswith("owed#") for key in secondary.store.table))
    assert secondary.row(repository).state == SYNCED
    there = secondary.sync_registry.findings.get(f"{repository}-there")
    assert there is not None
    assert there.extra == 1
    assert counted(secondary) == 2


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_repository_is_never_nowhere_because_a_listing_failed(
    secondary: Secondary, repository: str, status: int
) -> None:
    secondary.primary_proxy.add(Status(status=status, kind="tags", times=1000))
    secondary.receive(event("deleted", repository, tag="v1"))
    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert counted(secondary) == 1


def test_a_push_that_comes_while_the_row_would_go_is_not_lost(
    secondary: Secondary, make: ImageMaker, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row goes only if nobody knocked since nothing was due: here an event is marked just before it would."""
    drop = secondary.sync_registry._forgetting.drop
    pushes: list[Made] = []

    def push_first(lease: Lease) -> bool:
        if not pushes:
            pushes.append(make.image(repository, "v1", layers=1))
            secondary.intake.take([pushed(pushes[0]).to_json()])
        return drop(lease)

    monkeypatch.setattr(secondary.sync_registry._forgetting, "drop", push_first)
    secondary.receive(asked_for(repository))
    secondary.sweep_until(lambda: not secondary.owed(repository))
    (made,) = pushes
    assert secondary.digest(repository, "v1") == made.digest
    assert secondary.row(repository).state == SYNCED
    assert counted(secondary) == 1

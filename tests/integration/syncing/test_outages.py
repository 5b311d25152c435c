"""Registries that go down: nothing is lost, nothing counts as failed, and both sides heal by themselves."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from local.registries import RegistrySpec, start
from tests.integration.conftest import Place
from tests.integration.notified import NotifiedPrimary, kill
from tests.integration.secondary import Secondary, pushed
from tests.support.images import Made
from tests.support.proxy import Status

from geosync.messages.work import CatalogueMessage
from geosync.sync_registry.items import FAILED, SYNCED

Say = Callable[[str, object], None]


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[NotifiedPrimary]:
    with NotifiedPrimary(tmp_path / "primary") as one:
        yield one


def test_a_comparison_heals_a_primarys_lost_notifications(
    primary: NotifiedPrimary, second_registry: Place, repository: str, record_property: Say
) -> None:
    secondary = Secondary(primary, second_registry)
    with primary.maker(seed=1) as make:
        before = make.image(repository, "moved")
        secondary.receive(primary.wait_for(lambda event: event.tag == "moved"))
        primary.refusing = True
        told = len(primary.events)
        moved = make.image(repository, "moved")
        images = [make.image(f"{repository}-{number}", "new", layers=1) for number in range(10)]
        index = make.index(repository, "index", children=2)
        primary.kill()
    primary.start_again()
    primary.refusing = False
    with primary.maker(seed=2) as make:
        after = make.image(repository, "after")
    secondary.receive(primary.wait_for(lambda event: event.tag == "after"))
    lost = [moved, index, *images]
    assert not {event.digest for event in primary.events[told:]} & {one.digest for one in lost}, "nobody told of them"
    assert secondary.digest(repository, "after") == after.digest
    assert secondary.digest(repository, "moved") == before.digest

    started = time.monotonic()
    secondary.receive(CatalogueMessage().to_json())
    secondary.sweep_until(lambda: equal(secondary, lost))
    record_property("healed_after_seconds", round(time.monotonic() - started, 1))

    assert not secondary.dlq.messages
    secondary.close()


def test_100_pushes_while_the_secondary_is_down_are_one_hold_and_no_failure(
    primary: NotifiedPrimary, tmp_path: Path, repository: str, record_property: Say
) -> None:
    folder = tmp_path / "secondary"
    running = start(RegistrySpec(name="down"), folder)
    secondary = Secondary(primary, Place(registry=running))
    repositories = [f"{repository}-{number}" for number in range(20)]
    with primary.maker(seed=3) as make, ThreadPoolExecutor(4) as invocations:
        first = [make.image(name, "first", layers=0) for name in repositories]
        secondary.receive(*map(pushed, first))
        assert equal(secondary, first)
        secondary.reset()

        kill(running)
        made: list[Made] = []
        invoked: list[Future[None]] = []
        for number in range(5):
            for name in repositories:
                made.append(make.image(name, f"v{number}", layers=0))
                invoked.append(invocations.submit(secondary.receive, pushed(made[-1])))
            secondary.sweep()
        for one in invoked:
            one.result()

    assert len(made) == 100
    items = secondary.store.table
    holds = [item for key, item in items.items() if key.item.startswith("hold#")]
    assert [item["item"] for item in holds] == [f"hold#{secondary.secondary_proxy.host}"]
    owed = [one for name in repositories for one in secondary.owed(name)]
    assert len(owed) == 100
    assert not any(one.attempts for one in owed)
    assert secondary.secondary_proxy.connections < len(made), (
        "a registry that is down is asked now and then, not 100 times"
    )

    down = time.monotonic()
    again = start(RegistrySpec(name="down", port=running.port), folder)
    secondary.sweep_until(lambda: not any(map(secondary.owed, repositories)))
    record_property("healed_after_seconds", round(time.monotonic() - down, 1))

    assert equal(secondary, made)
    assert {(row.state, row.retry_count) for row in map(secondary.row, repositories)} == {(SYNCED, 0)}
    assert not secondary.dlq.messages
    secondary.close()
    again.stop()


def equal(secondary: Secondary, images: list[Made]) -> bool:
    """Tell whether the secondary's registry serves all images."""
    return all(secondary.digest(made.repository, made.reference) == made.digest for made in images)


def test_a_repository_that_a_new_secondary_answers_500_for_holds_up_no_other(
    plain_registry: Place, second_registry: Place, repository: str
) -> None:
    """What a registry does is asked in the first repository that is written to: that one need not be well."""
    bad, good = f"{repository}/bad", f"{repository}/good"
    with (
        closing(Secondary(plain_registry, second_registry, probing=True)) as secondary,
        plain_registry.maker(seed=1) as make,
    ):
        secondary.secondary_proxy.add(Status(target=re.compile(f"^/v2/{bad}/"), times=999, status=500))
        secondary.receive(pushed(make.image(bad, "v1")))
        made = make.image(good, "v1")
        secondary.receive(pushed(made))
        assert secondary.digest(good, "v1") == made.digest
        row = secondary.row(bad)
        assert row.state == FAILED
        assert "500" in (row.last_sync_failure or "")
        assert not secondary.sync_registry.holds()

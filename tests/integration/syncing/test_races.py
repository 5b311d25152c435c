"""Changes at the primary during a copy: the secondary ends equal to the primary."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from tests.integration.conftest import Place
from tests.integration.notified import NotifiedPrimary
from tests.integration.secondary import Secondary, quick
from tests.support.images import Made
from tests.support.proxy import Call, Delay

from geosync.sync_registry.items import Reference

QUICK = quick(settle=0.5, suspect=0.5)


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[NotifiedPrimary]:
    with NotifiedPrimary(tmp_path / "primary") as one:
        yield one


@pytest.mark.parametrize("announced", [True, False])
def test_a_tag_whose_digest_is_deleted_while_it_is_copied_does_not_stay(
    primary: NotifiedPrimary, second_registry: Place, repository: str, announced: bool
) -> None:
    secondary = Secondary(primary, second_registry, timing=QUICK)
    with primary.maker(seed=4) as make, ThreadPoolExecutor(1) as other:
        slow = make.image(repository, "slow", layers=1)
        event = primary.wait_for(lambda event: event.tag == "slow")
        begun = Event()
        secondary.secondary_proxy.add(Call(method="PUT", kind="upload", before=begun.set))
        secondary.secondary_proxy.add(Delay(method="PUT", kind="upload", before=2 * QUICK.settle_s))
        if not announced:
            secondary.sync_registry.mark(repository, Reference.tag("slow"))
        copying = other.submit(lambda: secondary.receive(event) if announced else secondary.sweep())
        assert begun.wait(60)
        make.delete(slow)
        secondary.receive(primary.wait_for(lambda event: event.event_name == "deleted"))
        copying.result()
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "slow") is None
    secondary.close()


@pytest.mark.parametrize("then", ["deleted", "moved"])
def test_an_index_that_goes_with_its_children_in_the_middle_of_its_copy_is_no_failure(
    primary: NotifiedPrimary, second_registry: Place, repository: str, then: str
) -> None:
    """Between the index and its children, as when a repository is deleted or a build starts over."""
    with primary.maker(seed=5) as make, closing(Secondary(primary, second_registry, timing=QUICK)) as secondary:
        index = make.index(repository, "v1", children=2, layers=1)
        event = primary.wait_for(lambda event: event.tag == "v1")
        after: list[Made] = []

        def go() -> None:
            make.delete(index)
            for child in index.children:
                make.delete(replace(index, digest=child))
            if then == "moved":
                after.append(make.image(repository, "v1", layers=1))

        secondary.primary_proxy.add(Call(method="GET", kind="manifest", before=go))
        secondary.receive(event)
        assert not any(owed.failure for owed in secondary.owed(repository))
        told = {made.digest for made in after}
        moved = [primary.wait_for(lambda one: one.digest in told)] if told else []
        secondary.receive(primary.wait_for(lambda one: one.event_name == "deleted"), *moved)
        secondary.sweep_until(lambda: not secondary.owed(repository))
        assert secondary.digest(repository, "v1") == (after[0].digest if after else None)
        assert not secondary.dlq.messages

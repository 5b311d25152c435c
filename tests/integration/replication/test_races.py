"""What happens at the primary while a copy is under way: the end is what the primary is then."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from tests.integration.conftest import Place
from tests.integration.replication.notified import NotifiedPrimary
from tests.integration.replication.secondary import TIMING, Secondary
from tests.support.proxy import Call, Delay

from geosync.sync_registry.items import Reference


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[NotifiedPrimary]:
    with NotifiedPrimary(tmp_path / "primary") as one:
        yield one


@pytest.mark.parametrize("announced", [True, False])
def test_a_tag_whose_digest_is_deleted_while_it_is_copied_does_not_stay(
    primary: NotifiedPrimary, second_registry: Place, repository: str, announced: bool
) -> None:
    secondary = Secondary(primary, second_registry)
    with primary.maker(seed=4) as make, ThreadPoolExecutor(1) as other:
        slow = make.image(repository, "slow", layers=1)
        event = primary.wait_for(lambda event: event.tag == "slow")
        begun = Event()
        secondary.secondary_proxy.add(Call(method="PUT", kind="upload", before=begun.set))
        secondary.secondary_proxy.add(Delay(method="PUT", kind="upload", before=2 * TIMING.settle))
        if not announced:
            secondary.registry.mark(repository, Reference.tag("slow"))
        copying = other.submit(lambda: secondary.receive(event) if announced else secondary.sweep())
        assert begun.wait(10)
        make.delete(slow)
        secondary.receive(primary.wait_for(lambda event: event.event_name == "deleted"))
        copying.result()
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "slow") is None
    secondary.close()

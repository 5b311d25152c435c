"""A holder's connections are opened while it reads the first manifest, on the wire between real registries."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.integration.secondary import Secondary, pushed
from tests.support.images import ImageMaker
from tests.support.patience import PATIENCE_S
from tests.support.proxy import Call

from geosync.copying.connecting import AHEAD


def becomes(is_so: Callable[[], bool]) -> bool:
    """Wait for a condition that another thread makes true."""
    end_s = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < end_s:
        time.sleep(0.01)
    return is_so()


def test_connections_are_opened_while_the_manifest_is_read_and_no_request_more_is_sent(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    """No byte of the manifest comes before both registries have accepted them."""
    made = make.image(repository, "v1", layers=3)
    opened: list[bool] = []

    def wait() -> None:
        proxies = (secondary.primary_proxy, secondary.secondary_proxy)
        opened.append(becomes(lambda: all(one.connections >= AHEAD for one in proxies)))

    secondary.primary_proxy.add(Call(method="GET", kind="tag", before=wait))
    secondary.receive(pushed(made))
    assert opened == [True]
    assert secondary.digest(repository, "v1") == made.digest
    assert secondary.requests() == 3 * 3 + 6


def test_a_registry_that_takes_no_connection_is_told_of_by_the_request_that_needs_one(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1", layers=1)
    secondary.secondary_proxy.close()
    secondary.receive(pushed(made))
    (owed,) = secondary.owed(repository)
    assert "Connection refused" in (owed.failure or "")
    assert owed.attempts == 0, "its registry is on hold"

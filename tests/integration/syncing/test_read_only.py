"""A secondary's registry in read-only maintenance: it is left alone until that ends, and nothing is parked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from local.registries import RegistrySpec, RunningRegistry, start
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event, pushed
from tests.support.images import Made
from tests.support.proxy import Status

from geosync.sync_registry.items import FAILED, SYNCED


class Maintained:
    """A registry that is started anew, as for garbage collection: what it has stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running = self._start(port=0, read_only=False)

    def _start(self, *, port: int, read_only: bool) -> RunningRegistry:
        return start(RegistrySpec(name="maintained", port=port, read_only=read_only), self._folder)

    def restart(self, *, read_only: bool) -> None:
        self.running.stop()
        self.running = self._start(port=self.running.port, read_only=read_only)


@pytest.fixture
def maintained(tmp_path: Path) -> Iterator[Maintained]:
    one = Maintained(tmp_path / "maintained")
    yield one
    one.running.stop()


@pytest.mark.parametrize("probing", [False, True], ids=["known", "not asked yet"])
@pytest.mark.parametrize("what", ["push", "retag", "removal"])
def test_a_registry_in_maintenance_is_one_hold_until_it_takes_writes_again(
    plain_registry: Place, maintained: Maintained, repository: str, what: str, probing: bool
) -> None:
    with (
        closing(Secondary(plain_registry, Place(registry=maintained.running), probing=probing)) as secondary,
        plain_registry.maker(seed=1) as make,
    ):
        first = make.image(repository, "v1")
        if what != "push":
            secondary.receive(pushed(first))
            assert secondary.digest(repository, "v1") == first.digest
        maintained.restart(read_only=True)
        expected: Made | None = first
        match what:
            case "push":
                secondary.receive(pushed(first))
            case "retag":
                make.retag(first, "v2")
                secondary.receive(pushed(first, tag="v2"))
            case "removal":
                make.delete(first)
                expected = None
                secondary.receive(event("deleted", repository, tag="v1", digest=None))
                secondary.sweep_until(lambda: bool(secondary.sync_registry.holds()))
        (hold,) = secondary.sync_registry.holds()
        assert hold.registry == secondary.secondary_proxy.host
        assert "405 the registry is read-only: for maintenance, perhaps" in hold.reason
        for _ in range(5):
            secondary.have_passed(60)
            secondary.sweep()
        (owed,) = secondary.owed(repository)
        assert (owed.attempts, owed.parked) == (0, False)
        assert not secondary.dlq.messages

        maintained.restart(read_only=False)
        secondary.sweep_until(lambda: not secondary.owed(repository))

        tag = "v2" if what == "retag" else "v1"
        assert secondary.digest(repository, tag) == (expected.digest if expected else None)
        assert (secondary.row(repository).state, secondary.dlq.messages) == (SYNCED, [])


def test_a_repository_that_takes_no_uploads_holds_up_no_other_and_is_not_parked(
    plain_registry: Place, second_registry: Place, repository: str
) -> None:
    frozen, other = f"{repository}/frozen", f"{repository}/other"
    body = json.dumps({"errors": [{"code": "UNSUPPORTED", "message": "The repository is read-only."}]}).encode()
    with (
        closing(Secondary(plain_registry, second_registry)) as secondary,
        plain_registry.maker(seed=1) as make,
    ):
        rule = Status(method="POST", target=re.compile(f"^/v2/{frozen}/"), times=999, status=405, body=body)
        secondary.secondary_proxy.add(rule)
        images = [make.image(frozen, "v1"), make.image(other, "v1")]
        secondary.receive(*map(pushed, images))
        assert secondary.digest(other, "v1") == images[1].digest
        (owed,) = secondary.owed(frozen)
        assert (owed.attempts, owed.parked, secondary.row(frozen).state) == (1, False, FAILED)
        assert "405 UNSUPPORTED the repository, or the registry, is read-only" in (owed.failure or "")
        assert not secondary.sync_registry.holds()
        assert not secondary.dlq.messages

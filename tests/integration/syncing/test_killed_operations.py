"""Operations killed in the middle (see test_killed.py): a delete, a tag that moves back, a repair."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import requests
from local.registries import FileSystem, RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, event, pushed
from tests.integration.syncing.test_killed import PASSING, Dead, Life, Site
from tests.support.images import ImageMaker, Made
from tests.support.patience import PATIENCE_S

from geosync.intake.intake import Taken
from geosync.messages.geo_event import GeoEvent
from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import SYNCED, Reference
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark

AT_ONCE = 8
FOREVER = 10**9
EVERY_STEP = "GEOSYNC_KILL_AT_EVERY_STEP"
"""In the environment, it has each operation killed at each of its steps: minutes. Else at so many as go at once."""


@dataclass(kw_only=True)
class Operation:
    """A change of a repository at the primary, and the events of it for the secondary."""

    make: ImageMaker
    storage: Path
    repository: str
    before: list[Made] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    """What there is at the primary in the end."""

    def prepare(self) -> None:
        """Push the state before the operation."""
        self.before = [self.make.image(self.repository, tag, layers=1) for tag in ("v1", "keep")]

    def happen(self, one: Secondary) -> list[GeoEvent]:
        """Carry out the operation. `one` is an invocation that is not killed."""
        raise NotImplementedError

    def is_good(self) -> bool:
        """Tell whether the secondary is right beside its tags."""
        return True


class Deleted(Operation):
    """Two tags go with their digest; another stays."""

    def happen(self, one: Secondary) -> list[GeoEvent]:
        image, other = self.before
        one.receive(pushed(self.make.retag(image, "v2")))
        self.make.delete(image)
        self.tags = {"keep": other.digest}
        return [event("deleted", self.repository, digest=image.digest)]


class MovedAndMovedBack(Operation):
    """A to B to A, and the events come in that order."""

    def happen(self, one: Secondary) -> list[GeoEvent]:
        image, other = self.before
        moved = pushed(self.make.image(self.repository, "v1", layers=1))
        back = pushed(self.make.retag(image, "v1"))
        self.tags = {"v1": image.digest, "keep": other.digest}
        return [moved, back]


class Broken(Operation):
    """A layer is gone from the secondary's storage, and verification has said so."""

    def happen(self, one: Secondary) -> list[GeoEvent]:
        image, other = self.before
        self.tags = {"v1": image.digest, "keep": other.digest}
        self._layer().unlink()
        one.sync_registry.mark(self.repository, Reference.tag("v1"), Mark(distrust=frozenset({image.blobs[-1]})))
        return [replace(pushed(image), received_at=0)]

    def is_good(self) -> bool:
        return self._layer().exists()

    def _layer(self) -> Path:
        hexadecimal = self.before[0].blobs[-1].partition(":")[2]
        return self.storage / f"docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"


@pytest.fixture
def site(
    plain_registry: Place, start_registry: StartRegistry, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Site, Path]:
    """A secondary that looks at its storage, and where that is."""
    root = tmp_path_factory.mktemp("killed-data")
    storage = {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}}
    spec = RegistrySpec(name="killed", storage=FileSystem(root=root), more={"storage": storage})
    return Site(primary=plain_registry, secondary=Place(registry=start_registry(spec))), root


def kill(site: Site, operation: Operation, at: int) -> tuple[int, str | None]:
    """Kill an invocation at a step, and have the sweep wake others until all is well.

    Returns how many steps there were, and what was wrong in the end.
    """
    table, life = MemoryStore(), Life(at)
    with (
        closing(site.invocation(table)) as first,
        closing(site.invocation(table, life)) as killed,
        closing(site.invocation(table)) as other,
    ):
        operation.prepare()
        first.receive(*map(pushed, operation.before))
        settle(first, operation)
        events = operation.happen(first)
        unmarked: list[GeoEvent] = []
        invocation = threading.Thread(target=live, args=(killed, life, events, unmarked), daemon=True)
        invocation.start()
        invocation.join(PATIENCE_S)
        try:
            assert not invocation.is_alive(), "what is killed ends by itself, as all that it asks for fails"
            for one in unmarked:  # it died before the mark: the message comes again
                other.receive(one)
            settle(other, operation)
            assert operation.is_good()
            assert tags(site.secondary, operation.repository) == operation.tags
            assert not [*other.dlq.messages, *killed.dlq.messages]
        except AssertionError as error:
            return life.steps, f"killed before step {at}: {error}"
    return life.steps, None


def live(one: Secondary, life: Life, events: list[GeoEvent], unmarked: list[GeoEvent]) -> None:
    """Have an invocation of functions/log_cursor take each event, and one of functions/sync work it off."""
    for told in events:
        taken = Taken(again=frozenset({0}))
        with suppress(Dead):
            taken = one.intake.take([told.to_json()])
        if taken.again:
            unmarked.append(told)
        with suppress(Dead):
            for repository in taken.wakes:
                one.worker.receive(WorkMessage(repository=repository, reason="event").to_json())


def settle(one: Secondary, operation: Operation) -> None:
    repository = operation.repository
    one.sweep_until(lambda: not one.owed(repository) and one.row(repository).state == SYNCED, passing=PASSING)


def tags(place: Place, repository: str) -> dict[str, str]:
    """The tags that a registry lists, with the digests that it serves."""
    with requests.Session() as session:
        session.headers["Accept"] = "application/vnd.oci.image.manifest.v1+json"
        listed = session.get(f"{place.url}/v2/{repository}/tags/list", timeout=60).json().get("tags") or ()
        found = {tag: session.get(f"{place.url}/v2/{repository}/manifests/{tag}", timeout=60) for tag in listed}
        return {tag: answer.headers.get("Docker-Content-Digest", "none") for tag, answer in found.items()}


@pytest.fixture
def makers(plain_registry: Place) -> Iterator[list[ImageMaker]]:
    """One image maker for each thread: threads must not share a session."""
    made = [plain_registry.maker(seed=time.time_ns() + number) for number in range(AT_ONCE)]
    yield made
    for one in made:
        one.close()


@pytest.mark.parametrize("kind", [Deleted, MovedAndMovedBack, Broken])
def test_an_operation_killed_at_any_request_ends_the_same(
    site: tuple[Site, Path], makers: list[ImageMaker], repository: str, kind: type[Operation]
) -> None:
    there, storage = site
    numbers = itertools.count()

    def at_step(at: int) -> tuple[int, str | None]:
        make = makers.pop()
        try:
            operation = kind(make=make, storage=storage, repository=f"{repository}/{next(numbers)}")
            return kill(there, operation, at)
        finally:
            makers.append(make)

    steps, wrong = at_step(FOREVER)
    assert wrong is None
    assert steps > 2 * AT_ONCE
    stride = 1 if EVERY_STEP in os.environ else -(-steps // AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        bad = [wrong for _, wrong in pool.map(at_step, range(stride, steps + 1, stride)) if wrong]
    assert not bad, bad

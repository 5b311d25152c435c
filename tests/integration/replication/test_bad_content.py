"""What a registry serves and cannot be right: parked with a reason that says what is wrong, and the rest goes on."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest
from tests.integration.conftest import Place
from tests.integration.replication.secondary import Secondary, pushed
from tests.support.images import ImageMaker, Made
from tests.support.proxy import Status

from geosync.sync_registry.items import FAILED

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OTHER = f"sha256:{'0' * 64}"


@pytest.fixture
def secondary(plain_registry: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(plain_registry, second_registry)
    yield one
    one.close()


@pytest.fixture
def make(plain_registry: Place) -> Iterator[ImageMaker]:
    with plain_registry.maker(seed=time.time_ns()) as maker:
        yield maker


def manifest(body: bytes, **headers: str) -> Status:
    """The primary answers so for the manifest of `bad`."""
    given = {"Content-Type": MANIFEST, **headers}
    return Status(method="GET", target=re.compile("/manifests/bad"), status=200, headers=given, body=body, times=99)


def layer(made: Made, body: bytes) -> Status:
    """The primary answers so for the image's layer."""
    target = re.compile(made.blobs[-1])
    return Status(method="GET", kind="blob", target=target, status=200, body=body, times=99)


def size_of_the_layer(made: Made) -> int:
    return int(json.loads(made.content)["layers"][-1]["size"])


CASES: dict[str, tuple[Callable[[Made], Status], str]] = {
    "a manifest over 4 MiB": (lambda made: manifest(b" " * (4 * 1024 * 1024 + 1)), "4194304"),
    "a manifest that is another": (
        lambda made: manifest(made.content, **{"Docker-Content-Digest": OTHER}),
        OTHER,
    ),
    "a manifest that is no JSON": (lambda made: manifest(b"<html>"), "manifest"),
    "a layer of other bytes": (
        lambda made: layer(made, b"x" * int(json.loads(made.content)["layers"][-1]["size"])),
        "hash",
    ),
    "a layer that is longer than it says": (lambda made: layer(made, b"x" * 90_000), "bytes"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_parked_with_its_reason_and_the_others_arrive(
    secondary: Secondary, make: ImageMaker, repository: str, case: str
) -> None:
    fault, reason = CASES[case]
    bad, good = make.image(repository, "bad", layers=1, size=2000), make.image(repository, "good", layers=1)
    secondary.primary_proxy.add(fault(bad))
    secondary.receive(pushed(bad), pushed(good))
    secondary.sweep_until(lambda: [one.parked for one in secondary.owed(repository)] == [True])
    (owed,) = secondary.owed(repository)
    assert str(owed.reference) == "bad"
    assert reason in (owed.failure or ""), owed.failure
    assert secondary.digest(repository, "good") == good.digest
    assert secondary.digest(repository, "bad") is None
    row = secondary.row(repository)
    assert row.state == FAILED
    assert "bad" in (row.last_sync_failure or "")
    (letter,) = secondary.dlq.messages
    assert reason in letter["MessageAttributes"]["reason"]["StringValue"]

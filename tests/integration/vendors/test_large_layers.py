"""A layer in chunks because of the time left, at a vendor's registry and by its rules."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from bench.images import MIB, push_large
from bench.ours import writer
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event
from tests.integration.vendors.test_ecr import HERE
from tests.integration.vendors.world import World, wait_for
from tests.support.proxy import Call
from tests.support.vendors.ecr import EcrDouble

from geosync.errors import Refused
from geosync.oci.credentials import Anonymous
from geosync.registries.registry import Registry
from geosync.registries.vendors.ecr import Ecr


class Content(io.BytesIO):
    """Bytes to stream."""

    def __len__(self) -> int:
        return len(self.getbuffer())


@pytest.fixture
def secondary(plain_registry: Place, ecr: EcrDouble) -> Iterator[Secondary]:
    one = Secondary(plain_registry, ecr, vendors=(Registry, Ecr), accesses=(Anonymous(), HERE))
    yield one
    one.close()


def test_a_layer_that_takes_too_long_goes_to_ecr_in_parts(
    secondary: Secondary, plain_registry: Place, repository: str
) -> None:
    """The double checks the parts' sizes and places."""
    client = writer(plain_registry.url)
    made = push_large(client, repository, 25 * MIB, "v1")
    client.close()
    secondary.registries.pace.rate = MIB
    secondary.deadline.set(40)  # 25 s, with slack more than there is

    secondary.receive(event("created", repository, tag="v1", digest=made.digest))

    secondary.deadline.clear()
    wait_for(secondary, repository)
    assert secondary.digest(repository, "v1") == made.digest
    assert secondary.secondary_proxy.counts()["PATCH", "upload"] == 2


def test_a_layer_that_takes_too_long_goes_to_github_in_chunks_of_4_mib_over_invocations(
    world: World, below: str
) -> None:
    """The double takes no larger chunk, and the registry behind it none that does not go on where the last ended."""
    double = world.double("ghcr")
    secondary = world.into("ghcr", double)
    client = writer(world.plain.url)
    made = push_large(client, below, 21 * MIB, "v1")
    client.close()
    secondary.registries.pace.rate = MIB / 4  # that of a chunk of 4 MiB is too short to be measured
    ranges: list[list[str]] = []
    for _ in range(3):
        before = len(double.requests)
        secondary.deadline.set(100)  # 168 s, with slack, are more than there is
        # Time gets short while the second chunk is under way: too short for a third one.
        ending = lambda: secondary.deadline.set(20)  # noqa: E731
        secondary.secondary_proxy.add(Call(method="PATCH", kind="upload", nth=2, before=ending))
        if before:
            secondary.sweep()
        else:
            secondary.receive(event("created", below, tag="v1", digest=made.digest))
        secondary.secondary_proxy.reset()
        chunks = [one for one in double.requests[before:] if one.method == "PATCH"]
        ranges.append([one.headers["content-range"] for one in chunks])
    secondary.deadline.clear()

    ends = [number * MIB for number in (4, 8, 12, 16, 20, 21)]
    expected = [f"{begin}-{end - 1}" for begin, end in zip([0, *ends], ends, strict=False)]
    assert ranges == [expected[:2], expected[2:4], expected[4:]]
    wait_for(secondary, below)
    assert secondary.digest(below, "v1") == made.digest
    assert not secondary.dlq.messages


def test_github_s_double_takes_no_larger_chunk(world: World, below: str) -> None:
    double = world.double("ghcr")
    registry = world.open("ghcr", double)
    upload = registry.begin_upload(below)
    assert upload is not None
    with pytest.raises(Refused, match=r"416 REQUESTED_RANGE_NOT_SATISFIABLE .* limit of 4\.00MiB"):
        registry.put_chunk(upload, 0, Content(b"0" * (4 * MIB + 1)))
    assert len(double.broken) == 1
    double.broken.clear()

"""A layer in chunks because of the time left, at a vendor's registry and by its rules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench.images import MIB, push_large
from bench.ours import writer
from tests.integration.conftest import Place
from tests.integration.replication.secondary import Secondary, event
from tests.integration.vendors.test_ecr import HERE
from tests.support.vendors.ecr import EcrDouble

from geosync.oci.credentials import Anonymous
from geosync.registries.registry import Registry
from geosync.registries.vendors.ecr import Ecr


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
    assert secondary.digest(repository, "v1") == made.digest
    assert not secondary.owed(repository)
    assert secondary.secondary_proxy.counts()["PATCH", "upload"] == 2

"""The largest images that the limits allow, several at once: each goes through, and memory stays within its budget."""

from __future__ import annotations

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

from tests.hostile.large_manifests import CONFIG, largest
from tests.integration.conftest import Place

from geosync.copying.copy import Copier
from geosync.copying.graph import MAX_MANIFEST_BYTES
from geosync.copying.route import Route
from geosync.oci import media_types
from geosync.oci.client import RegistryClient
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Manifest
from geosync.oci.memory import ATTEMPTS_BYTES, KEPT_BYTES, MIB, STEPS_BYTES, Memory
from geosync.oci.options import ClientOptions
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair

REFERENCES = 4
CHILDREN = 15
MOST_BYTES = 200 * MIB


def push(client: RegistryClient, repository: str, number: int) -> None:
    """Put an index of 15 images of 4 MiB each, most of which nobody reads, under a tag; itself of 4 MiB too."""
    children = []
    for child in range(CHILDREN):
        content = largest(b"%d of %d" % (child, number))
        children.append(Manifest.read(content, media_types.OCI_MANIFEST))
        client.put_manifest(repository, children[-1].digest, children[-1])
    listed = [{"mediaType": one.media_type, "digest": one.digest, "size": len(one.content)} for one in children]
    head = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
    content = head[:-1] + b',"x":[' + b"[]," * ((4 * MIB - len(head) - 20) // 3) + b"0]}"
    client.put_manifest(repository, f"v{number}", Manifest.read(content, media_types.OCI_INDEX))


def test_the_largest_images_go_within_the_budget(
    plain_registry: Place, second_registry: Place, repository: str
) -> None:
    deadline, memory = Deadline(), Memory()
    options = ClientOptions(memory=memory)
    pusher = RegistryClient(plain_registry.url, plain_registry.credentials, deadline=deadline, writes=True)
    reader = RegistryClient(plain_registry.url, plain_registry.credentials, deadline=deadline, options=options)
    writer = RegistryClient(
        second_registry.url, second_registry.credentials, deadline=deadline, writes=True, options=options
    )
    pusher.put_small_blob(repository, str(CONFIG["digest"]), b"{}")
    for number in range(REFERENCES):
        push(pusher, repository, number)
    assert CHILDREN * 4 * MIB <= MAX_MANIFEST_BYTES < (CHILDREN + 2) * 4 * MIB, "no larger one is allowed"

    pair = Pair(Repository(reader, repository), Repository(writer, repository))
    with Copier(Route(pair=pair, parallelism=24), before_tag_write=lambda: None) as copier:

        def sync(number: int) -> None:
            with memory.attempt(deadline):
                manifest = reader.get_manifest(repository, f"v{number}")
                assert manifest is not None
                copier.copy(manifest, f"v{number}")

        tracemalloc.start()
        try:
            with ThreadPoolExecutor(REFERENCES) as pool:
                list(pool.map(sync, range(REFERENCES)))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert all(writer.head_manifest(repository, f"v{number}") for number in range(REFERENCES))
    assert peak <= MOST_BYTES
    assert [pool.held for pool in (memory.attempts, memory.steps, memory.refusals, memory.kept)] == [0] * 4
    # The attack was mounted: each of these was full.
    assert ATTEMPTS_BYTES - 11 * MIB < memory.attempts.most_held <= ATTEMPTS_BYTES
    assert STEPS_BYTES - 11 * MIB < memory.steps.most_held <= STEPS_BYTES
    assert KEPT_BYTES - 4 * MIB <= memory.kept.most_held <= KEPT_BYTES

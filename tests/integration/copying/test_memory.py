"""Images of the largest manifests, several at once: each goes through, and memory stays within its budget.

What one manifest takes to parse, whatever its shape, is in tests/hostile/test_memory.py. `make bench` copies those that
take the most.
"""

from __future__ import annotations

import tracemalloc
from functools import partial

from bench import memory as bench
from bench.memory import MOST, REFERENCES, copy_all, push_largest
from tests.hostile.large_manifests import CONFIG, largest
from tests.integration.conftest import Place

from geosync.copying.parts import MAX_MANIFEST_BYTES
from geosync.oci.client import RegistryClient
from geosync.oci.deadline import Deadline
from geosync.oci.memory import ATTEMPTS_BYTES, KEPT_BYTES, MIB, STEPS_BYTES, Memory
from geosync.oci.options import ClientOptions

LARGEST = 4 * MIB
CHILDREN = 4
"""Of the 15 that an image may have. With four of them at once every pool is full, which is looked at here; the others
only take longer. `make bench` copies all 15."""
TEXT = b'"%s"' % (b"x" * 65_000)
"""Of such texts they are made: each registry takes a second of processor time to read 4 MiB of empty lists."""


def test_no_image_is_larger_than_those_of_the_bench() -> None:
    assert bench.CHILDREN * LARGEST <= MAX_MANIFEST_BYTES < (bench.CHILDREN + 2) * LARGEST


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
        push_largest(pusher, repository, partial(largest, item=TEXT), number, CHILDREN, TEXT)
    tracemalloc.start()
    try:
        copy_all(reader, writer, repository, REFERENCES)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(writer.head_manifest(repository, f"v{number}") for number in range(REFERENCES))
    for client in (pusher, reader, writer):
        client.close()
    assert peak <= MOST
    assert [pool.held for pool in (memory.attempts, memory.steps, memory.refusals, memory.kept)] == [0] * 4
    # The attack was mounted: each of these was full.
    assert ATTEMPTS_BYTES - 11 * MIB < memory.attempts.most_held <= ATTEMPTS_BYTES
    assert STEPS_BYTES - 11 * MIB < memory.steps.most_held <= STEPS_BYTES
    assert KEPT_BYTES - 2 * LARGEST <= memory.kept.most_held <= KEPT_BYTES

"""An image of many small indexes costs its size: each index of a level refers to all of the next level."""

from __future__ import annotations

import json
import threading

import pytest
from tests.hostile.steps import steps

from geosync.copying.graph import Graph
from geosync.copying.parts import MAX_DEPTH, CopyRun, Part
from geosync.errors import MalformedManifest
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.media_types import OCI_INDEX


def index(name: str) -> Manifest:
    return Manifest.read(json.dumps({"schemaVersion": 2, "manifests": [], "name": name}).encode(), OCI_INDEX)


def descriptor(manifest: Manifest) -> Descriptor:
    return Descriptor(media_type=OCI_INDEX, digest=manifest.digest, size=len(manifest.content))


def build(layers: list[list[Manifest]]) -> tuple[Graph, list[Part]]:
    """Make a graph in which each part of a level waits for all parts of the next; return all parts."""
    graph, run = Graph(), CopyRun(threading.Event())
    root = graph.root(run, index("root"), "v1")
    assert root is not None
    parts = {root.digest: root}
    above = [root]
    for layer in layers:
        wanted = [descriptor(one) for one in layer]
        for part in above:
            parts |= {fresh.digest: fresh for fresh in graph.need(part, wanted, ()) or ()}
        above = [parts[one.digest] for one in wanted]
    return graph, list(parts.values())


def test_many_indexes_that_share_all_below_them_cost_their_edges() -> None:
    def cost(width: int) -> tuple[int, int]:
        layers = [[index(f"{layer}-{one}") for one in range(width)] for layer in range(8)]
        return steps(lambda: build(layers)), width + 7 * width * width

    (small, few), (large, many) = cost(8), cost(24)
    assert large / small < 1.3 * many / few


def test_what_is_put_deeper_again_and_again_costs_its_edges() -> None:
    """The longest chain is found last, and what it shares with the others is put deeper each time."""

    def cost(width: int) -> int:
        shared = [index(f"shared-{one}") for one in range(width)]
        chain = [index(f"chain-{one}") for one in range(MAX_DEPTH - 2)]

        def run() -> None:
            graph = Graph()
            root = graph.root(CopyRun(threading.Event()), index("root"), "v1")
            assert root is not None
            above = root
            for one in chain:
                fresh = graph.need(above, [descriptor(one), *map(descriptor, shared)], ())
                assert fresh is not None
                above = next(part for part in fresh if part.digest == one.digest)

        return steps(run)

    assert cost(400) / cost(100) < 4.5


@pytest.mark.parametrize("length", [1, 2, MAX_DEPTH])
def test_a_loop_is_found_wherever_it_closes(length: int) -> None:
    chain = [index(f"chain-{one}") for one in range(length)]
    graph, parts = build([[one] for one in chain])
    first, last = parts[1], parts[-1]
    with pytest.raises(MalformedManifest, match=r"contains itself|nested deeper"):
        graph.need(last, [first.descriptor], ())
    with pytest.raises(MalformedManifest):
        build([[one] for one in [*chain, *(index(f"more-{one}") for one in range(MAX_DEPTH + 1 - length))]])

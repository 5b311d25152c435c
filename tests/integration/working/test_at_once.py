"""What a holder has in flight at a time, on the wire between real registries: small images wait for no other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from tests.integration.secondary import Secondary
from tests.support.images import ImageMaker, Made
from tests.support.patience import PATIENCE_S
from tests.support.proxy import Call

from geosync.messages.work import WorkMessage
from geosync.oci.memory import GRAPH_BYTES, GRAPHS_BYTES
from geosync.pair.settings import PARALLELISM, REFERENCES
from geosync.sync_registry.items import Reference
from geosync.sync_registry.transitions.marks import Mark


def held_back(kind: str, barrier: threading.Barrier) -> Call:
    """Have each GET of a kind wait at a barrier."""
    return Call(method="GET", kind=kind, times=10**9, before=partial(barrier.wait, PATIENCE_S))


def work_off(secondary: Secondary, repository: str, made: Sequence[Made]) -> None:
    """Mark all images, and have one holder work them off."""
    for one in made:
        secondary.sync_registry.mark(repository, Reference.tag(one.reference), Mark(expects=one.digest))
    secondary.receive(WorkMessage(repository=repository, reason="event").to_json())
    assert secondary.owed(repository) == []
    assert all(secondary.digest(repository, one.reference) == one.digest for one in made)


def test_small_images_are_copied_in_as_many_turns_as_there_are_references_at_a_time(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    """No manifest is answered before sixteen are asked for, and no blob before sixteen are: a barrier that breaks cuts
    the connection. Each image has two blobs of its own.
    """
    turns = 2
    made = [make.image(repository, f"v{number}", layers=1, size=500) for number in range(turns * REFERENCES)]
    manifests, blobs = threading.Barrier(REFERENCES), threading.Barrier(PARALLELISM)
    for kind, barrier in (("tag", manifests), ("blob", blobs)):
        secondary.primary_proxy.add(held_back(kind, barrier))

    work_off(secondary, repository, made)

    assert not manifests.broken
    assert not blobs.broken
    # Nine requests for an image of two blobs: the least that Distribution takes, with the look that shows it.
    count = len(made)
    assert secondary.primary_proxy.counts() == {("GET", "tag"): count, ("GET", "blob"): 2 * count}
    assert secondary.secondary_proxy.counts() == {
        ("POST", "uploads"): 2 * count,
        ("PUT", "upload"): 2 * count,
        ("PUT", "tag"): count,
        ("HEAD", "tag"): count,
    }


def test_indexes_are_copied_four_at_a_time_as_what_is_below_them_has_a_budget(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    at_once = GRAPHS_BYTES // GRAPH_BYTES
    made = [make.index(repository, f"v{number}", children=1, layers=1, size=500) for number in range(2 * at_once)]
    children = threading.Barrier(at_once)
    secondary.primary_proxy.add(held_back("manifest", children))

    work_off(secondary, repository, made)

    assert not children.broken
    graphs = secondary.registries.primary.memory.graphs
    assert (graphs.most_held, graphs.held) == (GRAPHS_BYTES, 0)

"""Two references with common parts: a bound that ends the one does not end the other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from geosync.copying import charges
from geosync.copying.graph import Graph
from geosync.copying.parts import CopyRun, Part
from geosync.errors import ContentError, MalformedManifest, TooLarge
from geosync.oci import media_types
from geosync.oci.manifests import Descriptor, Manifest


def named(*numbers: int) -> list[Descriptor]:
    return [Descriptor(media_type="", digest=f"sha256:{number:064}", size=1) for number in numbers]


def manifest(size: int) -> Manifest:
    return Manifest(media_type=media_types.OCI_INDEX, digest=f"sha256:{size:064}", content=b"x" * size)


@dataclass
class Two:
    """Two references at the manifest `common`, which the greedy one wanted first."""

    graph: Graph
    greedy: CopyRun
    modest: CopyRun
    common: Part

    def need(self, part: Part, *numbers: int) -> list[Part]:
        """Have `part` wait for manifests; all of them are new."""
        fresh = self.graph.need(part, named(*numbers), ())
        assert fresh is not None
        assert len(fresh) == len(numbers)
        return fresh

    def see_that_only_the_greedy_one_ended(self, kind: type[ContentError]) -> None:
        assert isinstance(self.greedy.error, kind)
        assert not self.modest.ended.is_set()
        assert self.common.runs == {self.modest}


@pytest.fixture
def two() -> Two:
    """The greedy reference has 1, 2 and 3 below it, and 3 below 1 as well; the modest one has 3."""
    graph, greedy, modest = Graph(), CopyRun(threading.Event()), CopyRun(threading.Event())
    first, second = graph.root(greedy, manifest(11), "greedy"), graph.root(modest, manifest(12), "modest")
    assert first is not None
    assert second is not None
    below = graph.need(first, named(1, 2, 3), ())
    assert below is not None
    assert graph.need(below[0], named(3), ()) == []
    assert graph.need(second, named(3), ()) == [], "it is on its way"
    return Two(graph, greedy, modest, below[2])


def test_too_many_parts_end_their_copy(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charges, "MAX_PARTS", 6)
    fresh = two.need(two.common, 20, 21, 22, 23)
    two.see_that_only_the_greedy_one_ended(MalformedManifest)
    two.need(fresh[0], 30)
    assert not two.modest.ended.is_set()
    with pytest.raises(MalformedManifest, match="more than 6 manifests and blobs"):
        two.graph.need(fresh[1], named(40, 41), ())


def test_too_many_edges_end_their_copy(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charges, "MAX_EDGES", 5)
    two.need(two.common, 20, 21)
    two.see_that_only_the_greedy_one_ended(MalformedManifest)


def test_too_many_bytes_of_manifests_end_their_copy(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charges, "MAX_MANIFEST_BYTES", 150)
    (own,) = (part for part in two.graph._live if part.digest == named(1)[0].digest)
    two.graph.hold(own, manifest(100))
    two.graph.hold(two.common, manifest(60))
    two.see_that_only_the_greedy_one_ended(TooLarge)
    (below,) = two.need(two.common, 20)
    with pytest.raises(TooLarge):
        two.graph.hold(below, manifest(91))


def test_a_chain_that_is_too_long_ends_its_copy(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charges, "MAX_DEPTH", 2)
    (below,) = two.need(two.common, 20)
    two.see_that_only_the_greedy_one_ended(MalformedManifest)
    with pytest.raises(MalformedManifest, match="nested deeper than 2"):
        two.graph.need(below, named(30), ())


def test_a_part_returns_to_its_former_depth_once_the_manifest_above_it_failed(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charges, "MAX_DEPTH", 2)
    (own,) = (part for part in two.graph._live if part.digest == named(2)[0].digest)
    two.graph.fail(own, TooLarge("anything"))
    two.see_that_only_the_greedy_one_ended(TooLarge)
    two.need(two.common, 20)


def test_a_copy_that_joins_a_part_in_flight_is_charged_for_all_below_it(two: Two) -> None:
    two.need(two.common, 20, 21)
    two.graph.hold(two.common, manifest(60))
    third = CopyRun(threading.Event())
    root = two.graph.root(third, manifest(13), "third")
    assert root is not None
    assert two.graph.need(root, named(3), ()) == []
    assert (third.parts, third.edges, third.manifest_bytes) == (3, 3, 60)
    assert (two.modest.parts, two.modest.edges, two.modest.manifest_bytes) == (3, 3, 60)


def test_a_part_that_several_name_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two manifests of the same four blobs: six parts, and no more."""
    monkeypatch.setattr(charges, "MAX_PARTS", 6)
    graph, run = Graph(), CopyRun(threading.Event())
    root = graph.root(run, manifest(11), "v1")
    assert root is not None
    for child in graph.need(root, named(1, 2), ()) or ():
        graph.need(child, (), named(20, 21, 22, 23))
    assert run.parts == 6


def test_a_shared_put_is_counted_for_the_copy_that_still_wants_it(two: Two) -> None:
    (own,) = (part for part in two.graph._live if part.digest == named(1)[0].digest)
    two.graph.fail(own, TooLarge("anything"))
    two.graph.finish(two.common, 5)
    assert two.modest.manifests_put == 1
    assert two.greedy.manifests_put == 0


def needed(graph: Graph, part: Part, manifests: Sequence[Descriptor], blobs: Sequence[Descriptor]) -> list[Part]:
    fresh = graph.need(part, manifests, blobs)
    assert fresh is not None
    return fresh


def test_a_part_that_turns_into_one_in_flight_is_charged_once() -> None:
    graph, run, other = Graph(), CopyRun(threading.Event()), CopyRun(threading.Event())
    first, second = graph.root(run, manifest(11), "v1"), graph.root(other, manifest(12), "v2")
    assert first is not None
    assert second is not None
    (blob,) = needed(graph, first, (), named(1))
    graph.need(second, named(1), ())
    assert graph.turn(blob) is None
    assert (run.parts, other.parts) == (1, 1)


def test_a_part_that_cannot_turn_leaves_every_depth_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest 1 is above 2; below 3 it would be too deep itself, or have 2 be too deep."""
    monkeypatch.setattr(charges, "MAX_DEPTH", 3)
    graph, run, other = Graph(), CopyRun(threading.Event()), CopyRun(threading.Event())
    first, second = graph.root(run, manifest(11), "v1"), graph.root(other, manifest(12), "v2")
    assert first is not None
    assert second is not None
    (one,) = needed(graph, first, named(1), ())
    (two,) = needed(graph, one, named(2), ())
    (three,) = needed(graph, second, named(3), ())
    (four,) = needed(graph, three, named(4), ())
    (blob,) = needed(graph, four, (), named(1))
    with pytest.raises(MalformedManifest, match="nested deeper"):
        graph.turn(blob)
    assert (one.depth, two.depth) == (1, 2)

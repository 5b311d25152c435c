"""What an index lists is what the primary has under its digest, whatever media type the index names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from tests.unit.copying.fakes import descriptor_of
from tests.unit.copying.sites import Site, layers

from geosync.clock import SYSTEM_CLOCK
from geosync.copying.graph import Graph
from geosync.copying.parts import CopyRun, Retry
from geosync.copying.repair import Repairer
from geosync.copying.route import Route
from geosync.errors import ChildAbsent, DigestMismatch, NotFound
from geosync.oci import media_types
from geosync.oci.manifests import Manifest
from geosync.sync_registry.items import EVERYTHING
from geosync.verifying.asking import Asking
from geosync.verifying.contents import Below, Contents

MEDIA_TYPES = [
    "application/vnd.example+json",
    "",
    f"{media_types.OCI_MANIFEST}; charset=utf-8",
    "Application/VND.OCI.image.manifest.v1+JSON",
    media_types.OCI_LAYER_GZIP,
]
HABITS = [{}, {"checks_children": False}, {"checks_blobs": False}, {"checks_blobs": False, "checks_children": False}]


def index_of(site: Site, *entries: dict[str, Any]) -> Manifest:
    return site.source.add({"mediaType": media_types.OCI_INDEX, "manifests": list(entries)})


def manifest_called(site: Site, media_type: str) -> Manifest:
    child = site.source.add_image(*layers(2), config=media_type.encode() or b"none")
    return index_of(site, {**descriptor_of(child), "mediaType": media_type})


def blob_called_a_manifest(site: Site) -> Manifest:
    return index_of(site, {**site.source.add_blob(b"blob"), "mediaType": media_types.OCI_MANIFEST})


def look(site: Site, manifest: Manifest) -> Below:
    """Verify what is below a manifest at the destination."""
    with ThreadPoolExecutor(2) as pool:
        contents = Contents(site.pair, Asking(0, 1000, SYSTEM_CLOCK), pool)
        return contents.look([manifest])[manifest.digest]


@pytest.mark.parametrize("habits", HABITS, ids=str)
@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_manifest_of_any_media_type_is_copied_and_is_whole(media_type: str, habits: dict[str, bool]) -> None:
    site = Site(**habits)
    index = manifest_called(site, media_type)
    with site.copier() as copier:
        copier.copy(index, "v1")
    assert site.is_whole(index)
    assert not look(site, index).bad


@pytest.mark.parametrize("habits", HABITS, ids=str)
def test_a_blob_that_is_called_a_manifest_is_copied_and_is_whole(habits: dict[str, bool]) -> None:
    site = Site(**habits)
    index = blob_called_a_manifest(site)
    with site.copier() as copier:
        copier.copy(index, "v1")
    assert site.is_whole(index)
    assert not look(site, index).bad


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_what_is_missing_below_a_manifest_of_any_media_type_is_found_and_repaired(site: Site, media_type: str) -> None:
    index = manifest_called(site, media_type)
    (entry,) = index.entries
    child = site.source.manifests[entry.digest]
    with site.copier() as copier:
        copier.copy(index, "v1")
    lost = child.blobs[-1].digest
    del site.destination.blobs[lost]
    assert look(site, index).blobs == {lost}
    del site.destination.manifests[child.digest]
    assert look(site, index).manifests == {child.digest}
    Repairer(Route(pair=site.pair), check=lambda: None).repair(index, frozenset({EVERYTHING}))
    assert site.is_whole(index)
    assert not look(site, index).bad


def test_a_blob_that_is_called_a_manifest_is_missed_and_repaired_as_a_blob(site: Site) -> None:
    index = blob_called_a_manifest(site)
    with site.copier() as copier:
        copier.copy(index, "v1")
    (entry,) = index.entries
    del site.destination.blobs[entry.digest]
    below = look(site, index)
    assert below.blobs == {entry.digest}
    assert not below.manifests
    Repairer(Route(pair=site.pair), check=lambda: None).repair(index, frozenset({entry.digest}))
    assert site.is_whole(index)


def test_one_digest_may_be_listed_as_both_kinds(site: Site) -> None:
    child = site.source.add_image(*layers(1))
    both = [{**descriptor_of(child), "mediaType": name} for name in (MEDIA_TYPES[0], media_types.OCI_MANIFEST)]
    one, other = index_of(site, both[0]), index_of(site, both[1])
    outer = index_of(site, descriptor_of(one), descriptor_of(other))
    with site.copier(parallelism=4) as copier:
        copier.copy(outer, "v1")
    assert site.is_whole(outer)
    assert site.source.count("GET manifest") <= 4


def test_the_layer_of_an_image_is_never_taken_for_a_manifest(site: Site) -> None:
    child = site.source.add_image(*layers(1))
    document = {
        "mediaType": media_types.OCI_MANIFEST,
        "config": {**site.source.add_blob(b"config"), "mediaType": media_types.OCI_CONFIG},
        "layers": [descriptor_of(child)],
    }
    image = site.source.add(document)
    with site.copier() as copier, pytest.raises(NotFound):
        copier.copy(image, "v1")
    assert child.digest not in site.destination.manifests


@pytest.mark.parametrize("media_type", [media_types.OCI_MANIFEST, "application/vnd.example+json"])
def test_a_digest_that_the_primary_has_as_neither_kind_is_not_found(site: Site, media_type: str) -> None:
    child = site.source.add_image(*layers(1))
    index = index_of(site, {**descriptor_of(child), "mediaType": media_type})
    del site.source.manifests[child.digest]
    with site.copier() as copier, pytest.raises(NotFound):
        copier.copy(index, "v1")


@pytest.mark.parametrize(("checks_some", "shape"), [(False, "index"), (False, "index of indexes"), (True, "index")])
def test_a_child_that_the_primary_lacks_too_is_left_out_where_it_may_be(*, checks_some: bool, shape: str) -> None:
    """A sparse index: Distribution 3 can be told to check no children, or those of some platforms."""
    site = Site(checks_children=checks_some)
    present, absent = (site.source.add_image(*layers(2, start=10 * number)) for number in (1, 2))
    index = site.source.add_index(present, absent)
    index = site.source.add_index(index, present) if shape == "index of indexes" else index
    del site.source.manifests[absent.digest]
    site.destination.never_checked = {absent.digest}
    with site.copier() as copier:
        with pytest.raises(ChildAbsent):
            copier.copy(index, "v1", replaces=True)
        assert "v1" not in site.destination.tagged
        copier.copy(index, "v1", retry=Retry(leaves_out=True), replaces=True)
    assert site.destination.tagged["v1"] == index.digest
    assert site.is_whole(present)
    assert absent.digest not in site.destination.manifests
    assert not look(site, index).bad
    lost = present.blobs[-1].digest
    del site.destination.blobs[lost]
    assert look(site, index).blobs == {lost}
    Repairer(Route(pair=site.pair), check=lambda: None).repair(index, frozenset({lost}))
    assert not look(site, index).bad


def test_a_child_that_was_left_out_comes_with_the_next_index_that_lists_it() -> None:
    site = Site(checks_children=False)
    child, other = site.source.add_image(*layers(1)), site.source.add_image(*layers(1, start=5))
    first, second = site.source.add_index(child, other), site.source.add_index(other, child)
    del site.source.manifests[child.digest]
    with site.copier() as copier:
        copier.copy(first, "first", retry=Retry(leaves_out=True))
        site.source.manifests[child.digest] = child
        copier.copy(second, "second", retry=Retry(leaves_out=True))
    assert site.destination.tagged == {"first": first.digest, "second": second.digest}
    assert site.is_whole(second)


def test_only_the_copy_that_may_leave_a_child_out_leaves_it_out() -> None:
    site = Site()
    child = site.source.add_image(*layers(1))
    indexes = [site.source.add_index(child), site.source.add_index(child, child)]
    runs = [CopyRun(Event()), CopyRun(Event(), Retry(leaves_out=True))]
    graph = Graph()
    strict, lenient = (graph.root(run, index, "v1") for run, index in zip(runs, indexes, strict=True))
    assert strict is not None
    assert lenient is not None
    (part,) = graph.need(strict, [child.descriptor], []) or [strict]
    assert graph.need(lenient, [child.descriptor], []) == []
    error = NotFound("source:5000", "GET", status=404)
    assert graph.leave_out(part, error) == [lenient]
    assert [run.error for run in runs] == [error, None]
    assert not runs[1].ended.is_set()
    assert graph.need(lenient, [child.descriptor], []) is None


def test_a_child_that_is_wrong_here_and_gone_at_the_primary_is_not_absent() -> None:
    site = Site(checks_children=False)
    child = site.source.add_image(*layers(1))
    index = site.source.add_index(child)
    with site.copier() as copier:
        copier.copy(index, "v1")
    del site.source.manifests[child.digest]
    assert not look(site, index).bad

    def read_wrong(verb: str, what: str) -> None:
        if (verb, what) == ("GET manifest", child.digest):
            raise DigestMismatch("it hashes to another digest")

    site.destination.before = read_wrong
    assert look(site, index).manifests == {child.digest}
    with pytest.raises(ChildAbsent):
        Repairer(Route(pair=site.pair), check=lambda: None).repair(index, frozenset({child.digest}))


def test_a_child_that_the_primary_has_is_missing_where_it_is_not_looked_for_by_itself() -> None:
    site = Site(checks_children=False)
    child = site.source.add_image(*layers(1))
    index = site.source.add_index(child)
    with site.copier() as copier:
        copier.copy(index, "v1")
    del site.destination.manifests[child.digest]
    assert look(site, index).manifests == {child.digest}


def test_a_cache_that_lost_a_blob_has_lost_a_blob(site: Site) -> None:
    cache = index_of(site, site.source.add_blob(b"layer"), site.source.add_blob(b"other"))
    with site.copier() as copier:
        copier.copy(cache, "cache")
    lost = cache.entries[0].digest
    del site.destination.blobs[lost]
    assert look(site, cache).blobs == {lost}
    Repairer(Route(pair=site.pair), check=lambda: None).repair(cache, frozenset())
    assert site.is_whole(cache)

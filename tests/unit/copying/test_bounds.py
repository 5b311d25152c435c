"""Manifests that no copy takes: loops, too much depth, too many parts or bytes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.support.patience import PATIENCE_S
from tests.unit.copying.sites import Site, layers

from geosync.copying import charges, graph
from geosync.copying.parts import MAX_DEPTH, CopyRun
from geosync.errors import (
    MalformedManifest,
    TooLarge,
)
from geosync.oci import media_types
from geosync.oci.manifests import Descriptor, Manifest

# --- what a hostile source may serve


def test_a_manifest_that_contains_itself_is_refused(site: Site) -> None:
    first = site.source.add_index()
    second = site.source.add_index(first)
    looped = replace(first, content=site.source.add_index(second).content)
    site.source.manifests[first.digest] = looped
    with site.copier() as copier, pytest.raises(MalformedManifest, match="contains itself"):
        copier.copy(second, "v1")
    with site.copier() as copier, pytest.raises(MalformedManifest, match="contains itself"):
        copier.copy(second, None)


def test_a_loop_met_by_two_copies_at_once_ends_both(site: Site) -> None:
    first = site.source.add_index()
    second = site.source.add_index(first)
    third = site.source.add_index(second)
    site.source.manifests[first.digest] = replace(first, content=site.source.add_index(third).content)
    for _ in range(20):
        with site.copier() as copier, ThreadPoolExecutor(3) as callers:
            copies = [
                callers.submit(copier.copy, site.source.manifests[one.digest], tag)
                for one, tag in ((first, None), (second, "b"), (third, None))
            ]
            for copy in copies:
                with pytest.raises(MalformedManifest):
                    copy.result(PATIENCE_S)


def test_nesting_has_a_bound(site: Site) -> None:
    deep = site.source.add_image(b"bottom")
    for _ in range(MAX_DEPTH + 1):
        deep = site.source.add_index(deep)
    with site.copier() as copier, pytest.raises(MalformedManifest, match="nested deeper"):
        copier.copy(deep, "v1")


def test_the_number_of_parts_has_a_bound(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charges, "MAX_PARTS", 10)
    wide = site.source.add_index(*(site.source.add_image(*layers(4, start=10 * n)) for n in range(3)))
    with site.copier() as copier, pytest.raises(MalformedManifest, match="more than 10 "):
        copier.copy(wide, "v1")


def test_the_number_of_edges_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three images of the same five blobs: three edges of the index, and five of each image.

    The graph itself is asked: in a copy, a layer that arrives before the next image is read is no edge of that one.
    """
    images = [Descriptor(media_type="", digest=f"sha256:{n:064}", size=1) for n in range(3)]
    blobs = [Descriptor(media_type="", digest=f"sha256:{n:064}", size=1) for n in range(3, 8)]
    parts = graph.Graph()
    index = Manifest(media_type=media_types.OCI_INDEX, digest=f"sha256:{8:064}", content=b"{}")
    root = parts.root(CopyRun(threading.Event()), index, "v1")
    assert root is not None
    below = parts.need(root, images, ())
    assert below is not None
    first, second, third = below
    assert len(parts.need(first, (), blobs) or ()) == 5
    assert parts.need(second, (), blobs) == [], "shared with the first"
    monkeypatch.setattr(charges, "MAX_EDGES", 17)
    with pytest.raises(MalformedManifest, match="name more than 17 parts"):
        parts.need(third, (), blobs)
    assert third.pending == 0, "nothing was changed"
    monkeypatch.setattr(charges, "MAX_EDGES", 18)
    assert parts.need(third, (), blobs) == []


def test_the_manifests_in_memory_have_a_bound(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [site.source.add_image(*layers(4, start=10 * n)) for n in range(3)]
    monkeypatch.setattr(charges, "MAX_MANIFEST_BYTES", 2 * len(images[0].content) + 100)
    with site.copier() as copier, pytest.raises(TooLarge, match="bytes of manifests"):
        copier.copy(site.source.add_index(*images), "v1")

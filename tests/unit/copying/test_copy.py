"""What the copier asks of the two registries, and what it shares between references."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.patience import PATIENCE_S
from tests.unit.copying.sites import Site, layers

from geosync.oci import media_types

# --- the requests of each case; the caller's GET and HEAD come on top


@pytest.mark.parametrize("count", [0, 1, 5, 20])
def test_a_first_copy_asks_once_and_moves_each_blob_with_three_requests(site: Site, count: int) -> None:
    image = site.source.add_image(*layers(count))
    with site.copier() as copier:
        result = copier.copy(image, "v1")
    assert Counter(verb for verb, _ in site.destination.requests) == {
        "PUT manifest": 2,
        "POST upload": count + 1,
        "PUT blob": count + 1,
    }
    assert Counter(verb for verb, _ in site.source.requests) == {"GET blob": count + 1}
    assert site.destination.tagged == {"v1": image.digest}
    assert site.is_whole(image)
    assert (result.blobs_copied, result.blobs_there, result.manifests_put) == (count + 1, 0, 1)
    assert result.bytes_copied == sum(len(site.source.blobs[blob.digest]) for blob in image.blobs)


@pytest.mark.parametrize("children", [2, 4])
def test_the_first_copy_of_an_index_costs_two_requests_a_child_and_three_a_unique_blob(
    site: Site, children: int
) -> None:
    shared = layers(2)
    images = [
        site.source.add_image(*shared, *layers(2, start=10 * number), config=b"%d" % number)
        for number in range(1, children + 1)
    ]
    index = site.source.add_index(*images)
    unique = len({blob.digest for image in images for blob in image.blobs})
    with site.copier() as copier:
        result = copier.copy(index, "v1")
    total = len(site.source.requests) + len(site.destination.requests)
    assert total + 2 == 3 * unique + 2 * children + 4
    assert site.is_whole(index)
    assert result.manifests_put == children + 1
    assert result.blobs_copied == unique


def test_another_tag_for_what_is_there_is_one_put(site: Site) -> None:
    image = site.source.add_image(*layers(3))
    with site.copier() as copier:
        copier.copy(image, "v1")
        site.destination.requests.clear()
        site.source.requests.clear()
        copier.copy(image, "v2")
    assert site.destination.requests == [("PUT manifest", "v2")]
    assert site.source.requests == []


def test_a_new_config_on_layers_that_are_there_moves_only_the_config(site: Site) -> None:
    old = site.source.add_image(*layers(3), config=b"old")
    new = site.source.add_image(*layers(3), config=b"new")
    with site.copier() as copier:
        copier.copy(old, "v1")
        before = len(site.destination.requests) + len(site.source.requests)
        copier.copy(new, "v1")
    assert len(site.destination.requests) + len(site.source.requests) - before == 5
    assert site.destination.tagged == {"v1": new.digest}


def test_below_a_missing_child_a_blob_that_is_there_costs_one_request_and_no_bytes(site: Site) -> None:
    image = site.source.add_image(*layers(3))
    there = image.blobs[1]
    site.destination.blobs[there.digest] = site.source.blobs[there.digest]
    index = site.source.add_index(image)
    with site.copier() as copier:
        result = copier.copy(index, "v1")
    assert there.digest not in site.source.of("GET blob")
    assert site.destination.of("POST upload").count(there.digest) == 1
    assert (result.blobs_copied, result.blobs_there) == (3, 1)


def test_only_the_changed_child_of_an_index_is_touched(site: Site) -> None:
    same, old, new = (site.source.add_image(*layers(2, start=s)) for s in (0, 10, 20))
    with site.copier() as copier:
        copier.copy(site.source.add_index(same, old), "v1")
    with site.copier() as copier:
        site.source.requests.clear()
        copier.copy(site.source.add_index(same, new), "v1")
    assert site.source.of("GET manifest") == [new.digest]


def test_an_index_of_indexes_is_copied_whole(site: Site) -> None:
    images = [site.source.add_image(*layers(2, start=n), config=b"c%d" % n) for n in range(4)]
    inner = [site.source.add_index(*images[:2]), site.source.add_index(*images[1:])]
    outer = site.source.add_index(*inner, images[0])
    with site.copier(parallelism=1) as copier:
        copier.copy(outer, "v1")
    assert site.is_whole(outer)
    assert Counter(site.destination.of("PUT blob")).most_common(1)[0][1] == 1
    assert Counter(site.source.of("GET manifest")).most_common(1)[0][1] == 1


def test_a_buildkit_cache_index_lists_blobs_and_they_are_copied_as_blobs(site: Site) -> None:
    listed = [site.source.add_blob(layer) for layer in layers(2)]
    listed.append({**site.source.add_blob(b"{}"), "mediaType": "application/vnd.buildkit.cacheconfig.v0"})
    cache = site.source.add({"mediaType": media_types.OCI_INDEX, "manifests": listed})
    with site.copier() as copier:
        copier.copy(cache, "cache")
    assert site.is_whole(cache)
    assert site.source.count("GET manifest") == 0


def test_by_digest_no_tag_is_written_and_the_guard_is_not_asked(site: Site) -> None:
    image = site.source.add_image(*layers(1))
    with site.copier() as copier:
        copier.copy(image, None)
    assert set(site.destination.of("PUT manifest")) == {image.digest}
    assert site.destination.tagged == {}
    assert site.guarded == 0


def test_the_guard_is_asked_before_every_write_of_a_tag(site: Site) -> None:
    image = site.source.add_image(*layers(1))
    with site.copier() as copier:
        copier.copy(site.source.add_index(image), "v1")
    assert site.guarded == site.destination.of("PUT manifest").count("v1") == 2


# --- what a copier shares between references


def test_references_copied_at_once_move_what_they_share_once(site: Site) -> None:
    shared = layers(4)
    images = [site.source.add_image(*shared, config=b"config %d" % number) for number in range(6)]
    begin = threading.Barrier(6)

    def copy(number: int) -> None:
        begin.wait(PATIENCE_S)
        copier.copy(images[number], f"v{number}")

    with site.copier() as copier, ThreadPoolExecutor(6) as callers:
        list(callers.map(copy, range(6)))
    assert all(site.is_whole(image) for image in images)
    assert max(Counter(site.destination.of("PUT blob")).values()) == 1
    assert max(Counter(site.source.of("GET blob")).values()) == 1
    assert max(Counter(site.destination.of("POST upload")).values()) == 1


def test_an_index_and_its_child_by_digest_copied_at_once_share_the_child(site: Site) -> None:
    child = site.source.add_image(*layers(3))
    index = site.source.add_index(child, site.source.add_image(*layers(2, start=7)))
    inside, released = threading.Event(), threading.Event()

    def hold_a_blob(digest: str) -> None:
        inside.set()
        assert released.wait(PATIENCE_S)

    site.source.before_block = hold_a_blob
    with site.copier() as copier, ThreadPoolExecutor(2) as callers:
        whole = callers.submit(copier.copy, index, "v1")
        assert inside.wait(PATIENCE_S)
        part = callers.submit(copier.copy, child, None)
        released.set()
        whole.result(PATIENCE_S)
        part.result(PATIENCE_S)
        site.destination.requests.clear()
        copier.copy(child, None)
    assert site.destination.requests == [], "the child was done"
    assert max(Counter(site.source.of("GET blob")).values()) == 1
    assert site.is_whole(index)


# --- registries with other habits


def test_where_a_put_checks_nothing_nothing_is_put_before_its_parts_are_there() -> None:
    site = Site(checks_blobs=False, checks_children=False)
    image = site.source.add_image(*layers(3))
    index = site.source.add_index(image, site.source.add_image(*layers(2, start=9)))

    def whole_before_put(verb: str, what: str) -> None:
        if verb == "PUT manifest" and what == "v1":
            assert all(site.is_whole(site.source.manifests[child.digest]) for child in index.children)

    site.destination.before = whole_before_put
    with site.copier() as copier:
        copier.copy(index, "v1")
    assert site.is_whole(index)
    assert site.destination.of("PUT manifest").count("v1") == 1


def test_where_a_put_checks_nothing_a_child_that_is_there_is_only_looked_at() -> None:
    site = Site(checks_blobs=False, checks_children=False)
    image = site.source.add_image(*layers(3))
    with site.copier() as copier:
        copier.copy(image, "v1")
    site.source.requests.clear()
    site.destination.requests.clear()
    with site.copier() as copier:
        copier.copy(site.source.add_index(image), "v2")
    assert site.destination.requests == [("HEAD manifest", image.digest), ("PUT manifest", "v2")]
    assert site.source.requests == []


def test_where_only_images_are_checked_an_index_is_not_put_to_ask() -> None:
    site = Site(checks_children=False)
    image = site.source.add_image(*layers(1))
    index = site.source.add_index(image)
    with site.copier() as copier:
        copier.copy(index, "v1")
    assert site.destination.of("PUT manifest") == [image.digest, "v1"]


def test_where_mounts_never_succeed_a_blob_that_is_there_is_found_by_a_look() -> None:
    site = Site(mounts=False)
    image = site.source.add_image(*layers(2))
    there = image.blobs[1]
    site.destination.blobs[there.digest] = site.source.blobs[there.digest]
    with site.copier() as copier:
        copier.copy(site.source.add_index(image), "v1")
    assert there.digest not in site.source.of("GET blob")
    assert set(site.destination.of("POST upload")) == {""}, "a mount was asked for"
    assert site.is_whole(image)

"""The size of an image: what its manifest says, of what a copy has read anyway."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.copying.sites import Site, layers

from geosync.copying.kinds import Kinds, Parts
from geosync.copying.sizes import Sizes
from geosync.oci import media_types
from geosync.oci.manifests import Manifest


def own_bytes(manifest: Manifest) -> int:
    """The bytes of its config and layers, each once."""
    return sum(blob.size for blob in manifest.blobs)


def test_an_image_has_its_config_and_its_layers_each_once(site: Site) -> None:
    one, other = layers(2)
    image = site.source.add_image(one, other, one, config=b"config")
    with site.copier() as copier:
        copier.copy(image, "v1")
        assert copier.sizes.of(image.digest, None) == len(one) + len(other) + len(b"config")


def test_an_index_has_the_sum_over_its_children_and_its_blobs(site: Site) -> None:
    images = [site.source.add_image(*layers(2, start=n), config=b"c%d" % n) for n in range(3)]
    inner = site.source.add_index(*images[:2])
    outer = site.source.add_index(inner, images[2])
    cache = site.source.add(
        {"mediaType": media_types.OCI_INDEX, "manifests": [site.source.add_blob(layer) for layer in layers(2)]}
    )
    with site.copier(parallelism=1) as copier:
        copier.copy(outer, "v1")
        copier.copy(cache, "cache")
        asked = len(site.source.requests) + len(site.destination.requests)
        assert copier.sizes.of(outer.digest, outer) == sum(map(own_bytes, images))
        assert copier.sizes.of(inner.digest, None) == sum(map(own_bytes, images[:2]))
        assert copier.sizes.of(cache.digest, cache) == sum(map(len, layers(2)))
        assert asked == len(site.source.requests) + len(site.destination.requests), "nobody is asked"


def test_an_index_with_a_child_that_was_only_found_there_has_no_known_size() -> None:
    site = Site(checks_blobs=False, checks_children=False)
    image = site.source.add_image(*layers(3))
    index = site.source.add_index(image)
    with site.copier() as copier:
        copier.copy(image, "v1")
    with site.copier() as copier:
        copier.copy(index, "v2")
        assert copier.sizes.of(index.digest, index) is None
    with site.copier() as copier:
        copier.copy(image, "v1")
        copier.copy(index, "v2")
        assert copier.sizes.of(index.digest, index) == own_bytes(image), "its child was read by an earlier copy"


class Parsed(Kinds):
    """Refuses to go through a manifest: its copy has done that."""

    def parts(self, manifest: Manifest) -> Parts:
        raise AssertionError(manifest.digest)


@pytest.mark.parametrize("is_read", [True, False])
def test_a_copied_manifest_is_not_parsed_again_for_its_size(is_read: bool) -> None:
    site = Site(checks_blobs=False, checks_children=False)
    images = [site.source.add_image(*layers(1, start=n)) for n in range(2)]
    index = site.source.add_index(*images)
    if not is_read:
        with site.copier() as copier:
            copier.copy(images[0], "v1")
    with site.copier() as copier:
        copier.sizes = Sizes(Parsed(site.pair.primary))
        copier.copy(index, "v2")
        found = copier.sizes.of(index.digest, index)
    assert found == (sum(map(own_bytes, images)) if is_read else None)


def test_an_entry_that_is_no_manifest_has_its_own_size_whatever_its_media_type_says(site: Site) -> None:
    (layer,) = layers(1)
    entry = {**site.source.add_blob(layer), "mediaType": media_types.OCI_MANIFEST}
    index = site.source.add({"mediaType": media_types.OCI_INDEX, "manifests": [entry]})
    with site.copier() as copier:
        copier.copy(index, "v1")
        assert copier.sizes.of(index.digest, index) == len(layer)


def test_an_image_that_nobody_copied_has_a_size_if_its_manifest_was_read(site: Site) -> None:
    image = site.source.add_image(*layers(2))
    with site.copier() as copier:
        assert copier.sizes.of(image.digest, image) == own_bytes(image)
        assert copier.sizes.of(image.digest, None) is None
        assert copier.sizes.of(site.source.add_index(image).digest, image) is None, "it is another one's"


@pytest.mark.parametrize("size", [None, 0, -1, "12", 2**53, 2**62])
def test_the_size_of_a_descriptor_with_a_missing_or_false_size_is_not_known(site: Site, size: Any) -> None:
    layer = {**site.source.add_blob(b"layer"), "size": size}
    config = site.source.add_blob(b"{}")
    image = site.source.add({"mediaType": media_types.OCI_MANIFEST, "config": config, "layers": [layer]})
    assert sizes(site).of(image.digest, image) is None


def test_a_blob_without_a_byte_has_none(site: Site) -> None:
    config = site.source.add_blob(b"{}")
    empty = site.source.add_blob(b"")
    image = site.source.add({"mediaType": media_types.OCI_MANIFEST, "config": config, "layers": [empty]})
    assert sizes(site).of(image.digest, image) == len(b"{}")


def test_a_manifest_that_cannot_be_read_has_no_known_size(site: Site) -> None:
    broken = site.source.add({"mediaType": media_types.OCI_MANIFEST, "layers": []})
    assert sizes(site).of(broken.digest, broken) is None


def sizes(site: Site) -> Sizes:
    """Sizes of a copier that has copied nothing."""
    with site.copier() as copier:
        return copier.sizes

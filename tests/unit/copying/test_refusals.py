"""A destination whose refusals name too little, or what it has."""

from __future__ import annotations

import pytest
from tests.unit.copying.fakes import FakeRegistry
from tests.unit.copying.sites import Site, layers

from geosync.errors import BlobsUnknown, Refused
from geosync.oci import media_types
from geosync.oci.manifests import Manifest


def test_a_destination_that_names_one_thing_at_a_time_is_given_everything(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = site.source.add_image(*layers(6))
    put = FakeRegistry.put_manifest

    def brief(self: FakeRegistry, repository: str, reference: str, manifest: Manifest) -> bool:
        try:
            return put(self, repository, reference, manifest)
        except BlobsUnknown as answer:
            raise BlobsUnknown(answer.registry, answer.request, answer.missing[:1]) from None

    monkeypatch.setattr(FakeRegistry, "put_manifest", brief)
    with site.copier() as copier:
        copier.copy(image, "v1")
    assert site.is_whole(image)
    assert site.destination.count("PUT manifest") == 3


class Contradicting(FakeRegistry):
    """Distribution 3 without its descriptor cache: it finds no blob of an index.

    With `remembers` it does while it was asked for the blob since.
    """

    remembers = False

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> bool:
        asked = set(self.of("HEAD blob")) if self.remembers else set()
        missing = [one.digest for one in manifest.blobs if one.digest not in asked]
        if manifest.is_index and missing:
            self.requests.append(("PUT manifest", reference))
            raise BlobsUnknown(self.name, f"PUT /v2/{repository}/manifests/{reference}", missing)
        return super().put_manifest(repository, reference, manifest)


def index_of_blobs(site: Site, count: int) -> Manifest:
    listed = [site.source.add_blob(layer) for layer in layers(count)]
    return site.source.add({"mediaType": media_types.OCI_INDEX, "manifests": listed})


def test_a_registry_that_misses_what_it_has_is_a_refusal_that_says_what_to_do(site: Site) -> None:
    site.destination = Contradicting()
    cache = index_of_blobs(site, 5)
    with site.copier() as copier, pytest.raises(Refused) as raised:
        copier.copy(cache, "v1")
    assert "it takes no index of blobs: export it with image-manifest=true" in str(raised.value)
    assert "which is there" in str(raised.value)
    assert not raised.value.retryable
    assert site.destination.count("PUT manifest") == 3
    assert site.destination.count("HEAD blob") <= 2 * 3


def test_a_registry_that_comes_to_remember_what_it_is_asked_for_takes_it(site: Site) -> None:
    site.destination = Contradicting()
    site.destination.remembers = True
    cache = index_of_blobs(site, 3)
    with site.copier() as copier:
        copier.copy(cache, "v1")
    assert site.is_whole(cache)


def test_an_image_whose_parts_are_missed_and_there_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy of its storage that a registry asked is behind: a little later it takes the very same."""
    image = site.source.add_image(*layers(2))
    put, is_behind = FakeRegistry.put_manifest, True

    def behind(self: FakeRegistry, repository: str, reference: str, manifest: Manifest) -> bool:
        if is_behind:
            self.requests.append(("PUT manifest", reference))
            missing = [one.digest for one in manifest.blobs]
            raise BlobsUnknown(self.name, f"PUT /v2/{repository}/manifests/{reference}", missing)
        return put(self, repository, reference, manifest)

    monkeypatch.setattr(FakeRegistry, "put_manifest", behind)
    with site.copier() as copier, pytest.raises(BlobsUnknown) as raised:
        copier.copy(image, "v1")
    assert raised.value.retryable
    assert "which is there" in str(raised.value)
    assert "if it stays so, mend it, then geosync resync" in str(raised.value)
    assert site.destination.count("PUT manifest") == 3
    is_behind = False
    with site.copier() as copier:
        copier.copy(image, "v1")
    assert site.is_whole(image)

"""Every kind of image that the copier has to move, read back through the client from a real registry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from tests.integration.conftest import Place
from tests.support.images import ImageMaker, Made

from geosync.oci.client import RegistryClient
from geosync.oci.manifests import SIZE_UNKNOWN, Manifest

Connect = Callable[..., RegistryClient]


def every_kind(make: ImageMaker, repository: str) -> list[Made]:
    image = make.image(repository, "oci", layers=3)
    return [
        image,
        make.image(repository, "docker", docker=True),
        make.index(repository, "index", children=3, share=True),
        make.index(repository, "list", docker=True),
        make.nested_index(repository, "nested"),
        make.buildkit_cache(repository, "cache-a", form="A"),
        make.buildkit_cache(repository, "cache-b", form="B"),
        make.artifact(repository, "artifact"),
        make.artifact(repository, "attached", subject=image),
        make.cosign_signature(repository, image),
        make.foreign(repository, "foreign"),
        make.schema1(repository, "schema1"),
    ]


def below(client: RegistryClient, repository: str, manifest: Manifest) -> set[str]:
    """Return the digests of every blob below a manifest, to any depth."""
    found = {one.digest for one in manifest.blobs}
    for child in manifest.children:
        read = client.get_manifest(repository, child.digest)
        assert read is not None
        found |= below(client, repository, read)
    return found


def test_each_kind_is_read_byte_for_byte_and_its_parts_are_found(
    plain_registry: Place, connect: Connect, repository: str
) -> None:
    client = connect(plain_registry)
    with plain_registry.maker(seed=7) as make:
        made = every_kind(make, repository)
    for one in made:
        for reference in (one.reference, one.digest):
            manifest = client.get_manifest(repository, reference)
            assert manifest is not None, one.reference
            assert manifest.digest == one.digest, one.reference
            assert manifest.media_type == one.media_type, one.reference
            assert below(client, repository, manifest) == set(one.blobs), one.reference
            assert {child.digest for child in manifest.children} == set(one.children), one.reference
            head = client.head_manifest(repository, reference)
            assert head is not None
            assert (head.digest, head.media_type) == (one.digest, one.media_type)
            # A signed schema 1 is signed anew at each GET; every other kind comes as it was put.
            assert manifest.content == one.content or one.reference == "schema1"


def test_an_attached_artifact_names_its_subject(plain_registry: Place, connect: Connect, repository: str) -> None:
    client = connect(plain_registry)
    with plain_registry.maker(seed=8) as make:
        image = make.image(repository, "image")
        make.artifact(repository, "sbom", subject=image)
    sbom = client.get_manifest(repository, "sbom")
    assert sbom is not None
    assert sbom.subject is not None
    assert sbom.subject.digest == image.digest
    assert image.digest not in {one.digest for one in sbom.children}


def test_a_schema_1_manifest_is_copied_unchanged_where_it_is_accepted(
    plain_registry: Place, second_registry: Place, connect: Connect, repository: str
) -> None:
    source, destination = connect(plain_registry), connect(second_registry, writes=True)
    with plain_registry.maker(seed=9) as make:
        made = make.schema1(repository, "old")
    manifest = source.get_manifest(repository, "old")
    assert manifest is not None
    assert manifest.digest == made.digest
    assert hashlib.sha256(manifest.content).hexdigest() not in made.digest
    for blob in manifest.blobs:
        assert blob.size == SIZE_UNKNOWN
        with source.open_blob(repository, blob) as reader:
            upload = destination.begin_upload(repository, mount=blob.digest)
            assert upload is not None
            destination.put_blob(upload, blob.digest, reader)
    destination.put_manifest(repository, "old", manifest)
    copied = destination.head_manifest(repository, "old")
    assert copied is not None
    assert copied.digest == made.digest


def test_the_same_seed_makes_the_same_images(plain_registry: Place, second_registry: Place, repository: str) -> None:
    with plain_registry.maker(seed=3) as one, second_registry.maker(seed=3) as other:
        assert one.image(repository, "v1") == other.image(repository, "v1")
        assert one.index(repository, "v2") == other.index(repository, "v2")


@pytest.mark.parametrize("kind", ["image", "index"])
def test_two_seeds_make_two_images(plain_registry: Place, repository: str, kind: str) -> None:
    with plain_registry.maker(seed=1) as one, plain_registry.maker(seed=2) as other:
        assert getattr(one, kind)(repository, "v1").digest != getattr(other, kind)(repository, "v1").digest

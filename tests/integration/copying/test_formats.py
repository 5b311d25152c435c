"""Every format of image arrives byte for byte at registries of every kind, or is refused with a clear reason."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.conftest import Place
from tests.integration.ways import Way
from tests.support.images import ImageMaker, Made

from geosync.errors import Refused

Ways = Callable[..., Way]

KINDS: dict[str, Callable[[ImageMaker, str], Made]] = {
    "docker": lambda make, repository: make.image(repository, "v1", docker=True),
    "docker-list": lambda make, repository: make.index(repository, "v1", docker=True),
    "oci": lambda make, repository: make.image(repository, "v1"),
    "oci-index": lambda make, repository: make.index(repository, "v1", share=True),
    "nested-index": lambda make, repository: make.nested_index(repository, "v1", depth=3),
    "buildkit-cache-a": lambda make, repository: make.buildkit_cache(repository, "v1", form="A"),
    "buildkit-cache-b": lambda make, repository: make.buildkit_cache(repository, "v1", form="B"),
    "artifact": lambda make, repository: make.artifact(repository, "v1"),
    "foreign-layer": lambda make, repository: make.foreign(repository, "v1"),
    "schema-1": lambda make, repository: make.schema1(repository, "v1"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_arrives_byte_for_byte(way: Way, kind: str) -> None:
    KINDS[kind](way.make, way.repository)
    way.copy("v1")
    way.assert_same("v1")


@pytest.mark.parametrize("place", ["s3_registry", "s3_direct_registry"])
@pytest.mark.parametrize("direction", ["to", "from"])
def test_storage_on_s3_makes_no_difference(
    request: pytest.FixtureRequest, ways: Ways, plain_registry: Place, direction: str, place: str
) -> None:
    there: Place = request.getfixturevalue(place)
    ends = (plain_registry, there) if direction == "to" else (there, plain_registry)
    way = ways(*ends, request.getfixturevalue("repository"))
    made = way.make.index(way.repository, "v1", children=2, layers=2, size=100_000, share=True)
    way.copy("v1")
    assert way.requests() == 3 * len(made.blobs) + 2 * 2 + 4
    way.assert_same("v1")


@pytest.mark.parametrize("kind", ["schema-1", "foreign-layer"])
def test_what_a_destination_does_not_take_is_refused_with_its_reason(
    ways: Ways, plain_registry: Place, strict_registry: Place, repository: str, kind: str
) -> None:
    way = ways(plain_registry, strict_registry, repository)
    KINDS[kind](way.make, repository)
    manifest = way.look("v1")
    with way.copier() as copier, pytest.raises(Refused) as raised:
        copier.copy(manifest, "v1")
    assert {"schema-1": "Docker schema 1", "foreign-layer": "only at a URL"}[kind] in str(raised.value)
    assert f"/v2/{repository}/manifests/v1" in str(raised.value)
    assert not raised.value.retryable
    assert not way.has("v1")


def test_signatures_of_every_kind_come_with_their_own_tags_and_digests(way: Way) -> None:
    image = way.make.image(way.repository, "v1")
    signature = way.make.artifact(way.repository, subject=image)
    fallback = way.make.fallback_tag(way.repository, image, [signature])
    cosign = way.make.cosign_signature(way.repository, image)
    for reference in (image.reference, fallback.reference, cosign.reference):
        way.copy(reference)
        way.assert_same(reference)
    way.reset()
    with way.copier() as copier:
        copier.copy(way.look(signature.digest), None)
    way.assert_same(signature.digest)
    looks = {("POST", "uploads"): 1 + len(signature.blobs[1:])}
    assert way.destination.counts() == {("PUT", "manifest"): 1, **looks}, "the tag brought it, and lists it"


def test_a_referrer_does_not_need_its_subject(way: Way) -> None:
    image = way.make.image(way.repository, "v1")
    signature = way.make.artifact(way.repository, "signature", subject=image)
    way.copy("signature")
    way.assert_same(signature.digest)
    assert not way.has("v1")


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
@pytest.mark.parametrize("kind", ["docker", "docker-list", "oci", "oci-index"])
def test_skopeo_reads_the_copy_as_it_reads_the_original(way: Way, kind: str, tmp_path: Path) -> None:
    made = KINDS[kind](way.make, way.repository)
    way.copy("v1")
    there = f"docker://{way.destination_place.host}/{way.repository}:v1"
    raw = _skopeo("inspect", "--raw", "--tls-verify=false", there)
    assert raw == made.content
    _skopeo("copy", "--all", "--quiet", "--src-tls-verify=false", there, f"dir:{tmp_path}")
    on_disk = {path.name for path in tmp_path.iterdir()}
    assert {blob.partition(":")[2] for blob in made.blobs} <= on_disk


def _skopeo(*arguments: str) -> bytes:
    done = subprocess.run(["skopeo", "--insecure-policy", *arguments], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout

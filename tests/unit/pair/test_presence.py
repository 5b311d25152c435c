"""Which digests a registry has as blobs and never as manifests."""

from __future__ import annotations

import pytest
from tests.support.schema1 import sign_schema1
from tests.unit.copying.fakes import FakeRegistry

from geosync.errors import DigestMismatch, RegistryUnavailable
from geosync.oci.manifests import MAX_MANIFEST_BYTES
from geosync.oci.repository import Repository
from geosync.pair.presence import is_blob_alone


def has(registry: FakeRegistry, content: bytes) -> str:
    return str(registry.add_blob(content)["digest"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[1]",
        b"\x1f\x8b a layer",
        b'{"architecture": "amd64"}',
        b"{" * (MAX_MANIFEST_BYTES + 1),
    ],
)
def test_a_layer_a_config_and_a_too_large_blob_are_no_manifests(content: bytes) -> None:
    registry = FakeRegistry()
    assert is_blob_alone(Repository(registry, "team/app"), has(registry, content))
    assert registry.count("GET blob") == (len(content) <= MAX_MANIFEST_BYTES)


def test_a_digest_that_is_a_blob_and_a_manifest_may_be_a_manifest() -> None:
    registry = FakeRegistry()
    assert not is_blob_alone(Repository(registry, "team/app"), has(registry, registry.add_image(b"layer").content))


def test_a_signed_schema_1_manifest_is_no_manifest_by_the_digest_of_its_bytes() -> None:
    """Its digest is that of what is signed (Docker registry, "Image Manifest V 2, Schema 1")."""
    registry = FakeRegistry()
    signed = sign_schema1(b'{\n   "schemaVersion": 1,\n   "name": "team/app",\n   "tag": "v1"\n}')
    assert is_blob_alone(Repository(registry, "team/app"), has(registry, signed))


def test_a_digest_that_is_no_blob_may_be_a_manifest() -> None:
    assert not is_blob_alone(Repository(FakeRegistry(), "team/app"), f"sha256:{'0' * 64}")


def test_a_registry_that_does_not_say_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = FakeRegistry()
    digest = has(registry, b"a layer")

    def fail(self: FakeRegistry, *_: object) -> None:
        raise RegistryUnavailable(self.name, "HEAD", status=500)

    monkeypatch.setattr(FakeRegistry, "head_blob", fail)
    assert not is_blob_alone(Repository(registry, "team/app"), digest)


def test_bytes_of_another_digest_prove_nothing() -> None:
    registry = FakeRegistry()
    digest = has(registry, b"a layer")

    def tampered(_: str) -> None:
        raise DigestMismatch("the bytes hash to another digest")

    registry.before_block = tampered
    assert not is_blob_alone(Repository(registry, "team/app"), digest)

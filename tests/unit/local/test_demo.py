"""What the demonstration relies on: real layers, and a watch that is not content too early."""

import gzip
import hashlib
import io
import json
import tarfile
from typing import Any, cast

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from local.demo import images
from local.demo.looks import SiteLooks
from local.demo.watch import Reference, Watch


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> images.Images:
    return images.make(tmp_path_factory.mktemp("images"), "demo/{}".format, large_layer=100_000)


def blob(image: images.Image, digest: str) -> bytes:
    return (image.layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()


def test_every_blob_of_a_layout_is_what_its_name_says(made: images.Images) -> None:
    for file in made.multi_arch.layout.glob("blobs/sha256/*"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name


def test_an_index_s_images_are_tars_of_files_that_their_configs_name(made: images.Images) -> None:
    index = json.loads(blob(made.multi_arch, made.multi_arch.digest))
    assert [one["platform"]["architecture"] for one in index["manifests"]] == ["amd64", "arm64", "s390x"]
    for child in index["manifests"]:
        manifest = json.loads(blob(made.multi_arch, child["digest"]))
        config = json.loads(blob(made.multi_arch, manifest["config"]["digest"]))
        tars = [gzip.decompress(blob(made.multi_arch, layer["digest"])) for layer in manifest["layers"]]
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]
        for tar in tars:
            with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
                assert len([entry for entry in archive if entry.isfile() and entry.size > 0]) == 4


def test_the_signature_verifies_with_its_key_and_its_image_alone(made: images.Images) -> None:
    layout, digest, key = made.signature.layout, made.signed.digest, made.key.public_key()
    assert made.signature.name == f"sha256-{digest.removeprefix('sha256:')}.sig"
    assert images.verify_signature(layout, digest, key)
    assert not images.verify_signature(layout, made.large.digest, key)
    with pytest.raises(InvalidSignature):
        images.verify_signature(layout, digest, ec.generate_private_key(ec.SECP256R1()).public_key())


class Secondary:
    """A site whose row says synced from the beginning, and whose registry serves what it is told."""

    name = "oregon"

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.asked = 0

    def served(self, repository: str, tag: str) -> str | None:
        return self.tags.get(tag)

    def is_gone(self, repository: str, tag: str) -> bool:
        return tag not in self.tags

    def state(self, repository: str) -> str:
        self.asked += 1
        return "2"


def watching(secondary: Secondary, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr("local.demo.watch.LOOK_EVERY", 0.01)
    return Watch([cast(SiteLooks, secondary)], lambda *_: None)


def reference(digest: str | None) -> Reference:
    more: dict[str, Any] = {"what": "", "moved": 0}
    return Reference(repository="demo/web", tag="v1", digest=digest, **more).over()


def test_a_row_that_says_synced_counts_only_once_the_registry_serves_the_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secondary = Secondary()
    secondary.tags["v1"] = "sha256:old"
    watch = watching(secondary, monkeypatch)
    with watch:
        watch.expect(pushed := reference("sha256:new"))
        assert watch.wait(pushed.pushed + 5, lambda: secondary.asked > 3)
        assert watch.missing() == [(pushed, "oregon")]
        assert watch.unsynced() == [("oregon", "demo/web")]
        secondary.tags["v1"] = "sha256:new"
        assert watch.wait(pushed.pushed + 5, lambda: not watch.missing() and not watch.unsynced())


def test_a_delete_is_waited_for_although_the_row_was_synced_before(monkeypatch: pytest.MonkeyPatch) -> None:
    secondary = Secondary()
    secondary.tags["v1"] = "sha256:new"
    watch = watching(secondary, monkeypatch)
    with watch:
        watch.expect(pushed := reference("sha256:new"))
        assert watch.wait(pushed.pushed + 5, lambda: not watch.missing() and not watch.unsynced())
        watch.expect(deleted := reference(None))
        assert watch.missing() == [(deleted, "oregon")]
        assert watch.unsynced() == [("oregon", "demo/web")]
        del secondary.tags["v1"]
        assert watch.wait(deleted.pushed + 5, lambda: not watch.missing() and not watch.unsynced())
    assert pushed.lag("oregon") is not None

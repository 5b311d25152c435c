"""Images whose layers S3 copies, and the bytes that their copies cost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from tests.integration.copying.s3_site import LEAST, S3Site
from tests.integration.secondary import Secondary, pushed
from tests.support.images import OCI_LAYER, Made

from geosync.sync_registry.items import SYNCED

ONE_PART = ["create_multipart_upload", "upload_part_copy", "complete_multipart_upload", "put_object"]
PROOF = ["put_object", "put_object", "delete_object"]
"""The first time: a few bytes and their link, which is taken back."""
SIZE = 2 * LEAST


@pytest.fixture
def push(s3_site: S3Site, repository: str) -> Iterator[Callable[..., tuple[Made, list[str]]]]:
    """Push an image of some layers to the primary; returns it with the digests of its layers."""
    with s3_site.primary.maker(seed=int.from_bytes(os.urandom(4))) as make:

        def image(*, layers: int = 1, size: int = SIZE, tag: str = "v1") -> tuple[Made, list[str]]:
            parts = [make.blob(repository, os.urandom(size), OCI_LAYER) for _ in range(layers)]
            return make.image(repository, tag, layers=0, reuse=parts), [part["digest"] for part in parts]

        yield image


def sync(secondary: Secondary, made: Made) -> None:
    secondary.receive(pushed(made))
    assert secondary.digest(made.repository, made.reference) == made.digest
    assert secondary.row(made.repository).state == SYNCED


def layer_bytes(secondary: Secondary) -> int:
    """Bytes of layers that came through the function: from the primary's registry, and to the secondary's."""
    read = [one.received for one in secondary.primary_proxy.exchanges if one.kind == "blob" and one.received >= LEAST]
    sent = [one.sent for one in secondary.secondary_proxy.exchanges if one.kind == "upload" and one.sent >= LEAST]
    return sum(read) + sum(sent)


def assert_same(s3_site: S3Site, made: Made) -> None:
    for digest in made.blobs:
        target = f"/v2/{made.repository}/blobs/{digest}"
        with s3_site.primary.maker() as here, s3_site.secondary.maker() as there:
            assert there.send("GET", target, made.repository).content == here.send("GET", target, "").content


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(one.__dict__["reason"]) for one in caplog.records if one.message == "layers_not_copied_by_s3"]

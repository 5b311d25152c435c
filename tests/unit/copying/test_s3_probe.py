"""The probe of copies inside S3 without an S3: which blob it takes, and what it says when something fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.copying.fakes import FakeRegistry

from geosync.copying.s3.probe import Probed, probe
from geosync.errors import DigestMismatch, OutOfTime
from geosync.oci import media_types
from geosync.oci.manifests import Descriptor
from geosync.oci.repository import Repository
from geosync.pair.registries import Registries

SHA512 = {"mediaType": media_types.OCI_LAYER_GZIP, "digest": "sha512:" + "a" * 128, "size": 1}


class Listed(FakeRegistry):
    """A registry that lists one repository, and has no reason against copies in its bucket."""

    def repositories(self, *, last: str | None = None) -> Iterator[list[str]]:
        yield ["team/app"]

    def tags(self, repository: str, *, last: str | None = None) -> Iterator[list[str]]:
        yield list(self.tagged)

    def storage_refusal(self) -> str | None:
        return None


class Prover:
    """Notes what is to be proved, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.blobs: list[Descriptor] = []
        self._error = error

    def prove(self, blob: Descriptor, destination: Repository) -> None:
        self.blobs.append(blob)
        if self._error is not None:
            raise self._error


def probed(primary: Listed, prover: Any) -> Probed:
    registry: Any = primary
    unused: Any = None
    registries = Registries(primary=registry, secondary=registry, remover=unused, capabilities=unused)
    return probe(prover, registries, None)


def test_a_blob_for_which_s3_computes_no_digest_is_not_taken() -> None:
    primary, prover = Listed(), Prover()
    config = {**primary.add_blob(b"{}"), "mediaType": media_types.OCI_CONFIG}
    primary.add({"mediaType": media_types.OCI_MANIFEST, "config": config, "layers": [SHA512]}, tag="v1")

    assert probed(primary, prover).result == "ok"

    assert [blob.digest for blob in prover.blobs] == [config["digest"]]


@pytest.mark.parametrize(
    ("error", "result", "says"),
    [
        (OutOfTime("over"), "unknown", "in the time of the function"),
        (DigestMismatch("another digest"), "problem", "another digest"),
    ],
)
def test_the_probe_tells_whatever_ended_it(error: Exception, result: str, says: str) -> None:
    primary = Listed()
    primary.add_image(b"layer", tag="v1")

    answer = probed(primary, Prover(error))

    assert answer.result == result
    assert says in answer.text

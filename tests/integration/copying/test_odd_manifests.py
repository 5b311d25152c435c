"""Odd manifests that a real registry takes: each arrives byte for byte on every way, and is verified as whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event, quick
from tests.integration.verified import verify
from tests.support.images import ImageMaker
from tests.support.odd_manifests import ODD, push

from geosync.oci.documents import field, read_object
from geosync.oci.media_types import ACCEPT
from geosync.sync_registry.items import SYNCED, Reference

WAYS = ["announced", "found", "asked for"]


@pytest.fixture
def following(plain_registry: Place, second_registry: Place) -> Iterator[Secondary]:
    """A secondary whose verification is done with what looks different after a moment."""
    made = Secondary(plain_registry, second_registry, timing=quick(settle=10.0, suspect=10.0))
    yield made
    made.close()


@pytest.mark.parametrize("way", WAYS)
def test_each_arrives_byte_for_byte_and_is_verified(
    following: Secondary, make: ImageMaker, second_registry: Place, repository: str, way: str
) -> None:
    digests = {tag: push(make, repository, tag, build) for tag, build in ODD.items()}
    if way == "announced":
        following.receive(*(event("created", repository, tag=tag, digest=digest) for tag, digest in digests.items()))
    elif way == "found":
        following.sync_registry.mark(repository, Reference.whole())
    else:
        for tag in ODD:
            following.sync_registry.mark(repository, Reference.tag(tag))
    following.sweep_until(lambda: all(one.parked for one in following.owed(repository)))
    assert {str(one.reference): one.failure for one in following.owed(repository)} == {}
    assert following.row(repository).state == SYNCED
    assert not following.dlq.messages
    with requests.Session() as session:
        for tag in ODD:
            assert_same(session, f"{make.url}/v2/{repository}", f"{second_registry.url}/v2/{repository}", tag)
    verify(following, repository)
    row = following.row(repository)
    assert (row.verification_state, row.verification_failure) == ("2", None)


def assert_same(session: requests.Session, here: str, there: str, reference: str) -> None:
    """The same bytes under `reference`, and the same of everything below it, as a manifest or as a blob."""
    manifests = [session.get(f"{url}/manifests/{reference}", headers={"Accept": ACCEPT}) for url in (here, there)]
    assert [one.status_code for one in manifests] == [200, 200], reference
    assert manifests[0].content == manifests[1].content
    assert manifests[0].headers["Content-Type"] == manifests[1].headers["Content-Type"]
    document = read_object(manifests[0].content)
    for entry in document.get("manifests") or ():
        if session.head(f"{here}/blobs/{entry['digest']}").status_code == 404:
            assert_same(session, here, there, entry["digest"])
        else:
            assert_same_blob(session, here, there, entry["digest"])
    for blob in (*filter(None, [field(document, "config")]), *(field(document, "layers") or ())):
        assert_same_blob(session, here, there, field(blob, "digest"))


def assert_same_blob(session: requests.Session, here: str, there: str, digest: str) -> None:
    blobs = [session.get(f"{url}/blobs/{digest}") for url in (here, there)]
    assert [one.status_code for one in blobs] == [200, 200], digest
    assert blobs[0].content == blobs[1].content

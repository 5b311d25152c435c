"""A copy that breaks at any of its requests, and the next one that goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import peak
from bench.images import MIB, push_large
from bench.ours import writer
from tests.integration.conftest import Place
from tests.integration.ways import Way
from tests.support.images import Made
from tests.support.proxy import Cut, Delay, Fault, Status

from geosync.errors import (
    BlobsUnknown,
    GeosyncError,
    NotFound,
    OutcomeUnknown,
    OutOfTime,
    RegistryUnavailable,
    ReplicationError,
)

CHILDREN = 2
LAYERS = 2
BLOBS = CHILDREN * (LAYERS + 1)
BUSY = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}'


def push(way: Way) -> Made:
    return way.make.index(way.repository, "v1", children=CHILDREN, layers=LAYERS, size=50_000)


def copy_until_it_breaks(way: Way) -> GeosyncError | None:
    """Copy once; return the error, None where the copy succeeded."""
    try:
        way.copy("v1")
    except ReplicationError as error:
        return error
    return None


def complete_uploads(way: Way) -> set[str]:
    """The digests whose closing PUT the registry answered with 201."""
    return {
        one.target.rpartition("digest=")[2].replace("%3A", ":")
        for one in way.destination.exchanges
        if one.kind == "upload" and one.method == "PUT" and one.status == 201
    }


def break_and_go_on(way: Way, end: str, fault: Fault) -> GeosyncError | None:
    """Break a copy, then copy with a fresh copier: everything arrives, and nothing complete is sent again."""
    push(way)
    getattr(way, end).add(fault)
    error = copy_until_it_breaks(way)
    complete = complete_uploads(way)
    way.reset()
    way.copy("v1")
    way.assert_same("v1")
    assert not complete & complete_uploads(way), "a blob that was complete was sent again"
    return error


# One position for each request of the copy: the first, a middle and the last one of each kind.
SOURCE = [("tag", 1), ("manifest", 1), ("manifest", CHILDREN), *(("blob", n) for n in range(1, BLOBS + 1))]
DESTINATION = [
    *((("PUT", "tag"), n) for n in (1, 2)),
    *((("POST", "uploads"), n) for n in range(1, BLOBS + 1)),
    *((("PUT", "upload"), n) for n in range(1, BLOBS + 1)),
    *((("PUT", "manifest"), n) for n in range(1, CHILDREN + 1)),
    (("HEAD", "tag"), 1),
]


@pytest.mark.parametrize(("kind", "nth"), SOURCE)
def test_a_source_that_cuts_any_request_leaves_nothing_that_a_second_run_cannot_finish(
    way: Way, kind: str, nth: int
) -> None:
    break_and_go_on(way, "source", Cut(kind=kind, nth=nth, times=3))


@pytest.mark.parametrize(("request_kind", "nth"), DESTINATION)
def test_a_destination_that_cuts_any_answer_leaves_nothing_that_a_second_run_cannot_finish(
    way: Way, request_kind: tuple[str, str], nth: int
) -> None:
    """The write lands and nobody hears of it: three times, so that no retry inside the client hides it."""
    method, kind = request_kind
    break_and_go_on(way, "destination", Cut(method=method, kind=kind, nth=nth, times=3))


@pytest.mark.parametrize("end", ["source", "destination"])
@pytest.mark.parametrize("where", [0, 1, 30_000])
def test_a_blob_cut_in_the_middle_is_sent_again_whole(way: Way, end: str, where: int) -> None:
    fault = (
        Cut(method="GET", kind="blob", nth=2, response_bytes=where)
        if end == "source"
        else Cut(method="PUT", kind="upload", nth=2, request_bytes=where)
    )
    assert break_and_go_on(way, end, fault) is None, "one broken connection is no failure"


@pytest.mark.parametrize(
    ("end", "method", "kind"),
    [
        ("source", "GET", "manifest"),
        ("source", "GET", "blob"),
        ("destination", "PUT", "tag"),
        ("destination", "POST", "uploads"),
        ("destination", "PUT", "upload"),
        ("destination", "PUT", "manifest"),
    ],
)
def test_a_registry_that_is_busy_is_named_with_the_time_it_asked_for(
    way: Way, end: str, method: str, kind: str
) -> None:
    busy = Status(method=method, kind=kind, times=20, status=429, headers={"Retry-After": "9"}, body=BUSY)
    error = break_and_go_on(way, end, busy)
    assert isinstance(error, RegistryUnavailable)
    assert error.retry_after == 9
    place = {"source": way.reader.name, "destination": way.writer.name}
    assert error.registry == place[end]


def test_an_unanswered_write_of_the_tag_says_that_its_outcome_is_unknown(way: Way) -> None:
    error = break_and_go_on(way, "destination", Cut(method="PUT", kind="tag", nth=2))
    assert isinstance(error, OutcomeUnknown)


def test_an_upload_whose_answer_was_lost_is_looked_for_and_not_sent_again(way: Way) -> None:
    push(way)
    way.destination.add(Cut(method="PUT", kind="upload", nth=3))
    way.copy("v1")
    assert way.destination.counts()[("PUT", "upload")] == BLOBS
    assert way.destination.counts()[("HEAD", "blob")] == 1
    way.assert_same("v1")


def test_a_blob_that_the_source_has_no_more_is_named(way: Way) -> None:
    made = push(way)
    lost = made.blobs[1]
    assert way.make.send("DELETE", f"/v2/{way.repository}/blobs/{lost}", way.repository).status_code == 202
    manifest = way.look("v1")
    with way.copier() as copier, pytest.raises(NotFound) as raised:
        copier.copy(manifest, "v1")
    assert f"/v2/{way.repository}/blobs/{lost}" in str(raised.value)


def test_the_deadline_ends_a_copy_between_requests_and_the_next_one_goes_on(way: Way) -> None:
    push(way)
    manifest = way.look("v1")
    way.source.add(Delay(kind="blob", nth=2, times=100, before=0.4))
    way.deadline.set(0.3)
    with way.copier() as copier, pytest.raises((OutOfTime, RegistryUnavailable)):
        copier.copy(manifest, "v1")
    way.deadline.clear()
    complete = complete_uploads(way)
    assert not way.has("v1")
    way.reset()
    way.copy("v1")
    way.assert_same("v1")
    assert not complete & complete_uploads(way)


def test_a_destination_that_goes_on_to_miss_what_it_has_is_asked_once_more_and_later_again(way: Way) -> None:
    push(way)
    unknown = b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":{"Digest":"%s"}}]}'
    digest = way.look("v1").children[0].digest.encode()
    way.destination.add(Status(method="PUT", kind="tag", times=9, status=400, body=unknown % digest))
    with way.copier() as copier, pytest.raises(BlobsUnknown, match="mend it, then geosync resync") as raised:
        copier.copy(way.look("v1"), "v1")
    assert raised.value.retryable, "a storage that is only behind takes it a little later"
    assert way.destination.counts()[("PUT", "tag")] == 3


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc of Linux")
def test_the_memory_of_a_copy_does_not_grow_with_the_layer(
    plain_registry: Place, second_registry: Place, repository: str
) -> None:
    with plain_registry.maker() as make:
        make.image(f"{repository}/warm", "v1")
    client = writer(plain_registry.url)
    push_large(client, repository, 256 * MIB, "v1")
    client.close()
    measured = peak.measure(plain_registry.url, second_registry.url, f"{repository}/warm", repository, "v1")
    assert measured["extra"] <= 64 * MIB

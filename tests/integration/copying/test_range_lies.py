"""A source that lies about ranges or breaks: one connection brings the layer, and the log names the reason once."""

from __future__ import annotations

import hashlib
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.integration.conftest import Place
from tests.support.scripted import Reply, Request, ScriptedServer

from geosync.copying.blobs import BlobMover
from geosync.copying.readers import LARGE
from geosync.copying.ring import PIECE
from geosync.copying.route import Route
from geosync.copying.stopping import Stopped
from geosync.copying.uploads import Uploads
from geosync.errors import DigestMismatch, LayerUnfinished, OutOfTime
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor
from geosync.oci.repository import Repository
from geosync.oci.uploads import UploadLimits
from geosync.pair.connections import MOST, Connections
from geosync.pair.pair import Pair
from geosync.threads import Threads

DATA = random.Random(14).randbytes(LARGE + 5)  # noqa: S311 - test data
BLOB = Descriptor(media_type="x", digest=f"sha256:{hashlib.sha256(DATA).hexdigest()}", size=len(DATA))
RANGES = -(-len(DATA) // PIECE)


def asked(request: Request) -> tuple[int, int] | None:
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    return (int(found[1]), int(found[2] or len(DATA) - 1) + 1) if found else None


def honest(request: Request, **more: object) -> Reply:
    """Answer as a registry with ranges does."""
    wanted = asked(request)
    if wanted is None:
        return Reply(headers=[("Accept-Ranges", "bytes")], body=DATA)
    start, end = wanted
    given = ("Content-Range", f"bytes {start}-{end - 1}/{len(DATA)}")
    return Reply(status=206, headers=[given], body=DATA[start:end], **more)  # type: ignore[arg-type]


class Source:
    """A server with one blob, and a repository of a real registry to bring it to."""

    def __init__(self, destination: Place, repository: str) -> None:
        self.answer: Callable[[Request], Reply] = honest
        self.server = ScriptedServer(self._answer)
        self.deadline = Deadline()
        self.connections = Connections()
        self.uploads = Uploads()
        self.threads = Threads()
        assert self.connections.are_worth(1, 1.0, 0.0), "several paid, so that the layer begins with them"
        self.connections.note(MOST, 1.0)
        self.reader = RegistryClient(self.server.url, Anonymous(), deadline=self.deadline)
        self.writer = RegistryClient(destination.url, destination.credentials, deadline=self.deadline, writes=True)
        self.to = Repository(self.writer, repository)

    def _answer(self, request: Request) -> Reply:
        return self.answer(request)

    def bring(self, blob: Descriptor = BLOB, *, stopped: Callable[[], bool] = lambda: False) -> int | None:
        pair = Pair(Repository(self.reader, "app"), self.to)
        route = Route(pair=pair, connections=self.connections, uploads=self.uploads, threads=self.threads)
        try:
            return BlobMover(route).bring(blob, stopped)
        finally:
            assert self.reader.memory.rings.held == 0
            assert not [thread for thread in threading.enumerate() if thread.name.startswith("range-")]

    def whole(self) -> int:
        """The number of requests for the whole blob."""
        return sum(asked(request) is None for request in self.server.requests)

    def is_there(self) -> bool:
        return self.to.head_blob(BLOB.digest) == len(DATA)


@pytest.fixture
def source(second_registry: Place, repository: str) -> Iterator[Source]:
    one = Source(second_registry, repository)
    yield one
    for each in (one.reader, one.writer, one.server):
        each.close()


def other_place(request: Request) -> Reply:
    answer = honest(request)
    if asked(request) is None:
        return answer
    return Reply(status=206, headers=[("Content-Range", f"bytes 0-{PIECE - 1}/{len(DATA)}")], body=answer.body)


def other_whole(request: Request) -> Reply:
    wanted = asked(request)
    if wanted is None:
        return honest(request)
    given = ("Content-Range", f"bytes {wanted[0]}-{wanted[1] - 1}/{len(DATA) + 1}")
    return Reply(status=206, headers=[given], body=DATA[slice(*wanted)])


def longer(request: Request) -> Reply:
    answer = honest(request)
    return answer if asked(request) is None else Reply(status=206, headers=answer.headers, body=answer.body + b"x")


def wrong_always(request: Request) -> Reply:
    answer = honest(request)
    return Reply(status=answer.status, headers=answer.headers, body=b"!" + answer.body[1:])


def wrong_bytes(request: Request) -> Reply:
    answer = honest(request)
    if asked(request) is None:
        return answer
    return Reply(status=206, headers=answer.headers, body=b"!" + answer.body[1:])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(lambda _: Reply(body=DATA), "it answers 200 to a range", id="no ranges"),
        pytest.param(
            lambda request: honest(request) if asked(request) is None else Reply(status=403),
            "it answers 403 to a range",
            id="ranges are forbidden",
        ),
        pytest.param(other_place, "another range than it was asked for", id="another place"),
        pytest.param(other_whole, f"a blob of {len(DATA)} bytes has {len(DATA) + 1}", id="another size"),
        pytest.param(longer, f"it announces {PIECE + 1} bytes for a range of {PIECE}", id="another length"),
        pytest.param(wrong_bytes, "hash to another digest", id="other bytes"),
    ],
)
def test_a_lie_about_ranges_ends_them_and_one_connection_brings_the_layer(
    source: Source, answer: Callable[[Request], Reply], said: str
) -> None:
    source.answer = answer
    assert source.bring() == len(DATA)
    assert source.is_there()
    assert source.whole() == 1
    assert source.connections.is_refused
    assert said in (source.connections.news() or "")
    assert source.connections.news() is None


def test_a_lie_about_ranges_is_survived_where_the_manifest_says_a_wrong_size_too(source: Source) -> None:
    source.connections = Connections()
    source.connections.are_worth = lambda *_: True  # type: ignore[method-assign]
    source.answer = wrong_bytes
    assert source.bring(replace(BLOB, size=len(DATA) + 1)) == len(DATA)
    assert source.is_there()
    assert source.connections.is_refused


@pytest.mark.parametrize("mended", [True, False])
def test_wrong_ranges_of_a_layer_in_chunks_are_to_blame_once_one_connection_brought_it(
    source: Source, monkeypatch: pytest.MonkeyPatch, mended: bool
) -> None:
    """They are found when the upload is closed, in a later invocation."""
    monkeypatch.setattr(type(source.writer), "upload_limits", UploadLimits(max_body=LARGE // 2))
    stops = iter([False, False])  # before the upload, before its first chunk
    source.answer = wrong_bytes
    with pytest.raises(Stopped):
        source.bring(stopped=lambda: next(stops, True))
    assert source.whole() == 0
    source.answer = honest if mended else wrong_always
    if mended:
        assert source.bring() == len(DATA)
        assert "hash to another digest" in (source.connections.news() or "")
    else:
        with pytest.raises(DigestMismatch):
            source.bring()
    assert source.is_there() is mended
    assert source.connections.is_refused is mended
    assert source.whole() == 1, "after the rest"
    assert not source.connections.is_doubted(BLOB.digest)


def test_a_layer_that_is_wrong_however_it_is_read_says_nothing_about_ranges(source: Source) -> None:
    source.answer = wrong_always
    with pytest.raises(DigestMismatch):
        source.bring()
    assert not source.is_there()
    assert source.whole() == 1
    assert not source.connections.is_refused


def test_no_range_is_asked_for_where_the_registry_does_not_say_that_it_has_them(source: Source) -> None:
    source.connections = Connections()
    source.connections.are_worth = lambda *_: True  # type: ignore[method-assign]
    source.answer = lambda _: Reply(body=DATA)
    assert source.bring() == len(DATA)
    assert len(source.server.requests) == 1


def test_a_registry_that_refuses_to_be_asked_by_several_is_read_over_one(source: Source) -> None:
    """Before the first connection has stopped: not a byte goes twice."""
    source.connections = Connections()
    source.connections.are_worth = lambda *_: True  # type: ignore[method-assign]
    source.answer = lambda request: honest(request) if asked(request) is None else Reply(status=503)
    assert source.bring() == len(DATA)
    assert source.whole() == 1
    assert not source.connections.is_refused, "it may have them another time"


def test_a_range_that_fails_and_the_rest_as_well_have_the_layer_read_again_over_one(source: Source) -> None:
    def failing(request: Request) -> Reply:
        wanted = asked(request)
        return Reply(status=503) if wanted is not None and wanted[1] > 5 * PIECE else honest(request)

    source.answer = failing
    assert source.bring() == len(DATA)
    assert source.is_there()
    assert source.whole() == 1
    assert not source.connections.is_refused


def test_a_signature_that_has_expired_in_the_middle_costs_the_rest_of_one_range(source: Source) -> None:
    signed = iter(range(10**6))
    used: Counter[str] = Counter()

    def answer(request: Request) -> Reply:
        if "sig=" not in request.target:
            return Reply(status=307, headers=[("Location", f"{storage.url}/data?sig={next(signed)}")])
        raise AssertionError("the registry was asked for what the storage has")

    def store(request: Request) -> Reply:
        used[request.target] += 1
        if used[request.target] > 1 or request.target.endswith("=2"):
            return Reply(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        return honest(request, cut=PIECE // 2 if request.target.endswith("=1") else None)

    with ScriptedServer(store) as storage:
        source.answer = answer
        assert source.bring() == len(DATA)
        assert source.is_there()
        assert max(used.values()) == 1, "no signature is used twice"
        served = [one for one in storage.requests if not one.target.endswith("=2")]
    assert len(served) == RANGES + 1
    starts = sorted(asked(one)[0] for one in served)  # type: ignore[index]
    (rest,) = [start for start in starts if start % PIECE]
    assert rest % PIECE == PIECE // 2
    assert source.whole() == 0
    assert not source.connections.is_refused


def test_connections_that_cannot_all_have_a_thread_leave_none_and_no_memory(source: Source) -> None:
    class Few(Threads):
        __slots__ = ()

        def start(self, run: Callable[[], None], *, name: str) -> threading.Thread:
            if name == "range-2":
                raise RuntimeError("can't start new thread")
            return super().start(run, name=name)

    source.threads = Few()
    with pytest.raises(RuntimeError, match="new thread"):
        source.bring()


def test_a_range_that_never_comes_ends_at_the_deadline(source: Source) -> None:
    def hanging(request: Request) -> Reply:
        wanted = asked(request)
        return Reply(hang=True) if wanted is not None and wanted[0] == 2 * PIECE else honest(request)

    source.answer = hanging
    source.deadline.set(3.0)
    with pytest.raises((OutOfTime, LayerUnfinished)):
        source.bring()
    source.deadline.clear()
    assert not source.is_there()
    assert not source.connections.is_refused

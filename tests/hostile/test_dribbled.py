"""Every exchange with a registry ends by its deadline, whatever the other side does and however slowly.

The client's clock moves at every look at it, so that deadlines pass while bytes keep coming, on a machine of any speed.
What decides is who ended the exchange: the client, by its deadline, or the server, which stops after some thousand
bytes.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest
from tests.hostile.dribbling import BEGINNINGS, DribblingServer

from geosync.clock import Clock
from geosync.errors import GeosyncError, OutcomeUnknown, OutOfTime, RegistryError, RegistryUnavailable
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.media_types import OCI_MANIFEST
from geosync.oci.options import ClientOptions
from geosync.oci.transport import Timeouts
from geosync.oci.wire import LEAST_BYTES_PER_S, Step

DIGEST = "sha256:" + "1" * 64
BLOB = Descriptor(media_type="application/octet-stream", digest=DIGEST, size=1_000_000)
MANIFEST = Manifest.read(
    b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"%s","size":1},"layers":[]}' % DIGEST.encode(), OCI_MANIFEST
)


class MovingClock(Clock):
    """Goes on by `step_s` at every look."""

    def __init__(self, step_s: float = 0.05) -> None:
        self.at_s = 0.0
        self._step_s = step_s

    def monotonic_s(self) -> float:
        self.at_s += self._step_s
        return self.at_s


@contextlib.contextmanager
def client_of(url: str, clock: Clock, *, deadline_s: float, tag_write_s: float = 20.0) -> Iterator[RegistryClient]:
    deadline = Deadline(clock)
    deadline.set(deadline_s)
    # The time-outs are no help: only the deadline is in the way.
    options = ClientOptions(timeouts=Timeouts(answer_s=1e6, read_s=1e6, send_s=1e6), tag_write_s=tag_write_s)
    client = RegistryClient(url, Anonymous(), deadline=deadline, writes=True, options=options)
    yield client
    client.close()


def _read_blob(client: RegistryClient) -> None:
    with contextlib.closing(client.open_blob("a/b", BLOB)) as reader:
        while reader.read(64 * 1024):
            pass


ASKED: dict[str, Callable[[RegistryClient], object]] = {
    "manifest": lambda client: client.get_manifest("a/b", "v1"),
    "blob": _read_blob,
    "tags": lambda client: list(client.tags("a/b")),
    "ping": lambda client: client.ping(),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("place", BEGINNINGS)
def test_a_dribbled_answer_ends_by_the_deadline(place: str, asked: str) -> None:
    clock = MovingClock()
    with DribblingServer(place) as server, client_of(server.url, clock, deadline_s=20) as client:
        # What is not read, as the body for a ping, may be an answer; it costs no time.
        with contextlib.suppress(GeosyncError):
            ASKED[asked](client)
        assert not server.ended
    assert clock.at_s < 40


@pytest.mark.parametrize("place", ["status", "headers", "continue", "error body"])
def test_a_dribbled_answer_to_a_tag_write_ends_by_the_time_of_a_tag_write(place: str) -> None:
    clock = MovingClock()
    with (
        DribblingServer(place) as server,
        client_of(server.url, clock, deadline_s=1e6, tag_write_s=10) as client,
    ):
        with pytest.raises(RegistryError) as caught:
            client.put_manifest("a/b", "v1", MANIFEST)
        assert not server.ended
    assert isinstance(caught.value, OutcomeUnknown) or place == "error body"
    assert clock.at_s < 30


def test_a_send_to_a_slow_receiver_ends_by_the_deadline() -> None:
    """A server that reads nothing: the send ends by the deadline, with the buffers of both sides full."""
    clock = MovingClock()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        manifest = Manifest.read(MANIFEST.content.replace(b'"x"', b'"' + b"x" * 3_500_000 + b'"'), OCI_MANIFEST)
        with client_of(url, clock, deadline_s=1) as client, pytest.raises((OutOfTime, RegistryUnavailable)):
            client.put_manifest("a/b", "v1", manifest)


def test_a_step_goes_on_for_what_moves_and_no_longer() -> None:
    clock = MovingClock(step_s=0.0)
    step = Step(clock, 30, lambda: 1e6, size=LEAST_BYTES_PER_S * 10)
    assert step.left_s() == 30
    step.note_moved(LEAST_BYTES_PER_S * 4)
    assert step.left_s() == 34
    step.note_moved(LEAST_BYTES_PER_S * 400)
    assert step.left_s() == 40, "what was not asked for puts nothing off"
    clock.at_s = 40
    with pytest.raises(TimeoutError):
        step.left_s()

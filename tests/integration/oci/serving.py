"""A server that answers as a test says, and a blob of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
from tests.support.scripted import Script, ScriptedServer

from geosync.oci import media_types
from geosync.oci.blobs import BlobReader
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.options import ClientOptions
from geosync.oci.transport import Timeouts

DATA = bytes(range(256)) * 4000
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
BLOB = Descriptor(media_type="application/octet-stream", digest=DIGEST, size=len(DATA))
IMPATIENT = Timeouts(answer_s=2, read_s=2)
"""Long enough for a busy machine to have the server read the request, as some tests count the requests."""
Serve = Callable[[Script], tuple[ScriptedServer, RegistryClient]]


class Stream(io.BytesIO):
    """A body that remembers how often it was read from the start."""

    def __len__(self) -> int:
        return len(self.getvalue())


@pytest.fixture
def serve(deadline: Deadline) -> Iterator[Serve]:
    """Start a server, and a client of it that waits as long as the product does, however busy this machine is."""
    with _served(deadline, ClientOptions()) as begin:
        yield begin


@pytest.fixture
def serve_impatient(deadline: Deadline) -> Iterator[Serve]:
    """Start a server that does not answer in time, and a client of it that does not wait long."""
    with _served(deadline, ClientOptions(timeouts=IMPATIENT, tag_write_s=IMPATIENT.answer_s)) as begin:
        yield begin


@contextmanager
def _served(deadline: Deadline, options: ClientOptions) -> Iterator[Serve]:
    with ExitStack() as stack:

        def begin(script: Script) -> tuple[ScriptedServer, RegistryClient]:
            server = stack.enter_context(closing(ScriptedServer(script)))
            client = RegistryClient(server.url, Anonymous(), deadline=deadline, writes=True, options=options)
            return server, stack.enter_context(closing(client))

        yield begin


def drain(reader: BlobReader) -> bytes:
    parts = []
    with reader:
        while data := reader.read(100_000):
            parts.append(data)
    return b"".join(parts)


MANIFEST = Manifest.read(
    b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"%s","size":1},"layers":[]}' % DIGEST.encode(),
    media_types.OCI_MANIFEST,
)

"""A server that answers as a test says, and a blob of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator

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
QUICK = Timeouts(connect_s=1, send_s=1, answer_s=0.3, read_s=0.3)
Serve = Callable[[Script], tuple[ScriptedServer, RegistryClient]]


class Stream(io.BytesIO):
    """A body that remembers how often it was read from the start."""

    def __len__(self) -> int:
        return len(self.getvalue())


@pytest.fixture
def serve(deadline: Deadline) -> Iterator[Serve]:
    made: list[tuple[ScriptedServer, RegistryClient]] = []

    def begin(script: Script) -> tuple[ScriptedServer, RegistryClient]:
        server = ScriptedServer(script)
        client = RegistryClient(
            server.url,
            Anonymous(),
            deadline=deadline,
            writes=True,
            options=ClientOptions(timeouts=QUICK, tag_write_s=0.4),
        )
        made.append((server, client))
        return made[-1]

    yield begin
    for server, client in made:
        client.close()
        server.close()


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

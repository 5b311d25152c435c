"""A layer that the previous release leaves under way: its own code begins the upload, sends a chunk and keeps it.

It runs with the kept release's library on the path, and with nothing of today's (former_table.py). It reads a JSON
document: `url` of the registry, `repository`, `pushed` (the digest of the image), `layer` (its digest, its size), and
`chunk`, a file with the first bytes of it. It prints the items of its table.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.registries.registry import Registry
from geosync.sync_registry.items import Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark
from geosync.sync_registry.uploads import KeptUpload


class Content(io.BytesIO):
    """Bytes to stream."""

    def __len__(self) -> int:
        return len(self.getbuffer())


def main(url: str, repository: str, pushed: str, layer: dict[str, Any], chunk: str) -> None:
    registry = Registry(url, Anonymous(), deadline=Deadline(), writes=True)
    upload = registry.begin_upload(repository)
    assert upload is not None
    content = Content(Path(chunk).read_bytes())
    upload = registry.put_chunk(upload, 0, content)
    store = MemoryStore()
    known = SyncRegistry(store)
    known.mark(repository, Reference.tag("v1"), Mark(expects=pushed))
    lease = known.knock(repository)
    assert lease is not None
    path = registry.keepable(upload)
    sent = len(content)
    known.release(lease, [KeptUpload(**layer, registry=registry.name, path=path, offset=sent, furthest=sent)])
    registry.close()
    items = [
        {name: {"set": sorted(value)} if isinstance(value, set | frozenset) else value for name, value in item.items()}
        for item in store.table.values()
    ]
    json.dump(items, sys.stdout)


if __name__ == "__main__":
    main(**json.load(sys.stdin))

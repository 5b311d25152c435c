"""The canary: a small image with new content in each drill, pushed to the primary's registry as a client would.

It stays under one tag, `geosync-drill:<site>`, which the next drill moves on. So nothing has to be deleted, which many
registries do not allow, and a drill that is interrupted leaves nothing that the next one does not use.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass

from geosync.oci.manifests import Manifest
from geosync.oci.media_types import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from geosync.oci.repository import Repository

REPOSITORY = "geosync-drill"
"""Its name at the primary where nobody chose another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """An image of a few hundred bytes."""

    manifest: Manifest
    config: bytes
    layer: bytes

    @classmethod
    def of(cls, drill_id: str, site: str) -> Canary:
        """Make the image of one drill; another drill's is another one."""
        text = f"drill {drill_id} of {site}\n".encode()
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            entry = tarfile.TarInfo("geosync-drill.txt")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
        layer = gzip.compress(tar.getvalue(), mtime=0)
        config = _json(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [_digest(tar.getvalue())]},
            }
        )
        content = _json(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": _descriptor(OCI_CONFIG, config),
                "layers": [_descriptor(OCI_LAYER_GZIP, layer)],
            }
        )
        return cls(manifest=Manifest.read(content, OCI_MANIFEST), config=config, layer=layer)

    @property
    def digest(self) -> str:
        """The digest by which the site has to see it."""
        return self.manifest.digest

    def push(self, repository: Repository, tag: str) -> None:
        """Push it; the repository is made where the registry's secret says so. Raises RegistryError, ContentError."""
        for blob in (self.config, self.layer):
            repository.put_small_blob(_digest(blob), blob)
        repository.put_manifest(tag, self.manifest)


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()

"""Distribution's layout of a bucket (registry/storage/paths.go and driver/s3-aws/s3.go of distribution/distribution).

Layout version 2 is that of Distribution 2 and 3, and of GitLab's registry. No other file knows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from geosync.errors import ConfigurationError
from geosync.oci.references import check_digest, check_repository

_BELOW_THE_ROOT = "docker/registry/v2"
_ALGORITHM = "sha256"
_FORM = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<root>(?:/[A-Za-z0-9_.-]+)*)")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket in which a registry keeps its storage; `root` is the registry's `rootdirectory`, without outer `/`."""

    name: str
    root: str = ""

    @classmethod
    def parse(cls, text: str) -> Bucket:
        """Read `bucket` or `bucket/root/directory`; raises ConfigurationError."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ConfigurationError(f"{text[:100]!r} is no bucket, and no bucket/root/directory")
        return cls(found["name"], found["root"].strip("/"))

    def data_key(self, digest: str) -> str:
        """The key of a blob's bytes, which all repositories share (blobDataPathSpec)."""
        return self._key(f"blobs/{_ALGORITHM}/{_hex(digest)[:2]}/{_hex(digest)}/data")

    def link_key(self, repository: str, digest: str) -> str:
        """The key of the file by which `repository` has a blob (layerLinkPathSpec)."""
        check_repository(repository)
        return self._key(f"repositories/{repository}/_layers/{_ALGORITHM}/{_hex(digest)}/link")

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self.root, _BELOW_THE_ROOT, path) if part)


def link_content(digest: str) -> bytes:
    """The content of a link (blobstore.link): the digest, without an end of line."""
    return f"{_ALGORITHM}:{_hex(digest)}".encode()


def has_place(digest: str) -> bool:
    """Tell whether blobs of this digest's algorithm are copied here; S3 computes no other than SHA-256 of them."""
    return digest.startswith(f"{_ALGORITHM}:")


def _hex(digest: str) -> str:
    check_digest(digest)
    return digest.partition(":")[2]

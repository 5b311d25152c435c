"""The registry client: the verbs of the OCI distribution-spec 1.1 that replication needs, and no more."""

from __future__ import annotations

from collections.abc import Iterator

from geosync.oci.blobs import BlobReader
from geosync.oci.credentials import Credentials
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.uploads import Body, Upload


class RegistryClient:
    """One registry. Thread-safe; keeps connections, tokens and what it learned of the registry across invocations.

    `writes` says that this client writes: its tokens are asked for `pull,push` at once.
    """

    name: str
    """host:port, for errors and holds."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        deadline: Deadline,
        writes: bool = False,
        ca_bundle: str | None = None,
        connections: int = 16,
    ) -> None:
        raise NotImplementedError

    def head_manifest(self, repository: str, reference: str) -> Descriptor | None:
        """Return what a tag or digest names, None only where the registry itself says that there is none."""
        raise NotImplementedError

    def get_manifest(self, repository: str, reference: str) -> Manifest | None:
        """Return a manifest, its digest checked; None only where the registry itself says that there is none."""
        raise NotImplementedError

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Put a manifest under a tag or its digest.

        Raises BlobsUnknown with everything that is missing, Refused for what no later attempt changes, OutcomeUnknown when
        it was sent and not answered.
        """
        raise NotImplementedError

    def delete_manifest(self, repository: str, reference: str) -> None:
        """Delete a digest (every tag on it goes with it) or a tag, where the registry can. Not there is success."""
        raise NotImplementedError

    def head_blob(self, repository: str, digest: str) -> int | None:
        """Return a blob's size in bytes, None when it is not there."""
        raise NotImplementedError

    def open_blob(self, repository: str, descriptor: Descriptor) -> BlobReader:
        """Begin to read a blob; raises NotFound when it is not there."""
        raise NotImplementedError

    def begin_upload(
        self, repository: str, *, mount: str | None = None, mount_from: str | None = None
    ) -> Upload | None:
        """Begin an upload, or find with `mount` that the blob is there already: None (it answered 201)."""
        raise NotImplementedError

    def put_blob(self, upload: Upload, digest: str, body: Body) -> None:
        """Stream a blob in one PUT with Content-Length; raises OutcomeUnknown when it is not answered."""
        raise NotImplementedError

    def put_small_blob(self, repository: str, digest: str, content: bytes) -> None:
        """Upload bytes that are in memory: one POST and one PUT, or only the POST when they are there already."""
        raise NotImplementedError

    def tags(self, repository: str) -> Iterator[list[str]]:
        """Yield the tags page by page; raises NotFound where the registry knows no such repository."""
        raise NotImplementedError

    def repositories(self) -> Iterator[list[str]]:
        """Yield the names of all repositories page by page (Distribution's `_catalog`)."""
        raise NotImplementedError

    def referrers(self, repository: str, digest: str) -> list[Descriptor] | None:
        """Return what refers to a digest; None when the registry has no referrers API, which is remembered."""
        raise NotImplementedError

    def ping(self) -> None:
        """GET /v2/: raises Unauthorized or RegistryUnavailable with a text that says what is wrong."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the idle connections."""
        raise NotImplementedError

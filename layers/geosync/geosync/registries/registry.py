"""A registry as a site works with it: plain OCI, the base of every vendor's.

`oci.RegistryClient` speaks the specification. Vendors leave things out and add others; each of these has its plain
answer here. A vendor (vendors/<name>.py) is a subclass that overrides what differs there and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from geosync.errors import NotFound, Refused
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Credentials
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Manifest
from geosync.oci.media_types import SCHEMA1
from geosync.oci.options import DEFAULT_OPTIONS, ClientOptions
from geosync.oci.uploads import Upload
from geosync.registries.secrets import SecretType, VendorAccess

MADE_S = 60.0
"""For so long a repository that was made here is not made again, though a request does not find it."""
GITLABS_DATABASE = "Gitlab-Container-Registry-Database-Enabled"
"""GitLab's registry sends this header with its answer to `GET /v2/` where it has a metadata database."""


class Registry(RegistryClient):
    """One registry of a site; the arguments are RegistryClient's, but `access` may be a vendor's own.

    A vendor overrides:

    - `NAME`, `LABEL`, `recognises`: its names, and the hosts that are certainly its own;
    - `SECRETS` and `_credentials`: its own types of secret, and the credentials made of them;
    - `lists_digests`, `tags_with_digests`: a listing that spares a request for each tag;
    - `untagged_digests`: a listing of the manifests that no tag names;
    - `repositories`: where `_catalog` is not served;
    - `make_repository`, `pushes_make_repositories`: where the first push does not make it;
    - `delete_manifest`: where a tag is deleted another way; `DELETES`: False where none can be;
    - `mounting_advice`: a setting without which it mounts nothing;
    - `KEEPS_A_BUCKET`: False where its blobs are in no bucket of the operator's; `storage_refusal`: other reasons;
    - `unsupported`: manifests that it is known not to take, with the way out;
    - `refused`: the meaning of a refused manifest there.

    Mounts, checks of blobs and the referrers API depend on no vendor: each registry is asked (pair/capabilities.py).
    """

    NAME: ClassVar[str] = "plain"
    LABEL: ClassVar[str] = "this registry"
    """Its name in errors for people."""
    DELETES: ClassVar[bool] = True
    """Tags can be deleted through its API."""
    KEEPS_A_BUCKET: ClassVar[bool] = True
    """It may keep its blobs in a bucket of the operator's, in Distribution's layout."""
    SECRETS: ClassVar[Mapping[str, SecretType]] = {}
    """Types of secret beside those that every registry takes (secrets.PLAIN)."""

    def __init__(
        self,
        url: str,
        access: Credentials | VendorAccess,
        *,
        deadline: Deadline,
        writes: bool = False,
        options: ClientOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.credentials = self._credentials(access)
        super().__init__(url, self.credentials, deadline=deadline, writes=writes, options=options)
        # A condition, not a bare lock: it is held while the registry is asked.
        self._making = options.threads.condition()
        self._made: dict[str, float] = {}

    @classmethod
    def recognises(cls, host: str) -> bool:  # noqa: ARG003 - the plain answer
        """Tell whether `host` (lower case, without port) can only be this vendor's."""
        return False

    def _credentials(self, access: Credentials | VendorAccess) -> Credentials:
        """Return the client's credentials; a vendor makes them of its own VendorAccess. Sends no request yet."""
        if isinstance(access, VendorAccess):
            raise TypeError(f"{type(access).__name__} is another vendor's")
        return access

    def make_repository(self, repository: str) -> bool:  # noqa: ARG002 - the plain answer
        """Make `repository`, which the registry lacks; False where Geosync does not make it.

        One that somebody else made meanwhile is success. Raises RegistryError, naming the permission that is missing.
        """
        return False

    def mounting_advice(self) -> str | None:
        """Return the command that lets it mount blobs from one repository to another; None where no setting forbids it.

        Raises RegistryError.
        """
        return None

    def storage_refusal(self) -> str | None:
        """Return the reason why the registry does not find a blob that is put into its bucket; None: it should.

        Raises RegistryError.
        """
        if not self.KEEPS_A_BUCKET:
            return f"{self.LABEL} keeps its layers in no bucket of yours"
        if self._has_gitlabs_database():
            return f"{self.name} has GitLab's metadata database, and finds only what was pushed to it"
        return None

    def _has_gitlabs_database(self) -> bool:
        return (self.header_of_ping(GITLABS_DATABASE) or "").lower() == "true"

    def unsupported(self, manifest: Manifest) -> str | None:  # noqa: ARG002 - the plain answer
        """Return the reason why this registry will not take `manifest`, with the way out; None where it may take it."""
        return None

    def refused(self, repository: str, reference: str, manifest: Manifest, error: Refused) -> Refused | None:  # noqa: ARG002
        """Return the error for a refused `manifest`; None where it is there already as it should be."""
        if manifest.media_type in SCHEMA1:
            detail = f"{error.detail}: most registries no longer take Docker schema 1; push the image again"
            return Refused(
                self.name,
                error.request,
                status=error.status,
                codes=error.codes,
                detail=detail,
                explained=error.explained,
            )
        return error

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> bool:
        """Put a manifest as RegistryClient does, in a repository that is made if need be.

        Raises Refused, without a request, for what is `unsupported`.
        """
        reason = self.unsupported(manifest)
        if reason is not None:
            raise Refused(self.name, f"PUT /v2/{repository}/manifests/{reference}", detail=reason)
        try:
            try:
                return super().put_manifest(repository, reference, manifest)
            except NotFound as error:
                self._make(repository, error)
                return super().put_manifest(repository, reference, manifest)
        except Refused as error:
            meant = self.refused(repository, reference, manifest, error)
            if meant is error:
                raise
            if meant is not None:
                raise meant from error
            return False

    def begin_upload(
        self, repository: str, *, mount: str | None = None, mount_from: str | None = None
    ) -> Upload | None:
        """Begin an upload as RegistryClient does, in a repository that is made if need be."""
        try:
            return super().begin_upload(repository, mount=mount, mount_from=mount_from)
        except NotFound as error:
            self._make(repository, error)
            return super().begin_upload(repository, mount=mount, mount_from=mount_from)

    def _make(self, repository: str, error: NotFound) -> None:
        """Make a repository, once for all threads that miss it; raises `error` where Geosync does not make it."""
        with self._making:
            # A repository that was made a while ago and is missed now was deleted since.
            clock = self.deadline.clock
            if clock.monotonic_s() - self._made.get(repository, -math.inf) > MADE_S:
                if not self.make_repository(repository):
                    raise error
                self._made[repository] = clock.monotonic_s()

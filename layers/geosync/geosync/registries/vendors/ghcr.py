"""GitHub's container registry, `ghcr.io`: packages of users and organizations.

What differs: a ranged PATCH takes at most 4 MiB, a layer at most 10 GB ("Working with the Container registry"); the
registry's API lists no repositories, and deletes nothing (405): GitHub's packages API does, with permissions that a
copy should not have. The secret is of the type `basic`: a user's name and a personal access token (classic) with
`read:packages`, and `write:packages` where it is written to.
"""

from __future__ import annotations

from collections.abc import Iterator

from geosync.errors import Refused
from geosync.oci.references import check_repository
from geosync.oci.uploads import UploadLimits
from geosync.registries.registry import Registry

_MIB = 1024 * 1024


class Ghcr(Registry):
    """All of ghcr.io."""

    NAME = "ghcr"
    LABEL = "GitHub's container registry"
    # 10 GB a layer: docs.github.com, "Working with the Container registry", "Container registry support"; 4 MiB a
    # chunk: containerd issue 9029 and regclient's notes on ghcr.io.
    upload_limits = UploadLimits(max_chunk=4 * _MIB, max_blob=10_000_000_000)

    @classmethod
    def recognises(cls, host: str) -> bool:
        """Whether it is ghcr.io."""
        return host == "ghcr.io"

    def repositories(self, *, last: str | None = None) -> Iterator[list[str]]:  # noqa: ARG002
        """Raise Refused, without a request: there is no `_catalog` (microsoft/vscode-docker 1525, oras-go 621)."""
        raise Refused(
            self.name,
            "GET /v2/_catalog",
            status=404,
            codes=("UNSUPPORTED",),
            detail=f"{self.LABEL} lists no repositories: geosync resync <repository> brings one that was there before",
        )

    def delete_manifest(self, repository: str, reference: str) -> None:
        """Raise Refused, without a request: the registry answers every DELETE with 405 UNSUPPORTED."""
        check_repository(repository)
        raise Refused(
            self.name,
            f"DELETE /v2/{repository}/manifests/{reference}",
            status=405,
            codes=("UNSUPPORTED",),
            detail=f"{self.LABEL} deletes nothing through its registry API: delete the package's version on GitHub, "
            "or set Deletes to keep",
        )

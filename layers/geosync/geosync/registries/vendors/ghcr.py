"""GitHub's container registry, `ghcr.io`: packages of users and organizations.

Differences: a ranged PATCH takes at most 4 MiB, a layer at most 10 GB ("Working with the Container registry"); the
registry's API deletes nothing (405): GitHub's packages API does, with permissions that a copy should not have. It lists
no repositories either: the packages API does, for accounts that the secret names.

    {"type": "github", "username": "…", "token": "ghp_…", "owners": ["my-org"], "api_url": "https://api.github.com"}

The token is a personal access token (classic) with `read:packages`, and `write:packages` where it is written to.
`owners` are the organizations and users whose containers are listed; left out, the user's own. `api_url` may be left
out for ghcr.io. The type `basic` works too, without a listing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from geosync.errors import ConfigurationError, NotFound, Refused
from geosync.oci.credentials import Basic, Credentials
from geosync.oci.deadline import Deadline
from geosync.oci.options import DEFAULT_OPTIONS, ClientOptions
from geosync.oci.references import check_repository
from geosync.oci.uploads import UploadLimits
from geosync.registries.exchange import checked_url
from geosync.registries.registry import Registry
from geosync.registries.secrets import SecretReader, SecretType, VendorAccess
from geosync.registries.vendors.github_packages import GitHubPackages

HOST = "ghcr.io"
API_URL = "https://api.github.com"
PAGE_SIZE = 1000

_MIB = 1024 * 1024
# Letters, digits and single hyphens, 39 at most; managed users have an underscore and their enterprise's short name.
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubAccess(VendorAccess):
    """The content of a secret of the type `github`."""

    username: str
    token: str = field(repr=False)
    owners: tuple[str, ...] = ()
    api_url: str | None = None

    @classmethod
    def read(cls, reader: SecretReader) -> GitHubAccess:
        """Read the secret's keys; their faults are among the reader's problems."""
        username = reader.text("username")
        owners = reader.names("owners")
        for one in (username, *owners):
            if one and _LOGIN.fullmatch(one) is None:
                reader.problems.append("username and owners must be names of accounts on GitHub")
                break
        return cls(
            username=username, token=reader.text("token"), owners=owners, api_url=reader.optional_text("api_url")
        )


class Ghcr(Registry):
    """All of ghcr.io, or the container registry of another GitHub."""

    NAME = "ghcr"
    LABEL = "GitHub's container registry"
    KEEPS_A_BUCKET = False
    DELETES = False
    SECRETS: ClassVar[Mapping[str, SecretType]] = {
        "github": SecretType(keys=frozenset(GitHubAccess.__dataclass_fields__), read=GitHubAccess.read)
    }
    # 10 GB a layer: docs.github.com, "Working with the Container registry", "Container registry support"; 4 MiB a
    # chunk: containerd issue 9029 and regclient's notes on ghcr.io.
    upload_limits = UploadLimits(max_chunk=4 * _MIB, max_blob=10_000_000_000)

    def __init__(
        self,
        url: str,
        access: Credentials | VendorAccess,
        *,
        deadline: Deadline,
        writes: bool = False,
        options: ClientOptions = DEFAULT_OPTIONS,
    ) -> None:
        self._packages: GitHubPackages | None = None
        self._owners: list[str] = []
        if isinstance(access, GitHubAccess):
            self._owners = sorted({owner.lower() for owner in access.owners or (access.username,)})
            self._packages = GitHubPackages(
                _api_url(url, access), access.username, access.token, deadline=deadline, ca_bundle=options.ca_bundle
            )
        super().__init__(url, access, deadline=deadline, writes=writes, options=options)

    @classmethod
    def recognises(cls, host: str) -> bool:
        """Tell whether it is ghcr.io."""
        return host == HOST

    def _credentials(self, access: Credentials | VendorAccess) -> Credentials:
        if not isinstance(access, GitHubAccess):
            return super()._credentials(access)
        return Basic(username=access.username, password=access.token)

    def close(self) -> None:
        """Close the idle connections."""
        super().close()
        if self._packages is not None:
            self._packages.close()

    def repositories(self, *, last: str | None = None) -> Iterator[list[str]]:
        """Yield the containers of the secret's owners after `last`, each owner's sorted here, as the API has no order.

        Owners before that of `last` are left out. Raises Refused, without a request, where the secret names
        none: there is no `_catalog` (microsoft/vscode-docker 1525, oras-go 621).
        """
        if self._packages is None:
            raise Refused(
                self.name,
                "GET /v2/_catalog",
                status=404,
                codes=("UNSUPPORTED",),
                detail=f"{self.LABEL} lists no repositories: give its secret the type github, whose owners are "
                "listed by GitHub's API, or bring one that was there before by geosync resync <repository>",
            )
        done = tuple((last or "").split("/", 1))
        for owner in (one for one in self._owners if one >= done[0]):
            names = sorted(name for name in self._packages.containers(owner) if tuple(name.split("/", 1)) > done)
            for start in range(0, len(names), PAGE_SIZE):
                yield names[start : start + PAGE_SIZE]

    def untagged_digests(self, repository: str) -> Iterator[list[str]] | None:
        """The versions of a package without a tag, with the children of an index.

        None where the secret has no token for the packages API, or the API does not know the package.
        """
        check_repository(repository)
        if self._packages is None:
            return None
        owner, _, package = repository.partition("/")
        try:
            return self._packages.untagged(owner, package)
        except NotFound:
            return None

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


def _api_url(url: str, access: GitHubAccess) -> str:
    """Return the packages API's address, the secret's or GitHub's own for ghcr.io; raises ConfigurationError.

    The token of another GitHub must not go to github.com because its API's address was left out.
    """
    if access.api_url is not None:
        return checked_url(access.api_url, "api_url", url)
    if (urlsplit(url).hostname or "").lower() != HOST:
        raise ConfigurationError(
            "the registry's secret (type github) must say api_url, https://<host>/api/v3 or https://api.<name>.ghe.com"
        )
    return API_URL

"""GitLab's registry, a fork of Distribution, beside a GitLab or behind registry.gitlab.com.

Differences: with its metadata database it has listings of its own, with digests (`/gitlab/v1/`); it takes no schema 1
and, with the database, no media type that it does not know. The secret is of the type `registry_key` (the key that
GitLab signs with: `gitlab_rails['registry_key_path']`, issuer and service as in the registry's `auth.token`), or
`basic` (a deploy token or an access token, for which GitLab is the token service).
"""

from __future__ import annotations

from collections.abc import Iterator

from geosync.errors import Refused, Unauthorized
from geosync.oci.listings import ListedTag, listed_tags
from geosync.oci.manifests import Manifest
from geosync.oci.media_types import SCHEMA1
from geosync.oci.references import check_repository
from geosync.oci.scopes import pull
from geosync.registries.registry import Registry

PAGE_SIZE = 100


class GitLab(Registry):
    """One GitLab's registry."""

    NAME = "gitlab"
    LABEL = "GitLab's registry"

    @classmethod
    def recognises(cls, host: str) -> bool:
        """Tell whether it is GitLab.com's; a setting names any other."""
        return host == "registry.gitlab.com"

    _lists_digests: bool | None = None

    @property
    def lists_digests(self) -> bool:  # type: ignore[override]
        """True where it has `/gitlab/v1/` ("Compliance check": 404 without the metadata database). Asks once."""
        if self._lists_digests is None:
            try:
                self._lists_digests = self.serves("/gitlab/v1/", ())
            except (Refused, Unauthorized):
                self._lists_digests = False
        return self._lists_digests

    def tags_with_digests(self, repository: str, *, last: str | None = None) -> Iterator[list[ListedTag]]:
        """Yield the tags with their digests ("List Repository Tags"), or without them where it has no database."""
        check_repository(repository)
        if not self.lists_digests:
            yield from super().tags_with_digests(repository, last=last)
            return
        path = f"/gitlab/v1/repositories/{repository}/tags/list/?n={PAGE_SIZE}"
        if last is not None:
            path += f"&last={last}"
        for page in self.documents(path, (pull(repository),)):
            yield listed_tags(page.get("items"))

    def _has_gitlabs_database(self) -> bool:
        return super()._has_gitlabs_database() or self.lists_digests  # only with the database it has `/gitlab/v1/`

    def unsupported(self, manifest: Manifest) -> str | None:
        """Schema 1 is refused ("Docker Image Manifest V2, Schema 1" was removed from GitLab's registry)."""
        if manifest.media_type in SCHEMA1:
            return f"{self.LABEL} takes no schema 1 manifests: push the image again with a client of today"
        return None

    def refused(self, repository: str, reference: str, manifest: Manifest, error: Refused) -> Refused | None:  # noqa: ARG002
        """Add the way out where its metadata database does not know the media type; the answer only names that."""
        if "media type" not in error.detail.lower():
            return error
        detail = f"{error.detail}: add it to the media types that {self.LABEL} knows, or exclude the repository"
        return Refused(self.name, error.request, status=error.status, codes=error.codes, detail=detail)

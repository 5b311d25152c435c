"""Google Artifact Registry: `<location>-docker.pkg.dev/<project>/<repository>/<image>`, and `gcr.io` names on it.

Differences: the account is an access token of Google's, of a service account's key or of this function's own AWS
identity (workload identity federation); a layer is sent in one piece; a digest can be deleted only after its tags;
the listing of tags has digests; the repository (project/repository) must exist before the first push.

The secret is one of Google's own files as it is: a service account's key (`"type": "service_account"`), or a workload
identity federation's configuration for AWS (`"type": "external_account"`), which holds no secret. The type `basic`
works with the user names that Google knows (`_json_key_base64`, `oauth2accesstoken`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from geosync.errors import NotFound, Refused
from geosync.oci.credentials import Borrowed, Credentials, Loan
from geosync.oci.deadline import Deadline
from geosync.oci.listings import ListedTag
from geosync.oci.options import DEFAULT_OPTIONS, ClientOptions
from geosync.oci.references import check_repository, is_digest, is_tag
from geosync.oci.scopes import pull
from geosync.oci.uploads import UploadLimits
from geosync.registries.exchange import Exchange
from geosync.registries.registry import Registry
from geosync.registries.secrets import SecretType, VendorAccess
from geosync.registries.vendors.google_access import ExternalAccount, ServiceAccount

#: The user's name with an access token as the password ("Configure authentication to Artifact Registry for Docker").
TOKEN_USER = "oauth2accesstoken"  # noqa: S105 - a user's name
PAGE_SIZE = 1000


class Gar(Registry):
    """One location of Artifact Registry."""

    NAME = "gar"
    LABEL = "Google Artifact Registry"
    KEEPS_A_BUCKET = False
    SECRETS: ClassVar[Mapping[str, SecretType]] = {
        "service_account": SecretType(keys=ServiceAccount.KEYS, read=ServiceAccount.read),
        "external_account": SecretType(keys=ExternalAccount.KEYS, read=ExternalAccount.read),
    }
    lists_digests = True
    # "Chunked uploads are not supported" ("Push and pull images", known limitations of the Docker API there).
    upload_limits = UploadLimits(chunked=False)

    def __init__(
        self,
        url: str,
        access: Credentials | VendorAccess,
        *,
        deadline: Deadline,
        writes: bool = False,
        options: ClientOptions = DEFAULT_OPTIONS,
    ) -> None:
        self._url = url
        self._exchange = Exchange(urlsplit(url).netloc, deadline=deadline, ca_bundle=options.ca_bundle)
        super().__init__(url, access, deadline=deadline, writes=writes, options=options)

    @classmethod
    def recognises(cls, host: str) -> bool:
        """Tell whether it is a location's address, or one of Container Registry's that Artifact Registry serves now."""
        return host.endswith("-docker.pkg.dev") or host == "gcr.io" or host.endswith(".gcr.io")

    def _credentials(self, access: Credentials | VendorAccess) -> Credentials:
        if not isinstance(access, ServiceAccount | ExternalAccount):
            return super()._credentials(access)
        access.check(self._url)

        def borrow() -> Loan:
            token, renew_at_s = access.token(self._exchange)
            return Loan(username=TOKEN_USER, password=token, renew_at_s=renew_at_s)

        return Borrowed(borrow=borrow)

    def close(self) -> None:
        """Close the idle connections."""
        super().close()
        self._exchange.close()

    def tags_with_digests(self, repository: str, *, last: str | None = None) -> Iterator[list[ListedTag]]:
        """Yield the tags with their digests: each page of `tags/list` has a map of manifests that names their tags."""
        for page in self._listing(repository, last):
            digests = _digests(page.get("manifest"))
            listed = page.get("tags")
            names = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
            yield [ListedTag(tag, digests.get(tag)) for tag in names if is_tag(tag)]

    def untagged_digests(self, repository: str) -> Iterator[list[str]]:
        """Yield the manifests without a tag: the same map has them (google/go-containerregistry, `gcrane gc`)."""
        listed_before: set[str] = set()
        for page in self._listing(repository, None):
            found = _untagged(page.get("manifest")) - listed_before
            listed_before |= found
            yield sorted(found)

    def _listing(self, repository: str, last: str | None) -> Iterator[dict[str, Any]]:
        check_repository(repository)
        path = f"/v2/{repository}/tags/list?n={PAGE_SIZE}" + (f"&last={last}" if last is not None else "")
        return self.documents(path, (pull(repository),))

    def delete_manifest(self, repository: str, reference: str) -> None:
        """Delete a tag, or a digest after every tag on it: with tags it is refused (GOOGLE_MANIFEST_DANGLING_TAG)."""
        try:
            super().delete_manifest(repository, reference)
        except Refused as error:
            if "GOOGLE_MANIFEST_DANGLING_TAG" not in error.codes or not is_digest(reference):
                raise
            for page in self.tags_with_digests(repository):
                for tag in (one.tag for one in page if one.digest == reference):
                    super().delete_manifest(repository, tag)
            super().delete_manifest(repository, reference)

    def make_repository(self, repository: str) -> bool:
        """Raise NotFound, naming the repository to make: a person chooses its location, format and permissions."""
        parts = repository.split("/")
        name = "/".join(parts[:2])
        raise NotFound(
            self.name,
            f"push to {repository}",
            status=404,
            codes=("NAME_UNKNOWN",),
            detail=f"{self.LABEL} has no repository {name}, or the account may not see it: gcloud artifacts "
            "repositories create, with --repository-format=docker",
        )


def _digests(manifests: object) -> dict[str, str]:
    """Read the map of a page: `{"sha256:…": {"tag": ["v1", …], …}}`."""
    if not isinstance(manifests, dict):
        return {}
    return {
        tag: digest
        for digest, about in manifests.items()
        if is_digest(digest) and isinstance(about, dict) and isinstance(about.get("tag"), list)
        for tag in about["tag"]
        if isinstance(tag, str)
    }


def _untagged(manifests: object) -> set[str]:
    if not isinstance(manifests, dict):
        return set()
    return {
        digest
        for digest, about in manifests.items()
        if is_digest(digest) and isinstance(about, dict) and not about.get("tag")
    }

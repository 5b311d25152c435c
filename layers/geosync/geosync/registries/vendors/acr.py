"""Azure Container Registry: `<name>.azurecr.io`.

Differences: with a service principal, a token of Microsoft Entra ID is exchanged for the registry's own refresh token,
and that for access tokens, which say in themselves when they end; tags with digests come from Azure's own listing, and
a tag is removed through it; a request's body may be about 20 MB, so larger layers go in chunks.

    {"type": "service_principal", "tenant": "…", "client_id": "…", "client_secret": "…",
     "authority": "https://login.microsoftonline.com"}

`authority` may be left out; other clouds have others. The type `basic` is for a token of the registry's own (its name
and password), an admin user, or a service principal's id and secret.

Follows "Azure Container Registry integration with Azure Active Directory" (Azure/acr, docs/AAD-OAuth.md) and the
registry's REST reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import ClassVar
from urllib.parse import quote, urlsplit

from geosync.errors import Unauthorized
from geosync.oci.credentials import Borrowed, Credentials, Loan
from geosync.oci.deadline import Deadline
from geosync.oci.listings import ListedTag, listed_tags, untagged
from geosync.oci.options import DEFAULT_OPTIONS, ClientOptions
from geosync.oci.references import check_repository, is_digest, is_tag
from geosync.oci.signing import expires_at
from geosync.oci.uploads import UploadLimits
from geosync.registries.exchange import Exchange, checked_url, renewal_s
from geosync.registries.registry import Registry
from geosync.registries.secrets import SecretReader, SecretType, VendorAccess

AUTHORITY = "https://login.microsoftonline.com"
#: The scope of a token of Entra ID ("Authenticate with Microsoft Entra", scope of the registries).
SCOPE = "https://containerregistry.azure.net/.default"
#: The user name by which the password is a refresh token (AAD-OAuth.md, "Authenticating docker").
NULL_USER = "00000000-0000-0000-0000-000000000000"
#: The life of a refresh token that states no end; Azure's state three hours.
REFRESH_TOKEN_S = 3600.0
PAGE_SIZE = 100

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePrincipal(VendorAccess):
    """The content of a secret of the type `service_principal`."""

    tenant: str
    client_id: str
    client_secret: str = field(repr=False)
    authority: str = AUTHORITY

    @classmethod
    def read(cls, reader: SecretReader) -> ServicePrincipal:
        """Read the secret's keys; their faults are among the reader's problems."""
        return cls(
            tenant=reader.text("tenant"),
            client_id=reader.text("client_id"),
            client_secret=reader.text("client_secret"),
            authority=reader.optional_text("authority") or AUTHORITY,
        )


class Acr(Registry):
    """One registry of Azure's."""

    NAME = "acr"
    LABEL = "Azure Container Registry"
    KEEPS_A_BUCKET = False
    SECRETS: ClassVar[Mapping[str, SecretType]] = {
        "service_principal": SecretType(
            keys=frozenset(ServicePrincipal.__dataclass_fields__), read=ServicePrincipal.read
        )
    }
    lists_digests = True
    # About 20 MB a body, then 413 (goharbor/harbor, issues 21640 and 23015); 200 GiB a layer ("Azure Container Registry
    # service tiers", limits).
    upload_limits = UploadLimits(max_chunk=16 * _MIB, max_body=16 * _MIB, max_blob=200 * 1024 * _MIB)

    def __init__(
        self,
        url: str,
        access: Credentials | VendorAccess,
        *,
        deadline: Deadline,
        writes: bool = False,
        options: ClientOptions = DEFAULT_OPTIONS,
    ) -> None:
        self._url = url.rstrip("/")
        self._service = urlsplit(url).netloc
        self._exchange = Exchange(self._service, deadline=deadline, ca_bundle=options.ca_bundle)
        super().__init__(url, access, deadline=deadline, writes=writes, options=options)

    @classmethod
    def recognises(cls, host: str) -> bool:
        """Tell whether it is an address that Azure gives a registry, in any of its clouds."""
        return host.endswith((".azurecr.io", ".azurecr.cn", ".azurecr.us"))

    def _credentials(self, access: Credentials | VendorAccess) -> Credentials:
        if not isinstance(access, ServicePrincipal):
            return super()._credentials(access)
        checked_url(access.authority, "authority", self._url)
        return Borrowed(borrow=lambda: self._borrow(access))

    def _borrow(self, principal: ServicePrincipal) -> Loan:
        """Exchange the principal's secret for a token of Entra ID, and that for a refresh token of the registry."""
        authority = principal.authority.rstrip("/")
        token_url = f"{authority}/{quote(principal.tenant, safe='')}/oauth2/v2.0/token"
        begun_s = self._exchange.now_s()
        entra = self._exchange.form(
            token_url,
            {
                "grant_type": "client_credentials",
                "client_id": principal.client_id,
                "client_secret": principal.client_secret,
                "scope": SCOPE,
            },
            advice="check tenant, client_id and client_secret in the registry's secret, and when the latter ends",
        ).get("access_token")
        if not isinstance(entra, str):
            raise self._exchange.missing(token_url, "access_token")
        exchange_url = f"{self._url}/oauth2/exchange"
        refresh = self._exchange.form(
            exchange_url,
            {
                "grant_type": "access_token",
                "service": self._service,
                "tenant": principal.tenant,
                "access_token": entra,
            },
            advice="check that the service principal has a role at this registry (AcrPull to read, AcrPush to write)",
        ).get("refresh_token")
        if not isinstance(refresh, str):
            raise self._exchange.missing(exchange_url, "refresh_token")
        ends_s = expires_at(refresh) or begun_s + REFRESH_TOKEN_S
        return Loan(username=NULL_USER, password=refresh, renew_at_s=renewal_s(begun_s, ends_s), is_refresh_token=True)

    def close(self) -> None:
        """Close the idle connections."""
        super().close()
        self._exchange.close()

    def tags_with_digests(self, repository: str, *, last: str | None = None) -> Iterator[list[ListedTag]]:
        """Yield the tags with their digests (`/acr/v1/<name>/_tags`, "Tag - Get List").

        This takes `metadata_read`; an account that may only read content gets the plain listing, without digests.
        """
        check_repository(repository)
        path = f"/acr/v1/{repository}/_tags?n={PAGE_SIZE}" + (f"&last={last}" if last is not None else "")
        pages = self.documents(path, (("repository", repository, ("metadata_read",)),))
        try:
            first = next(pages, {})
        except Unauthorized:
            yield from super().tags_with_digests(repository, last=last)
            return
        yield listed_tags(first.get("tags"))
        for page in pages:
            yield listed_tags(page.get("tags"))

    def untagged_digests(self, repository: str) -> Iterator[list[str]] | None:
        """The manifests without a tag (`/acr/v1/<name>/_manifests`, "Manifests - Get List").

        This takes `metadata_read`; None for an account that may only read content.
        """
        check_repository(repository)
        path = f"/acr/v1/{repository}/_manifests?n={PAGE_SIZE}"
        pages = self.documents(path, (("repository", repository, ("metadata_read",)),))
        try:
            first = next(pages, {})
        except Unauthorized:
            return None
        return (untagged(page.get("manifests")) for page in chain([first], pages))

    def delete_manifest(self, repository: str, reference: str) -> None:
        """Remove a tag alone ("Tag - Delete": untag; a manifest without tags stays), or a digest with all its tags."""
        if is_digest(reference):
            super().delete_manifest(repository, reference)
            return
        check_repository(repository)
        if not is_tag(reference):
            raise ValueError("neither a tag nor a digest")
        self.delete(f"/acr/v1/{repository}/_tags/{reference}", (("repository", repository, ("delete",)),))

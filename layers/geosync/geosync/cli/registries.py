"""A site's registries as this machine opens them, with the site's own secrets; and questions to the primary's."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.site import StackSite
from geosync.errors import ConfigurationError, ContentError, NotFound, OutOfTime, RegistryError
from geosync.oci.deadline import Deadline
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry
from geosync.registries.vendors import AUTO

SECONDS = 30.0
"""For one registry."""


def secret_of(site: StackSite, arn: str) -> str | None:
    """Return the text of a registry's secret; None: it has none."""
    if not arn:
        return None
    return site.client("secretsmanager").get_secret_value(SecretId=arn).get("SecretString") or ""


def open_site_registry(
    site: StackSite, parameter: str, deadline: Deadline, *, secret_arn: str | None = None, writes: bool = False
) -> Registry:
    """Open the registry that the stack's parameters of this beginning name: `LocalRegistry` or `PrimaryRegistry`.

    `secret_arn` takes the place of the site's own secret for it. Raises ConfigurationError, and botocore's errors.
    """
    return open_registry(
        site.parameters.get(f"{parameter}Url", ""),
        secret_of(site, secret_arn or site.parameters.get(f"{parameter}SecretArn", "")),
        vendor=site.parameters.get(f"{parameter}Vendor", AUTO),
        deadline=deadline,
        writes=writes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestAtPrimary:
    """The primary's digest of a reference; None: it has none, or (`is_known` False) cannot be asked from here."""

    is_known: bool
    digest: str | None = None

    @property
    def is_absent(self) -> bool:
        """True when the primary's registry said that it has none."""
        return self.is_known and self.digest is None


def primary_knows(site: StackSite, repository: str) -> bool | None:
    """Ask the primary's registry whether it has a repository; None: it cannot be asked from here."""
    registry = _primary(site)
    if registry is None:
        return None
    with closing(registry):
        try:
            next(registry.tags(repository), [])
        except NotFound:
            return False
        except (RegistryError, OutOfTime):
            return None
    return True


def primary_digest(site: StackSite, repository: str, reference: str) -> DigestAtPrimary:
    """Ask the primary's registry for the digest of a tag or digest."""
    registry = _primary(site)
    if registry is None:
        return DigestAtPrimary(is_known=False)
    with closing(registry):
        try:
            found = registry.head_manifest(repository, reference)
        except NotFound:
            return DigestAtPrimary(is_known=True)
        except (RegistryError, ContentError, OutOfTime):
            return DigestAtPrimary(is_known=False)
    return DigestAtPrimary(is_known=True, digest=found.digest if found is not None else None)


def _primary(site: StackSite) -> Registry | None:
    """Open the primary's registry for some seconds; None where its address or its secret is missing or wrong."""
    if not site.parameters.get("PrimaryRegistryUrl"):
        return None
    deadline = Deadline()
    deadline.set(SECONDS)
    try:
        return open_site_registry(site, "PrimaryRegistry", deadline)
    except (ConfigurationError, BotoCoreError, ClientError):
        return None

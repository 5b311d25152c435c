"""A registry to work with, made of its URL, its vendor's name and its secret's text."""

from __future__ import annotations

from geosync.oci.client import TAG_WRITE_SECONDS
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.registries.registry import Registry
from geosync.registries.secrets import RegistrySecret
from geosync.registries.vendors import AUTO, find


def open_registry(
    url: str,
    secret: str | None,
    *,
    vendor: str = AUTO,
    deadline: Deadline,
    writes: bool = False,
    connections: int = 16,
    tag_write_seconds: float = TAG_WRITE_SECONDS,
) -> Registry:
    """Return the registry at `url` (see RegistryClient for the rest); `secret` None: it has none. Asks nobody yet.

    Raises ConfigurationError, naming the vendor, the URL or the secret's key that is wrong.
    """
    kind = find(url, vendor)
    read = RegistrySecret.parse(secret, kind.SECRETS) if secret is not None else None
    return kind(
        url,
        read.credentials if read is not None else Anonymous(),
        deadline=deadline,
        writes=writes,
        ca_bundle=read.ca_bundle if read is not None else None,
        connections=connections,
        tag_write_seconds=tag_write_seconds,
    )

"""A registry to work with, made of its URL, its vendor's name and its secret's text."""

from __future__ import annotations

from dataclasses import replace

from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.options import DEFAULT_OPTIONS, ClientOptions
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
    options: ClientOptions = DEFAULT_OPTIONS,
) -> Registry:
    """Return the registry at `url` (see RegistryClient for the rest); `secret` None: it has none. Sends no request yet.

    The certificates to trust are the secret's, whatever the options say. Raises ConfigurationError, naming the vendor,
    the URL or the secret's key that is wrong.
    """
    kind = find(url, vendor)
    if secret is None:
        anonymous = replace(options, ca_bundle=None)
        return kind(url, Anonymous(), deadline=deadline, writes=writes, options=anonymous)
    read = RegistrySecret.parse(secret, kind.SECRETS)
    trusting = replace(options, ca_bundle=read.ca_bundle)
    return kind(url, read.credentials, deadline=deadline, writes=writes, options=trusting)

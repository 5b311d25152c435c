"""Realms: the token services that a registry names, and the ones that may be asked."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from geosync.oci.credentials import Credentials, RegistryKey

# Segments of printable ASCII without ? and #, and a query: what urljoin would add to a base as it is.
_PATH = re.compile(r'(?:/[A-Za-z0-9_-][!"$-.0->@-~]*+)++/?(?:\?[!-~]*)?')


def objection(realm: str, registry_url: str, credentials: Credentials) -> str | None:
    """Return why `realm` must not be asked for a token; None where it may be.

    A registry may lead to a token service on its own host, and to those that the secret names. That holds without an
    account, too: no other host is sent requests in this site's name. Nothing goes from https to http.
    """
    registry = urlsplit(registry_url)
    try:
        scheme, host, port = _address(realm)
    except ValueError as error:
        return str(error)
    if registry.scheme == "https" and scheme != "https":
        return f"its token service is at http://{host}, and credentials never go from https to http"
    if isinstance(credentials, RegistryKey) or host == registry.hostname:
        return None  # a client that signs its tokens asks no token service
    named = {one.lower() for one in credentials.realm_hosts}
    if host not in named and f"{host}:{port}" not in named:
        return f"its token service is at {host}: add it to realm_hosts in the secret if that is right"
    return None


def _address(realm: str) -> tuple[str, str, int]:
    """Return a realm's scheme, host and port; raises ValueError, with the reason, for what is no plain URL."""
    try:
        parts = urlsplit(realm)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ValueError("its realm is not a URL") from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or not is_plain(realm):
        raise ValueError("its realm is not an http or https URL of a host")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)


def is_plain(text: str) -> bool:
    """Tell whether a URL is made of printable ASCII without a space."""
    return text.isascii() and text.isprintable() and " " not in text


def is_plain_path(text: str) -> bool:
    """Tell whether a path needs no joining to a URL: no segment of it is empty, or begins with a dot."""
    return _PATH.fullmatch(text) is not None

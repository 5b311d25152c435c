"""Realms: the token services that a registry names, and the ones to which credentials may go."""

from __future__ import annotations

from urllib.parse import urlsplit

from geosync.oci.credentials import Basic, Borrowed, Credentials


def objection(realm: str, registry_url: str, credentials: Credentials) -> str | None:
    """Return why `realm` must not be asked for a token; None where it may be.

    A user and a password go to a token service on the registry's own host, and to those that the secret names. Nothing
    goes from https to http.
    """
    registry = urlsplit(registry_url)
    try:
        scheme, host, port = _address(realm)
    except ValueError as error:
        return str(error)
    if registry.scheme == "https" and scheme != "https":
        return f"its token service is at http://{host}, and credentials never go from https to http"
    if not isinstance(credentials, Basic | Borrowed) or host == registry.hostname:
        return None
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
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or not _is_plain(realm):
        raise ValueError("its realm is not an http or https URL of a host")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text

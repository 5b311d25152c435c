"""One JSON secret per registry, and what it lets a client show (SECURITY.md says which kind to prefer).

    {"type": "anonymous"}
    {"type": "basic", "username": "…", "password": "…", "realm_hosts": ["auth.example.com"]}
    {"type": "registry_key", "private_key": "-----BEGIN …", "issuer": "…", "service": "…", "lifetime": 300,
     "certificate": "-----BEGIN …"}

`realm_hosts`, `lifetime` (seconds) and `certificate` may be left out, and so may `type` where `username` or
`private_key` says it. Each type takes `ca_bundle` too: the PEM text of certificates to trust beside the system's, for a
registry whose certificate a private authority signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from geosync.errors import ConfigurationError
from geosync.oci.credentials import Anonymous, Basic, Credentials, RegistryKey

DEFAULT_LIFETIME_SECONDS = 300.0
MIN_LIFETIME_SECONDS = 30.0
MAX_LIFETIME_SECONDS = 3600.0

_COMMON = frozenset({"type", "ca_bundle"})
_KEYS: Mapping[str, frozenset[str]] = {
    "anonymous": frozenset(),
    "basic": frozenset({"username", "password", "realm_hosts"}),
    "registry_key": frozenset({"private_key", "issuer", "service", "lifetime", "certificate"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySecret:
    """What a secret says: the credentials, and the PEM text of certificates to trust (None: the system's only)."""

    credentials: Credentials
    ca_bundle: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> RegistrySecret:
        """Read a secret's text; raises one ConfigurationError that names every key that is missing or wrong.

        No value of the secret is in the error, nor in its causes.
        """
        document = _document(text)
        kind = document.get("type", _implied(document))
        if not isinstance(kind, str) or kind not in _KEYS:
            raise ConfigurationError(f"the registry's secret: type must be one of {', '.join(_KEYS)}")
        reader = _Reader(document)
        for key in sorted(set(document) - _KEYS[kind] - _COMMON):
            # A key's name is no secret, but a secret that was pasted wrong can be anything.
            known = f"{key!r} is not a key of the type {kind}"
            reader.problems.append(known if key.isidentifier() else "an unknown key")
        credentials: Credentials
        match kind:
            case "basic":
                credentials = reader.basic()
            case "registry_key":
                credentials = reader.registry_key()
            case _:
                credentials = Anonymous()
        ca_bundle = reader.optional_pem("ca_bundle")
        if reader.problems:
            raise ConfigurationError(f"the registry's secret (type {kind}): {'; '.join(reader.problems)}")
        return cls(credentials=credentials, ca_bundle=ca_bundle)


class _Reader:
    """Reads keys and collects what is wrong with them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.problems: list[str] = []

    def basic(self) -> Basic:
        username = self._text("username")
        if ":" in username:
            # RFC 7617: the first colon ends the user's name.
            self.problems.append("username must not hold a colon")
        return Basic(username=username, password=self._text("password"), realm_hosts=self._hosts())

    def registry_key(self) -> RegistryKey:
        return RegistryKey(
            private_key=self._text("private_key"),
            issuer=self._text("issuer"),
            service=self._text("service"),
            lifetime=self._lifetime(),
            certificate=self.optional_pem("certificate"),
        )

    def optional_pem(self, key: str) -> str | None:
        value = self._document.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or "-----BEGIN CERTIFICATE-----" not in value:
            self.problems.append(f"{key} must be the PEM text of certificates")
            return None
        return value

    def _text(self, key: str) -> str:
        value = self._document.get(key)
        if value is None:
            self.problems.append(f"{key} is missing")
        elif not isinstance(value, str) or not value.strip():
            self.problems.append(f"{key} must be a text that is not empty")
        else:
            return value
        return ""

    def _hosts(self) -> tuple[str, ...]:
        value = self._document.get("realm_hosts")
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) and one and "/" not in one for one in value):
            self.problems.append("realm_hosts must be a list of host or host:port")
            return ()
        return tuple(value)

    def _lifetime(self) -> float:
        value = self._document.get("lifetime", DEFAULT_LIFETIME_SECONDS)
        within = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and MIN_LIFETIME_SECONDS <= value <= MAX_LIFETIME_SECONDS
        )
        if not within:
            self.problems.append(f"lifetime must be {MIN_LIFETIME_SECONDS:.0f} to {MAX_LIFETIME_SECONDS:.0f} seconds")
            return DEFAULT_LIFETIME_SECONDS
        return float(value)


def _implied(document: Mapping[str, Any]) -> str | None:
    """Tell the type by its keys, as in a secret that Secrets Manager's own form for user names and passwords made."""
    if "username" in document:
        return "basic"
    return "registry_key" if "private_key" in document else None


def _document(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # Without the cause: the parser's error carries the whole text.
        raise ConfigurationError("the registry's secret is not JSON") from None
    if not isinstance(document, dict):
        raise ConfigurationError("the registry's secret is not a JSON object")
    return document

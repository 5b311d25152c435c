"""One JSON secret per registry, and the credentials in it (SECURITY.md says which kind to prefer).

    {"type": "anonymous", "realm_hosts": ["auth.example.com"]}
    {"type": "basic", "username": "…", "password": "…", "realm_hosts": ["auth.example.com"]}
    {"type": "registry_key", "private_key": "-----BEGIN …", "issuer": "…", "service": "…", "lifetime": 300,
     "certificate": "-----BEGIN …", "kid": "rfc7638"}

`realm_hosts`, `lifetime` (seconds), `certificate` and `kid` may be left out, and so may `type` where `username` or
`private_key` implies it. Each type takes `ca_bundle` too: the PEM text of certificates to trust beside the system's,
for a registry whose certificate a private authority signed. Vendors have types of their own (Registry.SECRETS).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from geosync.errors import ConfigurationError
from geosync.oci.credentials import Anonymous, Basic, Credentials, RegistryKey

DEFAULT_LIFETIME_S = 300.0
MIN_LIFETIME_S = 30.0
MAX_LIFETIME_S = 3600.0

_COMMON = frozenset({"type", "ca_bundle"})


class VendorAccess:
    """Base of the values of a vendor's own types of secret; the vendor makes credentials of them."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySecret:
    """The content of a secret: the credentials, and the PEM text of certificates to trust (None: the system's only)."""

    credentials: Credentials | VendorAccess
    ca_bundle: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, more: Mapping[str, SecretType] | None = None) -> RegistrySecret:
        """Read a secret's text, of one of the PLAIN types or of a vendor's (`more`).

        Raises one ConfigurationError that names every key that is missing or wrong. No value of the secret is in the
        error, nor in its causes.
        """
        document = _document(text)
        types = {**PLAIN, **(more or {})}
        name = document.get("type", _implied(document))
        if not isinstance(name, str) or name not in types:
            raise ConfigurationError(f"the registry's secret: type must be one of {', '.join(types)}")
        reader = SecretReader(document)
        for key in sorted(set(document) - types[name].keys - _COMMON):
            # A key's name is no secret, but a secret that was pasted wrong can be anything.
            known = f"{key!r} is not a key of the type {name}"
            reader.problems.append(known if key.isidentifier() else "an unknown key")
        credentials = types[name].read(reader)
        ca_bundle = reader.optional_pem("ca_bundle")
        if reader.problems:
            raise ConfigurationError(f"the registry's secret (type {name}): {'; '.join(reader.problems)}")
        return cls(credentials=credentials, ca_bundle=ca_bundle)


class SecretReader:
    """Reads keys and collects their faults in `problems`, none of which may quote a value."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.problems: list[str] = []

    def text(self, key: str) -> str:
        """A text that must be there."""
        if self._document.get(key) is None:
            self.problems.append(f"{key} is missing")
            return ""
        return self.optional_text(key) or ""

    def optional_text(self, key: str) -> str | None:
        """A text that may be left out, and is not empty."""
        value = self._document.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            self.problems.append(f"{key} must be a text that is not empty")
            return None
        return value

    def optional_pem(self, key: str) -> str | None:
        """The PEM text of certificates, which may be left out."""
        value = self._document.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or "-----BEGIN CERTIFICATE-----" not in value:
            self.problems.append(f"{key} must be the PEM text of certificates")
            return None
        return value

    def hosts(self, key: str) -> tuple[str, ...]:
        """A list of host or host:port, which may be left out."""
        value = self._document.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) and one and "/" not in one for one in value):
            self.problems.append(f"{key} must be a list of host or host:port")
            return ()
        return tuple(value)

    def names(self, key: str) -> tuple[str, ...]:
        """A list of names, which may be left out."""
        value = self._document.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
            self.problems.append(f"{key} must be a list of names")
            return ()
        return tuple(value)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """True or false, which may be left out."""
        value = self._document.get(key, default)
        if not isinstance(value, bool):
            self.problems.append(f"{key} must be true or false")
            return default
        return value

    def texts(self, key: str) -> Mapping[str, str]:
        """An object whose values are texts, which may be left out."""
        value = self._document.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            self.problems.append(f"{key} must be an object of texts")
            return {}
        return value

    def seconds(self, key: str, *, default: float, least: float, most: float) -> float:
        """A number of seconds within bounds, which may be left out."""
        value = self._document.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            self.problems.append(f"{key} must be {least:.0f} to {most:.0f} seconds")
            return default
        return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretType:
    """One type of secret: the keys it may have, and the function that reads it (problems go to the reader)."""

    keys: frozenset[str]
    read: Callable[[SecretReader], Credentials | VendorAccess]


def _anonymous(reader: SecretReader) -> Anonymous:
    return Anonymous(realm_hosts=reader.hosts("realm_hosts"))


def _basic(reader: SecretReader) -> Basic:
    username = reader.text("username")
    if ":" in username:
        # RFC 7617: the first colon ends the user's name.
        reader.problems.append("username must not hold a colon")
    return Basic(username=username, password=reader.text("password"), realm_hosts=reader.hosts("realm_hosts"))


def _registry_key(reader: SecretReader) -> RegistryKey:
    return RegistryKey(
        private_key=reader.text("private_key"),
        issuer=reader.text("issuer"),
        service=reader.text("service"),
        lifetime_s=reader.seconds("lifetime", default=DEFAULT_LIFETIME_S, least=MIN_LIFETIME_S, most=MAX_LIFETIME_S),
        certificate=reader.optional_pem("certificate"),
        kid=reader.optional_text("kid"),
    )


PLAIN: Mapping[str, SecretType] = {
    "anonymous": SecretType(keys=frozenset({"realm_hosts"}), read=_anonymous),
    "basic": SecretType(keys=frozenset({"username", "password", "realm_hosts"}), read=_basic),
    "registry_key": SecretType(
        keys=frozenset({"private_key", "issuer", "service", "lifetime", "certificate", "kid"}), read=_registry_key
    ),
}
"""The types that every registry takes."""


def _implied(document: Mapping[str, Any]) -> str | None:
    """Tell the type by its keys: Secrets Manager's own form for user names and passwords writes no type."""
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

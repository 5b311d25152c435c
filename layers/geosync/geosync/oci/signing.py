"""Tokens that we sign ourselves with the key a registry trusts (CNCF Distribution, "Token Authentication": JWT)."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from typing import TYPE_CHECKING

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import ConfigurationError
from geosync.oci.credentials import THUMBPRINT, RegistryKey
from geosync.oci.scopes import Scopes
from geosync.oci.token_cache import Token

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

_LATEST_S = 2**53
"""A later `exp` is ignored: JSON bounds no number, and one of 400 digits fits into no float."""
_NOT_BEFORE_S = 5
"""A registry whose clock is behind by no more must not see a token from the future."""


class Signer:
    """Signs tokens with one key: RS256, a `kid` (libtrust's unless one is named), and `x5c` with a certificate.

    Raises ConfigurationError when the key or the certificate cannot be read or do not belong together.
    """

    def __init__(self, credentials: RegistryKey, clock: Clock = SYSTEM_CLOCK) -> None:
        # Only a registry_key needs these two, and they take 50 ms to import.
        import jwt  # noqa: PLC0415

        self._encode = jwt.encode
        self._credentials = credentials
        self._clock = clock
        self._key = _load_key(credentials.private_key)
        self._headers: dict[str, object] = {"kid": _kid(credentials.kid, self._key.public_key())}
        if credentials.certificate:
            self._headers["x5c"] = _chain(credentials.certificate, self._key.public_key())

    @property
    def kid(self) -> str:
        """The key's id, which is public and helps to find out what a registry does not trust."""
        return str(self._headers["kid"])

    def token(self, access: Scopes) -> Token:
        """Return a token for `access`, to be kept for as long as it lives."""
        begun = self._clock.now_ms() / 1000
        listed: list[dict[str, object]] = [
            {"type": kind, "name": name, "actions": list(actions)} for kind, name, actions in access
        ]
        return Token.issued(self.sign(listed), begun, self._credentials.lifetime_s)

    def sign(self, access: list[dict[str, object]]) -> str:
        """Return the text of a token for `access`: objects of type, name and actions."""
        now = self._clock.now_ms() // 1000
        claims = {
            "iss": self._credentials.issuer,
            "aud": self._credentials.service,
            "iat": now,
            "nbf": now - _NOT_BEFORE_S,
            "exp": now + int(self._credentials.lifetime_s),
            "jti": str(uuid.uuid4()),
            "access": access,
        }
        return self._encode(claims, self._key, algorithm="RS256", headers=self._headers)


def expires_at(token: str) -> float | None:
    """Return the `exp` (seconds since the epoch) of a JWT, which is not verified; None for what is no JWT."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        at = claims["exp"]
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        return None
    return float(at) if isinstance(at, int | float) and not isinstance(at, bool) and 0 < at < _LATEST_S else None


def key_id(public_key: RSAPublicKey) -> str:
    """Return libtrust's id of a key.

    The first 30 bytes of the SHA-256 of its DER SubjectPublicKeyInfo in base32, in 12 groups of 4 joined by colons.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    return ":".join(text[start : start + 4] for start in range(0, len(text), 4))


def thumbprint(public_key: RSAPublicKey) -> str:
    """Return the thumbprint of a key as a JWK (RFC 7638, SHA-256), in base64url without padding."""
    numbers = public_key.public_numbers()
    members = {"e": _base64url_uint(numbers.e), "kty": "RSA", "n": _base64url_uint(numbers.n)}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return _base64url(hashlib.sha256(canonical).digest())


def _kid(named: str | None, public_key: RSAPublicKey) -> str:
    if named is None:
        return key_id(public_key)
    return thumbprint(public_key) if named == THUMBPRINT else named


def _base64url_uint(value: int) -> str:
    """Return a number as JWKs have it (RFC 7518, "Base64urlUInt")."""
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _load_key(pem: str) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        # Without the cause: a parser's message may quote the key.
        raise ConfigurationError(f"private_key is not an unencrypted PEM key ({type(error).__name__})") from None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigurationError("private_key is not an RSA key, which RS256 needs")
    return key


def _chain(pem: str, public_key: RSAPublicKey) -> list[str]:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    try:
        chain = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise ConfigurationError("certificate is not a PEM certificate") from error
    if chain[0].public_key() != public_key:
        raise ConfigurationError("certificate (the first one) does not belong to private_key")
    return [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in chain]

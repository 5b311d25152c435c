"""The sender of a Pub/Sub message: the OpenID Connect token that Google signs, in Authorization.

Follows "Authentication for push subscriptions" (Pub/Sub) and "Validating an ID token" (Google Identity): signature,
`iss`, `aud`, `exp`, and the service account in `email` with `email_verified`. The keys come from one address, written
here; nothing in a token is ever used as one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Literal, TypeAlias

import jwt
import requests

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import KeysUnavailable
from geosync.threads import SYSTEM_THREADS, Threads

KEYS_URL = "https://www.googleapis.com/oauth2/v3/certs"
ISSUERS = ("https://accounts.google.com", "accounts.google.com")
#: Clocks differ.
LEEWAY_SECONDS = 60
#: Google changes its keys every few days, and publishes a new one long before it signs with it.
MAX_AGE_SECONDS = 6 * 3600
#: A token with a key that is not known has the keys fetched again: a flood of them costs one request a minute.
REFETCH_SECONDS = 60
MAX_KEYS_BYTES = 64 * 1024
#: A push waits 10 s for its answer by default, and is sent again.
TIMEOUT_SECONDS = 3
_MAX_TOKEN_LENGTH = 8192

IdentityVerdict: TypeAlias = Literal[
    "allowed",
    "not_a_token",
    "unknown_key",
    "bad_signature",
    "expired",
    "wrong_issuer",
    "wrong_audience",
    "wrong_sender",
]


class PushIdentity:
    """Judges whether a token is Google's, for this audience and of this service account. Keeps the keys.

    `fetch` returns the JSON of a key set. `on_failure` is called with the error of a fetch that failed while older keys
    were at hand.
    """

    def __init__(
        self,
        *,
        audience: str,
        sender: str,
        on_failure: Callable[[Exception], None],
        fetch: Callable[[], bytes] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._audience = audience
        self._sender = sender
        self._on_failure = on_failure
        self._fetch = fetch or fetch_keys
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at_s: float | None = None
        self._lock = threads.lock()  # held while the keys are fetched

    def check(self, token: str) -> IdentityVerdict:
        """Judge a token; everything but `allowed` is to be refused. Raises KeysUnavailable."""
        try:
            is_plausible = token.isascii() and len(token) <= _MAX_TOKEN_LENGTH
            header = jwt.get_unverified_header(token) if is_plausible else {}
        except (jwt.InvalidTokenError, RecursionError):
            header = {}
        key_id = header.get("kid")
        if header.get("alg") != "RS256" or not isinstance(key_id, str):
            return "not_a_token"
        key = self._key(key_id)
        if key is None:
            return "unknown_key"
        verdicts: dict[type[Exception], IdentityVerdict] = {
            jwt.ExpiredSignatureError: "expired",
            jwt.InvalidSignatureError: "bad_signature",
            jwt.InvalidIssuerError: "wrong_issuer",
            jwt.InvalidAudienceError: "wrong_audience",
        }
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=ISSUERS,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )
        except (jwt.InvalidTokenError, RecursionError) as error:
            return verdicts.get(type(error), "not_a_token")
        is_sender = claims.get("email") == self._sender and claims.get("email_verified") is True
        return "allowed" if is_sender else "wrong_sender"

    def _key(self, key_id: str) -> jwt.PyJWK | None:
        with self._lock:
            age_s = None if self._fetched_at_s is None else self._clock.monotonic_s() - self._fetched_at_s
            if age_s is None or age_s >= MAX_AGE_SECONDS or (key_id not in self._keys and age_s >= REFETCH_SECONDS):
                self._read()
            return self._keys.get(key_id)

    def _read(self) -> None:
        try:
            self._keys = _parse(self._fetch())
        except (OSError, ValueError, KeyError) as error:
            if not self._keys:
                raise KeysUnavailable(f"Google's keys: {KEYS_URL}: {type(error).__name__}: {error}") from error
            self._on_failure(error)
        self._fetched_at_s = self._clock.monotonic_s()


def fetch_keys() -> bytes:
    """Fetch Google's key set. Raises OSError or ValueError.

    Of the environment only the proxy and the certificate authorities are used, where HTTPS_PROXY and SSL_CERT_FILE name
    them: no .netrc, which would add credentials. A redirect is no answer: the keys are at one address.
    """
    proxy, content = os.environ.get("HTTPS_PROXY"), b""
    with requests.Session() as session:
        session.trust_env = False
        with session.get(
            KEYS_URL,
            headers={"Accept-Encoding": "identity"},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
            stream=True,
            proxies={"https": proxy} if proxy else None,
            verify=os.environ.get("SSL_CERT_FILE") or True,
        ) as answer:
            if answer.status_code != 200:
                raise ValueError(f"the answer is {answer.status_code}")
            for part in answer.iter_content(8192):
                content += part
                if len(content) > MAX_KEYS_BYTES:
                    raise ValueError("the answer is too large")
    return content


def _parse(content: bytes) -> dict[str, jwt.PyJWK]:
    """Return the RSA keys of a key set by their id. Raises ValueError, also when there is none."""
    try:
        listed = json.loads(content)["keys"]
        usable = [one for one in listed if one.get("kty") == "RSA" and isinstance(one.get("kid"), str)]
        keys = {one["kid"]: jwt.PyJWK(one, algorithm="RS256") for one in usable}
    except (TypeError, AttributeError, RecursionError, jwt.PyJWTError) as error:
        raise ValueError(f"not a set of keys ({type(error).__name__})") from None
    if not keys:
        raise ValueError("no RSA key in the set")
    return keys

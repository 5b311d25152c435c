"""Google's identity endpoints as a double: a proxy that answers for their hosts over TLS, and the tokens that it signs.

Code that pins a host is tested as it is: it reaches this double through HTTPS_PROXY and a certificate authority of the
test's own. Whatever else is asked of the proxy is refused and noted as a violation.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from local.certificates import authority, server_pair

# developers.google.com, "OpenID Connect": the discovery document's jwks_uri.
KEYS_HOST, KEYS_PATH = "www.googleapis.com", "/oauth2/v3/certs"
AUDIENCE = "https://geo.example.com/api/v4/container_registry_event/events"
SENDER = "registry-push@my-project.iam.gserviceaccount.com"


@dataclass(kw_only=True)
class Google:
    """What Google signs with and publishes.

    `status`, `location`, `padding` (bytes more) and `in_chunks` (no length is said) make the answer with the keys odd.
    """

    keys: dict[str, rsa.RSAPrivateKey]
    proxy: str = ""
    ca_file: Path = field(default_factory=Path)
    requests: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    status: int = 200
    location: str | None = None
    padding: int = 0
    in_chunks: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """The environment that makes a program reach this double in Google's place."""
        return {"HTTPS_PROXY": self.proxy, "SSL_CERT_FILE": str(self.ca_file)}

    def token(self, *, kid: str | None = None, key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        """Return a token as Pub/Sub sends it ("Authentication for push subscriptions"), with claims replaced.

        A claim of None is left out.
        """
        signing = next(iter(self.keys))
        now = int(time.time())
        usual = {
            "aud": AUDIENCE,
            "azp": "113774264463038321964",
            "email": SENDER,
            "email_verified": True,
            "exp": now + 3600,
            "iat": now,
            "iss": "https://accounts.google.com",
            "sub": "113774264463038321964",
        }
        given = {name: value for name, value in (usual | claims).items() if value is not None}
        headers = {"kid": kid or signing}
        return jwt.encode(given, key if key is not None else self.keys[signing], algorithm=algorithm, headers=headers)

    def key_set(self) -> dict[str, Any]:
        """Return the key set as Google publishes it."""
        return {"keys": [_jwk(kid, key) for kid, key in self.keys.items()]}


def new_google() -> Google:
    """Return a Google with one key, that nobody serves."""
    return Google(keys={"7d680d8c70d44e947133cbd499ebc1a61c3d5abc": new_key()})


def new_key() -> rsa.RSAPrivateKey:
    """Return a key to sign with."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@contextmanager
def serve_google(folder: Path) -> Iterator[Google]:
    """Serve a new Google; fails when it was asked for anything that it must not be asked for."""
    google = new_google()
    ca = authority()
    google.ca_file = folder / "google-ca.pem"
    google.ca_file.write_text(ca.certificate)
    pair = server_pair(ca, KEYS_HOST)
    (folder / "google.pem").write_text(pair.certificate + pair.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "google.pem")
    handler = type("ProxyOfOneTest", (_Proxy,), {"google": google, "context": context})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        google.proxy = f"http://127.0.0.1:{server.server_port}"
        try:
            yield google
        finally:
            server.shutdown()
    assert not google.violations


class _Proxy(BaseHTTPRequestHandler):
    google: Google
    context: ssl.SSLContext
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        if self.path != f"{KEYS_HOST}:443":
            self.google.violations.append(f"CONNECT {self.path}: keys come from {KEYS_HOST} alone")
            self.send_error(403)
            return
        self.send_response(200)
        self.end_headers()
        tls = self.context.wrap_socket(self.connection, server_side=True)
        self.connection, self.rfile, self.wfile = tls, tls.makefile("rb"), tls.makefile("wb")
        self.close_connection = False

    def do_GET(self) -> None:
        self.google.requests.append(self.path)
        if self.path != KEYS_PATH:
            self.google.violations.append(f"GET {self.path}: the keys are at {KEYS_PATH}")
        if "Authorization" in self.headers:
            self.google.violations.append("the keys are public: no credentials go there")
        content = json.dumps(self.google.key_set()).encode() + b" " * self.google.padding
        self.send_response(self.google.status)
        if self.google.location is not None:
            self.send_header("Location", self.google.location)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        if self.google.in_chunks:
            self.send_header("Transfer-Encoding", "chunked")
            parts = [content[start : start + 100] for start in range(0, len(content), 100)]
            content = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(ConnectionError):  # whoever asks stops reading what is too large
            self.wfile.write(content)
            self.wfile.flush()
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _jwk(kid: str, key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": _number(numbers.n), "e": _number(numbers.e)}


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()

"""A small token service for registries on this machine (CNCF Distribution, "Token Authentication").

It checks an account by Basic authentication and signs what the account may do (RS256, `x5c`). Real enough for docker,
skopeo and our own client: `service` and every `scope` are honoured, what is not allowed is left out of the token, and a
wrong password is 401.

    python -m local.token_service --port 5001 --key token.key --certificate token.crt --accounts accounts.json
"""

from __future__ import annotations

import argparse
import base64
import fnmatch
import hmac
import json
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from local.certificates import KeyPair

ALL_ACTIONS = ("pull", "push", "delete", "*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user. `allowed` maps a pattern of repository names to actions; `*` among them is every action.

    The catalogue is the name `catalog` of the type `registry`, so an account with `{"*": ["*"]}` may list it.
    """

    password: str = field(repr=False)
    allowed: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"*": ALL_ACTIONS})

    def may(self, name: str, actions: Sequence[str]) -> list[str]:
        """Return those of `actions` that the account has on `name`, in their order."""
        granted = {
            action
            for pattern, actions_there in self.allowed.items()
            if fnmatch.fnmatchcase(name, pattern)
            for action in actions_there
        }
        return [action for action in actions if action in granted or "*" in granted]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What the service signs with and for whom; `anonymous` is for who shows no account.

    `expires_in` in seconds. Distribution takes a token for 60 s more: `leeway` is how much of that is taken off.
    """

    pair: KeyPair
    accounts: Mapping[str, Account]
    service: str = "container_registry"
    issuer: str = "geosync-local"
    expires_in: int = 300
    leeway: int = 0
    anonymous: Account | None = None


class TokenService:
    """The service in a thread of its own; a context manager. `requests` holds the scopes of the last tokens."""

    def __init__(self, rules: TokenRules, *, port: int = 0) -> None:
        self.rules = rules
        self.requests: deque[tuple[str, ...]] = deque(maxlen=1000)
        certificate = x509.load_pem_x509_certificate(rules.pair.certificate.encode())
        self._x5c = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.service = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def realm(self) -> str:
        """The URL for a registry's `auth.token.realm`."""
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def stop(self) -> None:
        """End the thread and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> TokenService:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, query: Mapping[str, Sequence[str]], authorization: str | None) -> tuple[int, dict[str, Any]]:
        """Return the status and the body for a token request."""
        account, user = self._account(authorization)
        if account is None:
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}
        if list(query.get("service", [])) != [self.rules.service]:
            return 400, {
                "errors": [{"code": "UNSUPPORTED", "message": "this is not the token service of that registry"}]
            }
        scopes = tuple(part for scope in query.get("scope", []) for part in scope.split(" ") if part)
        self.requests.append(scopes)
        now = int(time.time())
        claims = {
            "iss": self.rules.issuer,
            "sub": user,
            "aud": self.rules.service,
            "iat": now,
            "nbf": now - 5 - self.rules.leeway,
            "exp": now + self.rules.expires_in - self.rules.leeway,
            "jti": uuid.uuid4().hex,
            "access": [access for scope in scopes if (access := _access(account, scope))],
        }
        token = jwt.encode(claims, self.rules.pair.private_key, algorithm="RS256", headers={"x5c": self._x5c})
        issued = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        return 200, {"token": token, "access_token": token, "expires_in": self.rules.expires_in, "issued_at": issued}

    def _account(self, authorization: str | None) -> tuple[Account | None, str]:
        if authorization is None:
            return self.rules.anonymous, ""
        scheme, _, encoded = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None, ""
        account = self.rules.accounts.get(user) if scheme.lower() == "basic" else None
        if account is None or not hmac.compare_digest(account.password.encode(), password.encode()):
            return None, ""
        return account, user


def _access(account: Account, scope: str) -> dict[str, Any] | None:
    # A name may hold a colon (host:port/name), the type and the actions never do.
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    allowed = account.may(name, actions.split(","))
    return {"type": kind, "name": name, "actions": allowed} if allowed else None


class _Server(ThreadingHTTPServer):
    service: TokenService
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer in one packet.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        if target.path != "/token":
            self._send(404, {"errors": []})
            return
        self._send(*self.server.service.answer(parse_qs(target.query), self.headers.get("Authorization")))

    def do_POST(self) -> None:
        """Refuse the other form of a request, which containerd tries first: it goes on to this one after a 405."""
        self.close_connection = True  # its body, which has the password, is not read
        self._send(405, {"errors": []})

    def _send(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="token service"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's names
        """Say nothing: the query names repositories, and the header holds a password."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service until SIGTERM or SIGINT. Accounts: {"user": {"password": "…", "allowed": {"*": ["pull"]}}}."""
    parser = argparse.ArgumentParser(prog="python -m local.token_service", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", type=Path, required=True, help="the RSA key, PEM")
    parser.add_argument(
        "--certificate", type=Path, required=True, help="its certificate, in the registry's rootcertbundle"
    )
    parser.add_argument("--accounts", type=Path, required=True, help='a JSON file; the account "" is the anonymous one')
    parser.add_argument("--service", default="container_registry")
    parser.add_argument("--issuer", default="geosync-local")
    parser.add_argument("--expires-in", type=int, default=300, help="seconds")
    options = parser.parse_args(arguments)
    accounts = {user: Account(**account) for user, account in json.loads(options.accounts.read_text()).items()}
    rules = TokenRules(
        pair=KeyPair(private_key=options.key.read_text(), certificate=options.certificate.read_text()),
        anonymous=accounts.pop("", None),
        accounts=accounts,
        service=options.service,
        issuer=options.issuer,
        expires_in=options.expires_in,
    )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with TokenService(rules, port=options.port):
        ended.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

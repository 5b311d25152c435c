"""How a client gets in: Basic, the Bearer token flow, and tokens of our own.

CNCF Distribution, "Token Authentication Specification". What was learned (the scheme, the realm) and every token are
kept, so that a warm client neither sends a request just to be refused nor asks for a token twice. Tokens expire by the
wall clock, because an execution environment may be frozen.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from geosync.errors import RegistryUnavailable, TooLarge, Unauthorized
from geosync.oci.answers import broken, classify, read_bounded, read_errors, redact, retry_after
from geosync.oci.credentials import Anonymous, Basic, Borrowed, Credentials, Loan, RegistryKey
from geosync.oci.deadline import Deadline
from geosync.oci.signing import Signer, expires_at
from geosync.oci.transport import Answer, Broken, Timeouts, Transport

MAX_TOKEN_BYTES = 64 * 1024
#: A token is renewed this long before it expires.
RENEWAL_SECONDS = 5.0
#: A lent account that is younger has not ended.
FRESH_SECONDS = 60.0
#: How long a token lives when the token service does not say (its specification).
DEFAULT_LIFETIME_SECONDS = 60.0

# From this many on, a new token has the expired ones dropped: a site may have ten thousand repositories.
_MAX_TOKENS = 1000

_TOKEN_TIMEOUTS = Timeouts(connect=5, send=10, answer=10, read=10)
_CHALLENGE = re.compile(r"\s*([A-Za-z][A-Za-z0-9._-]*)(?:\s+|$)")
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')

#: What a request needs: (type, name, actions), e.g. ("repository", "team/app", ("pull", "push")).
Scope = tuple[str, str, tuple[str, ...]]
Access = tuple[Scope, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1); scheme and parameter names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    renew_at: float
    life: float
    """Seconds for which it is used."""

    def lasts(self, seconds: float) -> bool:
        """Whether it can be used for so long yet; one that lives for less is as good as it gets in its first half."""
        return time.time() + min(seconds, self.life / 2) < self.renew_at


def allowing(access: Access) -> str:
    """Say what the account must be allowed for `access`, "" where that is nothing."""
    wanted = " and ".join(f"{' and '.join(actions)} in {kind} {name}" for kind, name, actions in access)
    return f"check that the account may {wanted}" if wanted else ""


def pull(repository: str) -> Scope:
    """Return the scope for reading a repository."""
    return ("repository", repository, ("pull",))


def push(repository: str) -> Scope:
    """Return the scope for writing to a repository: a registry wants `pull` along with it."""
    return ("repository", repository, ("pull", "push"))


def delete(repository: str) -> Scope:
    """Return the scope for deleting in a repository."""
    return ("repository", repository, ("delete", "pull"))


CATALOG: Scope = ("registry", "catalog", ("*",))


class Authorizer:
    """The way into one registry; thread-safe, one token request at a time per scope.

    `url` is the registry's (its host and scheme decide where credentials may go), `name` what errors call it. With
    `writes`, `pull` is asked for as `pull,push` at once.
    """

    def __init__(
        self, url: str, name: str, credentials: Credentials, transport: Transport, deadline: Deadline, *, writes: bool
    ) -> None:
        self._url = urlsplit(url)
        self._name = name
        self._credentials = credentials
        self._transport = transport
        self._deadline = deadline
        self._writes = writes
        self._signer = Signer(credentials) if isinstance(credentials, RegistryKey) else None
        self._challenge: Challenge | None = None
        self._tokens: dict[Access, _Token] = {}
        self._locks: dict[Access, threading.Lock] = {}
        self._lock = threading.Lock()
        self._loan: Loan | None = None
        self._borrowed_at = 0.0
        self._borrowing = threading.Lock()

    def header(self, access: Access, lasting: float = 0.0) -> str | None:
        """Return the Authorization for a request, None while nothing is known of what the registry wants.

        `lasting` is for how many seconds more it should be good.
        May ask the token service; raises Unauthorized, RegistryUnavailable, OutOfTime.
        """
        if self._signer is not None:
            return f"Bearer {self._token(self._widen(access), self._signed, lasting)}"
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            return self._basic()
        return f"Bearer {self._token(self._widen(access), lambda wanted: self._fetch(challenge, wanted), lasting)}"

    def learn(self, access: Access, answer: Answer, used: str | None) -> bool:
        """Take in a 401; True when the same request may succeed with what `header` gives now.

        `used` is the Authorization that was refused. Raises Unauthorized when the registry asks for what cannot be
        given.
        """
        challenges = parse_challenges(answer.headers.get_all("WWW-Authenticate") or [])
        if self._signer is not None:
            self._forget(access, used)
            return True
        chosen = next((one for one in challenges if one.scheme == "bearer" and one.parameters.get("realm")), None)
        if chosen is None:
            chosen = next((one for one in challenges if one.scheme == "basic"), None)
        if chosen is None:
            return False
        if chosen.scheme == "basic":
            if isinstance(self._credentials, Anonymous):
                raise self._refused("it asks for a user and a password, and the secret is of the type anonymous")
            self._challenge = chosen
            return used is None or self._give_back(used)
        self._check_realm(chosen.parameters["realm"])
        known, self._challenge = self._challenge, chosen
        if used is not None and known is not None and known.scheme == "bearer":
            self._forget(access, used)
        return True

    def has_ended(self, used: str | None) -> bool:
        """Take in a 403 for `used`; True when it was a lent account that may have ended, and there is another one now.

        Some registries (Amazon ECR) refuse an account that has ended as they refuse one that may not. A loan that was
        just taken has not ended: a permission that is missing costs a new one once in a while, not for each request.
        """
        if not isinstance(self._credentials, Borrowed) or used is None:
            return False
        with self._borrowing:
            if self._loan is not None and used == _basic_header(self._loan):
                if time.time() - self._borrowed_at < FRESH_SECONDS:
                    return False
                self._loan = None
        return True

    def explain(self, answer: Answer, access: Access) -> str:
        """Return what a refusal says in its challenge, for people: the error, and what to check."""
        challenges = parse_challenges(answer.headers.get_all("WWW-Authenticate") or [])
        error = next((one.parameters["error"] for one in challenges if one.parameters.get("error")), "")
        check = allowing(access) if error == "insufficient_scope" else self._check()
        return redact(": ".join(one for one in (error, check) if one))

    def _check(self) -> str:
        """What to look at when the credentials are refused; the vendor that lends some says it itself."""
        match self._credentials:
            case Anonymous():
                return "it asks for credentials, and there is no secret for it"
            case Basic():
                return "check the user and the password or token in the registry's secret"
            case RegistryKey(issuer=issuer, service=service):
                kid = self._signer.kid if self._signer is not None else ""
                return f"does the registry trust the issuer {issuer}, the service {service} and the key {kid}?"
        return ""

    def _widen(self, access: Access) -> Access:
        """Ask a destination for push along with pull, and put the scopes in one order."""
        if self._writes:
            access = tuple(
                (kind, name, ("pull", "push")) if actions == ("pull",) and index == 0 else (kind, name, actions)
                for index, (kind, name, actions) in enumerate(access)
            )
        return tuple(sorted(access))

    def _token(self, access: Access, make: Callable[[Access], _Token], lasting: float) -> str:
        token = self._tokens.get(access)
        if token is None or not token.lasts(lasting):
            with self._lock:
                lock = self._locks.setdefault(access, threading.Lock())
            with lock:
                token = self._tokens.get(access)
                if token is None or not token.lasts(lasting):
                    self._deadline.check()
                    token = make(access)
                    self._keep(access, token)
        return token.text

    def _keep(self, access: Access, token: _Token) -> None:
        with self._lock:
            if len(self._tokens) >= _MAX_TOKENS:
                now = time.time()
                self._tokens = {key: one for key, one in self._tokens.items() if one.renew_at > now}
            self._tokens[access] = token

    def _forget(self, access: Access, used: str | None) -> None:
        """Drop the token that was refused, unless another thread has replaced it already."""
        wanted = self._widen(access)
        with self._lock:
            token = self._tokens.get(wanted)
            if token is not None and used == f"Bearer {token.text}":
                del self._tokens[wanted]

    def _signed(self, access: Access) -> _Token:
        if self._signer is None or not isinstance(self._credentials, RegistryKey):
            raise AssertionError("only a registry key signs")
        listed: list[dict[str, object]] = [
            {"type": kind, "name": name, "actions": list(actions)} for kind, name, actions in access
        ]
        begun = time.time()
        return _new(self._signer.sign(listed), begun, self._credentials.lifetime)

    def _basic(self) -> str:
        account = self._account()
        if account is None:
            raise self._refused("it asks for a user and a password, and the secret has none")
        return _basic_header(account)

    def _account(self) -> Basic | Loan | None:
        match self._credentials:
            case Basic() as account:
                return account
            case Borrowed() as lender:
                return self._borrow(lender)
            case _:
                return None

    def _borrow(self, lender: Borrowed) -> Loan:
        """The account that is lent now, a new one when its time has come."""
        with self._borrowing:
            if self._loan is None or time.time() >= self._loan.renew_at:
                self._deadline.check()
                self._loan, self._borrowed_at = lender.borrow(), time.time()
            return self._loan

    def _give_back(self, used: str) -> bool:
        """Drop a lent account that was refused; True when another one may be let in."""
        with self._borrowing:
            if self._loan is not None and used == _basic_header(self._loan):
                self._loan = None
        return isinstance(self._credentials, Borrowed)

    def _fetch(self, challenge: Challenge, access: Access, *, again: bool = True) -> _Token:
        """Ask the token service that the challenge names; `again` with another loan when the first is refused."""
        realm, service = challenge.parameters["realm"], challenge.parameters.get("service")
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        account = self._account()
        method, url, body = "GET", _token_url(realm, service, access), None
        if isinstance(account, Loan) and account.is_refresh_token:
            method, url, body = "POST", realm, _refresh_form(account, service, access)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif account is not None:
            headers["Authorization"] = _basic_header(account)
        request = f"{method} token from {urlsplit(realm).hostname}"
        begun = time.time()
        try:
            answer = self._transport.send(
                method,
                url,
                headers=headers,
                body=body,
                timeouts=_TOKEN_TIMEOUTS,
                left=self._deadline.left,
                repeatable=True,
            )
            if answer.status != 200:
                errors = read_errors(answer, self._deadline)
                if answer.status in (400, 401) and isinstance(account, Loan):
                    self._give_back(_basic_header(account))
                    if again:
                        return self._fetch(challenge, access, again=False)
                if 300 <= answer.status < 400:
                    raise Unauthorized(
                        self._name, request, status=answer.status, detail="the token service answers with a redirect"
                    )
                after = retry_after(answer.header("Retry-After"))
                found = classify(self._name, request, answer.status, errors, after)
                if isinstance(found, RegistryUnavailable):
                    raise found
                # A token service's 400 or 404 is one more way of saying no, not a verdict on a manifest.
                kind = type(found) if isinstance(found, Unauthorized) else Unauthorized
                detail = "; ".join(one for one in (errors.detail, self._check()) if one)
                raise kind(self._name, request, status=answer.status, codes=errors.codes, detail=detail)
            content = read_bounded(answer, MAX_TOKEN_BYTES, self._deadline, "a token")
        except Broken as error:
            self._deadline.check()
            raise broken(self._name, request, error, write=False) from error
        except TooLarge as error:
            raise self._refused(f"the token service's answer is too large: {error}") from error
        return self._read_token(content, begun)

    def _read_token(self, body: bytes, begun: float) -> _Token:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise self._refused("the token service's answer is not JSON") from None
        text = (document.get("token") or document.get("access_token")) if isinstance(document, dict) else None
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise self._refused("the token service's answer has no token")
        lifetime = document.get("expires_in")
        if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or lifetime <= 0:
            # Azure's says it only in the token itself.
            ends = expires_at(text)
            lifetime = ends - begun if ends is not None and ends > begun else DEFAULT_LIFETIME_SECONDS
        return _new(text, begun, lifetime)

    def _check_realm(self, realm: str) -> None:
        """Raise Unauthorized when credentials, or a token, would go where they must not."""
        try:
            parts = urlsplit(realm)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise self._refused("its realm is not a URL") from None
        plain = realm.isascii() and realm.isprintable() and " " not in realm
        if parts.scheme not in ("http", "https") or not host or parts.username is not None or not plain:
            raise self._refused("its realm is not an http or https URL of a host")
        if self._url.scheme == "https" and parts.scheme != "https":
            raise self._refused(f"its token service is at http://{host}, and credentials never go from https to http")
        if not isinstance(self._credentials, Basic | Borrowed) or host == self._url.hostname:
            return
        port = port or (443 if parts.scheme == "https" else 80)
        allowed = {one.lower() for one in self._credentials.realm_hosts}
        if host not in allowed and f"{host}:{port}" not in allowed:
            raise self._refused(f"its token service is at {host}: add it to realm_hosts in the secret if that is right")

    def _refused(self, detail: str) -> Unauthorized:
        return Unauthorized(self._name, "authentication", status=401, detail=detail)


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """Parse WWW-Authenticate headers, each of which may hold several challenges; what cannot be parsed is left out."""
    challenges: list[Challenge] = []
    for value in values:
        position = 0
        while position < len(value):
            named = _CHALLENGE.match(value, position)
            if named is None:
                break
            position = named.end()
            parameters: dict[str, str] = {}
            while (found := _PARAMETER.match(value, position)) is not None:
                quoted, plain = found.group(2), found.group(3)
                parameters[found.group(1).lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                position = found.end()
            challenges.append(Challenge(scheme=named.group(1).lower(), parameters=parameters))
            comma = value.find(",", position)
            if comma < 0:
                break
            position = comma + 1
    return challenges


def _basic_header(account: Basic | Loan) -> str:
    pair = f"{account.username}:{account.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _token_url(realm: str, service: str | None, access: Access) -> str:
    """Return the URL of a token request: whatever query the realm has, then the service and each scope."""
    pairs = [("service", service)] if service else []
    pairs += [("scope", f"{kind}:{name}:{','.join(actions)}") for kind, name, actions in access]
    query = "&".join(f"{key}={quote(value, safe=':/,')}" for key, value in pairs)
    base = realm.partition("#")[0]
    if not query:
        return base
    return f"{base}{'&' if '?' in base else '?'}{query}"


def _refresh_form(loan: Loan, service: str | None, access: Access) -> bytes:
    """Return the form of a token request with a refresh token (Distribution, "OAuth2 Token Authentication")."""
    pairs = [("grant_type", "refresh_token"), ("client_id", "geosync"), ("refresh_token", loan.password)]
    pairs += [("service", service)] if service else []
    pairs += [("scope", f"{kind}:{name}:{','.join(actions)}") for kind, name, actions in access]
    return urlencode(pairs).encode()


def _new(text: str, begun: float, lifetime: float) -> _Token:
    """A token that is renewed 5 s before its end, or, when its life is very short, at its half."""
    life = max(lifetime - RENEWAL_SECONDS, lifetime / 2)
    return _Token(text, begun + life, life)

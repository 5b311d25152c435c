"""Token requests to the service that a registry's challenge names.

CNCF Distribution, "Token Authentication Specification", and "OAuth2 Token Authentication" for refresh tokens.
"""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode, urlsplit

from geosync.errors import RegistryError, RegistryUnavailable, TooLarge, Unauthorized
from geosync.oci.account import RegistryAccount, basic_header
from geosync.oci.answers import Errors, broken, classify, read_bounded, read_errors, retry_after
from geosync.oci.challenges import Challenge
from geosync.oci.credentials import Basic, Loan
from geosync.oci.deadline import Deadline
from geosync.oci.scopes import Scopes
from geosync.oci.signing import expires_at
from geosync.oci.token_cache import Token
from geosync.oci.transport import Broken, HttpAnswer, HttpRequest, Timeouts, Transport

MAX_TOKEN_BYTES = 64 * 1024
#: The life of a token whose service states none (by the specification).
DEFAULT_LIFETIME_S = 60.0
#: No token is used for longer, whatever its service says.
MAX_LIFETIME_S = 86_400.0

_TIMEOUTS = Timeouts(connect_s=5, send_s=10, answer_s=10, read_s=10)


class TokenService:
    """Requests tokens for one registry. Thread-safe.

    `registry` is its name in errors, `advice` what they advise where the account is refused.
    """

    def __init__(
        self, registry: str, account: RegistryAccount, transport: Transport, deadline: Deadline, *, advice: str
    ) -> None:
        self._registry = registry
        self._account = account
        self._transport = transport
        self._deadline = deadline
        self._advice = advice

    def fetch(self, challenge: Challenge, access: Scopes, *, again: bool = True) -> Token:
        """Ask the service of a Bearer challenge for a token; with another loan when the first one is refused (`again`).

        Raises Unauthorized, RegistryUnavailable, OutOfTime, and the lender's errors.
        """
        account = self._account.current()
        request = _request(challenge, access, account)
        label = f"{request.method} token from {urlsplit(challenge.parameters['realm']).hostname}"
        begun_s = self._deadline.clock.now_ms() / 1000
        answer = self._send(request, label)
        if answer.status == 200:
            return self._token(self._read(answer, label), begun_s)
        errors = read_errors(answer, self._deadline)
        if answer.status in (400, 401) and isinstance(account, Loan):
            self._account.give_back(basic_header(account))
            if again:
                return self.fetch(challenge, access, again=False)
        raise self._refusal(label, answer, errors)

    def _send(self, request: HttpRequest, label: str) -> HttpAnswer:
        try:
            return self._transport.send(request, timeouts=_TIMEOUTS, left=self._deadline.left_s)
        except Broken as error:
            self._deadline.check()
            raise broken(self._registry, label, error, write=False) from error

    def _read(self, answer: HttpAnswer, label: str) -> bytes:
        try:
            return read_bounded(answer, MAX_TOKEN_BYTES, self._deadline, "a token")
        except Broken as error:
            self._deadline.check()
            raise broken(self._registry, label, error, write=False) from error
        except TooLarge as error:
            raise self._unusable(f"the token service's answer is too large: {error}") from error

    def _refusal(self, label: str, answer: HttpAnswer, errors: Errors) -> RegistryError:
        """Return the error for an answer without a token."""
        status = answer.status
        if 300 <= status < 400:
            return Unauthorized(
                self._registry, label, status=status, detail="the token service answers with a redirect"
            )
        after = retry_after(answer.header("Retry-After"), self._deadline.clock)
        found = classify(self._registry, label, status, errors, after)
        if isinstance(found, RegistryUnavailable):
            return found
        # A token service's 400 or 404 refuses the account; it is no verdict on a manifest.
        kind = type(found) if isinstance(found, Unauthorized) else Unauthorized
        detail = "; ".join(one for one in (errors.detail, self._advice) if one)
        return kind(self._registry, label, status=status, codes=errors.codes, detail=detail)

    def _token(self, body: bytes, begun_s: float) -> Token:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise self._unusable("the token service's answer is not JSON") from None
        text = (document.get("token") or document.get("access_token")) if isinstance(document, dict) else None
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise self._unusable("the token service's answer has no token")
        return Token.issued(text, begun_s, _lifetime_s(document.get("expires_in"), text, begun_s))

    def _unusable(self, detail: str) -> Unauthorized:
        return Unauthorized(self._registry, "authentication", status=401, detail=detail)


def _request(challenge: Challenge, access: Scopes, account: Basic | Loan | None) -> HttpRequest:
    """Return the token request: a GET, or a POST where the account is a refresh token."""
    realm, service = challenge.parameters["realm"], challenge.parameters.get("service")
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if isinstance(account, Loan) and account.is_refresh_token:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        form = _refresh_form(account, service, access)
        return HttpRequest(method="POST", url=realm, headers=headers, body=form, repeatable=True)
    if account is not None:
        headers["Authorization"] = basic_header(account)
    return HttpRequest(method="GET", url=_token_url(realm, service, access), headers=headers, repeatable=True)


def _parameters(service: str | None, access: Scopes) -> list[tuple[str, str]]:
    named = [("service", service)] if service else []
    return named + [("scope", f"{kind}:{name}:{','.join(actions)}") for kind, name, actions in access]


def _token_url(realm: str, service: str | None, access: Scopes) -> str:
    """Return the URL of a token request: the realm with its own query, then the service and each scope."""
    query = "&".join(f"{key}={quote(value, safe=':/,')}" for key, value in _parameters(service, access))
    base = realm.partition("#")[0]
    if not query:
        return base
    return f"{base}{'&' if '?' in base else '?'}{query}"


def _refresh_form(loan: Loan, service: str | None, access: Scopes) -> bytes:
    """Return the form of a token request with a refresh token."""
    pairs = [("grant_type", "refresh_token"), ("client_id", "geosync"), ("refresh_token", loan.password)]
    return urlencode(pairs + _parameters(service, access)).encode()


def seconds_of(stated: object, most_s: float) -> float | None:
    """Return a number of seconds that an answer states, `most_s` at the most; None where it states none above 0.

    JSON bounds no number: one of 400 digits fits into no float.
    """
    if not isinstance(stated, int | float) or isinstance(stated, bool) or not stated > 0:
        return None
    return float(min(stated, most_s))


def _lifetime_s(stated: object, token: str, begun_s: float) -> float:
    """Return a token's life in seconds, as the answer states it or, where it does not (Azure), the token itself."""
    if (seconds := seconds_of(stated, MAX_LIFETIME_S)) is not None:
        return seconds
    ends_s = expires_at(token)
    return min(ends_s - begun_s, MAX_LIFETIME_S) if ends_s is not None and ends_s > begun_s else DEFAULT_LIFETIME_S

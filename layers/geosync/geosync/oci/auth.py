"""Authorization for one registry: Basic, Bearer tokens of a token service, and tokens of our own.

CNCF Distribution, "Token Authentication Specification". The registry's challenge and every token are kept: a warm
client sends no request just to be refused, and asks for no token twice.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from geosync.errors import Unauthorized
from geosync.oci import scopes
from geosync.oci.account import RegistryAccount, basic_header
from geosync.oci.answers import redact
from geosync.oci.challenges import Challenge, best_of, challenges_of
from geosync.oci.credentials import Anonymous, Basic, Credentials, RegistryKey
from geosync.oci.deadline import Deadline
from geosync.oci.realms import objection
from geosync.oci.scopes import Scopes
from geosync.oci.signing import Signer
from geosync.oci.token_cache import Token, TokenCache
from geosync.oci.token_service import TokenService
from geosync.oci.transport import HttpAnswer, Transport
from geosync.threads import SYSTEM_THREADS, Threads


class Authorizer:
    """The way into one registry. Thread-safe.

    Host and scheme of the registry's `url` decide where credentials may go. With `writes`, tokens for `pull` are asked
    for with `pull,push` at once.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        transport: Transport,
        deadline: Deadline,
        *,
        writes: bool,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._url = url
        self._name = urlsplit(url).netloc
        self._credentials = credentials
        self._writes = writes
        self._signer = Signer(credentials, deadline.clock) if isinstance(credentials, RegistryKey) else None
        self._advice = _advice(credentials, self._signer)
        self._challenge: Challenge | None = None
        self._account = RegistryAccount(credentials, deadline, threads)
        self._tokens = TokenCache(deadline, threads)
        self._service = TokenService(self._name, self._account, transport, deadline, advice=self._advice)

    @property
    def waits_for_challenge(self) -> bool:
        """True while there are credentials, and the registry has not yet said how to send them."""
        return self._challenge is None and self._signer is None and not isinstance(self._credentials, Anonymous)

    def header(self, access: Scopes, lasting_s: float = 0.0) -> str | None:
        """Return the Authorization for a request, None until the registry has sent a challenge.

        It should be valid for `lasting_s` more seconds. May ask the token service or a lender; raises Unauthorized,
        RegistryUnavailable, OutOfTime.
        """
        wanted = scopes.widened(access, writes=self._writes)
        if self._signer is not None:
            return f"Bearer {self._tokens.text(wanted, self._signer.token, lasting_s)}"
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            return self._basic()

        def fetch(access: Scopes) -> Token:
            return self._service.fetch(challenge, access)

        return f"Bearer {self._tokens.text(wanted, fetch, lasting_s)}"

    def learn(self, access: Scopes, answer: HttpAnswer, used: str | None) -> bool:
        """Learn from a 401; True when the same request may succeed with what `header` gives now.

        `used` is the Authorization that was refused. Raises Unauthorized when the registry asks for something that
        these credentials cannot give.
        """
        if self._signer is not None:
            self._forget(access, used)
            return True
        challenge = best_of(challenges_of(answer))
        if challenge is None:
            return False
        if challenge.scheme == "basic":
            return self._learn_basic(challenge, used)
        reason = objection(challenge.parameters["realm"], self._url, self._credentials)
        if reason is not None:
            raise self._refused(reason)
        known, self._challenge = self._challenge, challenge
        if known is not None and known.scheme == "bearer":
            self._forget(access, used)
        return True

    def drop_if_ended(self, used: str | None) -> bool:
        """Drop a lent account if `used`, which got a 403, may have ended; True when `header` gives another."""
        return used is not None and self._account.drop_if_ended(used)

    def explain(self, answer: HttpAnswer, access: Scopes) -> str:
        """Return the text of a 401 for people: the error in its challenge, and the advice."""
        errors = (one.parameters.get("error") for one in challenges_of(answer))
        error = next((one for one in errors if one), "")
        advice = scopes.advice(access) if error == "insufficient_scope" else self._advice
        return redact(": ".join(one for one in (error, advice) if one))

    def _learn_basic(self, challenge: Challenge, used: str | None) -> bool:
        if isinstance(self._credentials, Anonymous):
            raise self._refused("it asks for a user and a password, and the secret is of the type anonymous")
        self._challenge = challenge
        return used is None or self._account.give_back(used)

    def _basic(self) -> str:
        account = self._account.current()
        if account is None:
            raise self._refused("it asks for a user and a password, and the secret has none")
        return basic_header(account)

    def _forget(self, access: Scopes, used: str | None) -> None:
        self._tokens.forget(scopes.widened(access, writes=self._writes), used)

    def _refused(self, detail: str) -> Unauthorized:
        return Unauthorized(self._name, "authentication", status=401, detail=detail)


def _advice(credentials: Credentials, signer: Signer | None) -> str:
    """Return the advice for refused credentials; a vendor that lends some has its own."""
    match credentials:
        case Anonymous():
            return "it asks for credentials, and there is no secret for it"
        case Basic():
            return "check the user and the password or token in the registry's secret"
        case RegistryKey(issuer=issuer, service=service):
            kid = signer.kid if signer is not None else ""
            return f"does the registry trust the issuer {issuer}, the service {service} and the key {kid}?"
    return ""

"""Authorization for one registry: Basic, Bearer tokens of a token service, and tokens of our own.

CNCF Distribution, "Token Authentication Specification". What was learned of the registry and every token are kept, so
that a warm client neither sends a request just to be refused nor asks for a token twice.
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

    `url` is the registry's (its host and scheme decide where credentials may go). With `writes`, `pull` is asked for as
    `pull,push` at once.
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
        self._check = _advice(credentials, self._signer)
        self._challenge: Challenge | None = None
        self._account = RegistryAccount(credentials, deadline, threads)
        self._tokens = TokenCache(deadline, threads)
        self._service = TokenService(self._name, self._account, transport, deadline, check=self._check)

    @property
    def waits_for_challenge(self) -> bool:
        """True while there are credentials, and nothing is known of the way in which the registry wants them."""
        return self._challenge is None and self._signer is None and not isinstance(self._credentials, Anonymous)

    def header(self, access: Scopes, lasting_s: float = 0.0) -> str | None:
        """Return the Authorization for a request, None while nothing is known of what the registry wants.

        It should be good for `lasting_s` seconds more. May ask the token service or a lender; raises Unauthorized,
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
        """Take in a 401; True when the same request may succeed with what `header` gives now.

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

    def has_ended(self, used: str | None) -> bool:
        """Take in a 403 for `used`; True when that was a lent account that may have ended: `header` gives another."""
        return used is not None and self._account.has_ended(used)

    def explain(self, answer: HttpAnswer, access: Scopes) -> str:
        """Return the text of a 401 for people: the error in its challenge, and the advice."""
        errors = (one.parameters.get("error") for one in challenges_of(answer))
        error = next((one for one in errors if one), "")
        check = scopes.advice(access) if error == "insufficient_scope" else self._check
        return redact(": ".join(one for one in (error, check) if one))

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

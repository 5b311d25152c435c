"""Access tokens of Google's: with a service account's key, or with this function's own AWS identity.

Follows "Using OAuth 2.0 for Server to Server Applications" (the JWT bearer grant, RFC 7523), and for AWS "Configure
workload identity federation with AWS" and Google's sample for it: a GetCallerIdentity request that is signed and not
sent proves to Google's Security Token Service which role this is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

from geosync.errors import ConfigurationError
from geosync.registries.exchange import Exchange, checked_url, lifetime_s, renewal_s
from geosync.registries.secrets import SecretReader, VendorAccess

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_S = 3600.0
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - names of the protocol
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105
AWS_REQUEST = "urn:ietf:params:aws:token-type:aws4_request"
_VERIFICATION_URL = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount(VendorAccess):
    """A service account's key file."""

    KEYS: ClassVar[frozenset[str]] = frozenset(
        {
            *("project_id", "private_key_id", "private_key", "client_email", "client_id", "auth_uri", "token_uri"),
            *("auth_provider_x509_cert_url", "client_x509_cert_url", "universe_domain"),
        }
    )
    email: str
    token_uri: str
    key_id: str
    private_key: str = field(repr=False)

    @classmethod
    def read(cls, reader: SecretReader) -> ServiceAccount:
        """Read the file's keys; their faults are among the reader's problems."""
        return cls(
            email=reader.text("client_email"),
            token_uri=reader.text("token_uri"),
            key_id=reader.text("private_key_id"),
            private_key=reader.text("private_key"),
        )

    def check(self, registry_url: str) -> None:
        """Raise ConfigurationError where a secret must not be sent to the token's address."""
        checked_url(self.token_uri, "token_uri", registry_url)

    def token(self, exchange: Exchange) -> tuple[str, float]:
        """Return an access token, and when to renew it (seconds since the epoch)."""
        # 50 ms to import, and only this account needs it.
        import jwt  # noqa: PLC0415

        begun_s = int(exchange.now_s())
        claims = {"iss": self.email, "scope": SCOPE, "aud": self.token_uri, "iat": begun_s, "exp": begun_s + 3600}
        try:
            assertion = jwt.encode(claims, self.private_key, algorithm="RS256", headers={"kid": self.key_id})
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            # Without the cause: a parser's message may quote the key.
            raise ConfigurationError(
                f"the registry's secret: private_key is not a PEM key ({type(error).__name__})"
            ) from None
        answer = exchange.form(
            self.token_uri,
            {"grant_type": JWT_BEARER, "assertion": assertion},
            advice="check that the service account is enabled, and that its key is not deleted",
        )
        return _token(exchange, self.token_uri, answer.get("access_token"), begun_s, lifetime_s(answer, TOKEN_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalAccount(VendorAccess):
    """A workload identity federation's configuration for AWS."""

    KEYS: ClassVar[frozenset[str]] = frozenset(
        {
            *("audience", "subject_token_type", "token_url", "token_info_url", "credential_source"),
            *("service_account_impersonation_url", "universe_domain"),
        }
    )
    audience: str
    token_url: str
    verification_url: str
    impersonation_url: str | None

    @classmethod
    def read(cls, reader: SecretReader) -> ExternalAccount:
        """Read the file's keys; their faults are among the reader's problems."""
        if reader.text("subject_token_type") not in ("", AWS_REQUEST):
            reader.problems.append(f"subject_token_type must be {AWS_REQUEST}: the functions have an AWS identity")
        source = reader.texts("credential_source")
        return cls(
            audience=reader.text("audience"),
            token_url=reader.text("token_url"),
            verification_url=source.get("regional_cred_verification_url") or _VERIFICATION_URL,
            impersonation_url=reader.optional_text("service_account_impersonation_url"),
        )

    def check(self, registry_url: str) -> None:
        """Raise ConfigurationError where a proof of this site's identity must not be sent to an address."""
        checked_url(self.token_url, "token_url", registry_url)
        if self.impersonation_url is not None:
            checked_url(self.impersonation_url, "service_account_impersonation_url", registry_url)

    def token(self, exchange: Exchange) -> tuple[str, float]:
        """Return an access token, and when to renew it (seconds since the epoch)."""
        begun_s = exchange.now_s()
        answer = exchange.form(
            self.token_url,
            {
                "grant_type": TOKEN_EXCHANGE,
                "audience": self.audience,
                "scope": SCOPE,
                "requested_token_type": ACCESS_TOKEN,
                "subject_token": self._subject_token(),
                "subject_token_type": AWS_REQUEST,
            },
            advice="check the workload identity pool's provider (audience) and that it takes this AWS account and role",
        )
        federated, seconds = answer.get("access_token"), lifetime_s(answer, TOKEN_S)
        if self.impersonation_url is None or not isinstance(federated, str):
            return _token(exchange, self.token_url, federated, begun_s, seconds)
        answer = exchange.document(
            self.impersonation_url,
            {"scope": [SCOPE], "lifetime": f"{TOKEN_S:.0f}s"},
            bearer=federated,
            advice="check that the pool's identity has roles/iam.workloadIdentityUser on the service account",
        )
        seconds = _seconds_until(answer.get("expireTime"), begun_s)
        return _token(exchange, self.impersonation_url, answer.get("accessToken"), begun_s, seconds)

    def _subject_token(self) -> str:
        """Return the signed request as Google's Security Token Service takes it: JSON, percent-encoded."""
        # 200 ms to import, and functions/sync has imported it anyway.
        import boto3  # noqa: PLC0415
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        session = boto3.Session()
        credentials, region = session.get_credentials(), session.region_name or "us-east-1"
        if credentials is None:
            raise ConfigurationError("workload identity federation: there are no AWS credentials here to prove")
        url = self.verification_url.replace("{region}", region)
        host = url.partition("://")[2].partition("/")[0].partition("?")[0]
        request = AWSRequest(
            method="POST", url=url, headers={"host": host, "x-goog-cloud-target-resource": self.audience}
        )
        SigV4Auth(credentials.get_frozen_credentials(), "sts", region).add_auth(request)
        headers = [{"key": key, "value": value} for key, value in request.headers.items()]
        return quote(json.dumps({"url": url, "method": "POST", "headers": headers}, sort_keys=True))


def _token(exchange: Exchange, url: str, token: object, begun_s: float, seconds: float) -> tuple[str, float]:
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise exchange.missing(url, "access token")
    return token, renewal_s(begun_s, begun_s + seconds)


def _seconds_until(text: object, begun_s: float) -> float:
    """Return the seconds from `begun_s` to an RFC 3339 time, an hour where it is none or past."""
    try:
        seconds = datetime.fromisoformat(str(text)).timestamp() - begun_s
    except ValueError:
        return TOKEN_S
    return seconds if seconds > 0 else TOKEN_S

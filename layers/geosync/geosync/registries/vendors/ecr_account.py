"""The AWS account of an Amazon ECR registry, called with the function's role or with one that it assumes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.model import StructureShape

from geosync.aws.errors import THROTTLED, WAY_OUT
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import Denied, NotFound, OutcomeUnknown, Refused, RegistryUnavailable
from geosync.oci.answers import redact
from geosync.oci.credentials import Loan
from geosync.threads import SYSTEM_THREADS, Threads

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

RENEWAL_S = 30 * 60.0
"""A token lasts 12 hours (GetAuthorizationToken); it is renewed so long before, so that no upload outlives it."""
SESSION_MARGIN_S = 300.0
"""A role's session is renewed so long before its end."""
SESSION_S = 3600
# Twice 2 + 5 s at most: a delete ends within the 20 s that the store protocol gives a tag write.
CALLS = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})

_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "ExpiredToken",
        "ExpiredTokenException",
    }
)
_MISSING = frozenset({"RepositoryNotFoundException", "ImageNotFoundException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The account that has the registry, and its region."""

    account: str
    region: str


class EcrAccount:
    """Calls ECR's API for one registry (`name`, as errors call it). Thread-safe.

    `role_arn` is assumed for it, with `external_id` if its trust policy asks for one; None: the function's own role.
    Every method raises Denied with the permission that is missing, RegistryUnavailable, and NotFound or Refused.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        *,
        role_arn: str | None = None,
        external_id: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self.place = place
        self._name = name
        self._role_arn = role_arn
        self._external_id = external_id
        self._clock = clock
        # A condition, not a bare lock: it is held while a role is assumed.
        self._lock = threads.condition()
        self._client: ECRClient | None = None
        self._client_until_s = 0.0

    def borrow(self) -> Loan:
        """A user and a password for the registry (GetAuthorizationToken)."""
        action = "ecr:GetAuthorizationToken"
        with self.calling(action):
            given = self.ecr().get_authorization_token()["authorizationData"]
        if not given:
            raise RegistryUnavailable(self._name, action, detail="it gave no token")
        data = given[0]
        username, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return Loan(username=username, password=password, renew_at_s=_seconds(data["expiresAt"]) - RENEWAL_S)

    def ecr(self) -> ECRClient:
        """The client, made anew when a role's session is about to end. Use it within `calling`."""
        with self._lock:
            if self._client is None or self._clock.now_ms() / 1000 >= self._client_until_s:
                self._client, self._client_until_s = self._make()
            return self._client

    def knows_image_status(self) -> bool:
        """Tell whether this botocore, which is that of Lambda's runtime, can ask for archived images."""
        shape = self.ecr().meta.service_model.shape_for("ListImagesFilter")
        return isinstance(shape, StructureShape) and "imageStatus" in shape.members

    @contextmanager
    def calling(self, action: str, *, write: bool = False) -> Iterator[None]:
        """Guard calls that need the permission `action`: AWS's errors become those of a registry.

        `write`: a call without an answer may have been done.
        """
        try:
            yield
        except ClientError as error:
            raise self._registry_error(action, error) from error
        except NoCredentialsError as error:
            raise Denied(self._name, action, detail="this process has no AWS credentials") from error
        except BotoCoreError as error:
            kind = OutcomeUnknown if write else RegistryUnavailable
            raise kind(self._name, action, detail=type(error).__name__) from error

    def _make(self) -> tuple[ECRClient, float]:
        # A session of its own: making clients from the shared one is not thread-safe.
        session = boto3.Session(region_name=self.place.region)
        if self._role_arn is None:
            return session.client("ecr", config=CALLS), float("inf")
        given: dict[str, Any] = {"ExternalId": self._external_id} if self._external_id else {}
        with self.calling("sts:AssumeRole"):
            lent = session.client("sts", config=CALLS).assume_role(
                RoleArn=self._role_arn, RoleSessionName="geosync", DurationSeconds=SESSION_S, **given
            )["Credentials"]
        client = session.client(
            "ecr",
            config=CALLS,
            aws_access_key_id=lent["AccessKeyId"],
            aws_secret_access_key=lent["SecretAccessKey"],
            aws_session_token=lent["SessionToken"],
        )
        return client, _seconds(lent["Expiration"]) - SESSION_MARGIN_S

    def _registry_error(self, action: str, error: ClientError) -> Denied | RegistryUnavailable | NotFound | Refused:
        code = error.response.get("Error", {}).get("Code", "")
        message = redact(error.response.get("Error", {}).get("Message", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        if code in _DENIED:
            who = self._role_arn or "the function's role"
            detail = f"check that {who} may {action} in account {self.place.account}, {self.place.region}: {message}"
            return Denied(self._name, action, status=403, codes=(code,), detail=detail)
        if code in THROTTLED or status >= 500 or status == 429:
            # Throttling is a 400 in AWS's API: here it counts as a registry's 429.
            status = 429 if code in THROTTLED else status
            detail = f"AWS throttles {action}; {WAY_OUT} [{message}]" if code in THROTTLED else message
            return RegistryUnavailable(self._name, action, status=status, codes=(code,), detail=detail)
        kind = NotFound if code in _MISSING else Refused
        return kind(self._name, action, status=status, codes=(code,), detail=message)


def _seconds(moment: datetime) -> float:
    return moment.timestamp()

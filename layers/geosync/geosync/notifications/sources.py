"""The sources of notifications: one table says how the notifications of each come, are proved, and are read.

A site has one registry, and so one source: the parameter NotificationSource. A body is read in that source's format
alone, and only after its proof: another vendor's body makes no difference. Beside the registry there is one other
sender, the site itself, with its heartbeat. It shows the site's token, which proves nothing else where the registry has
another proof.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from geosync.errors import ConfigurationError, MalformedMessage
from geosync.notifications.formats import acr, distribution, ecr, gar, ghcr, harbor, heartbeat, quay, zot
from geosync.notifications.formats.claims import Claim
from geosync.notifications.proof.authorization import Authorization, Scheme, Verdict, without_scheme
from geosync.notifications.request import Delivery

if TYPE_CHECKING:
    from geosync.notifications.proof.google_identity import IdentityVerdict

SourceName = Literal["distribution", "acr", "ghcr", "gar", "harbor", "quay", "zot", "ecr"]

AnyVerdict: TypeAlias = "Verdict | IdentityVerdict"
Parser: TypeAlias = Callable[[Delivery], list[Claim]]
Proof: TypeAlias = Callable[[Delivery], "AnyVerdict | None"]
"""The verdict on a proof of a source's own; None for a request that does not show one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The senders that a site expects: its token, and the audience and service account of Google's push.

    `on_failure` is called with the error of Google's keys that could not be fetched while older ones were at hand.
    """

    authorization: Authorization
    audience: str
    sender: str
    on_failure: Callable[[Exception], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One line of the table.

    The site's token proves the sender, as it is in Authorization or in one of `schemes`. Where notifications are proved
    otherwise, the token proves the site's heartbeat alone, and `come_otherwise` says how they come: with a `proof` of
    the source's own, or from EventBridge. `refusal` is the text of a refusal.
    """

    parse: Parser
    schemes: frozenset[Scheme] = frozenset()
    proof: Callable[[Expected], Proof] | None = None
    come_otherwise: str | None = None
    from_eventbridge: bool = False
    refusal: str = "the Authorization header is not this site's notification token"


def _signature(expected: Expected) -> Proof:
    """GitHub's: the HMAC-SHA256 of the body with the token as its key."""

    def check(delivery: Delivery) -> AnyVerdict | None:
        signature = delivery.header("x-hub-signature-256")
        return None if signature is None else expected.authorization.check_signature(signature, delivery.body)

    return check


def _google_token(expected: Expected) -> Proof:
    """Google's: an OpenID Connect token that it signed. Raises ConfigurationError."""
    required = {"NOTIFICATION_AUDIENCE": expected.audience, "NOTIFICATION_SENDER": expected.sender}
    missing = [key for key, value in required.items() if not value]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} must be set for NOTIFICATION_SOURCE=gar: the audience and the service account of "
            "the push subscription (parameters NotificationAudience, NotificationSender)"
        )
    # PyJWT and requests take 100 ms to load, and no other source needs them. This runs during the cold start.
    from geosync.notifications.proof.google_identity import PushIdentity  # noqa: PLC0415

    identity = PushIdentity(audience=expected.audience, sender=expected.sender, on_failure=expected.on_failure)

    def check(delivery: Delivery) -> AnyVerdict | None:
        header = delivery.header("authorization") or ""
        return identity.check(header[7:].strip()) if header[:7].lower() == "bearer " else None

    return check


SOURCES: Mapping[SourceName, Source] = {
    "distribution": Source(parse=distribution.parse),
    "acr": Source(parse=acr.parse),
    "ghcr": Source(
        parse=ghcr.parse,
        proof=_signature,
        come_otherwise="are signed",
        refusal="X-Hub-Signature-256 is not this body's signature with this site's notification token",
    ),
    "gar": Source(
        parse=gar.parse,
        proof=_google_token,
        come_otherwise="are signed",
        refusal="the Authorization header is no token of Google's for this site's audience and sender",
    ),
    "harbor": Source(parse=harbor.parse),
    "quay": Source(parse=quay.parse, schemes=frozenset({"basic"})),
    "zot": Source(parse=zot.parse, schemes=frozenset({"basic", "bearer"})),
    # The proof is EventBridge's permission to invoke the function.
    "ecr": Source(parse=ecr.parse, come_otherwise="come from EventBridge", from_eventbridge=True),
}


class SiteSource:
    """The one source of a site. Raises ConfigurationError where the site lacks what its proof needs."""

    def __init__(self, name: SourceName, expected: Expected) -> None:
        self.name = name
        self._source = SOURCES[name]
        self._authorization = expected.authorization
        self._proof = self._source.proof(expected) if self._source.proof is not None else None

    @property
    def refusal(self) -> str:
        """The text of a refusal: what was wrong."""
        return self._source.refusal

    def authenticate(self, delivery: Delivery) -> tuple[AnyVerdict, Parser]:
        """Judge the sender; return the verdict, and the parser of the body for a sender that is allowed.

        Raises what reading the token, or Google's keys, raises; Refusal for a signed body that cannot be read.
        """
        verdict = self._proof(delivery) if self._proof is not None else None
        if verdict is not None:
            return verdict, self._source.parse
        token = without_scheme(delivery.header("authorization"), self._source.schemes)
        return self._authorization.check(token), self._parse_with_token

    def _parse_with_token(self, delivery: Delivery) -> list[Claim]:
        """Read what came with the token: the site's heartbeats, or the source's format if that has no other proof."""
        if heartbeat.is_envelope_of_heartbeats(delivery.document):
            return distribution.parse(delivery)
        if self._source.come_otherwise is not None:
            raise MalformedMessage(
                f"with the token alone only a heartbeat is taken: notifications of {self.name} "
                f"{self._source.come_otherwise}"
            )
        return self._source.parse(delivery)

"""Who may send notifications to this site, how they prove it, and which format they are read in.

A site has one registry, and so one source: the parameter NotificationSource. A body is read in that source's format
alone, and only after its authentication: what another vendor's body looks like makes no difference. Beside the registry
there is one other sender, the site itself, with its heartbeat; it shows the site's token, and is believed nothing else.

    source        proves itself by                                               format
    distribution  the token, as it is in Authorization                           Distribution's envelope (GitLab's too)
    acr           the same (a custom header of the webhook)                      one event
    harbor        the same (the webhook's Auth Header)                           Default and CloudEvents
    quay          the same, or Basic with the token as password                  updated_tags
    zot           the same, Basic, or Bearer with the token                      CloudEvents
    ghcr          X-Hub-Signature-256: HMAC-SHA256 of the body with the token    registry_package, package
    gar           an OpenID Connect token that Google signed                     a Pub/Sub push
    ecr           EventBridge's permission to invoke the function (ecr.py)       nothing of it comes by HTTP
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from geosync.errors import ConfigurationError, MalformedMessage
from geosync.messages.geo_event import HEARTBEAT
from geosync.notifications.formats import acr, distribution, gar, ghcr, harbor, quay, zot
from geosync.notifications.formats.claims import Received, field
from geosync.notifications.outcomes import Outcome
from geosync.notifications.proof.authorization import Authorization, Scheme, Verdict, without_scheme
from geosync.notifications.proof.google_identity import IdentityVerdict, PushIdentity
from geosync.notifications.request import Delivery

SourceName = Literal["distribution", "acr", "ghcr", "gar", "harbor", "quay", "zot", "ecr"]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)

Parser: TypeAlias = Callable[[Delivery, Received], list[Outcome]]

_SCHEMES: dict[str, frozenset[Scheme]] = {"quay": frozenset({"basic"}), "zot": frozenset({"basic", "bearer"})}
# Of these the token alone says that it is the site itself, with its heartbeat.
_PROVED_OTHERWISE = frozenset({"ghcr", "gar", "ecr"})
_WAYS: dict[str, str] = {
    "ghcr": "X-Hub-Signature-256 is not this body's signature with this site's notification token",
    "gar": "the Authorization header is no token of Google's for this site's audience and sender",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The one source of a site. `identity` is there for `gar` alone."""

    name: SourceName
    registry_url: str
    authorization: Authorization
    identity: PushIdentity | None = None

    @property
    def is_proved_otherwise(self) -> bool:
        """Whether its notifications are proved by more than the token, which then says that it is the site itself."""
        return self.name in _PROVED_OTHERWISE

    @property
    def way(self) -> str:
        """What a refusal says was wrong."""
        return _WAYS.get(self.name, "the Authorization header is not this site's notification token")

    def authenticate(self, delivery: Delivery) -> tuple[Verdict | IdentityVerdict, Parser]:
        """Say whether the sender is who it must be, and how its body is to be read if it is.

        Raises what reading the token, or Google's keys, raises; Refusal for a signed body that cannot be read.
        """
        header = delivery.header("authorization")
        signature = delivery.header("x-hub-signature-256")
        if self.name == "ghcr" and signature is not None:
            return self.authorization.check_signature(signature, delivery.body), self._parse
        if self.identity is not None and (header or "")[:7].lower() == "bearer ":
            return self.identity.check((header or "")[7:].strip()), self._parse
        token = without_scheme(header, _SCHEMES.get(self.name, frozenset()))
        return self.authorization.check(token), self._parse_with_token

    def _parse_with_token(self, delivery: Delivery, received: Received) -> list[Outcome]:
        """Read what came with the token: the site's own heartbeats, and the source's format where it shows no more."""
        if self.name != "distribution" and _is_heartbeats(delivery.document):
            return distribution.parse(delivery.document, site=received.site, received_at=received.received_at)
        if self.is_proved_otherwise:
            how = "come from EventBridge" if self.name == "ecr" else "are signed"
            raise MalformedMessage(
                f"with the token alone only a heartbeat is taken: notifications of {self.name} {how}"
            )
        return self._parse(delivery, received)

    def _parse(self, delivery: Delivery, received: Received) -> list[Outcome]:
        if self.name == "distribution":
            return distribution.parse(delivery.document, site=received.site, received_at=received.received_at)
        if self.name == "gar":
            return gar.parse(delivery, received, host=urlsplit(self.registry_url).netloc)
        return _PARSERS[self.name](delivery, received)


_PARSERS: dict[str, Parser] = {
    "acr": acr.parse,
    "ghcr": ghcr.parse,
    "harbor": harbor.parse,
    "quay": quay.parse,
    "zot": zot.parse,
}


def identity_of(
    name: SourceName, *, audience: str, sender: str, on_failure: Callable[[Exception], None]
) -> PushIdentity | None:
    """Return the check of Google's token where the source needs one. Raises ConfigurationError."""
    if name != "gar":
        return None
    missing = [
        key for key, value in (("NOTIFICATION_AUDIENCE", audience), ("NOTIFICATION_SENDER", sender)) if not value
    ]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} must be set for NOTIFICATION_SOURCE=gar: the audience and the service account of "
            "the push subscription (parameters NotificationAudience, NotificationSender)"
        )
    return PushIdentity(audience=audience, sender=sender, on_failure=on_failure)


def _is_heartbeats(document: object) -> bool:
    """Whether a body is an envelope that holds heartbeats and nothing else; without any event, it says nothing."""
    events = field(document, "events")
    return isinstance(events, list) and all(field(event, "action") == HEARTBEAT for event in events)

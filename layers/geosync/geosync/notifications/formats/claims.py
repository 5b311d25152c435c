"""What one event of any format claims, judged once: a geo event, or unusable with the reason.

Each parser finds its format's words for repository, tag, digest and action; what they may look like is the same for
all, and is decided here. Nothing that an event holds can raise.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from geosync.messages.geo_event import MAX_TEXT_LENGTH, EventName, GeoEvent, is_text
from geosync.notifications.outcomes import Unusable, UnusableBecause
from geosync.oci.references import is_digest, is_repository, is_tag

_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Where and when a notification came in: the site, its source's name, and milliseconds since the epoch."""

    site: str
    source: str
    received_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one event says, as it was sent: nothing of it is checked, and any field may be of any type.

    `event_name` is None for an action that the format's parser does not know. A deletion that names neither a tag nor a
    digest is of the whole repository only where `whole_repository` says that the format means it so.
    """

    id: object
    action: object
    event_name: EventName | None
    repository: object
    tag: object = None
    digest: object = None
    media_type: object = None
    occurred_at: object = None
    correlation_id: object = None
    whole_repository: bool = False


def judge(claim: Claim, received: Received) -> GeoEvent | Unusable:
    """Return the geo event that a claim becomes, or why it cannot become one."""
    event_id = id_or_new(claim.id)
    tag, digest = present(claim.tag), present(claim.digest)
    repository = text_if(is_repository, claim.repository)
    reason = _refusal(claim, repository, tag, digest)
    if claim.event_name is None or repository is None or reason is not None:
        claims = {"action": claim.action, "repository": claim.repository, "tag": claim.tag, "digest": claim.digest}
        return unusable(reason or "unknown_action", event_id, claims | {"mediaType": claim.media_type}, received)
    return GeoEvent(
        id=event_id,
        site=received.site,
        event_name=claim.event_name,
        repository=repository,
        tag=text_if(is_tag, tag),
        digest=text_if(is_digest, digest),
        media_type=text_if(is_ascii_text, claim.media_type),
        occurred_at=time_if(claim.occurred_at),
        received_at=received.received_at,
        source=received.source,
        correlation_id=id_if(claim.correlation_id) or event_id,
    )


def _refusal(claim: Claim, repository: str | None, tag: object, digest: object) -> UnusableBecause | None:
    """Return the first reason why a claim cannot become a geo event, None if it can."""
    of_everything = claim.event_name == "deleted" and claim.whole_repository
    checks: tuple[tuple[bool, UnusableBecause], ...] = (
        (claim.event_name is None, "unknown_action"),
        (repository is None, "bad_repository"),
        (tag is not None and text_if(is_tag, tag) is None, "bad_tag"),
        (digest is not None and text_if(is_digest, digest) is None, "bad_digest"),
        (tag is None and digest is None and not of_everything, "no_reference"),
    )
    return next((reason for wrong, reason in checks if wrong), None)


def unusable(reason: UnusableBecause, event_id: str, claims: Mapping[str, object], received: Received) -> Unusable:
    """Return what an event that cannot be used leaves in the event log: its claims, printable and cut."""
    said = {name: printable(claim) for name, claim in claims.items() if claim is not None}
    return Unusable(id=event_id, reason=reason, received_at=received.received_at, source=received.source, claims=said)


def id_or_new(claimed: object) -> str:
    """Return the sender's id, so that what it sends again is known by it; a new one if that is missing or odd."""
    return id_if(claimed) or str(uuid.uuid4())


def id_of_content(*parts: object) -> str:
    """Return an id for a format that has none: the same content, sent again, has the same."""
    return hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:32]


def id_if(value: object) -> str | None:
    """Return `value` if it can be an id: 1 to 128 of letters, digits and a few signs."""
    return text_if(_ID.fullmatch, value)


def time_if(value: object) -> str | None:
    """Return `value` if it is a time as RFC 3339 writes it."""
    return text_if(_RFC_3339.fullmatch, value)


def text_if(check: Callable[[str], object], value: object) -> str | None:
    """Return `value` if it is text that passes the check."""
    return value if isinstance(value, str) and check(value) else None


def present(value: Any) -> Any:
    """Return the value, None for an empty text: senders leave out what is empty, some send it as ""."""
    return None if value == "" else value


def field(value: object, *path: str) -> object:
    """Return what lies at a path of keys in nested JSON objects; None where there is no object or no such key."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def is_ascii_text(text: str) -> bool:
    """Whether `text` is 1 to 255 printable ASCII characters."""
    return is_text(text) and text.isascii()


def printable(claim: object) -> str:
    """Text that DynamoDB takes, cut; of anything but text only what kind of thing it is."""
    text = claim if isinstance(claim, str) else f"({type(claim).__name__})"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:MAX_TEXT_LENGTH])

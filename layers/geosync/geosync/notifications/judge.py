"""The one judge of notifications: decides for every format what becomes of a claim.

A claim becomes a geo event or a heartbeat, is dropped, or is unusable with a reason. Each claim is judged alone, and
nothing in it can raise: one that cannot be used never spoils those beside it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from geosync.messages.geo_event import (
    HEARTBEAT,
    MAX_TEXT_LENGTH,
    RENAME_VERSION,
    GeoEvent,
    Heartbeat,
    is_none_or,
    is_text,
)
from geosync.notifications.formats.claims import (
    AccountOrigin,
    Claim,
    HeartbeatClaim,
    HostOrigin,
    ImageClaim,
    NoClaim,
    UnreadableClaim,
    present,
    text_if,
)
from geosync.notifications.outcomes import Dropped, Outcome, Unusable, UnusableBecause
from geosync.oci.media_types import essence, is_manifest
from geosync.oci.references import is_digest, is_repository, is_tag
from geosync.oci.words import shown

# No `#`: ids with one are the audit log's, which has the same table. Records of earlier versions are `audit-…`.
_ID = re.compile(r"(?!audit-)[A-Za-z0-9._:/+=-]{1,128}")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)", re.ASCII)
# docker-registry calls every blob application/octet-stream; other registries give the type of the blob's descriptor.
_BLOB = re.compile(
    r"application/octet-stream"
    r"|application/vnd\.oci\.(image\.layer\..+|image\.config\.v1\+json|empty\.v1\+json)"
    r"|application/vnd\.docker\.(container\.image\.(v1\+json|rootfs\..+)|image\.rootfs\..+|plugin\.v1\+json)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """The site and the moment at which a notification came in.

    `site` is this site's name, `source` the name of its source, `registry_url` its own registry's; `received_at` is in
    milliseconds since the epoch.
    """

    site: str
    source: str
    registry_url: str
    received_at: int


def judge(claims: Iterable[Claim], received: Received) -> list[Outcome]:
    """Return what becomes of each claim of one body, in their order. No two that are kept share an id."""
    taken: set[str] = set()
    return [_outcome(claim, taken, received) for claim in claims]


def _outcome(claim: Claim, taken: set[str], received: Received) -> Outcome:
    if isinstance(claim, NoClaim):
        return Dropped(reason=claim.reason)
    if isinstance(claim, ImageClaim) and _is_of_a_blob(claim):
        return Dropped(reason="blob")
    event_id = _take_id(claim.id, taken)
    if isinstance(claim, UnreadableClaim):
        return _unusable(claim.because, event_id, {"action": claim.action}, received)
    if isinstance(claim, HeartbeatClaim):
        return _heartbeat(claim, event_id, received)
    return _of_image(claim, event_id, received)


def _take_id(claimed: object, taken: set[str]) -> str:
    """Return the sender's id, so that what is sent again is known by it; a new one if that is missing, odd or taken."""
    event_id = _id_if(claimed)
    if event_id is None or event_id in taken:
        event_id = str(uuid.uuid4())
    taken.add(event_id)
    return event_id


def _heartbeat(claim: HeartbeatClaim, event_id: str, received: Received) -> Heartbeat | Unusable:
    sent_at, received_at = claim.sent_at, received.received_at
    if not isinstance(sent_at, int) or isinstance(sent_at, bool) or sent_at < 0:
        return _unusable("bad_heartbeat", event_id, {"action": HEARTBEAT}, received)
    return Heartbeat(id=event_id, site=received.site, sent_at=min(sent_at, received_at), received_at=received_at)


def _of_image(claim: ImageClaim, event_id: str, received: Received) -> GeoEvent | Unusable:
    elsewhere = _refusal_of_origin(claim.origin, received.registry_url)
    if claim.origin is not None and elsewhere is not None:
        return _unusable(elsewhere, event_id, claim.origin.said, received)
    judged = _renamed if claim.happened == "renamed" else _pushed_or_deleted
    return judged(claim, event_id, received)


def _pushed_or_deleted(claim: ImageClaim, event_id: str, received: Received) -> GeoEvent | Unusable:
    reason, repository = _refusal(claim), text_if(is_repository, claim.repository)
    if reason is not None or repository is None or claim.happened is None or claim.happened == "renamed":
        return _unusable(reason or "unknown_action", event_id, _claimed(claim), received)
    return GeoEvent(
        id=event_id,
        site=received.site,
        event_name=claim.happened,
        repository=repository,
        tag=text_if(is_tag, claim.tag),
        digest=text_if(is_digest, claim.digest),
        media_type=text_if(_is_ascii_text, claim.media_type),
        occurred_at=_time_if(claim.occurred_at),
        received_at=received.received_at,
        source=received.source,
        correlation_id=_id_if(claim.correlation_id) or event_id,
    )


def _renamed(claim: ImageClaim, event_id: str, received: Received) -> GeoEvent | Unusable:
    """Judge a rename, of a repository with all below it: it needs both names, and they differ."""
    former, current = (text_if(is_repository, name) for name in (claim.renamed_from, claim.renamed_to))
    if former is None or current is None or former == current:
        return _unusable("rename", event_id, _claimed(claim), received)
    return GeoEvent(
        id=event_id,
        site=received.site,
        event_name="updated",
        repository=current,
        tag=None,
        digest=None,
        media_type=None,
        occurred_at=_time_if(claim.occurred_at),
        received_at=received.received_at,
        source=received.source,
        correlation_id=_id_if(claim.correlation_id) or event_id,
        renamed_from=former,
        version=RENAME_VERSION,
    )


def _refusal(claim: ImageClaim) -> UnusableBecause | None:
    """Return the first reason why a push or a delete cannot become a geo event, None if it can."""
    tag, digest = present(claim.tag), present(claim.digest)
    names_nothing = tag is None and digest is None
    of_everything = claim.happened == "deleted" and claim.may_be_whole_repository
    of_a_blob = tag is None and claim.happened == "created" and claim.may_be_blob and not _is_of_a_manifest(claim)
    checks: tuple[tuple[bool, UnusableBecause], ...] = (
        (claim.happened is None, "unknown_action"),
        (text_if(is_repository, claim.repository) is None, "bad_repository"),
        (not is_none_or(is_tag, tag), "bad_tag"),
        (not is_none_or(is_digest, digest), "bad_digest"),
        (names_nothing and not of_everything, "no_reference"),
        (of_a_blob, "unknown_media_type"),
    )
    return next((reason for wrong, reason in checks if wrong), None)


def _refusal_of_origin(origin: HostOrigin | AccountOrigin | None, registry_url: str) -> UnusableBecause | None:
    """Return why an event is not of the site's own registry, None if it is, or does not say."""
    if isinstance(origin, AccountOrigin) and _is_of_another_account(origin, registry_url):
        return "other_registry"
    if not isinstance(origin, HostOrigin):
        return None
    own = urlsplit(registry_url).netloc.lower()
    if any(host.lower() != own for host in origin.hosts):
        return "other_registry"
    return "bad_repository" if len(origin.repositories) > 1 else None


def _is_of_another_account(origin: AccountOrigin, registry_url: str) -> bool:
    """Return whether an event is of another account or region than the registry, where the host names them."""
    labels = (urlsplit(registry_url).hostname or "").split(".")
    if len(labels) < 4 or not labels[1].startswith("dkr"):
        return False
    return origin.account != labels[0] or origin.region not in labels


def _is_of_a_blob(claim: ImageClaim) -> bool:
    """Return whether a push or delete says that it is a blob's; with a tag it is a manifest's, whatever it says."""
    if not claim.may_be_blob or claim.happened not in ("created", "deleted") or present(claim.tag) is not None:
        return False
    return isinstance(claim.media_type, str) and _BLOB.fullmatch(essence(claim.media_type)) is not None


def _is_of_a_manifest(claim: ImageClaim) -> bool:
    return isinstance(claim.media_type, str) and is_manifest(essence(claim.media_type))


def _claimed(claim: ImageClaim) -> dict[str, object]:
    """Return the claimed fields by which an operator finds the push."""
    return {
        "action": claim.action,
        "repository": claim.repository,
        "tag": claim.tag,
        "digest": claim.digest,
        "mediaType": claim.media_type,
        "rename_from": claim.renamed_from,
        "rename_to": claim.renamed_to,
    }


def _unusable(reason: UnusableBecause, event_id: str, claimed: Mapping[str, object], received: Received) -> Unusable:
    """Return what an event that cannot be used leaves in the event log: its claims, printable and cut."""
    claims = {name: shown(claim, MAX_TEXT_LENGTH) for name, claim in claimed.items() if claim is not None}
    return Unusable(id=event_id, reason=reason, received_at=received.received_at, source=received.source, claims=claims)


def _id_if(value: object) -> str | None:
    """Return `value` if it can be an id: 1 to 128 of letters, digits and a few signs."""
    return text_if(_ID.fullmatch, value)


def _time_if(value: object) -> str | None:
    """Return `value` if it is a time as RFC 3339 writes it."""
    return text_if(_RFC_3339.fullmatch, value)


def _is_ascii_text(text: str) -> bool:
    """Return whether `text` is 1 to 255 printable ASCII characters."""
    return is_text(text) and text.isascii()

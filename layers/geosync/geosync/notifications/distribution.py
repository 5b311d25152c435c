"""The envelope of CNCF Distribution, which GitLab's registry sends too: `{"events": [...]}`.

Follows Distribution's "Work with notifications" and GitLab's additions (`rename`). Each event is judged alone, and
nothing that it holds can raise: one that cannot be used never spoils those beside it. Only repository, tag, digest,
media type, ids and the time are taken; hosts and URLs never are.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from geosync.errors import MalformedMessage
from geosync.events import HEARTBEAT, MAX_TEXT_LENGTH, GeoEvent, Heartbeat, is_text
from geosync.notifications.outcomes import Dropped, Outcome, Unusable, UnusableBecause
from geosync.oci.media_types import essence, is_manifest
from geosync.oci.references import is_digest, is_repository, is_tag

SOURCE = "distribution"
# A registry posts one event per envelope. 1 MiB could hold half a million empty ones, each an item for the event log.
MAX_EVENTS = 2000

# docker-registry calls every blob application/octet-stream; other registries give the type of the blob's descriptor.
_BLOB = re.compile(
    r"application/octet-stream"
    r"|application/vnd\.oci\.(image\.layer\..+|image\.config\.v1\+json|empty\.v1\+json)"
    r"|application/vnd\.docker\.(container\.image\.(v1\+json|rootfs\..+)|image\.rootfs\..+|plugin\.v1\+json)"
)
_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_CLAIMS = ("repository", "tag", "digest", "mediaType")


def parse(envelope: object, *, site: str, received_at: int) -> list[Outcome]:
    """Return what becomes of each event of a decoded envelope, in its order.

    `received_at` is in milliseconds since the epoch. A push of a manifest is `created`, by tag as by digest: a registry
    does not tell whether the tag was there before, and a reader looks at the primary in either case; `updated` is for
    sources that can tell. A `delete` is `deleted`: by tag, by digest (a blob's delete looks the same, and finds nothing
    to do), or, with neither, of the whole repository.

    Raises MalformedMessage when it is no envelope, or one of more than MAX_EVENTS events.
    """
    events = envelope.get("events") if isinstance(envelope, dict) else None
    if not isinstance(events, list):
        raise MalformedMessage('the body is not an envelope: {"events": [...]}')
    if len(events) > MAX_EVENTS:
        raise MalformedMessage(f"the envelope holds more than {MAX_EVENTS} events")
    taken: set[str] = set()
    return [_outcome(event, taken, site, received_at) for event in events]


def _outcome(event: object, taken: set[str], site: str, received_at: int) -> Outcome:
    """Judge one event; `taken` holds the ids given so far, so that no two of an envelope share one."""
    if not isinstance(event, dict):
        return _unusable("not_an_object", _new_id(taken), {}, {}, received_at)
    action, target = event.get("action"), event.get("target")
    if action in ("pull", "mount"):
        return Dropped(reason=action)
    if action == HEARTBEAT:
        return _heartbeat(event, _id_of(event, taken), site, received_at)
    if not isinstance(target, dict):
        return _unusable("not_an_object", _id_of(event, taken), event, {}, received_at)
    if _is_of_a_blob(action, target):
        return Dropped(reason="blob")
    return _push_or_delete(event, target, _id_of(event, taken), site, received_at)


def _push_or_delete(
    event: dict[str, Any], target: dict[str, Any], event_id: str, site: str, received_at: int
) -> GeoEvent | Unusable:
    action = event.get("action")
    reason = _refusal(action, target)
    if reason is not None:
        return _unusable(reason, event_id, event, target, received_at)
    request = event.get("request")
    correlation_id = request.get("id") if isinstance(request, dict) else None
    return GeoEvent(
        id=event_id,
        site=site,
        event_name="created" if action == "push" else "deleted",
        repository=target["repository"],
        tag=_present(target.get("tag")),
        digest=_present(target.get("digest")),
        media_type=_if(_is_ascii_text, target.get("mediaType")),
        occurred_at=_if(_RFC_3339.fullmatch, event.get("timestamp")),
        received_at=received_at,
        source=SOURCE,
        correlation_id=_if(_ID.fullmatch, correlation_id) or event_id,
    )


def _refusal(action: object, target: dict[str, Any]) -> UnusableBecause | None:
    """Return the first reason why this push or delete cannot become a geo event, None if it can."""
    tag, digest = _present(target.get("tag")), _present(target.get("digest"))
    pushed_by_digest = action == "push" and tag is None
    checks: tuple[tuple[bool, UnusableBecause], ...] = (
        (action == "rename", "rename"),
        (action not in ("push", "delete"), "unknown_action"),
        (not _is(is_repository, target.get("repository")), "bad_repository"),
        (tag is not None and not _is(is_tag, tag), "bad_tag"),
        (digest is not None and not _is(is_digest, digest), "bad_digest"),
        (pushed_by_digest and digest is None, "no_reference"),
        (pushed_by_digest and not _is(_is_manifest, target.get("mediaType")), "unknown_media_type"),
    )
    return next((reason for wrong, reason in checks if wrong), None)


def _heartbeat(event: dict[str, Any], event_id: str, site: str, received_at: int) -> Outcome:
    sent_at = event.get("sent_at")
    if not isinstance(sent_at, int) or isinstance(sent_at, bool) or sent_at < 0:
        return _unusable("bad_heartbeat", event_id, event, {}, received_at)
    return Heartbeat(id=event_id, site=site, sent_at=min(sent_at, received_at), received_at=received_at)


def _unusable(
    reason: UnusableBecause,
    event_id: str,
    event: dict[str, Any],
    target: dict[str, Any],
    received_at: int,
) -> Unusable:
    claims = {"action": event.get("action"), **{name: target.get(name) for name in _CLAIMS}}
    rename = target.get("rename")
    if isinstance(rename, dict):
        claims |= {"rename_from": rename.get("from"), "rename_to": rename.get("to")}
    printable = {name: _printable(claim) for name, claim in claims.items() if claim is not None}
    return Unusable(id=event_id, reason=reason, received_at=received_at, source=SOURCE, claims=printable)


def _printable(claim: object) -> str:
    """Text that DynamoDB takes, cut; of anything but text only what kind of thing it is."""
    text = claim if isinstance(claim, str) else f"({type(claim).__name__})"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:MAX_TEXT_LENGTH])


def _id_of(event: dict[str, Any], taken: set[str]) -> str:
    """The registry's id, so that what it sends again is known by it; a new one if that is missing, odd or taken."""
    event_id = event.get("id")
    if not isinstance(event_id, str) or not _ID.fullmatch(event_id) or event_id in taken:
        return _new_id(taken)
    taken.add(event_id)
    return event_id


def _new_id(taken: set[str]) -> str:
    event_id = str(uuid.uuid4())
    taken.add(event_id)
    return event_id


def _is_of_a_blob(action: object, target: dict[str, Any]) -> bool:
    """Whether this push or delete says that it is a blob's; with a tag it is a manifest's, whatever it says."""
    named_by_tag = _present(target.get("tag")) is not None
    return action in ("push", "delete") and not named_by_tag and _is(_is_blob, target.get("mediaType"))


def _present(value: Any) -> Any:
    """Return the value, None for an empty text: registries leave out what is empty, some send it as ""."""
    return None if value == "" else value


def _is(check: Callable[[str], object], value: object) -> bool:
    return _if(check, value) is not None


def _if(check: Callable[[str], object], value: object) -> str | None:
    """Return `value` if it is text that passes the check."""
    return value if isinstance(value, str) and check(value) else None


def _is_ascii_text(text: str) -> bool:
    return is_text(text) and text.isascii()


def _is_blob(media_type: str) -> bool:
    return _BLOB.fullmatch(essence(media_type)) is not None


def _is_manifest(media_type: str) -> bool:
    return is_manifest(essence(media_type))

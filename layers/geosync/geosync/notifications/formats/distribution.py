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
from geosync.messages.geo_event import HEARTBEAT, RENAME_VERSION, GeoEvent, Heartbeat
from geosync.notifications.formats.claims import id_if, is_ascii_text, present, printable, text_if, time_if
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
_CLAIMS = ("repository", "tag", "digest", "mediaType")


def parse(envelope: object, *, site: str, received_at: int) -> list[Outcome]:
    """Return what becomes of each event of a decoded envelope, in its order.

    `received_at` is in milliseconds since the epoch. A push of a manifest is `created`, by tag as by digest: a registry
    does not tell whether the tag was there before, and a reader looks at the primary in either case; `updated` is for
    sources that can tell, and for a rename. A `delete` is `deleted`: by tag, by digest (a blob's delete looks the same,
    and finds nothing to do), or, with neither, of the whole repository.

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
    judge = _renamed if action == "rename" else _push_or_delete
    return judge(event, target, _id_of(event, taken), site, received_at)


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
        tag=present(target.get("tag")),
        digest=present(target.get("digest")),
        media_type=text_if(is_ascii_text, target.get("mediaType")),
        occurred_at=time_if(event.get("timestamp")),
        received_at=received_at,
        source=SOURCE,
        correlation_id=id_if(correlation_id) or event_id,
    )


def _renamed(
    event: dict[str, Any], target: dict[str, Any], event_id: str, site: str, received_at: int
) -> GeoEvent | Unusable:
    """GitLab's registry renames, or moves, a repository with all below it: `target.rename` has both names."""
    rename = target.get("rename")
    names = (rename.get("from"), rename.get("to")) if isinstance(rename, dict) else (None, None)
    former, current = (text_if(is_repository, name) for name in names)
    if former is None or current is None or former == current:
        return _unusable("rename", event_id, event, target, received_at)
    request = event.get("request")
    correlation_id = request.get("id") if isinstance(request, dict) else None
    return GeoEvent(
        id=event_id,
        site=site,
        event_name="updated",
        repository=current,
        tag=None,
        digest=None,
        media_type=None,
        occurred_at=time_if(event.get("timestamp")),
        received_at=received_at,
        source=SOURCE,
        correlation_id=id_if(correlation_id) or event_id,
        renamed_from=former,
        version=RENAME_VERSION,
    )


def _refusal(action: object, target: dict[str, Any]) -> UnusableBecause | None:
    """Return the first reason why this push or delete cannot become a geo event, None if it can."""
    tag, digest = present(target.get("tag")), present(target.get("digest"))
    pushed_by_digest = action == "push" and tag is None
    checks: tuple[tuple[bool, UnusableBecause], ...] = (
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
    said = {name: printable(claim) for name, claim in claims.items() if claim is not None}
    return Unusable(id=event_id, reason=reason, received_at=received_at, source=SOURCE, claims=said)


def _id_of(event: dict[str, Any], taken: set[str]) -> str:
    """The registry's id, so that what it sends again is known by it; a new one if that is missing, odd or taken."""
    event_id = id_if(event.get("id"))
    if event_id is None or event_id in taken:
        return _new_id(taken)
    taken.add(event_id)
    return event_id


def _new_id(taken: set[str]) -> str:
    event_id = str(uuid.uuid4())
    taken.add(event_id)
    return event_id


def _is_of_a_blob(action: object, target: dict[str, Any]) -> bool:
    """Whether this push or delete says that it is a blob's; with a tag it is a manifest's, whatever it says."""
    named_by_tag = present(target.get("tag")) is not None
    return action in ("push", "delete") and not named_by_tag and _is(_is_blob, target.get("mediaType"))


def _is(check: Callable[[str], object], value: object) -> bool:
    return text_if(check, value) is not None


def _is_blob(media_type: str) -> bool:
    return _BLOB.fullmatch(essence(media_type)) is not None


def _is_manifest(media_type: str) -> bool:
    return is_manifest(essence(media_type))

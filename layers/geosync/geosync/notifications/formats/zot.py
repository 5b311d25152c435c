"""Zot's events: CloudEvents about images, in headers and body (binary mode) or in the body alone (structured mode).

Follows zot's "Event support" and CloudEvents' HTTP binding. The type's beginning can be configured in zot; its end says
what happened. `reference` is a tag or a digest. Zot sends `credentials` as Basic or Bearer, `headers` as they are.
"""

from __future__ import annotations

from geosync.errors import MalformedMessage
from geosync.messages.geo_event import EventName
from geosync.notifications.formats.claims import Claim, ImageClaim, NoClaim, field, text_if
from geosync.notifications.request import Delivery
from geosync.oci.media_types import essence
from geosync.oci.references import is_digest

STRUCTURED = "application/cloudevents+json"
_ENDINGS: dict[str, EventName] = {".image.updated": "updated", ".image.deleted": "deleted"}
_OTHER_ENDINGS = (".repository.created", ".image.lint_failed")


def parse(delivery: Delivery) -> list[Claim]:
    """Return the claim of an event. Raises MalformedMessage when it is no event of zot's."""
    document = delivery.document
    structured = essence(delivery.header("content-type")) == STRUCTURED

    def attribute(name: str) -> object:
        return field(document, name) if structured else delivery.header(f"ce-{name}")

    kind = attribute("type")
    data = field(document, "data") if structured else document
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise MalformedMessage("not an event of zot's: no CloudEvents type in the headers or the body")
    if kind.endswith(_OTHER_ENDINGS):
        return [NoClaim(reason="other_event")]
    reference = data.get("reference")
    by_digest = text_if(is_digest, reference) is not None
    return [
        ImageClaim(
            id=attribute("id"),
            action=kind,
            happened=next((name for ending, name in _ENDINGS.items() if kind.endswith(ending)), None),
            repository=data.get("name"),
            tag=None if by_digest else reference,
            digest=data.get("digest") or (reference if by_digest else None),
            media_type=data.get("mediaType"),
            occurred_at=attribute("time"),
        )
    ]

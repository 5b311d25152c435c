"""The outcomes of one event that a registry posts, whatever the format it came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from geosync.messages.geo_event import GeoEvent, Heartbeat

DroppedBecause = Literal[
    "pull",
    "mount",
    "blob",
    "ping",  # the sender tries its configuration out
    "other_event",  # of a kind that says nothing about an image: a scan, a build, a package of another ecosystem
]
UnusableBecause = Literal[
    "not_an_object",  # the event, or its target, is no JSON object
    "unknown_action",
    "rename",  # of a repository, and it does not say from what to what
    "bad_repository",
    "bad_tag",
    "bad_digest",
    "unknown_media_type",  # pushed by digest, and neither a manifest nor a blob that is known here
    "no_reference",  # a push that names neither a tag nor a digest
    "bad_heartbeat",
    "bad_data",  # a message whose content is not what its format says
    "other_registry",  # it names another registry than the site's own
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """An event that says nothing about a manifest: counted, and nothing more."""

    reason: DroppedBecause


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """An event that cannot become a geo event: it goes to the event log with its reason, never to the topic.

    `claims` holds the fields that an operator needs to find the push, as the registry sent them: printable, cut, and
    trusted for nothing.
    """

    id: str
    reason: UnusableBecause
    received_at: int
    source: str
    claims: dict[str, str]


Outcome: TypeAlias = GeoEvent | Heartbeat | Dropped | Unusable

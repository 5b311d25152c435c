"""The geo event: the message that a site publishes for each push and delete, and its contract.

One JSON object per event, on SNS and (raw delivery) on SQS. `version` names the contract; a reader that does not know
it sends the message to the DLQ with the reason, never away. An event is a hint: the reader looks at the primary and never
copies what the event says, so no host, URL or credential is ever part of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from geosync.errors import MalformedMessage, UnknownVersion
from geosync.oci.references import is_digest, is_repository, is_tag

VERSION = "1"
EventName = Literal["created", "updated", "deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoEvent:
    """What happened to one reference of one container repository on the site `site`.

    `tag` and `digest` are both None only for a `deleted` event of the whole repository. `occurred_at` is the registry's
    clock (RFC 3339 text as received), `received_at` this site's, in milliseconds since the epoch.
    """

    id: str
    site: str
    event_name: EventName
    repository: str
    tag: str | None
    digest: str | None
    media_type: str | None
    occurred_at: str | None
    received_at: int
    source: str
    correlation_id: str
    replicable_name: str = "container_repository"
    version: str = VERSION

    @property
    def message_group_id(self) -> str:
        """The first 32 hex digits of sha256(repository): AWS allows 128 characters, repository names may be longer."""
        return hashlib.sha256(self.repository.encode()).hexdigest()[:32]

    def to_json(self) -> str:
        """The message body, compact, without the fields that are None."""
        present = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(present, separators=(",", ":"))

    @classmethod
    def from_json(cls, body: str) -> GeoEvent:
        """Read a message body.

        Raises UnknownVersion for a contract this code does not know and MalformedMessage for anything else that is not
        a geo event; both messages say what was wrong, and neither repeats the body.
        """
        try:
            fields = json.loads(body)
        except ValueError as error:
            raise MalformedMessage("not JSON") from error
        if not isinstance(fields, dict):
            raise MalformedMessage("not a JSON object")
        version = fields.get("version")
        if version != VERSION:
            raise UnknownVersion(f"geo event version {str(version)[:20]!r} is not known here (known: {VERSION})")
        _check(fields)
        known: dict[str, Any] = {name: fields.get(name) for name in cls.__dataclass_fields__}
        return cls(**known)


def _check(fields: dict[str, object]) -> None:
    """Raise MalformedMessage, naming the first field that breaks the contract; fields not known here are ignored."""
    for name in ("id", "site", "source", "correlation_id"):
        if not isinstance(fields.get(name), str):
            raise MalformedMessage(f"{name} is missing or not text")
    if fields.get("event_name") not in get_args(EventName):
        raise MalformedMessage("event_name is not one of created, updated, deleted")
    if fields.get("replicable_name") != "container_repository":
        raise MalformedMessage("replicable_name is not container_repository")
    received_at = fields.get("received_at")
    if not isinstance(received_at, int) or isinstance(received_at, bool):
        raise MalformedMessage("received_at is not an integer of milliseconds")
    repository, tag, digest = fields.get("repository"), fields.get("tag"), fields.get("digest")
    if not isinstance(repository, str) or not is_repository(repository):
        raise MalformedMessage("repository is not a repository name")
    if tag is not None and not (isinstance(tag, str) and is_tag(tag)):
        raise MalformedMessage("tag is not a tag")
    if digest is not None and not (isinstance(digest, str) and is_digest(digest)):
        raise MalformedMessage("digest is not a digest")
    if tag is None and digest is None and fields["event_name"] != "deleted":
        raise MalformedMessage("neither tag nor digest")
    for name in ("media_type", "occurred_at"):
        if fields.get(name) is not None and not isinstance(fields[name], str):
            raise MalformedMessage(f"{name} is not text")

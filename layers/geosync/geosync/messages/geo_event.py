"""The messages a site publishes, and their contract: the geo event, one per push and delete, and the heartbeat.

One JSON object per message, on SNS and (raw delivery) on SQS. `version` names the contract, `kind` the message: absent
for a geo event, `heartbeat` for a heartbeat. A reader that does not know one of them sends the message to the DLQ with
the reason and never drops it. An event is a hint: the reader looks at the primary and never copies what the event says,
so no host, URL or credential is ever part of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, get_args

from geosync.errors import MalformedMessage, UnknownVersion
from geosync.messages.groups import message_group
from geosync.oci.references import is_digest, is_repository, is_tag
from geosync.oci.words import shown

VERSION = "1"
RENAME_VERSION = "2"
"""Version of a rename's event. A site that does not know it keeps the message in its DLQ until it is upgraded."""
HEARTBEAT = "heartbeat"
# Of every text without a grammar of its own. With the grammars of names the largest message stays under 4 KiB, so ten
# of them (one SNS batch) are far from the 256 KiB that AWS allows.
MAX_TEXT_LENGTH = 255
LATEST_MS = 2**53 - 1
"""No time is later: JavaScript reads no larger integer, and a table takes no number of thousands of digits."""
EventName = Literal["created", "updated", "deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoEvent:
    """A push or a delete of one reference of one container repository on the site `site`.

    `tag` and `digest` are both None only for a `deleted` event of the whole repository, and for the `updated` event of
    a rename: `repository` is the new name, `renamed_from` the former one (and so for each repository below it), and
    `version` is RENAME_VERSION. `occurred_at` is by the registry's clock (RFC 3339 text as received), `received_at` by
    this site's (milliseconds since the epoch).
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
    renamed_from: str | None = None
    replicable_name: str = "container_repository"
    version: str = VERSION

    @property
    def message_group_id(self) -> str:
        """The group of its repository; SNS hands it on to the queues."""
        return message_group(self.repository)

    @property
    def pushed_at(self) -> int:
        """The earlier of its two times (ms): by the registry's clock, and by this site's on arrival."""
        try:
            occurred = datetime.fromisoformat(self.occurred_at or "")
        except ValueError:
            return self.received_at
        if occurred.tzinfo is None:
            return self.received_at
        return max(min(self.received_at, int(occurred.timestamp() * 1000)), 0)

    @property
    def expects(self) -> str | None:
        """The answer that the primary should give for it: a digest, `absent` after a delete, None when not known."""
        return "absent" if self.event_name == "deleted" else self.digest

    def to_json(self) -> str:
        """The message body, compact, without the fields that are None."""
        values = ((name, getattr(self, name)) for name in _EVENT_FIELDS)
        return json.dumps({name: value for name, value in values if value is not None}, separators=(",", ":"))

    @classmethod
    def from_json(cls, body: str) -> GeoEvent:
        """Read a message body that must be a geo event.

        Raises UnknownVersion for a contract this code does not know and MalformedMessage for anything else that is not
        a geo event; both messages say what was wrong, and neither repeats the body.
        """
        message = parse_message(body)
        if not isinstance(message, cls):
            raise MalformedMessage("a heartbeat where a geo event is asked for")
        return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The primary is alive, and its notifications arrive: posted by the primary through its own public endpoint.

    `sent_at` (milliseconds since the epoch, the primary's clock, never after `received_at`) is when it was posted. Once
    a secondary has it, silence until then means that nothing was pushed, not that notifications are lost.
    """

    id: str
    site: str
    sent_at: int
    received_at: int
    version: str = VERSION

    @property
    def message_group_id(self) -> str:
        """One group for all heartbeats: it is no repository's name, so no push waits behind them."""
        return HEARTBEAT

    def to_json(self) -> str:
        """The message body, compact."""
        values = {name: getattr(self, name) for name in _HEARTBEAT_FIELDS}
        return json.dumps({"kind": HEARTBEAT, **values}, separators=(",", ":"))


_EVENT_FIELDS = tuple(field.name for field in fields(GeoEvent))
_HEARTBEAT_FIELDS = tuple(field.name for field in fields(Heartbeat))


def parse_message(body: str) -> GeoEvent | Heartbeat:
    """Read a message body of any kind.

    Raises UnknownVersion for a version or a kind that this code does not know, and MalformedMessage for anything else
    that breaks the contract; both say what was wrong, and neither repeats the body. Fields not known here are ignored.
    """
    message = _decode(body)
    version = message.get("version")
    if version not in (VERSION, RENAME_VERSION):
        raise UnknownVersion(f"message version {shown(version, 20)!r} is not known here (known: {VERSION})")
    kind = message.get("kind")
    if kind is not None and version != VERSION:
        raise UnknownVersion(f"{shown(kind, 20)!r} version {version!r} is not known here (known: {VERSION})")
    if kind is None:
        _check_event(message)
        values: dict[str, Any] = {name: message.get(name) for name in _EVENT_FIELDS}
        if version == VERSION:
            values["renamed_from"] = None
        return GeoEvent(**values)
    if kind != HEARTBEAT:
        raise UnknownVersion(f"message kind {shown(kind, 20)!r} is not known here (known: {HEARTBEAT})")
    _check_texts(message, "id", "site")
    _check_times(message, "sent_at", "received_at")
    return Heartbeat(**{name: message[name] for name in _HEARTBEAT_FIELDS})


def is_text(value: object) -> bool:
    """True for text that every store and queue takes: 1 to 255 printable characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT_LENGTH and value.isprintable()


def is_time(value: object) -> bool:
    """True for a time in milliseconds that every table and queue takes."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LATEST_MS


def _decode(body: str) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedMessage("not JSON") from None
    if not isinstance(message, dict):
        raise MalformedMessage("not a JSON object")
    return message


def _check_event(message: dict[str, Any]) -> None:
    """Raise MalformedMessage, naming the first field that breaks the contract of a geo event."""
    _check_texts(message, "id", "site", "source", "correlation_id")
    if message.get("event_name") not in get_args(EventName):
        raise MalformedMessage("event_name is not one of created, updated, deleted")
    if message.get("replicable_name") != "container_repository":
        raise MalformedMessage("replicable_name is not container_repository")
    _check_times(message, "received_at")
    _check_names(message)
    if message["version"] == RENAME_VERSION:
        _check_rename(message)
    elif not _names_an_image(message) and message["event_name"] != "deleted":
        raise MalformedMessage("neither tag nor digest")
    _check_texts(message, *(name for name in ("media_type", "occurred_at") if message.get(name) is not None))


def _check_names(message: dict[str, Any]) -> None:
    repository = message.get("repository")
    if not isinstance(repository, str) or not is_repository(repository):
        raise MalformedMessage("repository is not a repository name")
    if not is_none_or(is_tag, message.get("tag")):
        raise MalformedMessage("tag is not a tag")
    if not is_none_or(is_digest, message.get("digest")):
        raise MalformedMessage("digest is not a digest")


def _names_an_image(message: dict[str, Any]) -> bool:
    return message.get("tag") is not None or message.get("digest") is not None


def is_none_or(form: Callable[[str], object], value: object) -> bool:
    """True for None, and for text that has the form."""
    return value is None or (isinstance(value, str) and bool(form(value)))


def _check_rename(message: dict[str, Any]) -> None:
    former = message.get("renamed_from")
    if not isinstance(former, str) or not is_repository(former) or former == message["repository"]:
        raise MalformedMessage("renamed_from is not another repository's name")
    if _names_an_image(message) or message["event_name"] != "updated":
        raise MalformedMessage("a rename is an updated event without tag and digest")


def _check_texts(message: dict[str, Any], *names: str) -> None:
    for name in names:
        if not is_text(message.get(name)):
            raise MalformedMessage(f"{name} is missing, not text or too long")


def _check_times(message: dict[str, Any], *names: str) -> None:
    for name in names:
        if not is_time(message.get(name)):
            raise MalformedMessage(f"{name} is not an integer of milliseconds")

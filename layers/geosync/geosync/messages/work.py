"""The messages of the live queue and the work queue.

A work message wakes a repository; references that it names are marked first.

functions/log_cursor sends it to the live queue when it has marked an event and nobody holds the repository. The sweep
sends it to the work queue. Both name no reference: what is owed is in the sync registry already. Resync and replay name
what they want marked. A reference that is parked leaves such a message in the DLQ: to replay it is to send it to the
work queue as it is. Like a geo event it carries names only, never a host, a URL or a credential.

A holder that shares the copy of an image asks for help with such a message, too. An older version, which knows no
`help`, takes it for a wake of the sweep and finds the repository held.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

from geosync.errors import MalformedMessage, UnknownVersion
from geosync.messages.geo_event import is_time
from geosync.messages.groups import SITE_GROUP, message_group
from geosync.oci.manifests import Descriptor
from geosync.oci.references import is_digest, is_repository, is_tag
from geosync.oci.words import shown
from geosync.sync_registry.items import ADOPT, KEEP, Reference

VERSION = "1"
KIND = "work"
CATALOGUE_KIND = "catalogue"
VERIFY_KIND = "verify"
KINDS = frozenset({KIND, CATALOGUE_KIND, VERIFY_KIND})
"""The kinds of messages of the live queue and the work queue. Those of the events queue have other kinds, or none."""
Reason = Literal["event", "sweep", "resync", "replay"]
Scope = Literal["all", "failed"]
MOST_BLOBS = 200
"""Blobs that a message asks help with: each takes up to 160 of the 262,144 bytes that SQS takes in a batch."""
MOST_AT_ONCE = 6
LONGEST_TOKEN = 64
LARGEST_BLOB = 2**50
"""Bytes: more than any registry takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """Help that a holder asks for: bring these blobs, in this order, `at_once` at a time, while it has the repository.

    `holder` is the token of its lease.
    """

    holder: str
    blobs: tuple[Descriptor, ...]
    at_once: int

    def to_field(self) -> dict[str, object]:
        """The field of a work message."""
        blobs = [[blob.digest, blob.size] for blob in self.blobs]
        return {"holder": self.holder, "at_once": self.at_once, "blobs": blobs}

    @classmethod
    def from_field(cls, field: object) -> Help:
        """Read the field of a work message; raises MalformedMessage."""
        if not isinstance(field, dict):
            raise MalformedMessage("help is not an object")
        holder, at_once, blobs = field.get("holder"), field.get("at_once"), field.get("blobs")
        if not isinstance(holder, str) or not 0 < len(holder) <= LONGEST_TOKEN:
            raise MalformedMessage("help names no holder")
        if type(at_once) is not int or not 0 < at_once <= MOST_AT_ONCE:
            raise MalformedMessage(f"at_once is not 1 to {MOST_AT_ONCE}")
        if not isinstance(blobs, list) or not 0 < len(blobs) <= MOST_BLOBS:
            raise MalformedMessage(f"help names not 1 to {MOST_BLOBS} blobs")
        return cls(holder=holder, at_once=at_once, blobs=tuple(map(_blob, blobs)))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkMessage:
    """Wake `repository`; `references` are marked before, with an operator's decision on tags that the primary lacks.

    `if_absent` is ADOPT or KEEP (see Owed); for the reference `*` it goes for every tag that is extra, or missing.
    """

    repository: str
    reason: Reason
    references: tuple[Reference, ...] = ()
    if_absent: str | None = None
    help: Help | None = None
    """The holder of the repository asks for help: nothing is marked, and nobody is woken."""

    @property
    def message_group_id(self) -> str:
        """The group of its repository."""
        return message_group(self.repository)

    def to_json(self) -> str:
        """The message body."""
        body: dict[str, object] = {
            "version": VERSION,
            "kind": KIND,
            "repository": self.repository,
            "reason": self.reason,
        }
        if self.references:
            body["references"] = [reference.seen_key for reference in self.references]
        if self.if_absent is not None:
            body["if_absent"] = self.if_absent
        if self.help is not None:
            body["help"] = self.help.to_field()
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, body: str) -> WorkMessage:
        """Read a message body; raises UnknownVersion or MalformedMessage, saying what was wrong."""
        fields = _fields(body, KIND)
        repository, reason, names = fields.get("repository"), fields.get("reason"), fields.get("references", [])
        if not isinstance(repository, str) or not is_repository(repository):
            raise MalformedMessage("repository is not a repository name")
        if reason not in ("event", "sweep", "resync", "replay"):
            raise MalformedMessage(f"reason is not one of {', '.join(get_args(Reason))}")
        if not isinstance(names, list):
            raise MalformedMessage("references is not a list")
        if (if_absent := fields.get("if_absent")) not in (None, ADOPT, KEEP):
            raise MalformedMessage(f"if_absent is neither {ADOPT} nor {KEEP}")
        references = tuple(_reference(name) for name in names)
        asked = Help.from_field(fields["help"]) if "help" in fields else None
        return cls(repository=repository, reason=reason, references=references, if_absent=if_absent, help=asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueMessage:
    """Go through the primary's catalogue (comparing/catalogue.py), from the beginning or from where it stopped."""

    @property
    def message_group_id(self) -> str:
        """The group of messages that concern no repository."""
        return SITE_GROUP

    def to_json(self) -> str:
        """The message body."""
        return json.dumps({"version": VERSION, "kind": CATALOGUE_KIND}, separators=(",", ":"))

    @classmethod
    def from_json(cls, body: str) -> CatalogueMessage:
        """Read a message body; raises UnknownVersion or MalformedMessage, saying what was wrong."""
        _fields(body, CATALOGUE_KIND)
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyMessage:
    """Verify `repository` if that is due, or because somebody asked for it (at `asked_at`, milliseconds).

    With a `scope` instead: make rows due, all of them or those whose verification failed, if not verified since then,
    or since SQS took the message, where that is known.
    """

    repository: str | None = None
    scope: Scope | None = None
    asked_at: int | None = None

    @property
    def message_group_id(self) -> str:
        """The group of its repository, or of messages that concern none."""
        return message_group(self.repository) if self.repository is not None else SITE_GROUP

    def to_json(self) -> str:
        """The message body."""
        given = {"repository": self.repository, "scope": self.scope, "asked_at": self.asked_at}
        body = {
            "version": VERSION,
            "kind": VERIFY_KIND,
            **{name: one for name, one in given.items() if one is not None},
        }
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, body: str) -> VerifyMessage:
        """Read a message body; raises UnknownVersion or MalformedMessage, saying what was wrong."""
        fields = _fields(body, VERIFY_KIND)
        repository, scope, asked_at = fields.get("repository"), fields.get("scope"), fields.get("asked_at")
        if asked_at is not None and not is_time(asked_at):
            raise MalformedMessage("asked_at is not a time in milliseconds")
        if repository is None:
            if scope not in get_args(Scope) or asked_at is None:
                raise MalformedMessage("neither a repository nor, with asked_at, a scope (all, failed)")
            return cls(scope=scope, asked_at=asked_at)
        if not isinstance(repository, str) or not is_repository(repository):
            raise MalformedMessage("repository is not a repository name")
        if scope is not None:
            raise MalformedMessage("a repository and a scope exclude each other")
        return cls(repository=repository, asked_at=asked_at)


def _fields(body: str, kind: str) -> dict[str, Any]:
    """The fields of a message of this kind; raises UnknownVersion or MalformedMessage."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedMessage("not JSON") from None
    if not isinstance(fields, dict) or fields.get("kind") != kind:
        raise MalformedMessage(f"not a {kind} message")
    if fields.get("version") != VERSION:
        raise UnknownVersion(f"{kind} message version {shown(fields.get('version'), 20)!r} is not known here")
    return fields


def _blob(value: object) -> Descriptor:
    """A blob as it stands in a message: `[digest, size]`."""
    digest, size = value if isinstance(value, list) and len(value) == 2 else (None, None)
    if not isinstance(digest, str) or not is_digest(digest) or type(size) is not int or not 0 < size <= LARGEST_BLOB:
        raise MalformedMessage("a blob is not [digest, size]")
    return Descriptor(media_type="", digest=digest, size=size)


def _reference(name: object) -> Reference:
    """A reference as it stands in a message: `tag#v1`, `digest#sha256:…` or `*`."""
    reference = Reference.from_key(name) if isinstance(name, str) else None
    if reference is None or not (
        reference.kind == "repository"
        or (reference.kind == "tag" and is_tag(reference.value))
        or (reference.kind == "digest" and is_digest(reference.value))
    ):
        raise MalformedMessage("a reference is neither tag#<tag>, digest#<digest> nor *")
    return reference

"""The messages of the work queue.

A work message wakes a repository, and has references marked first if it names any.

The sweep sends it without references (what is owed is in the sync registry already); resync and replay name what they
want marked. A reference that is parked leaves such a message in the DLQ: to replay it is to send it to the work queue
as it is. Like a geo event it carries names only, never a host, a URL or a credential.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

from geosync.errors import MalformedMessage, UnknownVersion
from geosync.oci.references import is_digest, is_repository, is_tag
from geosync.sync_registry.items import Reference

VERSION = "1"
KIND = "work"
CATALOGUE_KIND = "catalogue"
Reason = Literal["sweep", "resync", "replay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkMessage:
    """Wake `repository`; `references` are marked before."""

    repository: str
    reason: Reason
    references: tuple[Reference, ...] = ()

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
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, body: str) -> WorkMessage:
        """Read a message body; raises UnknownVersion or MalformedMessage, saying what was wrong."""
        fields = _fields(body, KIND)
        repository, reason, names = fields.get("repository"), fields.get("reason"), fields.get("references", [])
        if not isinstance(repository, str) or not is_repository(repository):
            raise MalformedMessage("repository is not a repository name")
        if reason not in ("sweep", "resync", "replay"):
            raise MalformedMessage(f"reason is not one of {', '.join(get_args(Reason))}")
        if not isinstance(names, list):
            raise MalformedMessage("references is not a list")
        return cls(repository=repository, reason=reason, references=tuple(_reference(name) for name in names))


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueMessage:
    """Go through the primary's catalogue (replication/catalogue.py), from the beginning or from where it stopped."""

    def to_json(self) -> str:
        """The message body."""
        return json.dumps({"version": VERSION, "kind": CATALOGUE_KIND}, separators=(",", ":"))

    @classmethod
    def from_json(cls, body: str) -> CatalogueMessage:
        """Read a message body; raises UnknownVersion or MalformedMessage, saying what was wrong."""
        _fields(body, CATALOGUE_KIND)
        return cls()


def _fields(body: str, kind: str) -> dict[str, Any]:
    """The fields of a message of this kind; raises UnknownVersion or MalformedMessage."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedMessage("not JSON") from None
    if not isinstance(fields, dict) or fields.get("kind") != kind:
        raise MalformedMessage(f"not a {kind} message")
    if fields.get("version") != VERSION:
        raise UnknownVersion(f"{kind} message version {str(fields.get('version'))[:20]!r} is not known here")
    return fields


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

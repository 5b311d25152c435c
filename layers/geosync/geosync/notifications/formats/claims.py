"""Claims: the words of one event in any format, as they were sent.

A parser finds its format's words for repository, tag, digest and action, and makes claims of them. Nothing in a claim
is checked, and a field that was sent may be of any type. `judge.py` decides for every format what becomes of a claim.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from geosync.messages.geo_event import EventName

_Meaning = TypeVar("_Meaning")

Happened: TypeAlias = EventName | Literal["renamed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoClaim:
    """An event that says nothing about an image, by its own words."""

    reason: Literal["pull", "mount", "ping", "other_event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableClaim:
    """An event without the part that says what happened."""

    because: Literal["not_an_object", "bad_data"]
    id: object
    action: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatClaim:
    """The site's own heartbeat."""

    id: object
    sent_at: object


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOrigin:
    """The registry of an event whose names are full: `host/repository`, once for each name.

    `said` holds the names as they were sent; the event log keeps it where they are not the site's own.
    """

    hosts: tuple[str, ...]
    repositories: frozenset[str]
    said: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOrigin:
    """The registry of an event of AWS: an account has one in each region. `said` is as in HostOrigin."""

    account: object
    region: object
    said: Mapping[str, object]


# More than six: one field for each thing that a format can say about an image.
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageClaim:
    """A push, a delete or a rename.

    `happened` is None for an action that the parser does not know. `renamed_from` and `renamed_to` are a rename's.
    `origin` is set where a format names the registry. The last two say what the format means: `may_be_blob`, that a
    digest without a tag can be a blob's; `may_be_whole_repository`, that a deletion of neither a tag nor a digest is
    one of the whole repository.
    """

    id: object
    action: object
    happened: Happened | None
    repository: object
    tag: object = None
    digest: object = None
    media_type: object = None
    occurred_at: object = None
    correlation_id: object = None
    renamed_from: object = None
    renamed_to: object = None
    origin: HostOrigin | AccountOrigin | None = None
    may_be_blob: bool = False
    may_be_whole_repository: bool = False


Claim: TypeAlias = NoClaim | UnreadableClaim | HeartbeatClaim | ImageClaim


def id_of_content(*parts: object) -> str:
    """Return an id for a format that has none: the same content, sent again, has the same."""
    return hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:32]


def text_if(check: Callable[[str], object], value: object) -> str | None:
    """Return `value` if it is text that passes the check."""
    return value if isinstance(value, str) and check(value) else None


def present(value: Any) -> Any:
    """Return the value, None for an empty text: some senders leave out what is empty, some send it as ""."""
    return None if value == "" else value


def meaning(words: Mapping[str, _Meaning], word: object) -> _Meaning | None:
    """Return the meaning of a format's word; None for a word that is not known, and for anything but text."""
    return words.get(word) if isinstance(word, str) else None


def field(value: object, *path: str) -> object:
    """Return the value at a path of keys in nested JSON objects; None where there is no object or no such key."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value

"""An entry of the audit log in words: what was asked, by the names of what it was about.

An entry keeps the action as it came (method and path, or the command), and the body. A body that is too long is cut:
then the entry has what is worded here in a field of its own (`asked`). An older entry has no name of its container
repository: it is worded with the id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from geosync.oci.references import is_digest, is_tag

MOST_NAMED = 5
"""Tags and digests that are named; of more the number."""
_LISTS = ("references", "tags", "ids")
_WORDED = (*_LISTS, "reason", "name", "url", "scope", "keep", "all")
"""The fields of a body that are worded."""
_LONGEST = 1000
"""Characters of a reason, as the API takes it."""
_GEO = "/api/v4/geo/"
_ONE = re.compile(r"POST /api/v4/geo/container_repositories/(\d{1,20})/(\w{1,20})")
_URL = re.compile(r"https?://[\w.:/~-]{1,255}", re.ASCII)
_SITE = re.compile(r"DELETE /api/v4/geo_sites/(\d{1,20})")
_OF_ONE = {
    "resync": "Resync {some}",
    "reverify": "Reverify {name}",
    "keep": "Keep {tags}",
    "adopt": "Adopt {tags}",
    "dismiss": "Dismiss what was found in {name}",
    "undismiss": "Show again what was found in {name}",
}
"""By the last part of the path: as the dashboard's buttons call it."""
_TAGS = {"keep": "the missing and outside tags", "adopt": "the extra tags"}
"""What an action without named tags is about."""
_PLAIN = {
    f"POST {_GEO}pause": "Pause",
    f"POST {_GEO}resume": "Resume",
    f"POST {_GEO}deletes/resume": "Resume deletes",
    "POST /sign-out": "Sign out",
    "sign in": "Sign in",
}
_MANY = {f"POST {_GEO}container_repositories/{verb}": verb.capitalize() for verb in ("resync", "reverify")}
_LETTERS = {f"POST {_GEO}dead_letters/{verb}": verb.capitalize() for verb in ("replay", "discard")}


def repository_id(action: str) -> int | None:
    """The id of the container repository that an action of the admin API names; None: it names none."""
    found = _ONE.fullmatch(action)
    return int(found[1]) if found else None


def expected_site_id(action: str) -> int | None:
    """The id of the site that an action of the admin API names; None: it names none."""
    found = _SITE.fullmatch(action)
    return int(found[1]) if found else None


def abridged(detail: str) -> str | None:
    """Cut a body that is too long to be kept to what `summary` words; None: it is no body of ours.

    Of a list the first elements stay, and their number.
    """
    body = _parsed(detail)
    if body is None:
        return None
    counts = {name: len(body[name]) for name in _LISTS if isinstance(body.get(name), list)}
    return json.dumps({"body": {name: _cut(body[name]) for name in _WORDED if name in body}, "counts": counts})


def summary(entry: Mapping[str, Any]) -> str:
    """Word an entry in a line: the button that does it, what it was about, and the reason that was given.

    Where it is not known what was named, as of a request that was refused, the line does not say that it was all.
    """
    action, detail = str(entry.get("action", "")), str(entry.get("detail") or "")
    if action.startswith("geosync "):
        return f"{action} {detail}".rstrip()
    if action.startswith("discard "):
        return _with_reason(f"Discard dead letter {action.removeprefix('discard ')}", {"reason": detail})
    asked = _asked(entry, detail)
    return _with_reason(_what(action, asked, entry), asked.body)


def _cut(value: object) -> object:
    if isinstance(value, list):
        return [str(one)[:_LONGEST] for one in value[:MOST_NAMED]]
    if isinstance(value, str):
        return value[:_LONGEST]
    return value if isinstance(value, bool) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The body of a request. `counts` has the lengths of lists that were cut. `is_known` is False where it was lost."""

    body: Mapping[str, Any]
    counts: Mapping[str, int]
    is_known: bool

    def named(self, name: str) -> str | None:
        """The elements of a list, of many the first and the number of the others; "": none, None: it is not known."""
        found = self.body.get(name, [])
        if not self.is_known or not isinstance(found, list):
            return None
        more = self.count(name) - MOST_NAMED
        return ", ".join(_shown(str(one)) for one in found[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")

    def count(self, name: str) -> int:
        """The number of elements of a list."""
        found = self.body.get(name)
        return self.counts.get(name, len(found) if isinstance(found, list) else 0)


def _asked(entry: Mapping[str, Any], detail: str) -> _Asked:
    kept = _parsed(str(entry.get("asked") or "")) or {}
    if kept:
        return _Asked(body=kept["body"], counts=kept["counts"], is_known=True)
    if entry.get("outcome") == "refused":  # the detail is why
        return _Asked(body={}, counts={}, is_known=False)
    body = _parsed(detail or "{}")
    return _Asked(body=body or {}, counts={}, is_known=body is not None)


def _what(action: str, asked: _Asked, entry: Mapping[str, Any]) -> str:
    one, site = _ONE.fullmatch(action), _SITE.fullmatch(action)
    if one and one[2] in _OF_ONE:
        return _of_one(one[2], entry.get("repository") or f"container repository {one[1]}", asked)
    if site:
        return f"Expect the site {entry.get('site_name') or site[1]} no more"
    if action == "POST /api/v4/geo_sites":
        return _site(asked.body)
    if action in _MANY:
        scope = {"all": "all", "failed": "all failed"}.get(str(asked.body.get("scope")), "many")
        return f"{_MANY[action]} {scope}"
    if action in _LETTERS:
        return f"{_LETTERS[action]} {_letters(asked)}"
    return _PLAIN.get(action, action)


def _of_one(verb: str, name: str, asked: _Asked) -> str:
    references, tags = asked.named("references"), asked.named("tags")
    some = f"{references} of {name}" if references else name if references is not None else f"something of {name}"
    all_tags = f"{_TAGS.get(verb, '')} of {name}"
    them = f"{tags} of {name}" if tags else all_tags if tags is not None else f"tags of {name}"
    more = ", removing no tag" if asked.body.get("keep") is True else ""
    return _OF_ONE[verb].format(some=some, tags=them, name=name) + more


def _site(body: Mapping[str, Any]) -> str:
    name, url = body.get("name"), body.get("url")
    if name is None:
        return "Expect a site"
    return f"Expect the site {_shown(str(name))} at {url if _URL.fullmatch(str(url)) else _quoted(str(url))}"


def _letters(asked: _Asked) -> str:
    count = asked.count("ids")
    if count:
        return f"{count} dead letter{'s' if count > 1 else ''}"
    return "all dead letters" if asked.body.get("all") is True else "dead letters"


def _shown(name: str) -> str:
    """A tag or a digest as it is. What can be neither is quoted: it must not read as our own words."""
    return name if is_tag(name) or is_digest(name) else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text[:_LONGEST])


def _with_reason(what: str, asked: Mapping[str, Any]) -> str:
    reason = asked.get("reason")
    return f"{what}: {reason}" if isinstance(reason, str) and reason.strip() else what


def _parsed(detail: str) -> dict[str, Any] | None:
    """Read a request's body; None: it was cut, or is none."""
    try:
        found = json.loads(detail)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

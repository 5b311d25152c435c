"""An entry of the audit log in words: what was asked, by the names of what it was about.

An entry keeps the action as it came (method and path, or the command) and the body. Older entries are worded as well:
of one that has no name of its container repository, the id stands in its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MOST_NAMED = 5
"""Tags and digests that are named; of more the number."""
_GEO = "/api/v4/geo/"
_ONE = re.compile(r"POST /api/v4/geo/container_repositories/(\d{1,20})/(\w{1,20})")
_SITE = re.compile(r"DELETE /api/v4/geo_sites/(\d{1,20})")
_OF_ONE = {
    "resync": "Resync {some}",
    "reverify": "Reverify {some}",
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


def summary(entry: Mapping[str, Any]) -> str:
    """Word an entry in a line: the button that does it, what it was about, and the reason that was given."""
    action, detail = str(entry.get("action", "")), str(entry.get("detail") or "")
    if action.startswith("geosync "):
        return f"{action} {detail}".rstrip()
    if action.startswith("discard "):
        return _with_reason(f"Discard dead letter {action.removeprefix('discard ')}", {"reason": detail})
    asked = _body(detail)
    return _with_reason(_what(action, asked, entry), asked)


def _what(action: str, asked: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    one, site = _ONE.fullmatch(action), _SITE.fullmatch(action)
    if one and one[2] in _OF_ONE:
        return _of_one(one[2], entry.get("repository") or f"container repository {one[1]}", asked)
    if site:
        return f"Expect the site {entry.get('site_name') or site[1]} no more"
    if action == "POST /api/v4/geo_sites":
        return f"Expect the site {asked['name']} at {asked.get('url')}" if "name" in asked else "Expect a site"
    if action in _MANY:
        scope = {"all": "all", "failed": "all failed"}.get(str(asked.get("scope")), "many")
        return f"{_MANY[action]} {scope}"
    if action in _LETTERS:
        return f"{_LETTERS[action]} {_letters(asked)}"
    return _PLAIN.get(action, action)


def _of_one(verb: str, name: str, asked: Mapping[str, Any]) -> str:
    references, tags = _list(asked, "references"), _list(asked, "tags")
    some = f"{_named(references)} of {name}" if references else name
    them = f"{_named(tags)} of {name}" if tags else f"{_TAGS.get(verb, '')} of {name}"
    more = ", removing no tag" if asked.get("keep") is True else ""
    return _OF_ONE[verb].format(some=some, tags=them, name=name) + more


def _letters(asked: Mapping[str, Any]) -> str:
    ids = _list(asked, "ids")
    if ids:
        return f"{len(ids)} dead letter{'s' if len(ids) > 1 else ''}"
    return "all dead letters" if asked.get("all") is True else "dead letters"


def _named(references: list[str]) -> str:
    more = f" and {len(references) - MOST_NAMED} more" if len(references) > MOST_NAMED else ""
    return ", ".join(references[:MOST_NAMED]) + more


def _with_reason(what: str, asked: Mapping[str, Any]) -> str:
    reason = asked.get("reason")
    return f"{what}: {reason}" if isinstance(reason, str) and reason.strip() else what


def _list(asked: Mapping[str, Any], name: str) -> list[str]:
    found = asked.get(name)
    return [str(one) for one in found] if isinstance(found, list) else []


def _body(detail: str) -> Mapping[str, Any]:
    """Read a request's body; nothing of one that was cut, or of a detail that is none."""
    try:
        found = json.loads(detail)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

"""Challenges: the WWW-Authenticate header in which a registry says who may get in, and how (RFC 9110, 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from geosync.oci.transport import HttpAnswer

MOST_CHARACTERS = 8192
"""Characters of one header that are read: a challenge takes some 200, and a header may hold several."""
# Possessive repeats (`*+`) never backtrack: a header costs time in proportion to its length, whatever it holds.
_CHALLENGE = re.compile(r"\s*+([A-Za-z][A-Za-z0-9._-]*+)(?:\s++|$)")
_PARAMETER = re.compile(r'\s*+(?:,\s*+)?([A-Za-z0-9_-]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]++))')


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One challenge; scheme and parameter names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def challenges_of(answer: HttpAnswer) -> list[Challenge]:
    """Return the challenges of an answer."""
    return parse_challenges(answer.headers.get_all("WWW-Authenticate") or [])


def best_of(challenges: Iterable[Challenge]) -> Challenge | None:
    """Return the challenge to meet: a Bearer that names its realm before a Basic; None for all others."""
    known = [one for one in challenges if one.scheme == "basic" or (one.scheme == "bearer" and _realm(one))]
    return min(known, key=lambda one: one.scheme != "bearer", default=None)


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """Parse WWW-Authenticate headers, leaving out what cannot be parsed. One header may hold several challenges."""
    challenges: list[Challenge] = []
    for value in (whole[:MOST_CHARACTERS] for whole in values):
        position = 0
        while position < len(value):
            named = _CHALLENGE.match(value, position)
            if named is None:
                break
            position = named.end()
            parameters: dict[str, str] = {}
            while (found := _PARAMETER.match(value, position)) is not None:
                quoted, plain = found.group(2), found.group(3)
                parameters[found.group(1).lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                position = found.end()
            challenges.append(Challenge(scheme=named.group(1).lower(), parameters=parameters))
            comma = value.find(",", position)
            if comma < 0:
                break
            position = comma + 1
    return challenges


def _realm(challenge: Challenge) -> str:
    return challenge.parameters.get("realm", "")

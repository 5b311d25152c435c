"""The grammar of names: repository, tag, digest.

OCI distribution-spec 1.1, "Pulling manifests"; image-spec 1.1, "Digests". Only these forms ever reach a URL, so that no
name can leave its place in a path.
"""

from __future__ import annotations

import re

MAX_REPOSITORY_LENGTH = 255

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")


def is_repository(name: str) -> bool:
    """Tell whether `name` is a repository name: lower-case path components, at most 255 characters in all."""
    return len(name) <= MAX_REPOSITORY_LENGTH and _REPOSITORY.fullmatch(name) is not None


def is_tag(name: str) -> bool:
    """Tell whether `name` is a tag: at most 128 of letters, digits, `_`, `.` and `-`, not starting with `.` or `-`."""
    return _TAG.fullmatch(name) is not None


def is_digest(text: str) -> bool:
    """Tell whether `text` is a digest of an algorithm that is checked here: sha256, sha384 or sha512."""
    return _DIGEST.fullmatch(text) is not None


def check_repository(name: str) -> None:
    """Raise ValueError for what is no repository name, before it reaches a URL."""
    if not is_repository(name):
        raise ValueError("not a repository name")


def check_digest(text: str) -> None:
    """Raise ValueError for what is no digest, before it reaches a URL."""
    if not is_digest(text):
        raise ValueError("not a digest")

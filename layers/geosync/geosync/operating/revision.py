"""The revision of the code that runs: a digest of the library's files. Sites with one revision run the same code."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

LETTERS = 11
"""GitLab's revisions have that many: the beginning of a commit's name."""


@cache
def revision() -> str:
    """The digest of the library as it is deployed; read once for each execution environment."""
    library = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(library.rglob("*.py")):
        digest.update(f"{file.relative_to(library)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:LETTERS]

"""The pictures of the dashboard in the documentation, and the digest of the pages that they were taken of."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "pictures"
PAGES = ROOT / "functions" / "admin" / "pages"
DIGEST = KEPT / "pages.sha256"
NAMES = ("dashboard-light.webp", "dashboard-dark.webp", "history.webp", "failures.webp", "repository.webp")
MOST_BYTES = 80_000
"""Of one picture: a clone has all of each that was ever kept."""


def digest_of_pages() -> str:
    """The digest of the dashboard's files, vendored ones too: their names and contents."""
    found = hashlib.sha256()
    for path in sorted(PAGES.rglob("*")):
        if path.suffix in {".html", ".css", ".js", ".svg"}:
            found.update(f"{path.relative_to(PAGES)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def keep_digest() -> None:
    """Note that the pictures show the pages as they are now."""
    DIGEST.write_text(f"{digest_of_pages()}\n")

"""Print what a version changes, from CHANGELOG.md: `python -m release.notes VERSION` (`make release-notes`)."""

from __future__ import annotations

import re
import sys

from geosync import __version__
from release import ROOT, PackageError


def notes(changelog: str, version: str) -> str:
    """Return the section of a version, without its heading. Raises PackageError."""
    if version != __version__:
        raise PackageError(f"these sources are of version {__version__}, not {version}: see geosync/__init__.py")
    found = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}\n(.*?)(?=^## |\Z)",
        changelog,
        re.DOTALL | re.MULTILINE,
    )
    if found is None:
        raise PackageError(f"CHANGELOG.md has no section [{version}] with a date: the section Unreleased becomes it")
    return found[1].strip() + "\n"


def main(arguments: list[str]) -> int:
    """Print the notes; 1 where the tag and the sources do not agree."""
    try:
        print(notes((ROOT / "CHANGELOG.md").read_text(), arguments[0]), end="")
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What `make package` makes: folders that deploy a site without a build, the wheel, the bill of materials."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]


class PackageError(Exception):
    """A part of a release cannot be built; the message says why."""


def moment_s() -> int:
    """The moment (s since the epoch) that is put where a format asks for one: SOURCE_DATE_EPOCH, else a fixed one."""
    return int(os.environ.get("SOURCE_DATE_EPOCH", "315532800"))  # 1980, the first year that a zip archive can hold

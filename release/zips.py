"""Zip archives whose bytes follow from their content: sorted names, one moment, one mode."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

_MOMENT = (1980, 1, 1, 0, 0, 0)
"""The first that a zip archive can hold. An archive of code with a later one would be new code for each commit."""
_UNIX = 3
_READABLE_FILE = 0o100644 << 16


def pack(archive: Path, folder: Path, within: str = "") -> None:
    """Write `folder`'s files to `archive`, below `within` ("" or a path that ends in "/"); raises OSError."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for path in files(folder):
            entry = zipfile.ZipInfo(f"{within}{path.relative_to(folder).as_posix()}", _MOMENT)
            entry.create_system, entry.external_attr = _UNIX, _READABLE_FILE
            made.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def files(folder: Path) -> Iterable[Path]:
    """Return the files below a folder, in an order of their own."""
    return sorted(path for path in folder.rglob("*") if path.is_file())

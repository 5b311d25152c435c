"""Zip archives whose bytes follow from their content: sorted names, one moment, one mode."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

_MOMENT = (1980, 1, 1, 0, 0, 0)
"""The first that a zip archive can hold. An archive of code with a later one would be new code for each commit."""
_UNIX = 3
_READABLE_FILE = 0o100644 << 16
_DIGEST_LENGTH = 16
_OF_FILE_MANAGERS = {".DS_Store", "Thumbs.db"}


def pack(archive: Path, folder: Path, within: str = "") -> None:
    """Write `folder`'s files to `archive`, below `within` ("" or a path that ends in "/"); raises OSError."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for path in files(folder):
            entry = zipfile.ZipInfo(f"{within}{path.relative_to(folder).as_posix()}", _MOMENT)
            entry.create_system, entry.external_attr = _UNIX, _READABLE_FILE
            made.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def pack_named(into: Path, folder: Path, code: str) -> str:
    """Write the zip of `code` (functions/sync, layers/geosync) into a folder; return its name. Raises OSError.

    The name changes with the content alone: SAM and CloudFormation deploy code anew when its name is another one.
    """
    kind, _, name = code.partition("/")
    archive = into / "new.zip"
    pack(archive, folder)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()[:_DIGEST_LENGTH]
    named = f"{kind.removesuffix('s')}-{name}-{digest}.zip"
    archive.rename(into / named)
    return named


def files(folder: Path) -> Iterable[Path]:
    """Return the files below a folder, in an order of their own; none that a file manager left there."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _OF_FILE_MANAGERS)

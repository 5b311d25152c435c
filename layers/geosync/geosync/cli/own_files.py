"""The user's own files: their folders by the XDG Base Directory Specification, and files with mode 0600."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def own_folder(variable: str, otherwise: str) -> Path:
    """The folder `geosync` in the one that a variable names (XDG_CONFIG_HOME), or in `otherwise` (.config) at home."""
    base = Path(os.environ.get(variable, ""))
    return (base if base.is_absolute() else Path.home() / otherwise) / "geosync"  # a relative one is to be ignored


def write_private(file: Path, text: str, *, prefix: str) -> None:
    """Write a file at once, readable by its user alone; until then its name begins with `prefix`. Raises OSError."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=prefix)  # mode 0600
    made = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
        made.replace(file)
    except BaseException:
        made.unlink(missing_ok=True)
        raise

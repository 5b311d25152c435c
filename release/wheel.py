"""The wheel of the library and the command `geosync`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from geosync import __version__
from release import ROOT, PackageError, moment_s, zips

_BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
_LIBRARY = Path("layers", "geosync", "geosync")


def build(folder: Path, url: str = "") -> Path:
    """Build the wheel into `folder`; return it. Raises PackageError.

    `url` is the address of the repository that it is made from; "": it names none. The sources are copied first: what
    an earlier build left behind is not packed, and nothing is written beside them.
    """
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "source"
        shutil.copytree(ROOT / _LIBRARY, copy / _LIBRARY, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copyfile(ROOT / name, copy / name)
        for path in zips.files(copy):
            path.chmod(0o644)  # as are those of what it packs
        if url:
            with (copy / "pyproject.toml").open("a") as project:
                project.write(_urls(url))
        done = subprocess.run(
            [sys.executable, "-c", _BUILD, str(folder.resolve())],
            cwd=copy,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(moment_s())},
            umask=0o022,  # the modes of what setuptools writes are in the wheel
            text=True,
            capture_output=True,
            check=False,
        )
    if done.returncode != 0:
        raise PackageError(f"the wheel was not built:\n{done.stderr[-4000:]}")
    return folder / done.stdout.splitlines()[-1]


def _urls(url: str) -> str:
    return f'\n[project.urls]\nHomepage = "{url}"\nChangelog = "{url}/blob/v{__version__}/CHANGELOG.md"\n'

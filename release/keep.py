"""Keep a release's package, small enough for this repository: `python -m release.keep REVISION` (`make keep`).

The upgrade tests deploy what is kept, and update it to today's template (tests/e2e/test_upgrade.py). Kept are the
release's template, the zips of its functions and of Geosync's own layer, and the locks of the two layers of third-party
packages. The zips are those that `release/folder.py` builds, without byte code, which is for one version of Python.
`revision.json` says what it is of, and SHA256SUMS lists every file.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from release import ROOT, PackageError, template, zips

KEPT = ROOT / "tests" / "e2e" / "previous"
LOCKS = {"layers/dependencies": "layer.txt", "layers/admin": "admin.txt"}
"""The lock in `requirements/` of each layer of third-party packages, by the layer's folder."""
_NOT_LISTED = ("SHA256SUMS", "README.md")


def keep(revision: str, kept: Path, *, root: Path = ROOT) -> None:
    """Put the package of a version (`0.1.0`: its tag `v0.1.0`), or of another revision, in the place of `kept`.

    `root` is a checkout whose history has it; README.md stays. Raises PackageError.
    """
    commit = _commit(revision, root)
    with tempfile.TemporaryDirectory() as temporary:
        sources = Path(temporary) / "sources"
        archive = _git(root, "archive", "--format=tar", commit, "template.yaml", "functions", "layers", "requirements")
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(sources, filter="data")
        made = Path(temporary) / "made"
        made.mkdir()
        _fill(made, sources)
        (made / "revision.json").write_text(json.dumps(_about(commit, sources, root), indent=2) + "\n")
        (made / "SHA256SUMS").write_text(sums(made))
        if (kept / "README.md").exists():
            shutil.copyfile(kept / "README.md", made / "README.md")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(made, kept)


def sums(folder: Path) -> str:
    """The lines of SHA256SUMS for what a folder holds."""
    files = [path for path in zips.files(folder) if path.name not in _NOT_LISTED]
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in files)


def _fill(made: Path, sources: Path) -> None:
    """Zip what is Geosync's, and copy the template, which names the zips, and the locks of what is not."""
    text = (sources / "template.yaml").read_text()
    packed = {code: code for code in LOCKS}
    for code in template.code_folders(text):
        if code not in LOCKS:
            packed[code] = zips.pack_named(made, _inside(code, sources, made), code)
    (made / "template.yaml").write_text(template.with_zips_beside(text, packed))
    for lock in LOCKS.values():
        shutil.copyfile(sources / "requirements" / lock, made / lock)


def _inside(code: str, sources: Path, made: Path) -> Path:
    """The folder whose files are those of a zip: a layer's are below `python`."""
    if not code.startswith("layers/"):
        return sources / code
    name = code.rpartition("/")[2]
    layer = made.parent / name
    shutil.copytree(sources / code / name, layer / "python" / name)
    return layer


def _about(commit: str, sources: Path, root: Path) -> dict[str, str]:
    read: dict[str, str] = {}
    exec((sources / "layers/geosync/geosync/__init__.py").read_text(), read)  # noqa: S102 - of this repository
    day = _git(root, "show", "--no-patch", "--format=%cs", commit).decode().strip()
    return {"version": read["__version__"], "commit": commit, "day": day}


def _commit(revision: str, root: Path) -> str:
    for name in (f"refs/tags/v{revision}", revision):
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode == 0:
            return found.stdout.strip()
    raise PackageError(f"there is no tag v{revision} here, and no revision {revision}")


def _git(root: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        raise PackageError(f"git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep a package; 0 when all of it is there."""
    parser = argparse.ArgumentParser(prog="python -m release.keep", description="Keep a package for the upgrade tests.")
    parser.add_argument("revision", help="a released version, or a revision that git knows")
    try:
        keep(parser.parse_args(arguments).revision, KEPT)
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    print((KEPT / "revision.json").read_text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

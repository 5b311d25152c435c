"""Build all that a release has into a folder: `python -m release.package DIST` (`make package`).

For each processor a folder that deploys a site and the same as one zip, the wheel, and SHA256SUMS of these files. The
same sources, and the same Python of the functions' version, give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from geosync import __version__
from release import PackageError, folder, wheel, zips
from release.folder import Target

ARCHITECTURES = ("arm64", "x86_64")


def package(dist: Path, targets: Sequence[Target], url: str) -> None:
    """Build everything into `dist`, which is made anew. Raises PackageError."""
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    made = [wheel.build(dist, url)]
    for target in targets:
        name = f"geosync-{__version__}-{target.architecture}"
        folder.build(dist / name, target)
        made.append(dist / f"{name}.zip")
        zips.pack(made[-1], dist / name, f"{name}/")
    sums = [f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in sorted(made)]
    (dist / "SHA256SUMS").write_text("".join(sums))


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a release; 0 when all of it is there."""
    parser = argparse.ArgumentParser(prog="python -m release.package", description="Build all that a release has.")
    parser.add_argument("dist", type=Path)
    parser.add_argument("--architecture", action="append", choices=ARCHITECTURES, help="can be repeated; none: both")
    parser.add_argument("--runtime", default="python3.14")
    parser.add_argument("--url", default="", help="the address of the repository, for the wheel")
    parser.add_argument("--needs-byte-code", action="store_true", help="fail where the layers would have none")
    options = parser.parse_args(arguments)
    targets = [
        Target(architecture=one, runtime=options.runtime, needs_byte_code=options.needs_byte_code)
        for one in options.architecture or ARCHITECTURES
    ]
    try:
        package(options.dist, targets, options.url.rstrip("/").removesuffix(".git"))
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    print((options.dist / "SHA256SUMS").read_text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

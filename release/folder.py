"""The folder that deploys a site: the template, zips of each function and layer, the bill of materials.

`build` makes it for AWS (`make package`), and for the local stack, which deploys the very same kind of folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from release import ROOT, PackageError, sbom, template, zips

LAYERS = {"geosync": "GeosyncLayer", "dependencies": "DependenciesLayer", "admin": "AdminLayer"}
"""The folder of each layer, and the layer's name, which is in the target of its makefile."""
_TEXTS = (
    ROOT / "LICENSE",
    ROOT / "release" / "deployed" / "README.md",
    ROOT / "release" / "deployed" / "samconfig.toml",
    ROOT / "docs" / "operations" / "drills.yaml",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the code is to run on. `python` is an interpreter of this machine, to build for that one alone.

    `needs_byte_code`: a layer without any, which each cold start would compile, is an error.
    """

    architecture: str
    runtime: str
    python: Path | None = None
    needs_byte_code: bool = False


def build(folder: Path, target: Target) -> Path:
    """Build a package into `folder`, which is made anew; return its template. Raises PackageError."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = (ROOT / "template.yaml").read_text()
    with tempfile.TemporaryDirectory() as temporary:
        built = Path(temporary)
        with ThreadPoolExecutor(len(LAYERS)) as pool:
            for made in [pool.submit(layer, name, built / LAYERS[name], target) for name in LAYERS]:
                made.result()
        layers = sorted(built.glob("*Layer"))
        without = [one.name for one in layers if not any(one.rglob("*.pyc"))]
        if target.needs_byte_code and without:
            raise PackageError(
                f"there is no byte code in {', '.join(without)}: no Python of {target.runtime} was found"
            )
        packed = {code: _pack(code, built, folder) for code in template.code_folders(source)}
        about = {"geosync:architecture": target.architecture, "geosync:runtime": target.runtime}
        sbom.write(folder, layers, about)
    fitting = template.built_for(source, runtime=target.runtime, architecture=target.architecture)
    written = folder / "template.yaml"
    written.write_text(template.with_zips_beside(fitting, packed))
    (folder / "template-s3.yaml").write_text(template.with_zips_in_a_bucket(fitting, packed))
    for text in _TEXTS:
        shutil.copyfile(text, folder / text.name)
    return written


def layer(name: str, folder: Path, target: Target, *, lock: Path | None = None) -> None:
    """Have a layer's makefile build it into a folder, from another `lock` if one is given. Raises PackageError."""
    command = [
        *("make", "--silent", f"build-{LAYERS[name]}", f"ARTIFACTS_DIR={folder}"),
        *(f"ARCHITECTURE={target.architecture}", f"RUNTIME={target.runtime}"),
        *([f"LAYER_PYTHON={target.python}"] if target.python is not None else []),
        *([f"REQUIREMENTS={lock}"] if lock is not None else []),
    ]
    # As if it were called by itself: not as a part of the make that runs this.
    environment = {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    done = subprocess.run(
        command,
        cwd=ROOT / "layers" / name,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        raise PackageError(f"layers/{name} was not built:\n{done.stdout[-4000:]}")
    if done.stdout:
        print(done.stdout, end="")


def _pack(code: str, built: Path, folder: Path) -> str:
    """Zip a function or a built layer; return the zip's name."""
    kind, _, name = code.partition("/")
    source = built / LAYERS[name] if kind == "layers" else _without_byte_code(ROOT / code, built / name)
    return zips.pack_named(folder, source, code)


def _without_byte_code(source: Path, copy: Path) -> Path:
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy

"""A layer has byte code of its runtime's version, the same for the same sources; without such a Python it has none."""

from __future__ import annotations

import importlib.util
import marshal
import shutil
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).parents[3]
LAYER = ROOT / "layers" / "geosync"
HEADER = 16
UNCHECKED_HASH = (1).to_bytes(4, "little")


def build(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Build the layer as release/folder.py does."""
    command = ["make", "--silent", "build-GeosyncLayer", f"ARTIFACTS_DIR={folder}", *more]
    return subprocess.run(command, cwd=LAYER, check=True, capture_output=True, text=True)


def compiled(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.pyc")}


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layer")
    build(folder, f"LAYER_PYTHON={sys.executable}")
    return folder


def test_each_module_has_byte_code_that_names_the_function_s_path_and_no_time(layer: Path) -> None:
    sources = [path.relative_to(layer / "python") for path in layer.rglob("*.py")]
    assert len(sources) > 300
    for source in sources:
        content = Path(importlib.util.cache_from_source(str(layer / "python" / source))).read_bytes()
        assert content[:4] == importlib.util.MAGIC_NUMBER
        assert content[4:8] == UNCHECKED_HASH, "it is not compared with its source, whose time may be any"
        code = marshal.loads(content[HEADER:])  # noqa: S302 - it was made a moment ago
        assert isinstance(code, CodeType)
        assert code.co_filename == f"/opt/python/{source}"


def test_the_same_sources_give_the_same_bytes(layer: Path, tmp_path: Path) -> None:
    build(tmp_path, f"LAYER_PYTHON={sys.executable}")
    assert compiled(tmp_path) == compiled(layer)


def test_what_is_imported_is_the_byte_code(layer: Path, tmp_path: Path) -> None:
    shutil.copytree(layer, tmp_path, dirs_exist_ok=True)
    for source in tmp_path.rglob("*.py"):
        source.write_text("raise SystemExit('it was compiled anew')")
    command = [sys.executable, "-S", "-c", "import geosync.messages.geo_event"]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(tmp_path / "python")})


@pytest.mark.parametrize("more", [(), ("BYTE_CODE=none",)])
def test_without_such_a_python_the_layer_is_built_without_and_that_is_said(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    built = build(tmp_path, "RUNTIME=python3.99", "UV=false", *more)
    said = "No Python 3.99 for the byte code of this layer" in built.stderr
    assert (said, built.stdout) == (not more, ""), "who wants none is told nothing"
    assert compiled(tmp_path) == {}
    assert (tmp_path / "python" / "geosync" / "errors.py").is_file()

"""The previous release's package is kept whole, small, and as its commit gives it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from release import ROOT, PackageError, keep
from release.keep import KEPT, LOCKS
from tests.support.upgrade import previous

from geosync import __version__

MOST_BYTES = 1_500_000
SOURCES = {
    "template.yaml": "Resources:\n  One:\n    CodeUri: functions/one\n  Two:\n    ContentUri: layers/geosync\n"
    "  Three:\n    ContentUri: layers/admin\n",
    "functions/one/app.py": "ONE = 1\n",
    "layers/geosync/geosync/__init__.py": '__version__ = "0.1.0"\n',
    "requirements/layer.txt": "a==1\n",
    "requirements/admin.txt": "b==2\n",
}


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of a release, v0.1.0, and of a commit after it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed: nothing can be kept here")
    root = tmp_path / "checkout"
    for name, text in SOURCES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(tmp_path, "init", "--quiet", str(root))
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    for text in ("ONE = 1\n", "ONE = 2\n"):
        (root / "functions/one/app.py").write_text(text)
        git(root, "add", ".")
        git(root, *identity, "commit", "--quiet", "--message", text)
    git(root, "tag", "v0.1.0", "HEAD~1")
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_kept_release_has_its_checksums_and_no_other_file() -> None:
    assert (KEPT / "SHA256SUMS").read_text() == keep.sums(KEPT)
    assert sum(path.stat().st_size for path in KEPT.rglob("*")) < MOST_BYTES


def test_the_template_names_what_is_kept_and_the_layers_of_others() -> None:
    named = set(re.findall(r"^ +(?:CodeUri|ContentUri): (.+)$", (KEPT / "template.yaml").read_text(), re.MULTILINE))
    assert named == {path.name for path in KEPT.glob("*.zip")} | LOCKS.keys()


def test_the_kept_release_is_what_its_commit_builds(tmp_path: Path) -> None:
    commit = previous.about()["commit"]
    is_there = ["git", "-C", str(ROOT), "cat-file", "-e", commit]
    if shutil.which("git") is None or subprocess.run(is_there, check=False, capture_output=True).returncode != 0:
        pytest.skip("a checkout without the history of the commit that is kept")
    keep.keep(commit, tmp_path / "kept")
    assert set(contents(tmp_path / "kept")) | {"README.md"} == set(contents(KEPT))
    for name, content in contents(tmp_path / "kept").items():
        if name.endswith(".zip"):  # another zlib may give other bytes
            with zipfile.ZipFile(tmp_path / "kept" / name) as again, zipfile.ZipFile(KEPT / name) as kept:
                assert {one: again.read(one) for one in again.namelist()} == {
                    one: kept.read(one) for one in kept.namelist()
                }
        elif name != "SHA256SUMS":
            assert content == (KEPT / name).read_bytes()


def test_a_version_is_its_tag_and_the_same_revision_gives_the_same_files(checkout: Path, tmp_path: Path) -> None:
    for folder, revision in (("version", "0.1.0"), ("commit", "HEAD~1"), ("later", "HEAD")):
        keep.keep(revision, tmp_path / folder, root=checkout)
    made = contents(tmp_path / "version")
    assert made == contents(tmp_path / "commit")
    assert made.keys() != contents(tmp_path / "later").keys()
    about = json.loads(made["revision.json"])
    assert (about["version"], about["commit"]) == ("0.1.0", git(checkout, "rev-parse", "v0.1.0").strip())
    (layer,) = (tmp_path / "version").glob("layer-geosync-*.zip")
    assert zipfile.ZipFile(layer).namelist() == ["python/geosync/__init__.py"]
    assert f"ContentUri: {layer.name}" in made["template.yaml"].decode()
    assert "ContentUri: layers/admin" in made["template.yaml"].decode()


def test_keeping_a_release_replaces_the_former_one_and_leaves_its_page(checkout: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "README.md").write_text("a page")
    (kept / "function-one-0000.zip").touch()
    keep.keep("0.1.0", kept, root=checkout)
    assert (kept / "README.md").read_text() == "a page"
    assert not (kept / "function-one-0000.zip").exists()


def test_an_unknown_revision_is_refused_and_the_kept_release_stays(checkout: Path, tmp_path: Path) -> None:
    keep.keep("0.1.0", tmp_path / "kept", root=checkout)
    before = contents(tmp_path / "kept")
    with pytest.raises(PackageError, match=r"no tag v9\.9\.9 here, and no revision 9\.9\.9"):
        keep.keep("9.9.9", tmp_path / "kept", root=checkout)
    assert contents(tmp_path / "kept") == before


def test_the_kept_release_is_the_last_release_once_there_is_one() -> None:
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    before = [version for version in released if version != __version__]
    assert previous.about()["version"] == (before[0] if before else "0.1.0")

"""A package has the same bytes for the same sources, all that its template names, and one runtime and processor."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import shlex
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from local.short_forms import load
from release import ROOT, PackageError, folder, package, wheel, zips
from release.folder import Target

from geosync import __version__

ARM = Target(architecture="arm64", runtime="python3.14")
SAM_PYTHON = ROOT / ".local" / "sam" / "bin" / "python"


def fake_layer(name: str, built: Path, _target: Target) -> None:
    """A layer with one package that requirements/*.txt pin, as pip leaves it; nothing is fetched."""
    info = built / "python" / "requests-2.34.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: requests\nVersion: 2.34.2\nSummary: {name}\n")


@pytest.fixture
def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "layer", fake_layer)


def contents(made: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in made.iterdir()}


def code_of(template: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, resource in template["Resources"].items():
        for key in {"CodeUri", "ContentUri"} & set(resource.get("Properties", {})):
            found[name] = resource["Properties"][key]
    return found


def test_an_archive_follows_from_names_and_content_alone(tmp_path: Path) -> None:
    for name, order in (("one", ["a", "sub/b"]), ("two", ["sub/b", "a"])):
        for position, path in enumerate(order):
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(path)
            file.chmod(0o600 if name == "one" else 0o755)
            os.utime(file, (position, 2_000_000_000 + position))
    (tmp_path / "two" / "sub" / ".DS_Store").touch()  # macOS writes it into each folder that somebody opens
    for name in ("one", "two"):
        zips.pack(tmp_path / f"{name}.zip", tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert [(one.filename, one.external_attr >> 16) for one in archive.infolist()] == [
            ("a", 0o100644),
            ("sub/b", 0o100644),
        ]
    (tmp_path / "two" / "a").write_text("other")
    zips.pack(tmp_path / "two.zip", tmp_path / "two")
    assert (tmp_path / "one.zip").read_bytes() != (tmp_path / "two.zip").read_bytes()


@pytest.mark.usefixtures("without_network")
def test_the_same_sources_give_the_same_folder(tmp_path: Path) -> None:
    once, again = (folder.build(tmp_path / name, ARM).parent for name in ("once", "again"))
    assert contents(once) == contents(again)


@pytest.mark.usefixtures("without_network")
def test_the_template_names_zips_that_lie_beside_it_and_no_other_folder(tmp_path: Path) -> None:
    written = folder.build(tmp_path / "made", ARM)
    code = code_of(load(written))
    assert len(code) == 9
    assert set(code.values()) == {path.name for path in written.parent.glob("*.zip")}
    admin = zipfile.ZipFile(written.parent / code["AdminFunction"]).namelist()
    assert {"app.py", "pages/index.html"} <= set(admin)
    assert not [name for name in admin if "__pycache__" in name]


@pytest.mark.usefixtures("without_network")
def test_the_upload_to_a_bucket_holds_what_the_template_needs_and_no_credentials(tmp_path: Path) -> None:
    """The filters of the command in README.md, as the AWS CLI reads them: the last one that fits a name counts."""
    made = folder.build(tmp_path / "made", ARM).parent
    zipped = {path.name for path in made.glob("*.zip")}
    for name in ("oregon-local-registry.json", "dublin-notifications.txt", "geosync-init.json"):
        (made / name).touch()
    (line,) = re.findall(r"^aws s3 sync .*$", (made / "README.md").read_text(), re.MULTILINE)
    words = shlex.split(line)[5:]
    filters = list(zip(words[::2], words[1::2], strict=True))
    sent = {
        path.name
        for path in made.iterdir()
        if [option for option, pattern in filters if fnmatch.fnmatch(path.name, pattern)][-1:] != ["--exclude"]
    }
    assert sent == {*zipped, "template-s3.yaml"}


@pytest.mark.usefixtures("without_network")
def test_a_package_takes_no_other_runtime_and_processor_than_its_own(tmp_path: Path) -> None:
    target = Target(architecture="x86_64", runtime="python3.12")
    parameters = load(folder.build(tmp_path / "made", target))["Parameters"]
    assert (parameters["Runtime"]["Default"], parameters["Runtime"]["AllowedValues"]) == ("python3.12", ["python3.12"])
    assert (parameters["Architecture"]["Default"], parameters["Architecture"]["AllowedValues"]) == (
        "x86_64",
        ["x86_64"],
    )
    with pytest.raises(PackageError, match="Runtime must be one of"):
        folder.build(tmp_path / "other", Target(architecture="arm64", runtime="python3.9"))


@pytest.mark.skipif(not SAM_PYTHON.exists(), reason="the SAM CLI is not here: make setup")
@pytest.mark.usefixtures("without_network")
def test_the_template_for_a_bucket_takes_its_code_from_there(tmp_path: Path) -> None:
    """Run through the transform that deploys: SAM takes the reference for a bucket's name."""
    beside = code_of(load(folder.build(tmp_path / "made", ARM)))
    command = [str(SAM_PYTHON), "-m", "local.transformed", str(tmp_path / "made" / "template-s3.yaml"), "out.json"]
    subprocess.run(command, check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    resources = json.loads((tmp_path / "out.json").read_text())["Resources"].values()
    layers = [one["Properties"]["Content"] for one in resources if one["Type"] == "AWS::Lambda::LayerVersion"]
    functions = [one["Properties"]["Code"] for one in resources if one["Type"] == "AWS::Lambda::Function"]
    assert {one["S3Key"]["Fn::Sub"] for one in (*layers, *functions)} == {
        f"${{CodePrefix}}{name}" for name in beside.values()
    }
    assert all(one["S3Bucket"] == {"Ref": "CodeBucket"} for one in (*layers, *functions))


@pytest.mark.usefixtures("without_network")
def test_a_release_has_a_zip_of_each_folder_the_wheel_and_sums_that_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "build", lambda dist, _url: _written(dist / "geosync.whl"))
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "of-an-older-version.zip").touch()
    assert package.main([str(tmp_path / "dist"), "--architecture", "arm64", "--architecture", "x86_64"]) == 0
    lines = [line.split("  ") for line in (tmp_path / "dist" / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    names = [f"geosync-{__version__}-arm64", f"geosync-{__version__}-x86_64"]
    assert sorted(sums) == [*(f"{name}.zip" for name in names), "geosync.whl"]
    assert {path.name for path in (tmp_path / "dist").iterdir()} == {*sums, *names, "SHA256SUMS"}
    for name, expected in sums.items():
        assert hashlib.sha256((tmp_path / "dist" / name).read_bytes()).hexdigest() == expected
    with zipfile.ZipFile(tmp_path / "dist" / f"{names[0]}.zip") as archive:
        archive.extractall(tmp_path)
    assert contents(tmp_path / names[0]) == contents(tmp_path / "dist" / names[0])


def test_a_layer_that_cannot_be_built_ends_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "build", lambda dist, _url: _written(dist / "geosync.whl"))
    monkeypatch.setenv("UV", "false")
    assert package.main([str(tmp_path / "dist"), "--architecture", "arm64"]) == 1
    assert "layers/dependencies was not built" in capsys.readouterr().err


@pytest.mark.usefixtures("without_network")
def test_a_layer_without_byte_code_is_an_error_where_it_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "build", lambda dist, _url: _written(dist / "geosync.whl"))
    words = [str(tmp_path / "dist"), "--architecture", "arm64"]
    assert package.main(words) == 0
    assert package.main([*words, "--needs-byte-code"]) == 1
    assert "no byte code in AdminLayer, DependenciesLayer, GeosyncLayer: no Python of python3.14" in (
        capsys.readouterr().err
    )

    def compiled(name: str, built: Path, target: Target) -> None:
        fake_layer(name, built, target)
        (built / "python" / "a.cpython-314.pyc").touch()

    monkeypatch.setattr(folder, "layer", compiled)
    assert package.main([*words, "--needs-byte-code"]) == 0


def _written(path: Path) -> Path:
    path.write_text("wheel")
    return path

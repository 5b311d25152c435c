"""The bill of materials says what is in the layers that were built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cyclonedx.output.json import JsonV1Dot6
from release import PackageError, sbom


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build of three layers, one of plain code."""
    for layer, name, version, licence in [
        ("DependenciesLayer", "PyJWT", "2.15.1", "MIT"),
        ("DependenciesLayer", "typing_extensions", "4.16.0", "PSF-2.0"),
        ("AdminLayer", "pydantic", "2.14.3", "MIT"),
    ]:
        info = tmp_path / layer / "python" / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        lines = ("Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", f"License-Expression: {licence}")
        (info / "METADATA").write_text("\n".join(lines) + "\n")
    (tmp_path / "GeosyncLayer" / "python" / "geosync").mkdir(parents=True)
    return tmp_path


def test_the_bill_has_every_package_of_the_layers_with_its_version_licence_and_layer(build: Path) -> None:
    document = json.loads(JsonV1Dot6(sbom.bill(sorted(build.glob("*Layer")))).output_as_string())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["name"] == "geosync"
    assert {
        (one["purl"], one["licenses"][0]["license"]["id"], one["properties"][0]["value"])
        for one in document["components"]
    } == {
        ("pkg:pypi/pyjwt@2.15.1", "MIT", "DependenciesLayer"),
        ("pkg:pypi/typing-extensions@4.16.0", "PSF-2.0", "DependenciesLayer"),
        ("pkg:pypi/pydantic@2.14.3", "MIT", "AdminLayer"),
    }


def test_a_package_in_a_version_that_no_lock_pins_is_named(build: Path) -> None:
    lock = "pyjwt==2.15.1 \\\n    --hash=sha256:0\ntyping-extensions==4.15.0 ; python_version < '3.13' \\\n"
    bom = sbom.bill(sorted(build.glob("*Layer")))
    assert sbom.unpinned(bom, [lock]) == ["pydantic==2.14.3", "typing-extensions==4.16.0"]


def test_layers_with_an_unpinned_package_or_without_packages_are_refused(build: Path, tmp_path: Path) -> None:
    layers = sorted(build.glob("*Layer"))
    unknown = build / "AdminLayer" / "python" / "surprise-1.dist-info"
    unknown.mkdir()
    (unknown / "METADATA").write_text("Metadata-Version: 2.4\nName: surprise\nVersion: 1\n")
    with pytest.raises(PackageError, match="surprise==1"):
        sbom.write(tmp_path, layers, {})
    with pytest.raises(PackageError, match="no packages"):
        sbom.write(tmp_path, [build / "GeosyncLayer"], {})
    assert not (tmp_path / sbom.NAME).exists()


def test_the_bill_says_what_the_layers_are_for_and_of_which_version_their_byte_code_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    info = tmp_path / "AdminLayer" / "python" / "requests-2.34.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: requests\nVersion: 2.34.2\n")
    texts = []
    for module in (None, "one.cpython-314.pyc"):
        if module is not None:
            (info.parent / module).touch()
        sbom.write(tmp_path, [tmp_path / "AdminLayer"], {"geosync:architecture": "arm64"})
        texts.append((tmp_path / sbom.NAME).read_text())
    metadata = [json.loads(text)["metadata"] for text in texts]
    assert [{one["name"]: one["value"] for one in each["properties"]} for each in metadata] == [
        {"geosync:architecture": "arm64", "geosync:byte_code": "none"},
        {"geosync:architecture": "arm64", "geosync:byte_code": "cpython-314"},
    ]
    assert metadata[0]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert len({json.loads(text)["serialNumber"] for text in texts}) == 2

"""The bill of materials of the built layers: CycloneDX 1.6, as JSON.

It is read from what was built, not from what was asked for. A package that requirements/*.txt does not pin is an error.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from geosync import __version__
from release import ROOT, PackageError, moment_s

NAME = "sbom.cdx.json"
LOCKS = ("layer.txt", "admin.txt")
LAYER = "geosync:layer"
BYTE_CODE = "geosync:byte_code"
_LICENCE = ("License-Expression", "License")


def write(folder: Path, layers: Sequence[Path], about: Mapping[str, str]) -> None:
    """Write the bill of the built layers into a folder, with what is said `about` them.

    Raises PackageError for a package that no lock pins, and for layers without any. The same layers give the same
    bytes: the bill's number follows from its content, its moment is `moment_s`.
    """
    bom = bill(layers)
    wrong = unpinned(bom, [(ROOT / "requirements" / one).read_text() for one in LOCKS])
    if wrong:
        raise PackageError(f"in the layers but in no lock: {', '.join(wrong)}")
    if not bom.components:
        raise PackageError("there are no packages in the layers")
    said = {**about, BYTE_CODE: _byte_code(layers)}
    bom.metadata.properties.update(Property(name=name, value=value) for name, value in said.items())
    bom.metadata.timestamp = datetime.fromtimestamp(moment_s(), UTC)
    bom.serial_number = uuid.UUID(int=0)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, JsonV1Dot6(bom).output_as_string())
    JsonV1Dot6(bom).output_to_file(str(folder / NAME), allow_overwrite=True, indent=1)


def packages(layer: Path) -> Iterator[Distribution]:
    """Yield the packages in a built layer, as their metadata says; none in a layer of plain code."""
    yield from sorted(distributions(path=[str(layer / "python")]), key=lambda one: one.name.lower())


def bill(layers: Sequence[Path]) -> Bom:
    """Return the bill of the layers in these folders, whose names are the layers'."""
    licences = LicenseFactory()
    root = Component(name="geosync", version=__version__, type=ComponentType.APPLICATION, bom_ref="geosync")
    bom = Bom()
    bom.metadata.component = root
    found: list[Component] = []
    for layer in layers:
        for one in packages(layer):
            name = _normal(one.name)
            stated = next((one.metadata[key] for key in _LICENCE if key in one.metadata), "")
            component = Component(
                name=name,
                version=one.version,
                type=ComponentType.LIBRARY,
                purl=PackageURL("pypi", name=name, version=one.version),
                bom_ref=f"{layer.name}/{name}",
                # A text of many lines is the licence itself, which the layer holds.
                licenses=[licences.make_from_string(stated)] if stated and "\n" not in stated else [],
                properties=[Property(name=LAYER, value=layer.name)],
            )
            bom.components.add(component)
            found.append(component)
    bom.register_dependency(root, found)
    return bom


def unpinned(bom: Bom, locks: Sequence[str]) -> list[str]:
    """Return the packages of a bill, as name==version, that the texts of locks do not pin."""
    pins = {(_normal(name), version) for text in locks for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", text)}
    return sorted(f"{one.name}=={one.version}" for one in bom.components if (one.name, one.version) not in pins)


def _normal(name: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _byte_code(layers: Sequence[Path]) -> str:
    """The version that the layers' byte code is for, as its files name it (cpython-314); none: cold starts compile."""
    return next((path.name.split(".")[-2] for layer in layers for path in layer.rglob("*.pyc")), "none")

"""Write the bill of materials of the built layers (`make build`): CycloneDX 1.6, as JSON.

    python -m local.sbom BUILD      BUILD is the folder of `sam build`; the document is BUILD/sbom.cdx.json

It is read from what was built, not from what was asked for. A package that requirements/*.txt does not pin is an error.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from geosync import __version__
from local.emulator import ROOT

LOCKS = ("layer.txt", "admin.txt")
LAYER = "geosync:layer"
_LICENCE = ("License-Expression", "License")


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


def main(arguments: list[str]) -> int:
    """Write the bill; 1 if the layers have what no lock pins, or nothing at all."""
    build = Path(arguments[0])
    bom = bill(sorted(build.glob("*Layer")))
    wrong = unpinned(bom, [(ROOT / "requirements" / one).read_text() for one in LOCKS])
    if wrong or not bom.components:
        print(
            f"in the layers but in no lock: {', '.join(wrong)}" if wrong else f"no layers in {build}", file=sys.stderr
        )
        return 1
    JsonV1Dot6(bom).output_to_file(str(build / "sbom.cdx.json"), allow_overwrite=True, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

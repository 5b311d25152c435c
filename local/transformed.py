"""Write the template as CloudFormation gets it: `.local/sam/bin/python -m local.transformed TEMPLATE OUT`.

It runs under the SAM CLI's interpreter, whose translator is the one that deploys. It asks nobody.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]
from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]

from local.short_forms import load


def transformed(path: Path) -> dict[str, Any]:
    """Return a template as the SAM transform leaves it, without a SAM resource."""
    template = load(path)
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for key in {"CodeUri", "ContentUri"} & set(properties):
            if isinstance(properties[key], str):
                properties[key] = "s3://bucket/key"  # as after `sam package`
    translator = Translator({}, Parser(), None, boto3.Session(region_name="eu-west-1"))
    found: dict[str, Any] = translator.translate(template, {})
    return found


def main(arguments: list[str]) -> int:
    """Transform one file into another."""
    logging.disable(logging.ERROR)  # of flags that the transform would ask AWS for
    template, out = map(Path, arguments)
    out.write_text(json.dumps(transformed(template), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

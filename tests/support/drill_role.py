"""The role of docs/operations/drills.yaml, resolved for one site, and the shell command that its project runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from local.intrinsics import ACCOUNT, REGION, SAMPLES, Resolver
from local.short_forms import load

PATH = Path(__file__).parents[2] / "docs" / "operations" / "drills.yaml"
TEMPLATE = load(PATH)


def build_phases() -> dict[str, list[str]]:
    """The commands of the project's build, by phase."""
    spec = yaml.safe_load(TEMPLATE["Resources"]["Drill"]["Properties"]["Source"]["BuildSpec"])
    return {name: phase["commands"] for name, phase in spec["phases"].items()}


def policy(*, stack: str, region: str, account: str, secrets: Sequence[str]) -> dict[str, Any]:
    """The policy of the role for a site with a key of its own, whose drills CodeBuild carries out."""
    (document,) = Resolver(TEMPLATE, met=True).value(
        [one["PolicyDocument"] for one in TEMPLATE["Resources"]["DrillRole"]["Properties"]["Policies"]]
    )
    text = json.dumps(document)
    for sample, value in ((SAMPLES["SiteStack"], stack), (REGION, region), (ACCOUNT, account)):
        text = text.replace(sample, value)
    found: dict[str, Any] = json.loads(text)
    statement(found, "ReadTheRegistriesSecrets")["Resource"] = list(secrets)
    return found


def statement(document: dict[str, Any], sid: str) -> dict[str, Any]:
    """The statement of a policy with this name."""
    found: dict[str, Any] = next(one for one in document["Statement"] if one["Sid"] == sid)
    return found

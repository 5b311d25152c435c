"""Lint the policies of templates (`make check-template`): `python -m local.policies TEMPLATE…`.

A TEMPLATE is what local/transformed.py wrote, or one without a transform. Each policy of a role is read by parliament
twice, with all conditions met and with none: actions, resources, conditions, and what is open to everybody.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.intrinsics import Resolver
from local.short_forms import load

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports pkg_resources, which is deprecated
    import parliament  # type: ignore[import-untyped]

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    (
        "RESOURCE_STAR",
        "KeepItsNetworkInterface",
    ): "Lambda has not made the interface when it asks; LeaveItToLambda denies code",
    ("INVALID_ARN", "ExpandTheTemplate"): "a transform of AWS's own has aws in the account's place",
    ("UNKNOWN_CONDITION_FOR_ACTION", "LeaveItToLambda"): "Lambda gives the key with every call of a function's code",
}
"""Findings that are right as they are, by the finding and the statement, with the reason."""


def identity_policies(template: Mapping[str, Any], *, met: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each policy of a role, resolved, with its place in the template."""
    resolver = Resolver(template, met=met)
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            for policy in resolver.value(resource["Properties"].get("Policies", [])):
                yield f"{name}/{policy['PolicyName']}", policy["PolicyDocument"]
        if resource["Type"] == "AWS::IAM::Policy":
            yield name, resolver.value(resource["Properties"]["PolicyDocument"])


def findings(place: str, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a policy, statement by statement, but for EXCEPTIONS."""
    for statement in document["Statement"]:
        text = json.dumps({"Version": document["Version"], "Statement": [statement]})
        for found in parliament.analyze_policy_string(text).findings:
            sid = statement["Sid"]
            if (found.issue, sid) not in EXCEPTIONS:
                yield f"{place}, {sid}: {found.issue} {found.detail}"


def main(arguments: list[str]) -> int:
    """Print what is wrong with the templates' policies; 1 if anything is."""
    wrong = {
        text
        for template in map(load, map(Path, arguments))
        for met in (True, False)
        for place, document in identity_policies(template, met=met)
        for text in findings(place, document)
    }
    for text in sorted(wrong):
        print(text, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

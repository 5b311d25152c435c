"""The template as the tests read it: as data, with CloudFormation's short forms spelt out, and as lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.short_forms import load

ROOT = Path(__file__).parents[3]
PATH = ROOT / "template.yaml"
TEMPLATE = load(PATH)
LINES = PATH.read_text().splitlines()
PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical id."""
    return {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == kind}


FUNCTIONS = of_type("AWS::Serverless::Function")
QUEUES = of_type("AWS::SQS::Queue")


def walk(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each node of the template below `node` with its path."""
    yield path, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, (*path, str(key)))
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from walk(value, (*path, str(position)))


def refers_to(node: Any, name: str) -> bool:
    """Whether `node` itself is a reference to a parameter, a resource or a condition."""
    if isinstance(node, dict):
        return node.get("Ref") == name or node.get("Condition") == name or node.get("Fn::GetAtt", [None])[0] == name
    return isinstance(node, str) and (f"${{{name}}}" in node or f"${{{name}." in node)


def statements(role: str) -> list[dict[str, Any]]:
    """Return all statements of a role's own policies and of those beside it, those under a condition too."""
    beside = [policy for policy in of_type("AWS::IAM::Policy").values() if {"Ref": role} in policy["Roles"]]
    return [
        node
        for path, node in walk([RESOURCES[role]["Properties"].get("Policies", []), *beside])
        if isinstance(node, dict) and "Effect" in node and "Action" in node
    ]


def actions(statement: dict[str, Any]) -> list[str]:
    """Return a statement's actions, those under a condition too."""
    return [node for _, node in walk(statement["Action"]) if isinstance(node, str) and ":" in node and "::" not in node]


def as_list(value: Any) -> list[Any]:
    """Return what may be one or several as a list."""
    return value if isinstance(value, list) else [value]

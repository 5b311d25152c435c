"""The template as data, with CloudFormation's short forms spelt out. It needs nothing but PyYAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C it takes a tenth of the time


class _Loader(_Safe):  # type: ignore[misc]
    """Reads `!Ref x` as {"Ref": "x"} and `!Sub x` as {"Fn::Sub": "x"}."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt":
        return {"Fn::GetAtt": value.split(".", 1)}
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def load(path: Path) -> dict[str, Any]:
    """Return a template."""
    # The class is a SafeLoader: nothing but plain data comes of it.
    template: dict[str, Any] = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506
    return template

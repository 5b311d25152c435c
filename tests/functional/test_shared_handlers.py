"""Handlers that botocore's clients share in tests (tests/support/aws_data.py) are copied before a change."""

from __future__ import annotations

from copy import copy
from typing import Any

from botocore.hooks import HierarchicalEmitter


def answers(emitter: HierarchicalEmitter, event: str) -> list[str]:
    told: list[tuple[Any, str]] = emitter.emit(event)
    return [answer for _, answer in told]


def test_handlers_that_two_have_change_apart() -> None:
    def first(**_: object) -> Any:
        return "first"

    def second(**_: object) -> Any:
        return "second"

    def third(**_: object) -> Any:
        return "third"

    one = HierarchicalEmitter()
    one.register("before.call", first)
    other = copy(one)
    other.register_first("before.call", second)
    one.register("before", third)
    again = copy(other)
    again.unregister("before.call", first)
    assert answers(one, "before.call") == ["first", "third"]
    assert answers(other, "before.call") == ["second", "first"]
    assert answers(again, "before.call") == ["second"]

"""What is shown of others' text."""

from __future__ import annotations

from typing import Any

import pytest

from geosync.oci.words import printable, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("v1", "v1"),
        ("a\nb\x1b[2J\x9b", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}"),
        ("a" * 100, "a" * 80),
        (10**5000, "(int)"),
        ([["a"]], "(list)"),
        (None, "(NoneType)"),
    ],
    ids=["text", "control characters", "long", "a number that is too long to be written", "list", "none"],
)
def test_text_is_shown_printable_and_cut_and_of_anything_else_its_kind(value: Any, text: str) -> None:
    assert shown(value) == text


def test_an_unprintable_character_becomes_a_space_or_the_given_one() -> None:
    assert printable("a\r\nb\x1b[2J\x9b\u202ec é") == "a  b [2J  c é"
    assert printable("a\x07b", "?") == "a?b"

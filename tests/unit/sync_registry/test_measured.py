"""Tags and the bytes of their images, counted."""

from __future__ import annotations

import pytest

from geosync.sync_registry import measured
from geosync.sync_registry.measured import MOST_BYTES, Tally


def tally(*tags: tuple[str, int | None]) -> tuple[int, int | None]:
    counted = Tally()
    for digest, size in tags:
        counted.add(digest, size)
    return counted.tags, counted.size_bytes


def test_each_image_counts_once_and_each_tag() -> None:
    assert tally() == (0, 0)
    assert tally(("a", 5), ("b", 7), ("a", 5)) == (3, 12)
    assert tally(("a", None), ("a", 5)) == tally(("a", 5), ("a", None)) == (2, 5), "known of one of its tags"


def test_an_unmeasurable_number_is_not_known() -> None:
    assert tally(("a", 5), ("b", None)) == (2, None)
    assert tally(("a", MOST_BYTES), ("b", 0)) == (2, MOST_BYTES)
    assert tally(("a", MOST_BYTES), ("b", 1)) == (2, None)


def test_a_bounded_number_of_images_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "MOST_DIGESTS", 2)
    assert tally(("a", 1), ("b", 1), ("a", 1)) == (3, 2)
    assert tally(("a", 1), ("b", 1), ("c", 1), ("d", 1)) == (4, None)

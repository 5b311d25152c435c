"""What operators do."""

from __future__ import annotations

from tests.simulation.story import Deed

DEEDS: list[tuple[float, Deed]] = []

"""What can happen in a story: one function for each deed, with a weight. Add a fault here (see CONTRIBUTING.md)."""

from __future__ import annotations

from tests.simulation.deeds import api, clients, disks, failover, faults, habits, operators, pulls, selecting, strangers
from tests.simulation.story import Deed

DEEDS: list[tuple[float, Deed]] = [
    *api.DEEDS,
    *clients.DEEDS,
    *disks.DEEDS,
    *faults.DEEDS,
    *habits.DEEDS,
    *operators.DEEDS,
    *failover.DEEDS,
    *pulls.DEEDS,
    *selecting.DEEDS,
    *strangers.DEEDS,
]
"""Each deed with its weight."""

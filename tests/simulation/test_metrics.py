"""The judge of NotificationsLost: each push of a tag has its own notification, whatever its digest."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from tests.simulation.clock import EPOCH_MS
from tests.simulation.invariants import View
from tests.simulation.ledger import Taken
from tests.simulation.metrics import Measured, Scene, false_metrics
from tests.simulation.registry.storage import Storage

IMAGE = "sha256:" + "1" * 64
ANOTHER = "sha256:" + "2" * 64


class Site:
    """A secondary that reports a lost notification, for given pushes to its primary's registry."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.storage = Storage(lambda: self.now_s)
        self.taken: dict[str, Taken] = {}

    def push(self, tag: str, *, announced: bool, digest: str = IMAGE) -> None:
        self.storage.tag("solo", tag, digest, "client")
        if announced:
            target = {"repository": "solo", "tag": tag, "digest": digest}
            timestamp = datetime.fromtimestamp(EPOCH_MS / 1000 + self.now_s, UTC).isoformat()
            self.taken[str(len(self.taken))] = Taken(self.now_s, {"target": target, "timestamp": timestamp})

    def is_false(self, reference: str) -> bool:
        """Tell whether the judge finds the metric false."""
        primary: Any = SimpleNamespace(server=SimpleNamespace(storage=self.storage), skew_ms=0)
        here: Any = SimpleNamespace(name="beta")
        unused: Any = None
        events: Any = SimpleNamespace(taken=self.taken)
        view = View(self.now_s, here, primary, unused, events, unused)
        scene = Scene(now_s=self.now_s, site=here, ledger=unused, clocks_ms=0, view=lambda: view)
        said = {"repository": "solo", "reference": reference}
        lost = Measured(name="NotificationsLost", value=1, began_s=0.0, point_ms=None, said=said)
        return any(false_metrics(scene, lost))


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_tag_whose_push_was_announced_is_not_lost(site: Site) -> None:
    site.push("v1", announced=True)
    assert site.is_false("tag#v1")


def test_a_retag_that_nobody_announced_is_lost_though_its_image_was_under_another_tag(site: Site) -> None:
    site.push("v1", announced=True)
    site.push("stable", announced=False)
    assert not site.is_false("tag#stable")
    assert site.is_false("tag#v1")


def test_a_digest_that_was_announced_under_a_tag_is_not_lost(site: Site) -> None:
    site.push("v1", announced=True)
    site.push("stable", announced=False)
    assert site.is_false(f"digest#{IMAGE}")


@pytest.mark.parametrize("seconds", [3, 300])
@pytest.mark.parametrize("announced", [False, True])
def test_a_push_back_to_a_digest_that_the_tag_had_before_has_its_own_notification(
    site: Site, seconds: float, announced: bool
) -> None:
    site.push("v1", announced=True)
    site.push("v1", announced=True, digest=ANOTHER)
    site.now_s = seconds
    site.push("v1", announced=announced)
    assert site.is_false("tag#v1") is announced

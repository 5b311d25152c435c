"""The judge of NotificationsLost: each tag has its own pushes, whichever digest they are of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.simulation.metrics import Measured, Scene, false_metrics
from tests.simulation.registry.storage import Storage

IMAGE = "sha256:" + "1" * 64


class Site:
    """A secondary that says that a notification was lost, of what its primary's registry was given."""

    def __init__(self) -> None:
        self.storage = Storage(lambda: 0.0)
        self.taken: list[dict[str, str]] = []

    def push(self, tag: str, *, announced: bool) -> None:
        self.storage.tag("solo", tag, IMAGE, "client")
        if announced:
            self.taken.append({"repository": "solo", "tag": tag, "digest": IMAGE})

    def is_false(self, reference: str) -> bool:
        """The judge finds the metric false."""
        taken = {str(number): SimpleNamespace(event={"target": one}) for number, one in enumerate(self.taken)}
        view: Any = SimpleNamespace(
            primary=SimpleNamespace(server=SimpleNamespace(storage=self.storage)),
            events=SimpleNamespace(taken=taken),
        )
        here: Any = SimpleNamespace(name="beta")
        ledger: Any = None
        scene = Scene(now_s=0.0, site=here, ledger=ledger, clocks_ms=0, view=lambda: view)
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

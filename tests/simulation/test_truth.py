"""The pushed manifests that a secondary must have: those that the primary had all the time."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from tests.simulation.ledger import Taken
from tests.simulation.registry.storage import Storage
from tests.simulation.truth import COPY_S, cut_below, missing_digests

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Pair:
    """A primary with one pushed manifest, whose event a secondary has marked, and a secondary without it."""

    def __init__(self) -> None:
        self.now_s = 1.0
        self.primary, self.here = Storage(lambda: self.now_s), Storage(lambda: self.now_s)
        content = json.dumps({"layers": []}).encode()
        self.digest = self.primary.put_manifest("solo", content, MANIFEST)

    def missing(self, pushed_s: float) -> list[str]:
        """The digests that are missing, if the manifest was pushed at a moment."""
        event = {"action": "push", "target": {"repository": "solo", "digest": self.digest}}
        selections = SimpleNamespace(entered_s=lambda *_: 0.0)
        site: Any = SimpleNamespace(server=SimpleNamespace(storage=self.here), selections=selections)
        at_primary: Any = SimpleNamespace(server=SimpleNamespace(storage=self.primary))
        events: Any = SimpleNamespace(site=at_primary, taken={"1": Taken(pushed_s, event)})
        secondary: Any = SimpleNamespace(site=site, marked={"1": pushed_s})
        return [digest for _, _, digest in missing_digests(events, secondary)]


def test_what_the_primary_had_all_the_time_is_missing() -> None:
    pair = Pair()
    pair.primary.restore(pair.primary.snapshot(), "restore")
    assert pair.missing(pushed_s=1.0) == [pair.digest]


def test_what_a_backup_of_the_primary_brought_back_is_not_before_it_is_pushed_again() -> None:
    pair = Pair()
    backup = pair.primary.snapshot()
    pair.now_s = 2.0
    pair.primary.delete_manifest("solo", pair.digest, "client")
    pair.now_s = 3.0
    pair.primary.restore(backup, "restore")
    assert pair.missing(pushed_s=1.0) == []
    assert pair.missing(pushed_s=4.0) == [pair.digest]


def test_garbage_is_noted_where_a_registry_does_not_check_what_a_manifest_names() -> None:
    here = Storage(lambda: 3.0)
    here.collect_garbage(untagged=False, checks_blobs=False)
    assert here.unused_went_at_s == [], "there was none"
    for checks_blobs, noted in ((True, []), (False, [3.0])):
        here.blobs["sha256:brought"] = b"a layer whose manifest comes next"
        here.collect_garbage(untagged=False, checks_blobs=checks_blobs)
        assert here.unused_went_at_s == noted


@pytest.mark.parametrize("lost", ["lost_at_s", "unused_went_at_s"])
@pytest.mark.parametrize(
    ("put_s", "why", "is_cut"),
    [(4.0, "sync@beta/1", True), (4.0 + COPY_S, "sync@beta/1", False), (4.0, "client", False)],
)
def test_an_image_lacks_layers_where_a_restore_or_a_collection_came_into_its_copy(
    put_s: float, why: str, is_cut: bool, lost: str
) -> None:
    here = Storage(lambda: put_s)
    getattr(here, lost).append(3.0)
    content = json.dumps({"layers": [{"digest": "sha256:gone"}]}).encode()
    here.tag("solo", "v1", here.put_manifest("solo", content, MANIFEST), why)
    assert cut_below(here) == (["solo"] if is_cut else [])

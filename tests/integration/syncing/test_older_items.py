"""What an older version wrote into the sync registry, and sent to the queues, is worked off by this one."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary

from geosync.sync_registry.items import PENDING, SYNCED
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.table.memory import MemoryStore

WRITTEN = json.loads(Path(__file__).with_name("older_items.json").read_text())
"""Written by the transitions of the first version that had a walk through the catalogue: a repository with a tag that
is owed as deleted, one that failed and one that is parked; one whose holder died in the middle of `owed#*`; a walk that
was cut; the messages that were in the queue."""


def item(written: dict[str, Any]) -> dict[str, Any]:
    return {name: frozenset(value["set"]) if isinstance(value, dict) else value for name, value in written.items()}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(map(item, WRITTEN["items"]))


def test_what_an_older_version_owed_is_worked_off(
    store: MemoryStore, start_registry: StartRegistry, second_registry: Place
) -> None:
    primary = Place(registry=start_registry(RegistrySpec(name="older")))
    secondary = Secondary(primary, second_registry, store=store)
    with closing(secondary), primary.maker(seed=1) as make, second_registry.maker(seed=2) as make_there:
        images = [make.image("old/mixed", tag, layers=1) for tag in ("synced", "failed", "parked")]
        images += [make.image("old/died", tag, layers=1) for tag in ("v1", "v2")]
        never_owed = make.image("old/later", "v1", layers=1)
        make_there.image("old/mixed", "gone", layers=1)

        secondary.sweep_until(lambda: all(one.parked for one in secondary.owed("old/mixed")))
        assert secondary.digest("old/mixed", "gone") is None
        assert [one.reference.value for one in secondary.owed("old/mixed")] == ["parked"]
        secondary.receive(*WRITTEN["messages"])
        repositories = ("old/mixed", "old/died", "old/later")
        secondary.sweep_until(lambda: not any(map(secondary.owed, repositories)))

        for made in (*images, never_owed):
            assert secondary.digest(made.repository, made.reference) == made.digest
        rows = {name: secondary.row(name) for name in repositories}
        assert {row.state for row in rows.values()} == {SYNCED}
        assert [rows[name].id for name in repositories] == [1, 2, 3]
        walk = catalogue_item.CatalogueItem(store).latest()
        assert walk is not None
        assert walk.finished_at is not None


def test_a_row_of_an_older_version_says_what_it_said(store: MemoryStore, second_registry: Place) -> None:
    with closing(Secondary(second_registry, second_registry, store=store)) as secondary:
        row = secondary.row("old/mixed")
        failed = {one.reference.value: one for one in secondary.owed("old/mixed")}
        assert (row.id, row.state, row.revision) == (1, PENDING, 1)
        assert row.created_at is not None
        assert row.created_at < time.time() * 1000
        assert (failed["failed"].failure, failed["failed"].attempts) == ("the registry said no", 1)
        assert failed["parked"].parked

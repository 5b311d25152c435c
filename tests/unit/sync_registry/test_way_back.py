"""The way back: the previous release reads what today's code wrote, works it off, and leaves the rest alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from release import ROOT
from tests.support.clock import FakeClock
from tests.support.upgrade import previous
from tests.support.upgrade.former_table import DIGEST, OTHER
from tests.support.upgrade.kinds import kind_of, kinds
from tests.unit.sync_registry.test_former_table import GONE, NEW, NOT_WRITTEN

from geosync.messages.work import CatalogueMessage, Help, VerifyMessage, WorkMessage
from geosync.oci.manifests import Descriptor
from geosync.sync_registry.items import SYNCED, Reference
from geosync.sync_registry.site.drills import LastDrill
from geosync.sync_registry.site.findings import Dismissal
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark

PREFIX, NOW = "group/back", 1_764_500_000_000
TODAY = ROOT / "layers" / "geosync" / "geosync"


def messages() -> list[str]:
    """One of each message on a queue of functions/sync, each as today's code sends it."""
    helps = Help(holder="t" * 32, blobs=(Descriptor(media_type="", digest=DIGEST, size=9),), at_once=2)
    return [
        WorkMessage(repository=f"{PREFIX}/app", reason="event").to_json(),
        WorkMessage(repository=f"{PREFIX}/app", reason="sweep", help=helps).to_json(),
        CatalogueMessage().to_json(),
        VerifyMessage(repository=f"{PREFIX}/app").to_json(),
    ]


def of_new_kinds(known: SyncRegistry) -> None:
    """Write what the previous release did not have."""
    known.drills.begin("owner", who="somebody", lasts_ms=60_000)
    known.drills.record(LastDrill(id="1", at=NOW, verdict="passed", why=""))
    known.bandwidth.join("worker", lasting_s=600)
    (finding,) = known.findings.page(limit=9)
    assert known.findings.dismiss(finding, Dismissal(at=NOW, by="somebody", reason="known"))
    known.mark(f"{PREFIX}/half", Reference.tag("v1"), Mark(expects=DIGEST, pushed_at=NOW))
    lease = known.knock(f"{PREFIX}/half")
    assert lease is not None
    (owed,) = known.due(lease.repository)
    assert known.discharge(lease, owed, None, half=frozenset({OTHER}))
    assert known.finish(lease)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return previous.library(tmp_path_factory.mktemp("previous"))


@pytest.fixture(scope="module")
def items() -> list[dict[str, Any]]:
    """A table in which there is every kind of item that today's code writes."""
    store = MemoryStore(previous.left(TODAY, PREFIX, NOW).items)
    of_new_kinds(SyncRegistry(store, clock=FakeClock(NOW), tells=True))
    return [dict(item) for item in store.table.values()]


@pytest.fixture(scope="module")
def back(library: Path, items: list[dict[str, Any]]) -> Any:
    """What the previous release makes of it."""
    return previous.reads(library, PREFIX, NOW, items, messages())


def test_the_table_has_every_kind_that_today_s_code_writes(items: list[dict[str, Any]]) -> None:
    known = kinds(TODAY)
    assert {kind_of((item["repository"], item["item"]), known) for item in items} == known - NOT_WRITTEN.keys()


def test_the_previous_release_reads_what_it_has_and_leaves_the_rest_alone(
    library: Path, back: Any, items: list[dict[str, Any]]
) -> None:
    assert set(back["read"]) == kinds(library) - NOT_WRITTEN.keys() - GONE.keys()
    new = {(one["repository"], one["item"]) for one in items if kind_of(_key(one), kinds(TODAY)) in NEW}
    assert len(new) >= len(NEW.keys() - NOT_WRITTEN.keys())
    assert new <= {tuple(key) for key in back["kept"]}


def test_the_previous_release_works_off_owed_items_and_its_counters_are_right(back: Any) -> None:
    assert back["worked"] == dict.fromkeys(back["worked"], SYNCED)
    assert back["rows"] == [9, 9, 0]


def test_the_previous_release_takes_every_message_and_reads_a_help_request_as_a_wake(back: Any) -> None:
    assert back["taken"] == ["WorkMessage", "WorkMessage", "CatalogueMessage", "VerifyMessage"]


def _key(item: dict[str, Any]) -> tuple[str, str]:
    return item["repository"], item["item"]

"""A table that the previous release wrote: today's code reads every kind of item in it, and works off what is owed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from release import ROOT
from tests.support.clock import FakeClock
from tests.support.upgrade import previous, reading
from tests.support.upgrade.kinds import kind_of, kinds

from geosync.sync_registry.items import SYNCED
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

PREFIX, NOW = "group/upgraded", 1_764_500_000_000
LATER_MS = 3_600_000
NEW = {
    "#bandwidth/worker#": "a share of the line ends by itself within minutes; without one a worker has all of it",
    "#drill/drill": "no drill was made",
    "#site/drill": "it is looked for where there is no drill in the partition of drills",
    "#drill/drilling": "no drill is being made",
    "#slots-/slot#": "the slots of both versions are apart until the former one's invocations end: 15 minutes",
    "…/half#": "what left the selection half was forgotten: rolling verification finds it, as before",
}
"""Kinds that the previous release did not have, and why a table without them is right."""
GONE = {"#site/slot#": "ends by itself (expire_at): the former slots are not looked at"}
"""Kinds that today's code neither reads nor writes, and why nothing is lost."""
NOT_WRITTEN = {
    "#site/counter#rows": "the previous release only read it, of those before it",
    "#site/drill": "a version between the two had the last drill there, and today's code reads it",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return previous.library(tmp_path_factory.mktemp("previous"))


@pytest.fixture(scope="module")
def table(library: Path) -> list[dict[str, Any]]:
    return previous.left(library, PREFIX, NOW).items


@pytest.fixture
def known(table: list[dict[str, Any]]) -> SyncRegistry:
    return SyncRegistry(MemoryStore(table), clock=FakeClock(NOW), tells=True)


def test_every_kind_of_item_that_the_previous_release_writes_is_in_the_table(
    library: Path, table: list[dict[str, Any]]
) -> None:
    former = kinds(library)
    found = {kind_of((item["repository"], item["item"]), former) for item in table}
    assert found == former - NOT_WRITTEN.keys()


def test_every_kind_of_item_is_the_previous_releases_or_known_to_be_new(library: Path) -> None:
    former, today = kinds(library), kinds(ROOT / "layers" / "geosync" / "geosync")
    assert today - former == NEW.keys(), "say why an upgraded table is right without it"
    assert former - today == GONE.keys(), "say what becomes of what is stored"


def test_a_new_kind_of_item_is_found_in_the_code(tmp_path: Path) -> None:
    (tmp_path / "items.py").write_text('SITE = "#site"\n')
    (tmp_path / "one.py").write_text(
        "from geosync.items import SITE\n"
        'PREFIX = "thing#"\nONE, TWO = Key(SITE, "one"), Key(SITE, "two")\n'
        'def name(kind, number):\n    return f"{kind}#{number}"\n'
        'def of(repository, tag):\n    return Key(repository, PREFIX + tag), Key(SITE, name("hour", tag))\n'
        "def of_reference(owed):\n    return Key(owed.repository, owed.reference.owed_key)\n"
    )
    assert kinds(tmp_path) == {
        *("#site/one", "#site/two", "…/thing#", "#site/hour#"),
        *("…/owed#tag#", "…/owed#digest#", "…/owed#*"),
    }


def test_todays_code_reads_every_kind_as_it_was_written(library: Path, known: SyncRegistry) -> None:
    read = reading.everything(known, PREFIX, NOW)
    assert read.keys() == kinds(library) - NOT_WRITTEN.keys() - GONE.keys()
    assert [kind for kind, value in read.items() if not value] == []
    expected = reading.written(PREFIX)
    assert {kind: read[kind] for kind in expected} == expected


def test_owed_items_of_the_previous_release_are_worked_off_and_the_counters_are_right(known: SyncRegistry) -> None:
    known.resume()
    later = SyncRegistry(known._store, clock=FakeClock(NOW + LATER_MS))
    for name in ("digest", "failed", "flight", "large", "parked", "whole"):
        repository = f"{PREFIX}/{name}"
        for one in later.owed(repository):
            if one.parked:
                later.mark(repository, one.reference)
        lease = later.acquire(repository)
        assert lease is not None
        assert [later.discharge(lease, one, None) for one in later.due(repository)] == [True]
        assert later.finish(lease)
        row = later.row(repository)
        assert row is not None
        assert (row.state, row.last_sync_failure) == (SYNCED, None)
    assert later.due_repositories() == []
    counted = later.counters.read()
    assert counted is not None
    assert (counted.rows, counted.synced, counted.failed) == (8, 8, 0)
    assert later.recount.go_on() is not None
    assert later.counters.read() == counted

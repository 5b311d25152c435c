"""Rows in other orders than by name: page by page, counted, and refused where there are too many to read."""

from typing import Any

import pytest
from tests.functional.admin.parts import A, Ask, Calls, Site

from geosync.operating import sorted_repositories
from geosync.sync_registry.items import ROW, Reference
from geosync.sync_registry.table.changes import Key, Update

ALL = "/api/v4/geo/container_repositories"


@pytest.fixture
def filled(site: Site) -> Site:
    """Rows whose states and times have another order than their names."""
    for number, name in enumerate(("d/old", "a/new", "c/newer")):
        site.synced(name, v1=A)
        site.store.write(Update(key=Key(name, ROW), set={"last_synced_at": 1_700_000_000_000 + number}))
    site.measured("d/old", tags=3, size_bytes=5_000)
    site.measured("a/new", tags=12, size_bytes=None)
    site.measured("c/newer", tags=0, size_bytes=0)
    site.failed("e/broken", "v1")
    site.store.write(Update(key=Key("e/broken", ROW), set={"last_synced_at": 1_800_000_000_000}))
    site.sync_registry.mark("b/pending", Reference.tag("v1"))
    site.sync_registry.knock("b/pending", take=False)
    return site


def walk(ask: Ask, **query: Any) -> list[str]:
    """All names, two a page; each page knows how many there are."""
    names: list[str] = []
    cursor = None
    totals = set()
    while True:
        answer = ask("GET", ALL, query={"per_page": 2, **query, **({"cursor": cursor} if cursor else {})})
        assert answer.status == 200, answer.text
        names += [row["name"] for row in answer.json["nodes"]]
        totals.add(answer.json["total_count"])
        cursor = answer.json["page_info"]["end_cursor"]
        if cursor is None:
            assert totals == {len(names)}
            return names


ORDERS = {
    "name": ["a/new", "b/pending", "c/newer", "d/old", "e/broken"],
    "state": ["e/broken", "b/pending", "a/new", "c/newer", "d/old"],
    "last_synced_at": ["b/pending", "d/old", "a/new", "c/newer", "e/broken"],
    "measured_total_size": ["a/new", "b/pending", "e/broken", "c/newer", "d/old"],
    "measured_tags_count": ["b/pending", "e/broken", "c/newer", "d/old", "a/new"],
}


@pytest.mark.usefixtures("filled")
def test_rows_come_in_an_order_either_way_page_by_page_and_counted(ask: Ask) -> None:
    for order_by, names in ORDERS.items():
        assert walk(ask, order_by=order_by, sort="desc") == names[::-1]
    for order_by in ORDERS.keys() - {"name"}:
        assert walk(ask, order_by=order_by) == ORDERS[order_by]


@pytest.mark.usefixtures("filled")
def test_an_order_goes_with_the_filters(ask: Ask) -> None:
    assert walk(ask, order_by="last_synced_at", sort="desc", state="synced") == ["c/newer", "a/new", "d/old"]
    assert walk(ask, order_by="state", search="NEW") == ["a/new", "c/newer"]
    assert walk(ask, order_by="state", prefix="e/") == ["e/broken"]


def test_a_list_by_name_is_not_counted(filled: Site, ask: Ask) -> None:
    assert ask("GET", ALL, query={"order_by": "name", "sort": "asc"}).json["total_count"] is None
    assert ask("GET", ALL, query={"name": "a/new"}).json["total_count"] == 1


@pytest.mark.usefixtures("filled")
def test_more_rows_than_may_be_read_are_not_sorted(ask: Ask, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_repositories, "SORTED", 4)
    calls.made()
    refused = ask("GET", ALL, query={"order_by": "state"})
    assert (refused.status, "narrow the list" in refused.message) == (400, True)
    assert calls.made() == {"Query": 1}, "no row was read"
    assert walk(ask, order_by="state", search="new") == ["a/new", "c/newer"]


@pytest.mark.usefixtures("filled")
def test_a_row_that_cannot_be_read_is_named_in_every_order(filled: Site, ask: Ask) -> None:
    filled.store.write(Update(key=Key("a/new", ROW), set={"state": "9"}))
    answer = ask("GET", ALL, query={"order_by": "state"}).json
    assert [row["name"] for row in answer["nodes"]] == ["e/broken", "b/pending", "c/newer", "d/old"]
    assert "a/new" in answer["unreadable"][0]


def test_an_order_that_is_not_known_is_refused_and_a_cursor_belongs_to_its_order(filled: Site, ask: Ask) -> None:
    cursor = ask("GET", ALL, query={"order_by": "state", "per_page": 1}).json["page_info"]["end_cursor"]
    wrong = [{"order_by": "size"}, {"sort": "up"}, {"order_by": "state", "cursor": "x"}]
    for query in (*wrong, {"order_by": "last_synced_at", "cursor": cursor}):
        assert ask("GET", ALL, query=query).status == 400, query

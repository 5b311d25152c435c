"""The primary's list of repositories, against what each site has: reported page by page, shown page by page."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clock import FakeClock

from geosync.errors import MalformedMessage
from geosync.operating import rows_report, sites_repositories
from geosync.operating.repositories import RowFilter
from geosync.operating.rows_report import MOST_BYTES, next_page, page_fields, read_page
from geosync.operating.sites_repositories import ReportedRepository
from geosync.sync_registry.items import Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

NOW = 1_700_000_000_000


class Pair:
    """A primary, and the sites that report to it."""

    def __init__(self, *sites: str) -> None:
        self.clock = FakeClock(NOW)
        self.primary = SyncRegistry(MemoryStore(), clock=self.clock)
        self.sites = {name: SyncRegistry(MemoryStore(), clock=self.clock) for name in sites}
        for name in sites:
            self.primary.sites.add(name=name, url="https://x", key="k", now_ms=NOW)

    def sync(self, site: str, *names: str) -> None:
        for name in names:
            registry = self.sites[site]
            owed = registry.mark(name, Reference.tag("v1"))
            lease = registry.knock(name)
            assert lease is not None
            registry.discharge(lease, owed, None)
            assert registry.finish(lease)

    def report(self, site: str) -> None:
        registry = self.sites[site]
        page = next_page(registry, now_ms=self.clock.now)
        self.primary.reported_rows.put(site, read_page(page_fields(page), at_ms=self.clock.now))
        registry.rows_report_cursor.record(page.following)

    def listed(self, *, limit: int = 7, prefix: str = "", search: str = "") -> list[ReportedRepository]:
        found: list[ReportedRepository] = []
        after: str | None = ""
        while after is not None:
            wanted = RowFilter(prefix=prefix, search=search)
            page, after = sites_repositories.page(self.primary, wanted, limit=limit, after=after)
            assert len(page) <= limit
            found += page
        return found

    def known(self) -> dict[str, dict[str, str | None]]:
        """Of each repository the state at each site; `-` for none, None for not known."""
        return {
            one.name: {
                at.site: (at.row.state if at.row is not None else "-") if at.at is not None else None
                for at in one.sites
            }
            for one in self.listed()
        }


def test_each_sites_rows_are_shown_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair("oregon", "seoul")
    pair.sync("oregon", "group/app", "group/lib")
    pair.sites["oregon"].knock("group/new", take=False)
    assert pair.known() == {}
    pair.report("oregon")
    assert pair.known()["group/app"] == {"oregon": "2", "seoul": None}, "seoul has not said anything yet"
    pair.sync("seoul", "group/lib", "other/only")
    pair.report("seoul")
    assert pair.known() == {
        "group/app": {"oregon": "2", "seoul": "-"},
        "group/lib": {"oregon": "2", "seoul": "2"},
        "group/new": {"oregon": "0", "seoul": "-"},
        "other/only": {"oregon": "-", "seoul": "2"},
    }


@pytest.mark.parametrize("rows", [1, 10, 1000])
def test_a_site_reports_all_its_rows_page_after_page_and_begins_anew(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_report, "MOST_ROWS", 10)
    pair = Pair("oregon")
    names = sorted(f"group/app-{number}" for number in range(25))
    pair.sync("oregon", *names)
    for reported in (10, 20, 25):
        pair.report("oregon")
        assert [one.name for one in pair.listed(limit=rows)] == names[:reported]
    # Some go, some come: after another round, all is as it is.
    for name in names[5:9]:
        lease = pair.sites["oregon"].acquire(name)
        assert lease is not None
        assert pair.sites["oregon"].forget(lease, check=lambda: None)
    pair.sync("oregon", *(f"group/app-{number}-a" for number in range(12)))
    for _ in range(5):
        pair.report("oregon")
        found = [one.name for one in pair.listed(limit=rows)]
        assert found == sorted(set(found)), "each once, in order"
    now = pair.sites["oregon"].listing.names(limit=100)
    assert [one.name for one in pair.listed(limit=rows)] == now


def test_a_prefix_narrows_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_report, "MOST_ROWS", 3)
    pair = Pair("oregon")
    names = ["a", "group/app", "group/app-2", "group/lib", "groups/x", "z"]
    pair.sync("oregon", *names)
    for _ in range(2):
        pair.report("oregon")
    for prefix in ("", "group", "group/", "group/app", "z", "zz", "Group", "g\n", "a"):
        listed = [one.name for one in pair.listed(limit=2, prefix=prefix)]
        assert listed == [name for name in names if name.startswith(prefix)], prefix


@pytest.mark.parametrize("searched", [1, 5, 1000])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_search_finds_a_name_by_any_part_at_whichever_site_and_looks_at_a_bounded_number(
    searched: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_report, "MOST_ROWS", 3)
    monkeypatch.setattr(sites_repositories, "SEARCHED", searched)
    pair = Pair("oregon", "seoul", "silent")
    at_oregon = [f"group/app-{number:02}" for number in range(20)]
    at_seoul = ["a/zebra", *at_oregon[5:9], "group/zebra-2", "z/app-04-b", "z/zebra"]
    pair.sync("oregon", *at_oregon)
    pair.sync("seoul", *at_seoul)
    for site in ("oregon", "seoul"):
        for _ in range(7):
            pair.report(site)
    everything = sorted({*at_oregon, *at_seoul})
    for search in ("", "zebra", "APP-0", "04", "p/zebra-2", "nothing", "%"):
        found = pair.listed(limit=limit, search=search)
        assert [one.name for one in found] == [name for name in everything if search.lower() in name], search
        for one in found:
            known = {at.site: at.row is not None for at in one.sites if at.at is not None}
            assert known == {"oregon": one.name in at_oregon, "seoul": one.name in at_seoul}
    both = pair.listed(limit=limit, prefix="z/", search="app")
    assert [one.name for one in both] == ["z/app-04-b"]


def test_a_page_stays_small_whatever_repositories_are_called() -> None:
    pair = Pair("oregon")
    for number in range(60):
        pair.sites["oregon"].knock(f"group/{'x' * 240}{number:02}", take=False)
    page = next_page(pair.sites["oregon"], now_ms=NOW)
    assert len(str(page_fields(page))) < MOST_BYTES * 1.2
    for _ in range(4):
        pair.report("oregon")
    assert len(pair.listed()) == 60


def test_a_site_that_is_expected_no_more_is_forgotten() -> None:
    pair = Pair("oregon")
    pair.sync("oregon", "group/app")
    pair.report("oregon")
    pair.primary.reported_rows.forget("oregon")
    assert pair.listed() == []


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        {},
        {"after": "", "until": "~"},
        {"after": "", "until": "~", "rows": 3},
        {"after": 1, "until": "~", "rows": []},
        {"after": "b", "until": "a", "rows": []},
        {"after": "", "until": "~~", "rows": []},
        {"after": "", "until": "~", "rows": [["UPPER", "2", "0", None]]},
        {"after": "", "until": "~", "rows": [["a", "7", "0", None]]},
        {"after": "", "until": "~", "rows": [["a", ["2"], "0", None]]},
        {"after": "", "until": "~", "rows": [["a", "2", "0", True]]},
        {"after": "", "until": "~", "rows": [["b", "2", "0", 1], ["a", "2", "0", 1]]},
        {"after": "b", "until": "~", "rows": [["a", "2", "0", 1]]},
        {"after": "", "until": "~", "rows": [[f"a{number:03}", "2", "0", 1] for number in range(101)]},
    ],
)
def test_a_page_that_no_site_sends_is_refused(fields: Any) -> None:
    with pytest.raises(MalformedMessage):
        read_page(fields, at_ms=NOW)

"""The primary's numbers and its list of repositories: as its sites reported, else not known, never a false 0."""

from __future__ import annotations

from typing import Any

from tests.functional.admin.parts import A, Ask, Site
from tests.functional.admin.test_sites import ALL, BERLIN_ID, DUBLIN_ID, OREGON, OREGON_ID, STATUS, now, report

from geosync.operating.rows_report import next_page, page_fields
from geosync.sync_registry.site.catalogue import CatalogueItem
from geosync.sync_registry.site.history import Observed, bin_name
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

LIST = "/api/v4/geo/primary_repositories"


def reported(ask: Ask, status: dict[str, Any]) -> None:
    answer = report(ask, STATUS | status)
    assert answer.status == 202, answer.text


def test_a_primary_knows_of_its_repositories_what_a_site_s_comparison_saw(primary: Site, ask: Ask) -> None:
    own = ask("GET", f"{ALL}/{DUBLIN_ID}/status").json
    counts = {name: value for name, value in own.items() if name.startswith("container_repositories_")}
    assert counts.pop("container_repositories_replication_enabled") is True
    assert set(counts.values()) == {None}, "no site has told, and rows are a secondary's"
    for name in ("owed_references_count", "would_be_lost_count", "notifications_lost_count", "oldest_owed_seconds"):
        assert own[name] is None, name
    assert (own["dead_letters_count"], own["events_waiting_count"]) == (0, 0)
    ask.act(ALL, OREGON)
    ask.act(ALL, OREGON | {"name": "seoul"})
    counted = {"primary_repositories_count": 4, "primary_repositories_counted_at": "2026-11-24T05:00:00.000Z"}
    reported(ask, counted)
    later = {"primary_repositories_count": 5, "primary_repositories_counted_at": "2026-11-25T05:00:00.000Z"}
    assert report(ask, STATUS | later, site="seoul").status == 202
    own = ask("GET", f"{ALL}/{DUBLIN_ID}/status").json
    assert own["container_repositories_count"] == own["primary_repositories_count"] == 5
    assert own["primary_repositories_counted_at"] == "2026-11-25T05:00:00.000Z"
    assert own["container_repositories_registry_count"] is None


def test_a_site_tells_how_many_names_its_last_whole_comparison_saw(site: Site, ask: Ask) -> None:
    items = CatalogueItem(site.store)
    walk = items.note_page(items.begin(now_ms=now(), after=items.latest()), ["a", "b", "c"], selected=1, now_ms=now())
    assert ask("GET", f"{ALL}/{BERLIN_ID}/status").json["primary_repositories_count"] is None, "it goes on"
    items.note_finished(walk, now_ms=now())
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    assert (status["primary_repositories_count"], status["container_repositories_count"]) == (3, 1)


def test_a_primary_lists_what_each_site_has(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    ask.act(ALL, OREGON | {"name": "seoul"})
    assert ask("GET", LIST).json["nodes"] == []
    oregon = SyncRegistry(MemoryStore())
    for number in range(3):
        oregon.knock(f"group/app-{number}", take=number == 2)
    reported(ask, {"rows_page": page_fields(next_page(oregon, now_ms=now()))})
    first = ask("GET", LIST, query={"per_page": 2}).json
    assert [one["name"] for one in first["nodes"]] == ["group/app-0", "group/app-1"]
    at_oregon, at_seoul = first["nodes"][0]["sites"]
    assert (at_oregon["site"], at_oregon["known"], at_oregon["state"]) == ("oregon", True, "pending")
    assert at_oregon["reported_at"] is not None
    assert (at_seoul["site"], at_seoul["known"], at_seoul["state"]) == ("seoul", None, None)
    cursor = first["page_info"]["end_cursor"]
    second = ask("GET", LIST, query={"per_page": 2, "cursor": cursor}).json
    assert [(one["name"], one["sites"][0]["state"]) for one in second["nodes"]] == [("group/app-2", "started")]
    assert second["page_info"]["has_next_page"] is False
    assert [one["name"] for one in ask("GET", LIST, query={"prefix": "group/app-1"}).json["nodes"]] == ["group/app-1"]
    assert "rows_page" not in ask("GET", f"{ALL}/{OREGON_ID}/status").text
    ask.act(f"{ALL}/{OREGON_ID}", method="DELETE")
    ask.act(ALL, OREGON)
    assert ask("GET", LIST).json["nodes"] == [], "what a site reported is forgotten with it"


def test_a_page_of_rows_that_cannot_be_is_refused_with_its_report(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    answer = report(ask, STATUS | {"rows_page": {"after": "", "until": "~", "rows": [["../x", "2", "0", 1]]}})
    assert (answer.status, "rows_page" in answer.message) == (400, True)
    assert primary.sync_registry.sites.reports() == {}


def test_a_secondary_has_its_own_list(site: Site, ask: Ask) -> None:
    assert ask("GET", LIST).status == 409


def test_a_report_of_the_version_before_says_for_how_long_the_oldest_is_owed(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    reported(ask, {"lag_seconds": 70, "recovery_point_stands_because": "events wait in the queue: 9"})
    status = ask("GET", f"{ALL}/{OREGON_ID}/status").json
    assert (status["oldest_owed_seconds"], status["lag_median_seconds"], status["comparison"]) == (70, None, None)
    assert "lag_seconds" not in status


def test_a_report_of_a_version_to_come_may_say_more_of_its_comparison(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    comparison: dict[str, object] = {
        "state": "settling",
        "started_at": None,
        "finished_at": None,
        "listed": True,
        "repositories": 4,
    }
    comparison |= {"compared": 4, "tags": 9, "found": 0, "settled": 0, "repositories_per_second": 1.0}
    comparison |= {"seconds_left": 0.0, "last": None, "failure": None, "a_field_to_come": 1}
    reported(ask, {"comparison": comparison})
    assert ask("GET", f"{ALL}/{OREGON_ID}/status").json["comparison"]["state"] == "settling"


def test_a_status_is_of_one_moment(site: Site, ask: Ask) -> None:
    """What stands in the recovery point's way is what waits now, not what waited a minute ago."""
    site.synced("group/app", v1=A)
    site.sync_registry.sweep.record(woken=0, reason=None)
    site.sync_registry.subscription.record("subscription", settle_s=0)
    site.sync_registry.catalogue.begin(now_ms=now() + 1, after=site.sync_registry.catalogue.latest())
    known = site.sync_registry.recovery.read()
    site.sync_registry.recovery.write(type(known)(why="events wait in the queue: 9"))
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    assert (status["events_waiting_count"], status["recovery_point_stands_because"]) == (0, None)
    for _ in range(2):
        site.sqs.send_message(QueueUrl=site.queues["events"], MessageBody="{}")
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    assert status["events_waiting_count"] == 2
    assert status["recovery_point_stands_because"] == "events wait in the queue: 2"


def test_lags_are_those_of_the_last_hour(site: Site, ask: Ask) -> None:
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    assert (status["lag_measured_count"], status["lag_median_seconds"], status["lag_p99_seconds"]) == (0, None, None)
    site.sync_registry.history.record(Observed(counts={bin_name(0): 98, bin_name(20): 2}), now_ms=now())
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    assert (status["lag_measured_count"], status["lag_median_seconds"]) == (100, 0.1)
    assert 3 < status["lag_p99_seconds"] < 4

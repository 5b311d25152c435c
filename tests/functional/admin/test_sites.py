"""The sites and their status; what a secondary reports, and what the primary makes of one that is late or silent."""

import json
from typing import Any

import pytest
from functions.admin import app
from tests.functional.admin.parts import A, Ask, Calls, Site

from geosync import __version__
from geosync.clock import SYSTEM_CLOCK, moment
from geosync.messages.event_number import event_number
from geosync.operating import sites
from geosync.operating.comparison_report import NOT_BEGUN
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.site import drills
from geosync.sync_registry.site.drills import LastDrill
from geosync.sync_registry.site.reported_rows import END
from geosync.sync_registry.site.sites import SiteReport, site_id
from geosync.sync_registry.site.told import Told, ToldSite
from geosync.sync_registry.table.changes import Key, Update

ALL, REPORT = "/api/v4/geo_sites", "/api/v4/geo/status"
BERLIN_ID, DUBLIN_ID, OREGON_ID, FRANKFURT_ID = map(site_id, ("berlin", "dublin", "oregon", "frankfurt"))
ADDRESS = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/geo/api/v4/geo_sites"
TOKEN = "t" * 48
OREGON = {"name": "oregon", "url": "https://oregon.example.com/geo", "report_key": sites.report_key(TOKEN)}


def now() -> int:
    return SYSTEM_CLOCK.now_ms()


def report(ask: Ask, status: dict[str, Any], *, token: str | None = TOKEN, **more: Any) -> Any:
    body = {"site": "oregon", "sent_at": now(), "status": status, **more}
    return ask("POST", REPORT, body, token=token)


STATUS: dict[str, Any] = {
    "name": "dublin",
    "primary": True,
    "healthy": True,
    "health": "Healthy",
    "health_status": "Healthy",
    "container_repositories_replication_enabled": True,
    "container_repositories_count": 7,
    "recovery_point_at": "2026-11-24T05:00:00.000Z",
    "updated_at": "2026-11-24T05:00:00.000Z",
    "a_field_of_a_newer_version": 1,
}


def test_a_secondary_shows_itself_and_its_primary_by_name(site: Site, ask: Ask) -> None:
    assert [one["name"] for one in ask("GET", ALL).json] == ["berlin"]
    site.sync_registry.heartbeat.record(site="dublin", sent_at=now(), arrived_at=now())
    own, primary = ask("GET", ALL).json
    assert (own["id"], own["name"], own["primary"], own["current"]) == (BERLIN_ID, "berlin", False, True)
    assert own["enabled"] is True
    assert own["_links"] == {"self": f"{ADDRESS}/{BERLIN_ID}", "status": f"{ADDRESS}/{BERLIN_ID}/status"}
    assert (primary["id"], primary["name"], primary["primary"], primary["current"]) == (
        DUBLIN_ID,
        "dublin",
        True,
        False,
    )
    assert ask("GET", f"{ALL}/{DUBLIN_ID}").json == primary
    status = ask("GET", f"{ALL}/{DUBLIN_ID}/status").json
    assert (status["name"], status["primary"]) == ("dublin", True)
    assert (status["healthy"], status["health_status"]) == (False, "Unknown")
    assert "ask its own API" in status["health"]
    assert status["container_repositories_count"] is None
    assert [one["name"] for one in ask("GET", f"{ALL}/status").json] == ["berlin", "dublin"]


def told(site: Site, *others: ToldSite, at: int | None = None) -> None:
    site.sync_registry.told.record(Told(at=now() if at is None else at, sites=others))


def test_a_secondary_shows_the_other_sites_as_the_primary_told_of_them(site: Site, ask: Ask) -> None:
    site.sync_registry.heartbeat.record(site="dublin", sent_at=now(), arrived_at=now())
    report = STATUS | {"reported_at": "2026-11-24T05:00:10.000Z"}
    oregon = ToldSite(name="oregon", url=OREGON["url"], primary=False, status=report)
    told(site, ToldSite(name="dublin", url="https://dublin.example.com/geo", primary=True, status=STATUS), oregon)
    shown = [(one["id"], one["name"], one["url"], one["primary"]) for one in ask("GET", ALL).json[1:]]
    assert shown == [
        (DUBLIN_ID, "dublin", "https://dublin.example.com/geo", True),
        (OREGON_ID, "oregon", OREGON["url"], False),
    ]
    status = ask("GET", f"{ALL}/{OREGON_ID}/status").json
    assert (status["geo_node_id"], status["name"], status["primary"]) == (OREGON_ID, "oregon", False)
    assert (status["healthy"], status["container_repositories_count"]) == (True, 7)
    assert status["reported_at"] == "2026-11-24T05:00:10.000Z"
    assert status["_links"] == {"self": f"{ADDRESS}/{OREGON_ID}/status", "site": f"{ADDRESS}/{OREGON_ID}"}
    assert ask("GET", f"{ALL}/{DUBLIN_ID}/status").json["primary"] is True


def test_a_status_told_long_ago_is_shown_as_unhealthy(site: Site, ask: Ask) -> None:
    told(site, ToldSite(name="oregon", url=None, primary=False, status=STATUS), at=now() - 11 * 60_000)
    status = ask("GET", f"{ALL}/{OREGON_ID}/status").json
    assert (status["healthy"], status["health_status"]) == (False, "Unhealthy")
    assert status["health"] == "The primary has told nothing of this site for 11 minutes"


def test_after_a_promotion_the_sites_keep_their_ids(site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site that was promoted knows the others, though none of them reports to it yet."""
    told(
        site,
        ToldSite(name="dublin", url=None, primary=True, status=STATUS),
        ToldSite(name="oregon", url=None, primary=False),
    )
    before = {one["name"]: one["id"] for one in ask("GET", ALL).json}
    monkeypatch.setenv("SITE_ROLE", "primary")
    app.api.cache_clear()
    after = ask("GET", ALL).json
    assert {one["name"]: one["id"] for one in after} == before
    assert [one["name"] for one in after if one["primary"]] == ["berlin"]
    status = ask("GET", f"{ALL}/{OREGON_ID}/status").json
    assert (status["healthy"], "geosync follow" in status["health"]) == (False, True)
    ask.act(ALL, OREGON)  # as geosync follow does at the new primary
    assert {one["name"]: one["id"] for one in ask("GET", ALL).json} == before
    assert ask.act(f"{ALL}/{DUBLIN_ID}", method="DELETE").message == "dublin is no longer expected"
    assert {one["name"] for one in ask("GET", ALL).json} == {"berlin", "oregon"}


def test_a_former_primary_knows_the_sites_that_it_expected_until_it_is_told(
    primary: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask.act(ALL, OREGON)
    ask.act(ALL, OREGON | {"name": "frankfurt", "report_key": sites.report_key("f" * 48)})
    before = {one["name"]: one["id"] for one in ask("GET", ALL).json}
    monkeypatch.setenv("SITE_ROLE", "secondary")
    app.api.cache_clear()
    primary.sync_registry.heartbeat.record(site="frankfurt", sent_at=now(), arrived_at=now())
    after = ask("GET", ALL).json
    assert {one["name"]: one["id"] for one in after} == before
    assert [one["name"] for one in after if one["primary"]] == ["frankfurt"]
    assert ask("GET", f"{ALL}/{OREGON_ID}/status").json["health_status"] == "Unknown"
    told(primary, ToldSite(name="frankfurt", url=None, primary=True, status=STATUS))
    assert {one["name"] for one in ask("GET", ALL).json} == {"dublin", "frankfurt"}


@pytest.mark.parametrize(("topic", "is_known"), [("arn:of:dublin", True), ("arn:of:oregon", False), ("", True)])
def test_the_recovery_point_of_a_former_primary_is_not_told_as_the_new_one_s(
    site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch, topic: str, is_known: bool
) -> None:
    """Between `follow` and the first minute after it, the table speaks of the former primary."""
    times = dict.fromkeys(("started_at", "touched_at", "finished_at", "proved_at", "settled_at"), now())
    site.store.write(Update(key=catalogue_item.KEY, set={**times, "following": "arn:of:dublin"}))
    monkeypatch.setenv("PRIMARY_TOPIC_ARN", topic)
    app.api.cache_clear()
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    for name in ("recovery_point_at", "recovery_point_but_parked_at", "proved_at"):
        assert (status[name] is not None) == is_known
    why = None if is_known else "no comparison of everything has begun"
    assert status["recovery_point_unknown_because"] == why
    assert (status["comparison"] is not None) == is_known


def test_a_site_s_own_status_has_gitlab_s_fields_and_the_recovery_point(site: Site, ask: Ask) -> None:
    site.synced("group/app", v1=A)
    site.failed("group/broken", "v1")
    site.sync_registry.minute.record()
    walk = {"started_at": 1_700_000_000_000, "touched_at": 0, "proved_at": 1_700_000_000_000}
    site.store.write(Update(key=catalogue_item.KEY, set=walk))
    site.sync_registry.heartbeat.record(site="dublin", sent_at=now(), arrived_at=now())
    site.sync_registry.cursor.record(event_id="e1", received_at=1_700_000_000_000)
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    assert (status["geo_node_id"], status["name"], status["primary"]) == (BERLIN_ID, "berlin", False)
    assert (status["healthy"], status["health_status"]) == (False, "Unhealthy")
    assert status["health_reasons"][0].startswith("the recovery point is ")
    assert status["health_reasons"][1:] == ["1 reference failed and is tried again"]
    assert status["health"] == "; ".join(status["health_reasons"])
    assert (status["version"], len(status["revision"])) == (__version__, 11)
    assert (status["selective_sync_type"], status["namespaces"]) == (None, [])
    assert status["_links"] == {"self": f"{ADDRESS}/{BERLIN_ID}/status", "site": f"{ADDRESS}/{BERLIN_ID}"}
    assert status["container_repositories_checksum_total_count"] == 2
    assert isinstance(status["container_repositories_oldest_unsynced_time"], int)
    assert status["last_event_id"] == status["cursor_last_event_id"] == event_number("e1", 1_700_000_000_000)
    assert status["container_repositories_registry_count"] == 2
    assert status["container_repositories_synced_count"] == 1
    assert status["container_repositories_failed_count"] == 1
    assert status["container_repositories_synced_in_percentage"] == "50.00%"
    assert status["owed_references_count"] == 1
    assert status["recovery_point_at"] == status["proved_at"] == "2023-11-14T22:13:20.000Z"
    assert (status["would_be_lost"], status["would_be_lost_count"]) == (["group/broken:v1"], 1)
    site.sqs.send_message(QueueUrl=site.queues["events"], MessageBody="{}")
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    assert status["events_waiting_count"] == 1
    assert status["last_event_id"] is None  # a newer one may wait
    assert status["cursor_last_event_id"] == event_number("e1", 1_700_000_000_000)


def test_the_last_drill_is_in_the_status_and_none_is_not_known(
    site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILL_SCHEDULE", "weekly")
    app.api.cache_clear()
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    assert (status["last_drill"], status["drill_due_because"]) == (None, "no drill was carried out yet")
    at = now() - 9 * 86_400_000
    of_the_version_before = LastDrill(id="d1", at=at, verdict="failed", why="the canary did not arrive")
    site.sync_registry.drills.record(of_the_version_before)
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    assert status["last_drill"] == {
        "id": "d1",
        "verdict": "failed",
        "ended_at": moment(at),
        "why": "the canary did not arrive",
        "recovery_point_age_seconds": None,
        "recovery_time_seconds": None,
    }
    assert status["drill_due_because"] == "the last drill failed"
    passed = LastDrill(id="d2", at=now(), verdict="passed", why="", recovery_point_age_ms=0, recovery_time_ms=95_400)
    site.sync_registry.drills.record(passed)
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    last = status["last_drill"]
    assert (last["verdict"], last["recovery_point_age_seconds"], last["recovery_time_seconds"]) == ("passed", 0, 95.4)
    assert status["drill_due_because"] is None
    # What the drill before measured says nothing of one that could not tell.
    site.sync_registry.drills.record(LastDrill(id="d3", at=now() + 1, verdict="incomplete", why="no update"))
    assert ask("GET", f"{ALL}/{BERLIN_ID}/status").json["last_drill"]["recovery_time_seconds"] is None


@pytest.mark.parametrize("verdict", ["aborted", None])
def test_a_drill_whose_verdict_is_not_known_here_is_left_out_of_the_status(
    site: Site, ask: Ask, verdict: str | None
) -> None:
    site.sync_registry.drills.record(LastDrill(id="d1", at=now(), verdict=verdict or "", why="of a later version"))
    if verdict is None:
        site.store.write(Update(key=drills.KEYS[0], remove=("verdict",)))
    answer = ask("GET", f"{ALL}/{BERLIN_ID}/status")
    assert (answer.status, answer.json["last_drill"]) == (200, None)


def test_a_drill_is_shown_at_the_primary_and_told_to_others_without_names(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    ask.act(ALL, OREGON | {"name": "frankfurt", "report_key": sites.report_key("f" * 48)})
    drilled = {"id": "d1", "verdict": "failed", "ended_at": "2026-11-24T05:00:00.000Z", "why": "group/secret:v1"}
    report(
        ask,
        STATUS | {"last_drill": drilled, "drill_due_because": "the last drill failed"},
        site="frankfurt",
        token="f" * 48,
    )
    status = ask("GET", f"{ALL}/{FRANKFURT_ID}/status").json
    assert (status["last_drill"]["verdict"], status["last_drill"]["why"]) == ("failed", "group/secret:v1")
    frankfurt = report(ask, STATUS).json["sites"][1]
    assert (frankfurt["name"], frankfurt["status"]["last_drill"]["verdict"]) == ("frankfurt", "failed")
    assert "group/secret" not in json.dumps(frankfurt)


def test_a_paused_site_says_so(site: Site, ask: Ask) -> None:
    ask.act("/api/v4/geo/pause", {"reason": "storage is being moved"})
    assert ask("GET", f"{ALL}/{BERLIN_ID}").json["enabled"] is False
    status = ask("GET", f"{ALL}/{BERLIN_ID}/status").json
    assert status["pause_reason"] == "storage is being moved"
    assert status["container_repositories_replication_enabled"] is False


def test_the_primary_shows_the_sites_that_it_expects_and_which_are_silent(primary: Site, ask: Ask) -> None:
    added = ask.act(ALL, OREGON)
    assert (added.status, added.json["id"], added.json["url"]) == (200, OREGON_ID, OREGON["url"])
    assert "report_key" not in added.text
    own, oregon = ask("GET", f"{ALL}/status").json
    assert (own["name"], own["primary"]) == ("dublin", True)
    assert (oregon["name"], oregon["healthy"], oregon["reported_at"]) == ("oregon", False, None)
    assert "has not reported yet" in oregon["health"]
    assert oregon["container_repositories_count"] is None


def test_a_report_is_shown_under_the_name_that_its_token_is_for(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    assert report(ask, STATUS).status == 202
    status = ask("GET", f"{ALL}/{OREGON_ID}/status").json
    assert (status["name"], status["healthy"], status["container_repositories_count"]) == ("oregon", True, 7)
    assert status["recovery_point_at"] == "2026-11-24T05:00:00.000Z"
    assert status["reported_at"] is not None
    assert ask("GET", ALL).json[1]["enabled"] is True


def test_a_site_that_reports_is_told_of_the_others(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    ask.act(ALL, OREGON | {"name": "frankfurt", "report_key": sites.report_key("f" * 48)})
    lost = STATUS | {"would_be_lost": ["group/secret:v1"], "would_be_lost_count": 1}
    report(ask, lost, site="frankfurt", token="f" * 48)
    dublin, frankfurt = report(ask, STATUS).json["sites"]
    assert (dublin["name"], dublin["primary"], dublin["url"]) == ("dublin", True, None)
    assert dublin["status"]["health_status"] == "Unhealthy"  # the minute of this one never ran
    assert "functions/reconcile has not run yet" in dublin["status"]["health_reasons"]
    assert (dublin["status"]["version"], dublin["status"]["container_repositories_count"]) == (__version__, None)
    assert (frankfurt["name"], frankfurt["primary"], frankfurt["url"]) == ("frankfurt", False, OREGON["url"])
    assert frankfurt["status"]["would_be_lost_count"] == 1
    assert "group/secret" not in json.dumps(frankfurt)


def test_the_reports_of_a_minute_cost_one_look_at_the_primary(primary: Site, ask: Ask, calls: Calls) -> None:
    ask.act(ALL, OREGON)
    calls.made()
    report(ask, STATUS)
    # Whoever reports waits for it, five seconds: the site's own status would be some forty queries.
    told = {"Query": 2, "BatchGetItem": 1, "GetQueueAttributes": 1}
    assert calls.made() == {"GetItem": 1, "UpdateItem": 1, **told}
    report(ask, STATUS)
    assert calls.made() == {"GetItem": 1, "UpdateItem": 1}


def test_a_report_of_the_version_before_is_shown(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    assert report(ask, STATUS | {"cursor_last_event_id": "0f8fad5b-d9cb", "last_event_id": None}).status == 202
    status = ask("GET", f"{ALL}/{OREGON_ID}/status").json
    assert (status["cursor_last_event_id"], status["health_status"]) == (None, "Healthy")


def test_the_third_state_of_health_is_shown(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    degraded = {"healthy": False, "health_status": "Unhealthy", "degraded": True, "health": "the site is paused"}
    report(ask, STATUS | degraded)
    status = ask("GET", f"{ALL}/{OREGON_ID}/status").json
    assert (status["healthy"], status["health_status"]) == (False, "Degraded")


def test_a_site_that_reports_no_more_is_unhealthy_after_ten_minutes(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    report(ask, STATUS)
    primary.store.write(Update(key=Key("#site", "report#oregon"), set={"arrived_at": now() - 601_000}))
    status = ask("GET", f"{ALL}/{OREGON_ID}/status").json
    assert (status["healthy"], status["health_status"]) == (False, "Unhealthy")
    assert status["health"] == "This site has not reported for 10 minutes"
    assert status["container_repositories_count"] == 7


def test_a_report_is_taken_with_the_site_s_own_token_alone(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    ask.act(ALL, OREGON | {"name": "frankfurt", "report_key": sites.report_key("f" * 48)})
    for token in (None, "", "x" * 48, "f" * 48, "r" * 48, "a" * 48):
        assert report(ask, STATUS, token=token).status == 401, token
    assert report(ask, STATUS, site="frankfurt").status == 401
    assert report(ask, STATUS, site="nobody").status == 401
    assert primary.sync_registry.sites.reports() == {}


def test_a_report_that_comes_late_does_not_replace_a_newer_one(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    sent = now()
    assert report(ask, STATUS, sent_at=sent).json["message"] == "taken"
    assert report(ask, STATUS | {"healthy": False}, sent_at=sent - 1).json["message"] == "a newer one is here already"
    assert report(ask, STATUS | {"healthy": False}, sent_at=sent).json["message"] == "a newer one is here already"
    assert ask("GET", f"{ALL}/{OREGON_ID}/status").json["healthy"] is True


MEASURED = {"lag_counts": [], **dict.fromkeys(("lag_count", "lag_sum_seconds", "missed_count"), 0)}
MEASURED |= dict.fromkeys(("synced_count", "bytes", "requests"), 0)
ROWS = {"after": "", "until": END, "rows": []}


@pytest.mark.parametrize(
    ("status", "more", "code", "word"),
    [
        (STATUS, {"sent_at": now() + 3_600_000}, 400, "clock"),
        (STATUS, {"sent_at": -1}, 400, "sent_at"),
        (STATUS, {"site": "No Site"}, 400, "site"),
        ({"healthy": True}, {}, 400, "status"),
        (STATUS | {"container_repositories_count": "many"}, {}, 400, "container_repositories_count"),
        (STATUS | {"container_repositories_count": -1}, {}, 400, "container_repositories_count"),
        (STATUS | {"container_repositories_count": 10**400}, {}, 400, "container_repositories_count"),
        (STATUS | {"lag_median_seconds": 10**400}, {}, 400, "lag_median_seconds"),
        (STATUS | {"comparison": NOT_BEGUN | {"tags": 2**53}}, {}, 400, "comparison.tags"),
        (STATUS | {"comparison": NOT_BEGUN | {"started_at": "junk"}}, {}, 400, "comparison.started_at"),
        (STATUS | {"measured": MEASURED | {"lag_count": 10**400}}, {}, 400, "measured.lag_count"),
        (STATUS | {"recovery_point_at": "junk"}, {}, 400, "recovery_point_at"),
        (STATUS | {"recovery_point_at": ""}, {}, 400, "recovery_point_at"),
        (STATUS | {"recovery_point_at": "2026-02-30T00:00:00Z"}, {}, 400, "recovery_point_at"),
        (STATUS | {"paused_since": "9999-12-31T23:59:59-14:00"}, {}, 400, "paused_since"),
        (STATUS | {"rows_page": ROWS | {"rows": [["group/app", "2", "2", 10**18]]}}, {}, 400, "rows_page"),
        (STATUS | {"version": "\ud800"}, {}, 400, "Unicode"),
        (STATUS | {"health": "x" * 20_000}, {}, 413, "bytes"),
    ],
)
def test_a_report_that_cannot_be_shown_is_not_kept(
    primary: Site, ask: Ask, status: dict[str, Any], more: dict[str, Any], code: int, word: str
) -> None:
    ask.act(ALL, OREGON)
    answer = report(ask, status, **more)
    assert (answer.status, word in answer.message) == (code, True), answer.text
    assert primary.sync_registry.sites.reports() == {}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("name", ["lag_median_seconds", "a_field_of_a_newer_version"])
def test_a_number_that_json_does_not_have_is_refused(primary: Site, ask: Ask, name: str, number: str) -> None:
    ask.act(ALL, OREGON)
    body = json.dumps({"site": "oregon", "sent_at": now(), "status": STATUS | {name: "here"}})
    json_type = {"Content-Type": "application/json"}
    answer = ask("POST", REPORT, token=TOKEN, raw=body.replace('"here"', number), headers=json_type)
    assert answer.status == 400, answer.text
    assert primary.sync_registry.sites.reports() == {}


@pytest.mark.parametrize(
    "bad",
    [
        {"lag_median_seconds": float("nan")},
        {"owed_references_count": 10**400},
        {"recovery_point_at": "junk"},
        {"primary_repositories_count": 10**400, "primary_repositories_counted_at": "2026-11-24T05:00:00Z"},
        {"primary_repositories_count": 3, "primary_repositories_counted_at": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_a_report_that_was_kept_before_it_was_checked_spoils_that_site_s_status_alone(
    primary: Site, ask: Ask, bad: dict[str, Any]
) -> None:
    ask.act(ALL, OREGON)
    kept = SiteReport(site="oregon", sent_at=now(), arrived_at=now(), status=json.dumps(STATUS | bad))
    assert primary.sync_registry.sites.record(kept)
    answer = ask("GET", f"{ALL}/status")
    assert "NaN" not in answer.text
    own, oregon = answer.json
    assert own["primary_repositories_count"] is None
    assert (oregon["health_status"], oregon["health"]) == ("Unhealthy", "This version cannot read the site's report")
    assert ask("GET", "/metrics").status == 200


def test_a_secondary_takes_no_report(site: Site, ask: Ask) -> None:
    site.sync_registry.sites.add(
        name="oregon", url="https://oregon.example.com", key=sites.report_key(TOKEN), now_ms=now()
    )
    assert report(ask, STATUS).status == 409


def test_a_site_that_is_added_again_keeps_its_id_and_gets_the_new_address(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    ask.act(ALL, OREGON | {"name": "frankfurt"})
    changed = ask.act(ALL, OREGON | {"url": "https://elsewhere.example.com"})
    assert (changed.json["id"], changed.json["url"]) == (OREGON_ID, "https://elsewhere.example.com")
    assert [one["id"] for one in ask("GET", ALL).json] == [DUBLIN_ID, OREGON_ID, FRANKFURT_ID]


def test_two_sites_with_one_name_are_refused(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    twin = OREGON | {"url": "https://elsewhere.example.com", "report_key": sites.report_key("e" * 48)}
    answer = ask.act(ALL, twin)
    assert (answer.status, "two sites must not have one name" in answer.message) == (409, True)
    assert report(ask, STATUS).status == 202  # the first one goes on
    ask.act(f"{ALL}/{OREGON_ID}", method="DELETE")
    assert ask.act(ALL, twin).status == 200


def test_two_names_that_give_one_id_are_refused(primary: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    ask.act(ALL, OREGON)
    monkeypatch.setattr("geosync.operating.sites.site_id", lambda _: OREGON_ID)
    monkeypatch.setattr("geosync.sync_registry.site.sites.site_id", lambda _: OREGON_ID)
    answer = ask.act(ALL, OREGON | {"name": "frankfurt"})
    assert (answer.status, "choose another name" in answer.message) == (409, True)
    assert primary.sync_registry.sites.find("frankfurt") is None


def test_a_site_that_the_version_before_added_has_the_same_id_as_everywhere(primary: Site, ask: Ask) -> None:
    key = Key("#site", "known#oregon")
    values = {"id": 2, "url": OREGON["url"], "added_at": 1, "report_key": OREGON["report_key"]}
    primary.store.write(Update(key=key, set=values))
    assert [one["id"] for one in ask("GET", ALL).json] == [DUBLIN_ID, OREGON_ID]


def test_a_site_that_is_removed_is_forgotten_with_its_report(primary: Site, ask: Ask) -> None:
    ask.act(ALL, OREGON)
    report(ask, STATUS)
    assert ask.act(f"{ALL}/{OREGON_ID}", method="DELETE").message == "oregon is no longer expected"
    assert len(ask("GET", ALL).json) == 1
    assert report(ask, STATUS).status == 401
    again = ask.act(f"{ALL}/{OREGON_ID}", method="DELETE")
    assert (again.status, f"id {OREGON_ID}" in again.message) == (404, True)


@pytest.mark.parametrize(
    ("path", "body", "method", "status", "word"),
    [
        (ALL, OREGON | {"name": "dublin"}, "POST", 409, "this site itself"),
        (ALL, OREGON | {"name": "Oregon"}, "POST", 400, "name"),
        (ALL, OREGON | {"url": "https://user:password@oregon.example.com"}, "POST", 400, "url"),
        (ALL, OREGON | {"url": "javascript:alert(1)"}, "POST", 400, "url"),
        (ALL, OREGON | {"report_key": TOKEN}, "POST", 400, "report_key"),
        (f"{ALL}/{DUBLIN_ID}", None, "DELETE", 409, "this site itself"),
        (f"{ALL}/9", None, "DELETE", 404, "9"),
    ],
)
def test_only_another_site_can_be_expected_or_removed(  # noqa: PLR0913, PLR0917 - pytest gives them by name
    primary: Site, ask: Ask, path: str, body: Any, method: str, status: int, word: str
) -> None:
    answer = ask.act(path, body, method=method)
    assert (answer.status, word in answer.message) == (status, True), answer.text


@pytest.mark.parametrize(("path", "body", "method"), [(ALL, OREGON, "POST"), (f"{ALL}/2", None, "DELETE")])
def test_a_secondary_expects_no_sites(site: Site, ask: Ask, path: str, body: Any, method: str) -> None:
    answer = ask.act(path, body, method=method)
    assert (answer.status, "for the primary" in answer.message) == (409, True)


@pytest.mark.parametrize("path", [f"{ALL}/7", f"{ALL}/7/status"])
def test_a_site_that_is_not_known_is_404(primary: Site, ask: Ask, path: str) -> None:
    answer = ask("GET", path)
    assert (answer.status, "id 7" in answer.message) == (404, True)


def test_a_status_costs_the_same_whatever_is_synced(site: Site, ask: Ask, calls: Calls) -> None:
    site.synced("group/one", v1=A)
    calls.made()
    ask("GET", f"{ALL}/{BERLIN_ID}/status")
    first = calls.made()
    for number in range(5):
        site.synced(f"group/app{number}", v1=A)
    calls.made()
    ask("GET", f"{ALL}/{BERLIN_ID}/status")
    assert calls.made() == first


def test_a_private_api_is_given_no_sites_to_expect(primary: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_API", "private")
    refused = ask.act(ALL, OREGON)
    assert (refused.status, "AdminVpcEndpointIds" in refused.message) == (409, True)
    assert [one["name"] for one in ask("GET", ALL).json] == ["dublin"]

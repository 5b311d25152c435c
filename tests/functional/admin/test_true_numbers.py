"""Every number that a site shows is a count of what is there: on the pages, in the API, in /metrics and by the command.

The truth is counted by the test's own world (tests/support/random_world.py), from what it did.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from selenium import webdriver
from tests.e2e.browser import Dashboard
from tests.functional.admin.parts import EVENTS_TABLE, REGION, SYNC_TABLE, Ask, Site
from tests.functional.admin.served import served
from tests.functional.admin.test_sites import ALL as SITES
from tests.functional.admin.test_sites import BERLIN_ID
from tests.support.filled import fill
from tests.support.random_world import World

from geosync.cli.main import main
from geosync.cli.site import AwsAccess
from geosync.cli.site import StackSite as DeployedSite
from geosync.clock import SYSTEM_CLOCK

LIST = "/api/v4/geo/container_repositories"
STATES = ("pending", "started", "synced", "failed")
VERIFICATIONS = ("pending", "succeeded", "failed", "disabled")
LETTERS, WAITING = 7, 3


@pytest.fixture
def world(site: Site) -> World:
    made = World(1, repositories=240)
    fill(site.dynamodb, SYNC_TABLE, made.store)
    for queue, number in (("dlq", LETTERS), ("events", WAITING)):
        for _ in range(number):
            site.sqs.send_message(QueueUrl=site.queues[queue], MessageBody="{}")
    return made


@pytest.fixture
def dashboard(world: World, driver: webdriver.Chrome) -> Iterator[Dashboard]:
    with served(driver) as one:
        one.open()
        yield one
        assert one.complaints() == []


def listed(ask: Ask, **query: Any) -> list[dict[str, Any]]:
    """All rows that a filter takes, page by page."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = ask("GET", LIST, query={"per_page": 100, **query, **({"cursor": cursor} if cursor else {})}).json
        found += answer["nodes"]
        total, cursor = answer["total_count"], answer["page_info"]["end_cursor"]
        if cursor is None:
            assert total in (None, len(found)), query
            return found


def names(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(row["name"] for row in rows)


def ended(world: World, how: str) -> int:
    return sum(one.ended == how for one in world.repositories)


def percentage(some: int, all_: int) -> str:
    return f"{100 * some / all_:.2f}%"


def counts(world: World) -> dict[str, Any]:
    """The fields of the status, as the world counts them."""
    rows, synced, verified = len(world.repositories), len(world.having(state="synced")), ended(world, "succeeded")
    return {
        "container_repositories_count": rows,
        "container_repositories_registry_count": rows,
        "container_repositories_synced_count": synced,
        "container_repositories_failed_count": len(world.having(state="failed")),
        "container_repositories_synced_in_percentage": percentage(synced, rows),
        "container_repositories_verification_total_count": rows,
        "container_repositories_verified_count": verified,
        "container_repositories_verification_failed_count": ended(world, "failed"),
        "container_repositories_verified_in_percentage": percentage(verified, rows),
        "owed_references_count": world.owed,
        "failed_references_count": world.failed,
        "parked_references_count": world.parked,
        "would_be_lost_count": world.owed + world.parked,
        "dead_letters_count": LETTERS,
        "events_waiting_count": WAITING,
    }


def test_the_status_and_the_metrics_count_what_is_there(world: World, ask: Ask) -> None:
    truth = counts(world)
    status = ask("GET", f"{SITES}/{BERLIN_ID}/status").json
    assert {name: status[name] for name in truth} == truth
    assert status["more_owed"] is False
    families = text_string_to_metric_families(ask("GET", "/metrics").text)
    found = {one.name: one.value for family in families for one in family.samples if one.labels["site"] == "berlin"}
    for name, field in {
        "geo_container_repositories": "container_repositories_count",
        "geo_container_repositories_registry": "container_repositories_registry_count",
        "geo_container_repositories_synced": "container_repositories_synced_count",
        "geo_container_repositories_failed": "container_repositories_failed_count",
        "geo_container_repositories_verified": "container_repositories_verified_count",
        "geo_container_repositories_verification_failed": "container_repositories_verification_failed_count",
        "geosync_references_owed": "owed_references_count",
        "geosync_references_failed": "failed_references_count",
        "geosync_references_parked": "parked_references_count",
        "geosync_would_be_lost": "would_be_lost_count",
        "geosync_dead_letters": "dead_letters_count",
        "geosync_events_waiting": "events_waiting_count",
    }.items():
        assert found[name] == truth[field], name


def test_the_lists_have_what_is_there(world: World, ask: Ask) -> None:
    assert names(listed(ask)) == world.having()
    for state in STATES:
        assert names(listed(ask, state=state)) == world.having(state=state), state
        assert names(listed(ask, state=state, order_by="state")) == world.having(state=state), state
        for verification in VERIFICATIONS:
            wanted = world.having(state=state, verification=verification)
            assert names(listed(ask, state=state, verification_state=verification)) == wanted
    parked = sorted(one.name for one in world.repositories if any(one.owed.values()))
    assert names(listed(ask, parked="true")) == parked
    assert names(listed(ask, search="CART", order_by="measured_total_size")) == [
        name for name in world.having() if "cart" in name
    ]
    sizes = [row["measured_total_size"] for row in listed(ask, order_by="measured_total_size", sort="desc")]
    known = [one.counted[1] for one in world.repositories if one.counted is not None and one.counted[1] is not None]
    assert [size for size in sizes if size is not None] == sorted(known, reverse=True)
    assert sizes[len(known) :] == [None] * (len(world.repositories) - len(known))


def test_each_repository_has_its_own_counts(world: World, ask: Ask) -> None:
    ids = {row["name"]: row["id"] for row in listed(ask)}
    for one in world.repositories:
        if ids[one.name] is None:
            continue  # nobody has held it yet
        shown = ask("GET", f"{LIST}/{ids[one.name]}").json
        assert {name: shown[name] for name in ("state", "verification_state", "owed_count", "failed_count")} == {
            "state": one.state,
            "verification_state": one.verification,
            "owed_count": len(one.owed),
            "failed_count": len(one.failed),
        }, one
        assert (shown["tags_count"], shown["total_size"]) == (len({*one.tags, *one.owed}), one.size(world.sizes)), one
        counted = (shown["measured_tags_count"], shown["measured_total_size"])
        assert counted == (one.counted if one.counted is not None else (None, None)), one


def test_the_command_counts_what_is_there(world: World, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    queues = {"EventsQueueUrl": "events", "WorkQueueUrl": "work", "DeadLetterQueueUrl": "dlq"}
    deployed = DeployedSite(
        access=AwsAccess(session=boto3.Session(region_name=REGION), clock=SYSTEM_CLOCK),
        stack="geosync-berlin",
        region=REGION,
        state="CREATE_COMPLETE",
        parameters={"SiteName": "berlin", "SiteRole": "secondary"},
        outputs={
            **{name: site.queues[queue] for name, queue in queues.items()},
            "SyncRegistryTable": SYNC_TABLE,
            "EventsTable": EVENTS_TABLE,
        },
    )
    monkeypatch.setattr(DeployedSite, "find", lambda *_: deployed)

    def run(*command: str) -> Any:
        ended = CliRunner().invoke(main, ["--stack", "geosync-berlin", *command, "-o", "json"])
        assert ended.stdout, ended.stderr
        return json.loads(ended.stdout)

    truth, said = counts(world), run("status")
    assert {name: said[name] for name in ("owed", "parked", "failed", "failed_repositories", "repositories")} == {
        "owed": truth["owed_references_count"],
        "parked": truth["parked_references_count"],
        "failed": truth["failed_references_count"],
        "failed_repositories": truth["container_repositories_failed_count"],
        "repositories": truth["container_repositories_registry_count"],
    }
    assert names(run("repositories", "--limit", "1000")["repositories"]) == world.having()
    for state in STATES:
        assert names(run("repositories", "--state", state, "--limit", "1000")["repositories"]) == world.having(
            state=state
        )


def test_the_pages_say_what_is_there(world: World, ask: Ask, dashboard: Dashboard) -> None:
    truth = counts(world)
    dashboard.sign_in("read")
    dashboard.shows("Parked references")
    facts = dict(zip(dashboard.text(".facts dt").splitlines(), dashboard.text(".facts dd").splitlines(), strict=True))
    for name, field in {
        "Repositories": "container_repositories_registry_count",
        "Failed": "container_repositories_failed_count",
        "Verification failed": "container_repositories_verification_failed_count",
        "Owed references": "owed_references_count",
        "Failed references": "failed_references_count",
        "Parked references": "parked_references_count",
        "Dead letters": "dead_letters_count",
        "Events waiting": "events_waiting_count",
    }.items():
        assert facts[name].replace(",", "") == str(truth[field]), name
    meters = dashboard.text(".meters")
    for some in ("synced", "verified"):
        known = truth[f"container_repositories_{some}_count"], truth["container_repositories_registry_count"]
        assert f"{known[0]} of {known[1]}" in meters
        assert truth[f"container_repositories_{some}_in_percentage"] in meters
    assert f"{truth['would_be_lost_count']} pushes would be lost" in dashboard.text(".lost summary")
    row = [one.text for one in dashboard.all(".fleet tbody tr td")]
    shown = ("synced", "failed")
    assert row[3].split()[0] == str(truth[f"container_repositories_{shown[0]}_count"])
    assert row[4:7] == [
        str(truth[name])
        for name in ("container_repositories_failed_count", "owed_references_count", "dead_letters_count")
    ]
    badges = dashboard.text("header nav").splitlines()
    assert str(truth["container_repositories_failed_count"]) in badges
    assert str(truth["dead_letters_count"]) in badges

    dashboard.go("Replication details")
    all_, failed = truth["container_repositories_registry_count"], truth["container_repositories_failed_count"]
    dashboard.shows(f"1-20 of {all_}", f"All {all_}", f"Failed {failed}", f"Parked {truth['parked_references_count']}")
    assert dashboard.rows() == world.having()[:20]
    dashboard.press(f"Failed {failed}")
    dashboard.shows(f"1-20 of {failed}")
    for state in ("synced", "pending", "started"):
        found = world.having(state=state)
        dashboard.driver.get(f"{dashboard.url}#/repositories?state={state}&per_page=100")
        dashboard.shows(f"1-{min(len(found), 100)}", within=".pager")
        assert dashboard.rows() == found[:100]
        total = dashboard.text(".pager .range").partition(" of ")[2]
        assert total in ("", str(len(found)))
    for verification in ("succeeded", "failed"):
        found = world.having(verification=verification)
        dashboard.driver.get(f"{dashboard.url}#/repositories?verification_state={verification}")
        dashboard.shows(f"1-{min(len(found), 20)}", within=".pager")
        assert dashboard.rows() == found[:20]
        assert dashboard.text(".pager .range").partition(" of ")[2] in ("", str(len(found)))
    one = next(one for one in world.repositories if one.state == "failed" and len(one.tags) > 1)
    (row_of,) = ask("GET", LIST, query={"name": one.name}).json["nodes"]
    dashboard.driver.get(f"{dashboard.url}#/repositories/{row_of['id']}")
    tags = len({*one.tags, *one.owed})
    dashboard.shows(f"1-{tags} of {tags}", f"{len(one.owed)} ({len(one.failed)} failed)")

"""`geosync repositories`, `show` and `events`, on a site in moto."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import boto3
import pytest
from tests.functional.cli.conftest import REGION, PlayedClock, Site

from geosync.admin.resources.findings import Deletes
from geosync.admin.resources.repositories import ContainerRepositoryDetail, OwedReferenceModel, TagModel
from geosync.cli.output import size_text
from geosync.cli.site import StackSite as DeployedSite
from geosync.clock import SYSTEM_CLOCK
from geosync.messages.event_log import hour_of
from geosync.sync_registry.items import ROW, Reference, Seen
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.transitions.marks import Mark

A = "sha256:" + "a" * 64


def synced(site: Site, repository: str) -> None:
    sync_registry = site.sync_registry
    owed = sync_registry.mark(repository, Reference.tag("v1"), Mark(expects=A))
    lease = sync_registry.knock(repository)
    assert lease is not None
    assert sync_registry.discharge(lease, owed, Seen(digest=A, looked_at=1, seen_at=1))
    assert sync_registry.finish(lease)


def failed(site: Site, repository: str, why: str) -> None:
    sync_registry = site.sync_registry
    lease = sync_registry.knock(repository)
    assert lease is not None
    sync_registry.fail(sync_registry.mark(repository, Reference.tag("v2")), why)
    assert sync_registry.finish(lease)


def test_repositories_are_listed_with_their_states_and_failures(secondary: Site) -> None:
    synced(secondary, "group/app")
    failed(secondary, "group/sick", "[red]dublin: 503")
    answer = secondary.run("repositories")
    assert answer.exit_code == 1
    assert "synced" in answer.output
    assert "Container repository sync failed: v2: [red]dublin: 503" in answer.output
    only = secondary.run("repositories", "group/a", "--json")
    assert only.exit_code == 0
    assert [row["name"] for row in json.loads(only.output)["repositories"]] == ["group/app"]


def test_repositories_of_one_state(secondary: Site) -> None:
    synced(secondary, "group/app")
    failed(secondary, "group/sick", "503")
    rows = json.loads(secondary.run("repositories", "--state", "failed", "--json").output)["repositories"]
    assert [row["repository"] for row in rows] == ["group/sick"]
    assert secondary.run("repositories", "--state", "broken").exit_code == 2


def test_more_rows_than_wanted_are_said_to_be_there(secondary: Site) -> None:
    for number in range(3):
        synced(secondary, f"group/app{number}")
    assert json.loads(secondary.run("repositories", "--limit", "2", "--json").output)["more"] is True
    assert json.loads(secondary.run("repositories", "--limit", "3", "--json").output)["more"] is False


def test_a_row_is_printed_like_the_console_s(secondary: Site) -> None:
    synced(secondary, "group/app")
    began = {"verification_started_at": 1_795_499_104_878}
    secondary.sync_registry._store.write(Update(key=Key("group/app", ROW), set=began))
    answer = secondary.run("show", "group/app", "--gitlab")
    assert answer.exit_code == 0, answer.output
    assert "verification_started_at: Tue, 24 Nov 2026 05:45:04.878000000 UTC +00:00," in answer.output
    for line in ('state: "2",', "id: 1,", "container_repository_id: 1,", "retry_count: 0,", "last_sync_failure: nil,"):
        assert line in answer.output
    assert "missing_on_primary: false" in answer.output
    assert "lease" not in answer.output
    assert A in secondary.run("show", "group/app", "-o", "wide").output


def test_the_size_of_a_tag_is_shown_as_far_as_it_is_known(secondary: Site) -> None:
    synced(secondary, "group/app")
    assert "not known" in secondary.run("show", "group/app").output
    sync_registry = secondary.sync_registry
    for tag, size_bytes in (("v1", None), ("v2", 1_234_567)):
        owed = sync_registry.mark("group/app", Reference.tag(tag), Mark(expects=A))
        lease = sync_registry.knock("group/app")
        assert lease is not None
        sync_registry.discharge(lease, owed, Seen(digest=A, looked_at=1, seen_at=1, size_bytes=size_bytes))
        sync_registry.finish(lease)
    lines = secondary.run("show", "group/app").output.splitlines()
    assert [line.split("\t")[-1] for line in lines[-2:]] == ["1.2 MB"] * 2, "the same image has one size"
    document = json.loads(secondary.run("show", "group/app", "-o", "json").stdout)
    assert [tag["total_size"] for tag in document["tags"]] == [1_234_567] * 2


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(None, "not known"), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12 MB"), (10**16, "10000 TB")],
)
def test_a_size_is_written_in_powers_of_1000(size_bytes: int | None, text: str) -> None:
    assert size_text(size_bytes) == text


def test_what_is_owed_in_a_row_is_shown_with_its_reason(secondary: Site) -> None:
    failed(secondary, "group/sick", 'it said "no"')
    answer = secondary.run("show", "group/sick", "--gitlab")
    assert answer.exit_code == 1
    assert 'state: "3",' in answer.output
    assert r"v2: it said \"no\"" in answer.output
    document = json.loads(secondary.run("show", "group/sick", "--json").output)
    assert [one["failure"] for one in document["owed"]] == ['it said "no"']


def test_a_repository_without_a_row_or_with_an_impossible_name(secondary: Site) -> None:
    answer = secondary.run("show", "group/unknown")
    assert answer.exit_code == 1
    assert "no row for group/unknown" in answer.output
    assert secondary.run("show", "Not A Name").exit_code == 2


@pytest.fixture
def event_log(secondary: Site, events_table: str) -> Any:
    dynamodb = boto3.client("dynamodb", region_name=REGION)

    def put(hour: str = "", *, claims: dict[str, str] | None = None, **texts: str) -> None:
        now = SYSTEM_CLOCK.now_ms()
        item: dict[str, Any] = {name: {"S": text} for name, text in texts.items()}
        item |= {"hour": {"S": hour + hour_of(now)}, "received_at": {"N": str(now)}}
        if claims is not None:
            item["claims"] = {"M": {name: {"S": text} for name, text in claims.items()}}
        dynamodb.put_item(TableName=events_table, Item=item)

    return put


def test_events_and_what_operators_did_are_listed_apart(
    secondary: Site, event_log: Any, stacks: dict[str, DeployedSite]
) -> None:
    found = stacks[secondary.stack]  # each hour that is kept is read
    stacks[secondary.stack] = replace(found, parameters={**found.parameters, "EventRetentionDays": "1"})
    assert "has nothing" in secondary.run("events").output
    event_log(id="e1", event_name="created", repository="group/app", tag="v1", outcome="accepted")
    event_log("audit#", id="a1", action="POST /pause", who="act token", outcome="done", detail="storage")
    answer = secondary.run("events")
    assert answer.exit_code == 0
    assert "group/app" in answer.output
    assert "pause" not in answer.output
    assert "POST /pause" in secondary.run("events", "--audit").output
    assert [one["sender_id"] for one in json.loads(secondary.run("events", "--json").output)] == ["e1"]


def test_an_event_that_could_not_be_used_is_shown_with_what_it_said_and_why(secondary: Site, event_log: Any) -> None:
    """Distribution's own test envelope has such a digest (notifications/event_test.go)."""
    claims = {"action": "push", "repository": "library/test", "tag": "latest", "digest": "sha256:0123[red]"}
    event_log(id="e1", outcome="unusable", reason="bad_digest", claims=claims)
    event_log(id="e2", outcome="unusable", reason="bad_repository", claims={"action": "push"})
    shown = secondary.run("events").output
    assert re.search(r"push\s+library/test\s+latest\s+unusable, bad_digest: sha256:0123\[red\]\s+e1", shown), shown
    assert "unusable, bad_repository" in shown


def test_the_events_of_one_repository_are_listed_and_where_there_are_none_it_is_said(
    secondary: Site, event_log: Any
) -> None:
    event_log(id="e1", event_name="created", repository="group/app", tag="v1", outcome="accepted")
    event_log(id="e2", event_name="deleted", repository="group/app", tag="v1", outcome="accepted")
    event_log(id="e3", event_name="created", repository="group/other", tag="v1", outcome="accepted")

    def ids(*options: str) -> set[str]:
        answer = secondary.run("events", "--json", *options)
        return {one["sender_id"] for one in json.loads(answer.stdout)}

    assert ids("--repository", "group/app") == {"e1", "e2"}
    assert ids("--repository", "group/app", "--event-name", "deleted") == {"e2"}
    nothing = secondary.run("events", "--repository", "group/unknown")
    assert nothing.exit_code == 0
    assert "has no event of group/unknown in the last 48 h" in nothing.stdout
    assert "there may be older ones (--hours)" in nothing.stderr
    assert "is a secondary: the log of its primary has the events" in nothing.stderr


def test_events_goes_back_as_far_as_it_is_told(secondary: Site, event_log: Any, clock: PlayedClock) -> None:
    event_log(id="old", event_name="created", repository="group/app", tag="v1", outcome="accepted")
    clock.ahead_s = 100 * 3600
    assert "no event" in secondary.run("events", "--repository", "group/app").stdout
    found = secondary.run("events", "--repository", "group/app", "--hours", "101", "--json")
    assert [one["sender_id"] for one in json.loads(found.stdout)] == ["old"]


@pytest.mark.parametrize(
    "arguments", [["--repository", "Group/App"], ["--repository", ""], ["--audit", "--repository", "group/app"]]
)
def test_events_refuses_what_makes_no_sense(secondary: Site, arguments: list[str]) -> None:
    assert secondary.run("events", *arguments).exit_code == 2


def test_a_document_has_every_field_of_the_admin_api_s(secondary: Site) -> None:
    failed(secondary, "group/app", "503")
    document = json.loads(secondary.run("show", "group/app", "-o", "json").stdout)
    assert ContainerRepositoryDetail.model_fields.keys() <= document.keys()
    assert TagModel.model_fields.keys() <= document["tags"][0].keys()
    assert OwedReferenceModel.model_fields.keys() <= document["owed"][0].keys()
    assert (document["tags_count"], document["more_tags"], document["owed_count"]) == (1, False, 1)
    deletes = json.loads(secondary.run("deletes", "status", "-o", "json").stdout)
    assert Deletes.model_fields.keys() <= deletes.keys()
    assert (deletes["policy"], deletes["outside_selection"]) == ("propagate", "keep")

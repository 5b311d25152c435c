"""`geosync deletes`, `extras` and `resync --keep` on a stack in moto."""

from __future__ import annotations

import json
from dataclasses import replace

import boto3
import pytest
from tests.functional.cli.conftest import REGION, Site
from tests.support.noted import note_finding

from geosync.clock import SYSTEM_CLOCK
from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import ADOPT, KEEP, Reference
from geosync.sync_registry.site.breaker import Breaker, Limits
from geosync.sync_registry.site.findings import Dismissal, Finding
from geosync.sync_registry.table.dynamodb import DynamoStore


@pytest.fixture
def store(secondary: Site) -> DynamoStore:
    return DynamoStore(boto3.client("dynamodb", region_name=REGION), secondary.outputs["SyncRegistryTable"])


def note(store: DynamoStore, finding: Finding) -> None:
    note_finding(store, finding, None)


def sent(site: Site) -> list[WorkMessage]:
    return [WorkMessage.from_json(json.dumps(body)) for body in site.bodies("WorkQueueUrl")]


def test_suspended_deletes_are_told_and_resumed(secondary: Site, store: DynamoStore) -> None:
    assert "not suspended" in secondary.run("deletes", "status").output
    breaker = Breaker(store, Limits(), SYSTEM_CLOCK)
    breaker.count_missing("group/app", new=3, missing=3, of=4)
    doubted = secondary.run("deletes", "status")
    assert doubted.exit_code == 0
    assert "No delete by comparison now" in doubted.output
    breaker.suspend(breaker.state(), breaker.state().doubt or "")
    names = ("v1", "v2", "v3")
    note(store, Finding(repository="group/app", found_at=SYSTEM_CLOCK.now_ms(), of=4, missing=3, missing_names=names))

    answer = secondary.run("deletes", "status")

    assert answer.exit_code == 1
    assert "3 of the 4 tags of group/app are missing at the primary" in answer.output
    assert "v1, v2, v3" in answer.output
    assert "3 of the 4 tags" in secondary.run("status").output
    assert json.loads(secondary.run("status", "--json").output)["deletes_suspended"]["found"] == 3
    document = json.loads(secondary.run("deletes", "status", "--json").output)
    assert (document["breaker"]["found"], document["missing"][0]["missing"], document["more"]) == (3, 3, False)

    assert "removes what was found until now" in secondary.run("deletes", "resume").output
    assert secondary.run("deletes", "status").exit_code == 0
    assert Breaker(store, Limits(), SYSTEM_CLOCK).state().accepted_at > 0
    assert "nothing was suspended" in secondary.run("deletes", "resume").output


def test_tags_outside_the_selection_are_told_with_those_that_are_missing(secondary: Site, store: DynamoStore) -> None:
    now_ms = SYSTEM_CLOCK.now_ms()
    note(store, Finding(repository="group/app", found_at=now_ms, of=4, outside=2, outside_names=("dev", "old")))
    note(store, Finding(repository="group/extra", found_at=now_ms, extra=1, extra_names=("own",)))

    answer = secondary.run("deletes", "status")

    assert answer.exit_code == 0
    (line,) = [line for line in answer.output.splitlines() if line.startswith("group/")]
    assert line.split()[:4] == ["group/app", "0", "2", "6"]
    assert line.endswith("dev, old")
    (found,) = json.loads(secondary.run("deletes", "status", "--json").output)["missing"]
    assert (found["outside"], found["outside_names"]) == (2, ["dev", "old"])


def test_extra_tags_are_listed_and_adopted(secondary: Site, store: DynamoStore) -> None:
    assert secondary.run("extras", "list").exit_code == 0
    note(
        store, Finding(repository="group/app", found_at=SYSTEM_CLOCK.now_ms(), extra=70, extra_names=("old", "[red]er"))
    )
    note(store, Finding(repository="group/missing", found_at=SYSTEM_CLOCK.now_ms(), missing=1, missing_names=("v1",)))

    answer = secondary.run("extras", "list")

    assert answer.exit_code == 1
    assert "group/app" in answer.output
    assert "old, [red]er …" in answer.output
    titles, row = (line.split("\t") for line in answer.output.splitlines())
    assert dict(zip(titles, row, strict=True)).items() >= {("extra", "70"), ("missing", "0"), ("outside", "0")}
    assert "group/missing" not in answer.output
    assert secondary.run("extras", "list", "group/missing").exit_code == 0
    assert json.loads(secondary.run("extras", "list", "group/app", "--json").output)[0]["extra_count"] == 70

    assert secondary.run("extras", "adopt", "group/app", "old").exit_code == 0
    assert secondary.run("extras", "adopt", "group/app").exit_code == 0
    named, whole = sorted(sent(secondary), key=lambda message: message.references[0].kind, reverse=True)
    assert named.references == (Reference.tag("old"),)
    assert whole.references == (Reference.whole(),)
    assert named.if_absent == whole.if_absent == ADOPT


def test_what_is_dismissed_is_listed_where_it_is_asked_for(secondary: Site, store: DynamoStore) -> None:
    note(store, Finding(repository="group/app", found_at=1, missing=1, missing_names=("v1",), extra=1))
    found = secondary.sync_registry.findings.get("group/app")
    assert found is not None
    assert secondary.run("extras", "list").exit_code == 1
    secondary.sync_registry.findings.dismiss(found, Dismissal(at=2, by="anna", reason="[mine]"))

    for repository in ((), ("group/app",)):
        listed = secondary.run("extras", "list", *repository)
        assert (listed.exit_code, "Nothing is extra" in listed.output) == (0, True)
        dismissed = secondary.run("extras", "list", *repository, "--dismissed")
        assert (dismissed.exit_code, dismissed.output.splitlines()[1].split("\t")[-2:]) == (0, ["anna", "[mine]"])
    (document,) = json.loads(secondary.run("extras", "list", "--dismissed", "-o", "json").stdout)
    assert document["dismissed_because"] == "[mine]"
    assert "group/app" in secondary.run("deletes", "status").output, "it goes all the same"


def test_what_was_found_is_dismissed_with_a_reason_and_listed_again(secondary: Site, store: DynamoStore) -> None:
    dismiss = ("extras", "dismiss", "group/app", "--reason", "pushed by [hand]")
    nothing = secondary.run(*dismiss)
    assert (nothing.exit_code, "nothing to dismiss" in nothing.stderr) == (1, True)
    note(store, Finding(repository="group/app", found_at=1, missing=1, missing_names=("v1",)))

    dismissed = secondary.run(*dismiss).output
    assert "is hidden until" in dismissed
    assert "1 missing (v1)." in dismissed
    found = secondary.sync_registry.findings.get("group/app")
    assert found is not None
    assert found.dismissed is not None
    who = boto3.client("sts", region_name=REGION).get_caller_identity()["Arn"]
    assert (found.dismissed.by, found.dismissed.reason) == (who, "pushed by [hand]")
    shown = secondary.run("extras", "list", "--dismissed")
    assert shown.output.splitlines()[1].split("\t")[:4] == ["group/app", "0", "1", "0"], "missing ones too"

    assert "is listed again" in secondary.run("extras", "undismiss", "group/app").output
    again = secondary.run("extras", "undismiss", "group/app")
    assert (again.exit_code, "nothing is dismissed" in again.stderr) == (1, True)
    assert secondary.run("extras", "list", "--dismissed").exit_code == 0
    ends = [(one["action"].removeprefix("geosync extras "), one["outcome"]) for one in secondary.audit()]
    assert sorted(ends) == [("dismiss", "done"), ("dismiss", "failed"), ("undismiss", "done"), ("undismiss", "failed")]
    assert any("'pushed by [hand]'" in one["detail"] for one in secondary.audit())


def test_a_finding_is_dismissed_as_it_was_seen_and_no_later_one(secondary: Site, store: DynamoStore) -> None:
    found = Finding(repository="group/app", found_at=1, extra=70, extra_names=("[a]", "b"), missing=1, gone=True)
    note(store, found)
    (document,) = json.loads(secondary.run("extras", "list", "-o", "json").stdout)
    assert document["found_at"] in secondary.run("extras", "list", "-o", "wide").output
    later = replace(found, found_at=2, outside=1, outside_names=("c",))
    note_finding(store, later, found)
    dismiss = ("extras", "dismiss", "group/app", "--reason", "ours", "--found-at")

    refused = secondary.run(*dismiss, document["found_at"])
    assert (refused.exit_code, "found something else meanwhile" in refused.stderr) == (1, True)
    assert secondary.run("extras", "list").exit_code == 1
    assert secondary.run(*dismiss, "yesterday").exit_code == 2
    told = secondary.run(*dismiss, "1970-01-01T01:00:00.002+01:00")
    assert told.exit_code == 0
    what = "70 extra ([a], b …), 1 missing, 1 outside the selection (c), the primary does not know the repository."
    assert what in told.output
    assert secondary.run("extras", "list").exit_code == 0
    assert any("--found-at 1970-01-01T00:00:00.001Z" in one["detail"] for one in secondary.audit())


def test_resync_can_keep_what_the_primary_has_no_more(secondary: Site) -> None:
    assert secondary.run("resync", "--keep", "group/app", "v1").exit_code == 0
    (message,) = sent(secondary)
    assert (message.references, message.if_absent) == ((Reference.tag("v1"),), KEEP)


@pytest.mark.parametrize(
    "command", [["extras", "adopt", "Group/App"], ["extras", "adopt", "group/app", "v1:v2"], ["extras", "list", "../x"]]
)
def test_what_is_no_name_is_refused(secondary: Site, command: list[str]) -> None:
    assert secondary.run(*command).exit_code == 2

"""How `geosync promote` ends, for programs: its exit code, and `promoted` in its document."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from click.testing import CliRunner, Result
from tests.functional.cli.conftest import REGION, Site
from tests.functional.cli.stacks import CloudFormation, becomes, follow, refused

from geosync.cli.main import main
from geosync.cli.site import StackSite
from geosync.operating import status
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site import catalogue
from geosync.sync_registry.table.changes import Delete, Update


def promote(site: Site, *options: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["--stack", site.stack, "promote", *options], input=typed)


def test_done_with_nothing_lost_is_0(secondary: Site, cloudformation: CloudFormation) -> None:
    answer = promote(secondary, "--yes", "--json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["promoted"], document["lost"]) == (0, True, [])
    assert document["recovery_point_unknown_because"] is None
    again = promote(secondary, "--yes", "--json")
    assert (again.exit_code, json.loads(again.stdout)["promoted"]) == (0, True)


def test_done_with_a_loss_is_1(secondary: Site, cloudformation: CloudFormation) -> None:
    secondary.sync_registry.mark("group/app", Reference.tag("v2"))
    answer = promote(secondary, "--yes", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["promoted"]) == (1, True)


def test_done_while_nobody_knows_what_is_missing_is_1_and_says_why(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    secondary.sync_registry._store.write(Delete(key=catalogue.KEY))
    why = "no comparison of everything has begun"
    asked = promote(secondary, typed="no\n")
    assert f"The recovery point of frankfurt is not known: {why}." in asked.output
    answer = promote(secondary, "--yes", "--json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["promoted"], document["lost"]) == (1, True, [])
    assert (document["recovery_point"], document["recovery_point_unknown_because"]) == (None, why)


def test_what_was_proved_under_another_primary_is_not_told_as_the_recovery_point(
    secondary: Site, cloudformation: CloudFormation, stacks: dict[str, StackSite]
) -> None:
    secondary.sync_registry._store.write(Update(key=catalogue.KEY, set={"following": "arn:of:dublin"}))
    for topic, why in (("arn:of:dublin", None), ("arn:of:oregon", "no comparison of everything has begun")):
        known = stacks["geosync-test"]
        stacks["geosync-test"] = replace(known, parameters={**known.parameters, "PrimaryTopicArn": topic})
        asked = promote(secondary, typed="no\n")
        assert (f"not known: {why}" in asked.output) == (why is not None)
        said = json.loads(secondary.run("status", "--json").output)
        assert (said["recovery_point"] is None) == (why is not None)
        assert said["comparison"] is None or why is None


@pytest.mark.parametrize("typed", ["no\n", "\n", ""], ids=["no", "nothing", "nobody there"])
def test_declined_is_3_and_nothing_was_changed(secondary: Site, cloudformation: CloudFormation, typed: str) -> None:
    answer = promote(secondary, typed=typed)
    assert (answer.exit_code, "Nothing was changed." in answer.output) == (3, True)
    assert (cloudformation.updates, secondary.sync_registry.is_paused(), secondary.audit()) == ([], False, [])
    declined = follow(secondary, typed=typed)
    assert (declined.exit_code, cloudformation.updates) == (3, [])


@pytest.mark.parametrize(
    ("error", "promoted"),
    [
        (refused("not authorized to perform: cloudformation:UpdateStack"), False),
        (EndpointConnectionError(endpoint_url="https://cloudformation.example.com"), None),
        (KeyboardInterrupt(), None),
    ],
    ids=["refused", "no answer", "interrupted"],
)
def test_a_failed_and_an_undecided_promotion_end_with_2_and_are_told_apart(
    secondary: Site, cloudformation: CloudFormation, error: Any, promoted: bool | None
) -> None:
    cloudformation.error = error
    answer = promote(secondary, "--yes", "--json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["promoted"], document["site"]) == (2, promoted, "frankfurt")
    assert document["reason"]
    assert document["reason"] in answer.stderr


def test_an_update_of_somebody_else_s_is_no_promotion(secondary: Site, cloudformation: CloudFormation) -> None:
    becomes(cloudformation, "UPDATE_IN_PROGRESS")
    answer = promote(secondary, "--yes", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["promoted"]) == (2, False)


def test_a_promotion_whose_list_cannot_be_read_is_done_all_the_same(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb.example.com")

    monkeypatch.setattr(status, "read", unread)
    answer = promote(secondary, "--yes", "--json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["promoted"]) == (1, True)
    assert "frankfurt is the primary, but what it lacks could not be shown" in answer.stderr


def test_following_that_is_interrupted_is_2_too(secondary: Site, cloudformation: CloudFormation) -> None:
    interrupted: Any = KeyboardInterrupt()
    cloudformation.error = interrupted
    answer = follow(secondary, "--yes")
    assert (answer.exit_code, "run the same command again" in answer.stderr) == (2, True)
    assert [one["outcome"] for one in secondary.audit() if one["detail"].endswith(REGION)] == ["failed"]

"""Amazon ECR's events at the deployed function: as EventBridge hands them over, and by nobody else's way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.parts import Site, eventually
from tests.unit.template.parts import ROOT

SAMPLES = {
    name: json.loads((ROOT / "events" / "functions" / f"notifications-ecr-{name}.json").read_text())
    for name in ("push", "delete")
}
REPOSITORY = SAMPLES["push"]["detail"]["repository-name"]


@pytest.fixture
def function(primary: Site) -> Iterator[str]:
    """The primary's notifications function, deployed for a registry in ECR for the length of a test."""
    client, name = primary.client("lambda"), primary.about["functions"]["notifications"]
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

    def deploy(variables: dict[str, str]) -> None:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        eventually(
            lambda: client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Successful",
            what="the function with another configuration",
        )

    host = f"{SAMPLES['push']['account']}.dkr.ecr.{SAMPLES['push']['region']}.amazonaws.com"
    deploy(before | {"NOTIFICATION_SOURCE": "ecr", "LOCAL_REGISTRY_URL": f"https://{host}"})
    yield name
    deploy(before)


def invoke(site: Site, function: str, event: dict[str, Any]) -> dict[str, Any]:
    """Invoke it as EventBridge does, which tries again what AWS did not take in time, and return what it answers."""

    def answered() -> dict[str, Any] | None:
        answer = site.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
        said = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            assert "calls failed" in said["errorMessage"], said
            return None
        result: dict[str, Any] = json.loads(said["body"])
        return result

    result = eventually(answered, what=f"an answer of {function}")
    assert result is not None
    return result


def test_an_image_action_reaches_every_secondary_and_only_eventbridge_brings_it(
    primary: Site, secondaries: list[Site], function: str
) -> None:
    status, _ = primary.notify(json.dumps(SAMPLES["push"]).encode(), primary.token())
    assert status == 400, "it comes by HTTP"
    other = SAMPLES["push"] | {"account": "999999999999", "id": "of-another-account"}
    assert invoke(primary, function, other)["unusable"] == 1

    for event in SAMPLES.values():
        assert invoke(primary, function, event)["accepted"] == 1
        assert invoke(primary, function, event)["accepted"] == 1

    taken = [item for item in primary.items("events_table") if item.get("source") == "ecr"]
    accepted = {item["id"]: item["event_name"] for item in taken if item["outcome"] == "accepted"}
    assert accepted == {SAMPLES["push"]["id"]: "created", SAMPLES["delete"]["id"]: "deleted"}
    for site in secondaries:
        eventually(lambda site=site: site.item(REPOSITORY, "row"), what=f"the row at {site.name}")  # type: ignore[misc]

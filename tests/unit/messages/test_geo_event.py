"""The message contract, and that every sample event is used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geosync.errors import MalformedMessage, UnknownVersion
from geosync.messages.geo_event import GeoEvent, Heartbeat, parse_message
from geosync.messages.work import WorkMessage

ROOT = Path(__file__).parents[3]
DIGEST = "sha256:" + "a" * 64
EVENT = GeoEvent(
    id="e-1",
    site="dublin",
    event_name="created",
    repository="group/app",
    tag="v1",
    digest=DIGEST,
    media_type=None,
    occurred_at=None,
    received_at=1_795_499_108_100,
    source="distribution",
    correlation_id="r-1",
)
HEARTBEAT = Heartbeat(id="h-1", site="dublin", sent_at=1_795_499_108_000, received_at=1_795_499_108_100)


def test_every_sample_event_is_named_by_a_test() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    orphans = [path.name for path in (ROOT / "events").rglob("*.json") if path.name not in tests]
    assert not orphans


@pytest.mark.parametrize("message", [EVENT, HEARTBEAT, replace(EVENT, event_name="deleted", tag=None, digest=None)])
def test_a_written_geo_event_is_read_back(message: GeoEvent | Heartbeat) -> None:
    assert parse_message(message.to_json()) == message


def test_a_geo_event_is_the_contract_of_the_design() -> None:
    assert json.loads(EVENT.to_json()) == {
        "version": "1",
        "id": "e-1",
        "site": "dublin",
        "event_name": "created",
        "replicable_name": "container_repository",
        "repository": "group/app",
        "tag": "v1",
        "digest": DIGEST,
        "received_at": 1_795_499_108_100,
        "source": "distribution",
        "correlation_id": "r-1",
    }


def test_what_is_expected_of_the_primary() -> None:
    assert EVENT.expects == DIGEST
    assert replace(EVENT, event_name="deleted").expects == "absent"
    assert replace(EVENT, digest=None).expects is None


def test_a_group_id_is_made_of_the_namespace_and_fits_in_128_characters() -> None:
    assert EVENT.message_group_id == "ad936fcbed631fa6"
    assert replace(EVENT, repository=f"{EVENT.repository}/below").message_group_id == EVENT.message_group_id
    assert replace(EVENT, repository="another/app").message_group_id != EVENT.message_group_id
    assert len(replace(EVENT, repository="a" * 255).message_group_id) == 16


@pytest.mark.parametrize("sample", ["sync-push.json", "sync-delete.json", "sync-heartbeat.json"])
def test_the_samples_of_the_events_queue_are_messages(sample: str) -> None:
    (record,) = json.loads((ROOT / "events" / "functions" / sample).read_text())["Records"]
    message = parse_message(record["body"])
    assert isinstance(message, Heartbeat if sample == "sync-heartbeat.json" else GeoEvent)
    assert message.site == "dublin"


def test_the_sample_of_the_work_queue_wakes_a_repository() -> None:
    (record,) = json.loads((ROOT / "events" / "functions" / "sync-work.json").read_text())["Records"]
    assert WorkMessage.from_json(record["body"]) == WorkMessage(repository="group/app", reason="sweep")


def test_the_sample_of_the_schedule_is_eventbridges() -> None:
    event = json.loads((ROOT / "events" / "functions" / "reconcile-schedule.json").read_text())
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})


@pytest.mark.parametrize("body", ['{"version":"3"}', '{"version":1}', "{}", '{"version":"1","kind":"song"}'])
def test_a_newer_contract_is_told_apart_from_a_broken_message(body: str) -> None:
    with pytest.raises(UnknownVersion):
        parse_message(body)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"id": None}, "id"),
        ({"id": "x" * 256}, "id"),
        ({"site": "a\nb"}, "site"),
        ({"correlation_id": "\ud800"}, "correlation_id"),
        ({"event_name": "renamed"}, "event_name"),
        ({"replicable_name": "project"}, "replicable_name"),
        ({"repository": "Group"}, "repository"),
        ({"repository": ["a"]}, "repository"),
        ({"tag": "-"}, "tag"),
        ({"digest": "sha256:1"}, "digest"),
        ({"tag": None, "digest": None}, "neither tag nor digest"),
        ({"received_at": "now"}, "received_at"),
        ({"received_at": True}, "received_at"),
        ({"received_at": -1}, "received_at"),
        ({"media_type": 5}, "media_type"),
        ({"occurred_at": []}, "occurred_at"),
    ],
)
def test_a_broken_geo_event_names_its_field(change: dict[str, object], what: str) -> None:
    with pytest.raises(MalformedMessage, match=what):
        parse_message(json.dumps(json.loads(EVENT.to_json()) | change))


@pytest.mark.parametrize("change", [{"sent_at": None}, {"sent_at": 1.5}, {"received_at": False}, {"site": ""}])
def test_a_broken_heartbeat_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        parse_message(json.dumps(json.loads(HEARTBEAT.to_json()) | change))


def test_a_heartbeat_is_no_geo_event() -> None:
    with pytest.raises(MalformedMessage, match="heartbeat"):
        GeoEvent.from_json(HEARTBEAT.to_json())


@pytest.mark.parametrize("body", ["", "push", "[]", "null", "1" * 5000, "[" * 100_000, '"\ud800"'])
def test_a_malformed_message_is_refused_without_quoting_it(body: str) -> None:
    with pytest.raises(MalformedMessage) as refusal:
        parse_message(body)
    assert len(str(refusal.value)) < 60


@settings(max_examples=40)  # each is every field of two messages
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_a_message_with_any_field_replaced_is_read_or_refused(value: object) -> None:
    for message in (EVENT, HEARTBEAT):
        fields = json.loads(message.to_json())
        for name in fields:
            try:
                parse_message(json.dumps(fields | {name: value}))
            except (MalformedMessage, UnknownVersion):
                continue


def test_a_rename_is_of_a_version_that_older_sites_keep_for_later() -> None:
    fields = {
        "id": "1",
        "site": "dublin",
        "event_name": "updated",
        "replicable_name": "container_repository",
        "repository": "group/new",
        "renamed_from": "group/old",
        "received_at": 1,
        "source": "distribution",
        "correlation_id": "c",
        "version": "2",
    }
    event = GeoEvent.from_json(json.dumps(fields))
    assert (event.repository, event.renamed_from, event.version) == ("group/new", "group/old", "2")
    for wrong in ({"renamed_from": "Group"}, {"renamed_from": "group/new"}, {"tag": "v1"}, {"event_name": "created"}):
        with pytest.raises(MalformedMessage):
            GeoEvent.from_json(json.dumps(fields | wrong))
    with pytest.raises(MalformedMessage, match="neither tag nor digest"):
        GeoEvent.from_json(json.dumps(fields | {"version": "1"}))

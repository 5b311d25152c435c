"""Each format's parser, whatever is in the body: what an event holds never raises, and never makes a bad event."""

from __future__ import annotations

import base64
import json
from typing import Any, cast, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.webhooks import PUSHES, WEBHOOKS

from geosync.errors import MalformedMessage
from geosync.messages.geo_event import GeoEvent, parse_message
from geosync.notifications.judge import Received, judge
from geosync.notifications.outcomes import Outcome, Unusable
from geosync.notifications.request import Delivery
from geosync.notifications.sources import SOURCES, SourceName

NOW = 1_795_499_108_100
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def parse(source: str, document: object, headers: dict[str, str] | None = None) -> list[Outcome]:
    given_headers = PUSHES[source].headers if headers is None else headers
    delivery = Delivery({"headers": given_headers, "body": json.dumps(document)})
    received = Received(site="dublin", source=source, registry_url="https://europe-docker.pkg.dev", received_at=NOW)
    return judge(SOURCES[cast(SourceName, source)].parse(delivery), received)


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(one for key, value in inner for one in paths(value, (*path, key)))]


def replaced(node: Any, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    copied = dict(node) if isinstance(node, dict) else list(node)
    copied[path[0]] = replaced(node[path[0]], path[1:], value)
    return copied


def check(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, GeoEvent):
            parse_message(outcome.to_json())
        if isinstance(outcome, Unusable):
            assert all(claim.isprintable() and len(claim) <= 255 for claim in outcome.claims.values())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_body_with_anything_in_any_place_becomes_sound_outcomes_or_is_malformed(data: st.DataObject) -> None:
    webhook = data.draw(st.sampled_from(WEBHOOKS))
    document = json.loads(webhook.body)
    changed = replaced(document, data.draw(st.sampled_from(paths(document))), data.draw(ANYTHING))
    try:
        check(parse(webhook.source, changed, webhook.headers))
    except MalformedMessage:
        return


@settings(max_examples=60, deadline=None)
@given(data=ANYTHING)
def test_a_message_of_google_s_is_acknowledged_whatever_it_holds(data: object) -> None:
    for given_data in (data, {"action": data}, {"action": "INSERT", "tag": data}, {"action": "DELETE", "digest": data}):
        encoded = base64.b64encode(json.dumps(given_data).encode()).decode()
        outcomes = parse("gar", {"message": {"data": encoded, "messageId": data}})
        assert [type(outcome) for outcome in outcomes] == [Unusable]
        check(outcomes)


@pytest.mark.parametrize(
    ("source", "path", "value", "reason"),
    [
        ("acr", ("target", "repository"), "Upper", "bad_repository"),
        ("acr", ("action",), "explode", "unknown_action"),
        ("ghcr", ("action",), "deleted", "unknown_action"),
        ("ghcr", ("registry_package", "namespace"), None, "bad_repository"),
        ("ghcr", ("registry_package", "package_version", "container_metadata", "tag", "name"), "-", "bad_tag"),
        ("harbor", ("event_data", "resources", 0, "digest"), "sha256:1", "bad_digest"),
        ("quay", ("repository",), "a//b", "bad_repository"),
        ("quay", ("updated_tags", 0), ["v1"], "bad_tag"),
        ("zot", ("name",), "../x", "bad_repository"),
        ("zot", ("digest",), 5, "bad_digest"),
    ],
)
def test_an_unusable_event_says_why(source: str, path: tuple[Any, ...], value: object, reason: str) -> None:
    outcomes = parse(source, replaced(json.loads(PUSHES[source].body), path, value))
    assert reason in [outcome.reason for outcome in outcomes if isinstance(outcome, Unusable)]


def test_a_package_version_that_is_no_digest_is_left_out() -> None:
    path = ("registry_package", "package_version", "version")
    (outcome,) = parse("ghcr", replaced(json.loads(PUSHES["ghcr"].body), path, "1.0.0"))
    assert isinstance(outcome, GeoEvent)
    assert (outcome.tag, outcome.digest) == ("latest", None)


def test_names_of_google_s_that_disagree_are_not_used() -> None:
    body = json.loads(PUSHES["gar"].body)
    message = json.loads(base64.b64decode(body["message"]["data"]))
    message["tag"] = message["tag"].replace("hello-world", "another")
    encoded = base64.b64encode(json.dumps(message).encode()).decode()
    (outcome,) = parse("gar", {"message": {"data": encoded, "messageId": "1"}})
    assert isinstance(outcome, Unusable)
    assert outcome.reason == "bad_repository"


@pytest.mark.parametrize(
    ("source", "path", "many"),
    [("harbor", ("event_data", "resources"), [{}] * 501), ("quay", ("updated_tags",), ["v"] * 501)],
)
def test_a_body_of_too_many_events_is_malformed(source: str, path: tuple[str, ...], many: list[object]) -> None:
    with pytest.raises(MalformedMessage, match="at most 500"):
        parse(source, replaced(json.loads(PUSHES[source].body), path, many))


def test_the_table_has_a_line_for_every_source() -> None:
    assert list(SOURCES) == list(get_args(SourceName))


def test_a_push_that_a_body_names_twice_becomes_two_events_with_ids_of_their_own() -> None:
    body = json.loads(PUSHES["harbor"].body)
    body["event_data"]["resources"] *= 2
    first, second = parse("harbor", body)
    assert isinstance(first, GeoEvent)
    assert isinstance(second, GeoEvent)
    assert (first.tag, first.digest) == (second.tag, second.digest)
    assert first.id != second.id

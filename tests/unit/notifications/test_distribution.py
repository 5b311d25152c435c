"""What becomes of each event of Distribution's and GitLab's envelopes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosync.errors import MalformedMessage
from geosync.messages.geo_event import GeoEvent, Heartbeat, parse_message
from geosync.notifications.formats import distribution
from geosync.notifications.judge import Received, judge
from geosync.notifications.outcomes import Dropped, Outcome, Unusable
from geosync.notifications.request import EventBridgeEvent

SAMPLES = Path(__file__).parents[3] / "events" / "registry"
NOW = 1_795_499_108_100
RECEIVED = Received(site="dublin", source="distribution", registry_url="https://registry.example.com", received_at=NOW)
INDEX_DIGEST = "sha256:" + "c" * 64

# For each file in events/registry: what it becomes, as (event_name, by tag, by digest), or the reason why it does not.
EXPECTED = {
    "distribution-push-tag.json": ("created", True, True),
    "distribution-push-digest.json": ("created", False, True),
    "distribution-push-index.json": ("created", True, True),
    "distribution-push-blob.json": "blob",
    "distribution-mount.json": "mount",
    "distribution-pull.json": "pull",
    "distribution-delete-digest.json": ("deleted", False, True),
    "distribution-delete-tag-of-digest.json": ("deleted", True, False),
    "distribution-delete-blob.json": ("deleted", False, True),
    "distribution3-delete-tag.json": ("deleted", True, False),
    "distribution3-delete-repository.json": ("deleted", False, False),
    "gitlab-rename.json": ("updated", False, False),
    "geosync-heartbeat.json": "heartbeat",
}


def judged(body: object) -> list[Outcome]:
    return judge(distribution.parse(EventBridgeEvent(body)), RECEIVED)  # type: ignore[arg-type]


def parse(*events: object) -> list[Outcome]:
    return judged({"events": list(events)})


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((SAMPLES / name).read_text())["events"][0]
    return event


def push(**target: object) -> dict[str, Any]:
    """A push by tag of an index, with the fields of its target replaced; None removes one."""
    event = sample("distribution-push-index.json")
    event["target"] |= {"repository": "group/app", "tag": "v1", "digest": INDEX_DIGEST} | target
    event["target"] = {name: value for name, value in event["target"].items() if value is not None}
    return event


def delete(**target: object) -> dict[str, Any]:
    return {"id": "d-1", "action": "delete", "target": target}


def only(*events: object) -> Outcome:
    (outcome,) = parse(*events)
    return outcome


def test_every_sample_has_an_expectation() -> None:
    assert {path.name for path in SAMPLES.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_sample_of_a_registry(name: str) -> None:
    expected, outcome = EXPECTED[name], only(sample(name))
    if isinstance(outcome, GeoEvent):
        assert (outcome.event_name, outcome.tag is not None, outcome.digest is not None) == expected
        assert outcome.repository in ("group/app", "group/other", "group/service")
        assert outcome.occurred_at == sample(name)["timestamp"]
    elif isinstance(outcome, Heartbeat):
        assert expected == "heartbeat"
    else:
        assert outcome.reason == expected


def test_a_push_keeps_what_identifies_it_and_nothing_of_the_registrys_addresses() -> None:
    event = sample("distribution-push-tag.json")
    outcome = only(event)
    assert outcome == GeoEvent(
        id=event["id"],
        site="dublin",
        event_name="created",
        repository="group/app",
        tag="docker",
        digest=event["target"]["digest"],
        media_type="application/vnd.docker.distribution.manifest.v2+json",
        occurred_at=event["timestamp"],
        received_at=NOW,
        source="distribution",
        correlation_id=event["request"]["id"],
    )
    assert "registry" not in outcome.to_json().replace("distribution", "")


def test_a_pushed_index_is_found_by_its_tag_and_by_its_digest() -> None:
    by_tag, by_digest = parse(push(), push(tag=None))
    assert isinstance(by_tag, GeoEvent)
    assert isinstance(by_digest, GeoEvent)
    assert (by_tag.tag, by_tag.digest) == ("v1", INDEX_DIGEST)
    assert (by_digest.tag, by_digest.digest) == (None, INDEX_DIGEST)


def test_a_tag_makes_a_push_a_manifests_whatever_its_media_type() -> None:
    for media_type in ("application/octet-stream", "application/vnd.new+json", None, 7):
        assert isinstance(only(push(mediaType=media_type)), GeoEvent)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/octet-stream",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.empty.v1+json",
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.docker.container.image.rootfs.diff+x-gtar",
    ],
)
def test_a_blob_is_dropped_when_pushed_and_when_deleted(media_type: str) -> None:
    assert only(push(tag=None, mediaType=media_type)) == Dropped(reason="blob")
    assert only(delete(repository="a", digest=INDEX_DIGEST, mediaType=media_type)) == Dropped(reason="blob")


def test_empty_text_is_as_good_as_absent() -> None:
    outcome = only(delete(repository="group/app", tag="", digest=""))
    assert isinstance(outcome, GeoEvent)
    assert (outcome.tag, outcome.digest) == (None, None)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (None, "not_an_object"),
        (["push"], "not_an_object"),
        ({"action": "push"}, "not_an_object"),
        ({"action": "push", "target": "group/app"}, "not_an_object"),
        ({"action": "explode", "target": {}}, "unknown_action"),
        ({"action": ["push"], "target": {"repository": "a", "tag": "b"}}, "unknown_action"),
        ({"target": {"repository": "a", "tag": "b"}}, "unknown_action"),
        (push(repository="Group/App"), "bad_repository"),
        (push(repository="../app"), "bad_repository"),
        (push(repository="a" * 256), "bad_repository"),
        (push(repository="group/app\n"), "bad_repository"),
        (push(repository=None), "bad_repository"),
        (push(repository=5), "bad_repository"),
        (push(tag="-v1"), "bad_tag"),
        (push(tag="v1/../../x"), "bad_tag"),
        (push(tag=5), "bad_tag"),
        (push(tag="t" * 129), "bad_tag"),
        (push(digest="sha256:1234"), "bad_digest"),
        (push(digest="md5:" + "0" * 32), "bad_digest"),
        (push(digest=["sha256"]), "bad_digest"),
        (push(tag=None, digest=None), "no_reference"),
        (push(tag=None, mediaType="application/vnd.new+json"), "unknown_media_type"),
        (push(tag=None, mediaType=None), "unknown_media_type"),
        (push(tag=None, mediaType=7), "unknown_media_type"),
        (delete(repository="a", tag=0), "bad_tag"),
        ({"action": "heartbeat"}, "bad_heartbeat"),
        ({"action": "heartbeat", "sent_at": True}, "bad_heartbeat"),
        ({"action": "heartbeat", "sent_at": -1}, "bad_heartbeat"),
        ({"action": "heartbeat", "sent_at": "now"}, "bad_heartbeat"),
    ],
)
def test_an_unusable_event_says_why(event: object, reason: str) -> None:
    outcome = only(event)
    assert isinstance(outcome, Unusable)
    assert outcome.reason == reason


def test_an_unusable_event_keeps_what_an_operator_needs_to_find_it() -> None:
    outcome = only(push(repository="Group/App\x00\ud800" + "x" * 300, tag=["v1"]))
    assert isinstance(outcome, Unusable)
    assert outcome.claims["action"] == "push"
    assert outcome.claims["repository"].startswith("Group/App\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}xxx")
    assert len(outcome.claims["repository"]) == 255
    assert outcome.claims["tag"] == "(list)"
    assert "url" not in outcome.claims


def test_a_rename_names_both_repositories_in_a_version_of_its_own() -> None:
    outcome = only(sample("gitlab-rename.json"))
    assert isinstance(outcome, GeoEvent)
    assert (outcome.renamed_from, outcome.repository) == ("group/app", "group/service")
    assert (outcome.event_name, outcome.version, outcome.tag, outcome.digest) == ("updated", "2", None, None)
    assert GeoEvent.from_json(outcome.to_json()) == outcome


@pytest.mark.parametrize("names", [None, {}, {"from": "group/app"}, {"from": "A", "to": "b"}, {"from": "a", "to": "a"}])
def test_a_rename_without_two_names_keeps_what_it_has_in_the_log(names: object) -> None:
    event = sample("gitlab-rename.json")
    event["target"]["rename"] = names
    outcome = only(event)
    assert isinstance(outcome, Unusable)
    assert outcome.reason == "rename"


@pytest.mark.parametrize("bad_id", [None, 7, "", "a b", "x" * 129, "é", "a\n", {"id": 1}, "audit-1", "audit#1"])
def test_an_odd_id_is_replaced(bad_id: object) -> None:
    event = push() | {"id": bad_id, "request": {"id": bad_id}}
    outcome = only(event)
    assert isinstance(outcome, GeoEvent)
    assert len(outcome.id) == 36
    assert outcome.correlation_id == outcome.id


def test_an_id_that_comes_twice_in_an_envelope_names_one_event() -> None:
    first, second = parse(push(), push(tag="v2"))
    assert isinstance(first, GeoEvent)
    assert isinstance(second, GeoEvent)
    assert first.id != second.id
    assert (first.tag, second.tag) == ("v1", "v2")


@pytest.mark.parametrize("timestamp", ["yesterday", 5, "2026-11-24", "2026-11-24T05:45:04Z; drop", "2" * 400])
def test_an_invalid_time_is_left_out(timestamp: object) -> None:
    outcome = only(push() | {"timestamp": timestamp})
    assert isinstance(outcome, GeoEvent)
    assert outcome.occurred_at is None


def test_a_heartbeat_is_never_from_the_future() -> None:
    early, late = parse(
        {"action": "heartbeat", "id": "a", "sent_at": NOW - 40}, {"action": "heartbeat", "id": "b", "sent_at": NOW + 40}
    )
    assert early == Heartbeat(id="a", site="dublin", sent_at=NOW - 40, received_at=NOW)
    assert late == Heartbeat(id="b", site="dublin", sent_at=NOW, received_at=NOW)


@pytest.mark.parametrize("body", [None, [], "events", 5, {}, {"events": None}, {"events": {}}, {"event": []}])
def test_a_malformed_envelope_is_refused(body: object) -> None:
    with pytest.raises(MalformedMessage, match="not an envelope"):
        judged(body)


def test_an_envelope_has_a_bound() -> None:
    parse(*[sample("distribution-pull.json")] * distribution.MAX_EVENTS)
    with pytest.raises(MalformedMessage, match="more than 2000 events"):
        parse(*[0] * (distribution.MAX_EVENTS + 1))


# ------------------------------------------------- whatever is posted -------------------------------------------------
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=300)
)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _one_of(*likely: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(likely) | _json


_targets = st.fixed_dictionaries(
    {},
    optional={
        "repository": _one_of("group/app", "Group"),
        "tag": _one_of("v1", "", "-x"),
        "digest": _one_of(INDEX_DIGEST, "", "sha256:x"),
        "mediaType": _one_of("application/vnd.oci.image.index.v1+json", "application/octet-stream", "text/plain"),
        "rename": _json,
    },
)
_events = _json | st.fixed_dictionaries(
    {},
    optional={
        "id": _one_of("a", "b"),
        "action": _one_of("push", "delete", "pull", "mount", "rename", "heartbeat"),
        "target": _targets | _json,
        "request": _json | st.fixed_dictionaries({"id": _one_of("r-1")}),
        "timestamp": _json,
        "sent_at": _json,
    },
)


@given(st.lists(_events, max_size=6))
def test_whatever_is_posted_every_event_has_one_outcome_that_can_be_stored(events: list[object]) -> None:
    outcomes = parse(*events)
    assert len(outcomes) == len(events)
    kept = [outcome for outcome in outcomes if not isinstance(outcome, Dropped)]
    assert len({outcome.id for outcome in kept}) == len(kept)
    for outcome in kept:
        assert 0 < len(outcome.id) <= 128
        if isinstance(outcome, Unusable):
            assert all(claim.isprintable() and len(claim) <= 255 for claim in outcome.claims.values())
        else:
            assert parse_message(outcome.to_json()) == outcome
            assert len(outcome.to_json()) < 4096


@given(st.lists(_events, max_size=4), st.lists(_events, max_size=4))
def test_a_good_event_is_never_spoiled_by_those_beside_it(before: list[object], after: list[object]) -> None:
    good = copy.deepcopy(push()) | {"id": "the-good-one"}
    outcome = parse(*before, good, *after)[len(before)]
    assert isinstance(outcome, GeoEvent)
    assert (outcome.id, outcome.tag, outcome.digest) == ("the-good-one", "v1", INDEX_DIGEST)

"""Hostile notifications: any body and any header become sound events or a refusal of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from tests.hostile.fuzzing import SECRET, SEEDS, Bounds, attack, check_text, fuzz
from tests.hostile.odd_json import Raw, render, texts, values
from tests.support.webhooks import WEBHOOKS

from geosync.errors import GeosyncError, KeysUnavailable
from geosync.messages.geo_event import GeoEvent, Heartbeat, parse_message
from geosync.notifications.formats import distribution
from geosync.notifications.judge import Received, judge
from geosync.notifications.outcomes import Dropped, Outcome, Unusable
from geosync.notifications.proof.authorization import Authorization
from geosync.notifications.proof.google_identity import PushIdentity
from geosync.notifications.publish import EventLogWriter, TopicWriter
from geosync.notifications.request import Delivery, EventBridgeEvent, Refusal
from geosync.notifications.sources import SOURCES, Expected, SiteSource, SourceName

EVENTS = Path(__file__).parents[2] / "events"
NOW_MS = 1_795_499_108_100
REFUSED = (GeosyncError, Refusal)
LARGEST_MESSAGE = 4096
"""Bytes: ten of them are far from SNS's 256 KiB."""
BOUNDS = Bounds(steps=40_000, steps_per_byte=60.0, held=1024 * 1024, held_per_byte=200.0)
"""The costliest byte is one of an envelope of 2,000 empty events, each of which becomes a record."""

REGISTRY = [json.loads(path.read_text()) for path in sorted((EVENTS / "registry").glob("*.json"))]
BODIES: dict[str, list[tuple[dict[str, str], Any]]] = {"distribution": [({}, one) for one in REGISTRY]}
for _webhook in WEBHOOKS:
    BODIES.setdefault(_webhook.source, []).append((dict(_webhook.headers), json.loads(_webhook.body)))
ECR = [json.loads(path.read_text()) for path in sorted((EVENTS / "functions").glob("notifications-ecr-*.json"))]

_header_texts = st.one_of(
    st.sampled_from(
        [
            *(
                "application/json",
                "application/cloudevents+json;a=b",
                "text/html",
                "",
                " ",
                "\ud800",
                "\x00",
                "é",
                "a" * 9000,
            ),
            *("registry_package", "package", "ping", "zotregistry.image.updated", ".image.deleted", "Bearer " + SECRET),
        ]
    ),
    st.text(st.characters(), max_size=20),
)


class Given:
    """A request as it comes: headers and a body."""

    def __init__(self, source: str, headers: Mapping[str, str], body: str, *, encoded: bool = False) -> None:
        self.source, self.headers, self.body, self.encoded = source, dict(headers), body, encoded

    def __repr__(self) -> str:
        return f"Given({self.source!r}, {self.headers!r}, {self.body!r}, encoded={self.encoded})"

    @property
    def size(self) -> int:
        return len(self.body) + sum(map(len, self.headers.values()))

    def delivery(self) -> Delivery:
        return Delivery({"headers": self.headers, "body": self.body, "isBase64Encoded": self.encoded})


@st.composite
def requests(draw: st.DrawFn) -> Given:
    source = draw(st.sampled_from(sorted(BODIES)))
    headers, document = draw(st.sampled_from(BODIES[source]))
    headers = {
        **headers,
        **draw(st.dictionaries(st.sampled_from([*headers, "content-type"]), _header_texts, max_size=2)),
    }
    body = draw(texts(st.just(document)))
    if source == "gar" and draw(st.booleans()):
        data = draw(texts(st.sampled_from([json.loads(base64.b64decode(document["message"]["data"])), {}])))
        coded = base64.b64encode(data.encode("utf-8", "surrogatepass")).decode()
        body = json.dumps({"message": {**document["message"], "data": coded}})
    if draw(st.integers(0, 9)) == 0:
        coded = draw(st.sampled_from([base64.b64encode(body.encode("utf-8", "surrogatepass")).decode(), body]))
        return Given(source, headers, coded, encoded=True)
    return Given(source, headers, body)


def received(source: str) -> Received:
    return Received(site="dublin", source=source, registry_url="https://europe-docker.pkg.dev", received_at=NOW_MS)


class Written:
    """DynamoDB and SNS: they take what can be sent to them."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.messages: list[str] = []

    def batch_write_item(self, *, RequestItems: Any) -> dict[str, Any]:  # noqa: N803 - boto3's
        self.items += [one["PutRequest"]["Item"] for one in RequestItems["events"]]
        return {}

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: Any) -> dict[str, Any]:  # noqa: N803
        self.messages += [one["Message"] for one in PublishBatchRequestEntries]
        return {"Successful": PublishBatchRequestEntries}


def check_outcomes(outcomes: list[Outcome]) -> None:
    """Check that the outcomes can be stored, are sound, and can be shown."""
    written: Any = Written()
    kept = [one for one in outcomes if isinstance(one, GeoEvent | Unusable)]
    EventLogWriter(written, "events", retention_days=30).write(kept)
    TopicWriter(written, "arn").send([one for one in outcomes if isinstance(one, GeoEvent | Heartbeat)])
    for item in written.items:
        json.dumps(item, ensure_ascii=False).encode()  # raises for what is no UTF-8
        assert "#" not in item["id"]["S"]
        assert not item["id"]["S"].startswith("audit-")
    for message in written.messages:
        assert len(message.encode()) <= LARGEST_MESSAGE
        parse_message(message)
    ids = [one.id for one in outcomes if not isinstance(one, Dropped)]
    assert len(set(ids)) == len(ids)
    for one in outcomes:
        for text in one.claims.values() if isinstance(one, Unusable) else ():
            assert text.isprintable()
            assert len(text) <= 255


def judge_all(given: Given) -> list[Outcome]:
    delivery = given.delivery()
    return judge(SOURCES[cast(SourceName, given.source)].parse(delivery), received(given.source))


def check_request(given: Given) -> None:
    found = attack(lambda: judge_all(given), given.size, bounds=BOUNDS, errors=REFUSED)
    if isinstance(found, list):
        check_outcomes(found)


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_body_of_any_format_becomes_sound_events_or_a_refusal(seeds: str) -> None:
    fuzz(requests(), check_request, seeds, examples=250, kept=KEPT_REQUESTS)


KEPT_REQUESTS = [
    Given("distribution", {}, json.dumps({"events": [{}] * distribution.MAX_EVENTS})),
    Given("distribution", {}, json.dumps({"events": [{}] * (distribution.MAX_EVENTS + 1)})),
    Given("distribution", {}, '{"events":[{"action":"push","id":"audit-refused-1","target":{}}]}'),
    Given("distribution", {}, "\ufeff{}", encoded=True),
    Given("harbor", {}, '{"type":"PUSH_ARTIFACT","event_data":{"resources":[{"digest":"d"},{"digest":"d"}]}}'),
]


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_event_of_eventbridge_becomes_a_sound_event_or_none(seeds: str) -> None:
    def check(text: str) -> None:
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            return  # Lambda hands over what is JSON
        if not isinstance(event, dict):
            return
        found = attack(
            lambda: judge(SOURCES["ecr"].parse(EventBridgeEvent(event)), received("ecr")), len(text), bounds=BOUNDS
        )
        assert isinstance(found, list)
        check_outcomes(found)

    fuzz(texts(st.sampled_from(ECR)), check, seeds, examples=100)


TOKEN = SECRET.encode()


def site_source(name: str) -> SiteSource:
    authorization = Authorization(lambda: (TOKEN,), on_failure=lambda _: None)
    expected = Expected(authorization=authorization, audience="a", sender="s", on_failure=lambda _: None)
    return SiteSource(cast(SourceName, name), expected)


def _tokens() -> st.SearchStrategy[str]:
    parts = st.text(st.characters(), max_size=12) | st.sampled_from(
        [
            SECRET[:-1],
            SECRET + "x",
            SECRET.upper(),
            "Bearer",
            "Basic",
            "sha256=" + "0" * 64,
            "sha256=" + "\u0660" * 64,
            "é",
        ]
    )
    encoded = parts.map(lambda text: base64.b64encode(text.encode("utf-8", "surrogatepass")).decode())
    return st.lists(parts | encoded | encoded.map("Basic {}".format), max_size=3).map(" ".join)


@pytest.mark.parametrize("seeds", SEEDS)
def test_no_header_but_the_token_itself_lets_anybody_in(seeds: str) -> None:
    sources: dict[str, SiteSource] = {name: site_source(name) for name in SOURCES if name != "gar"}
    signed = hmac.new(TOKEN, b"{}", hashlib.sha256).hexdigest()

    def check(given: tuple[str, str, str]) -> None:
        name, header, value = given
        delivery = Delivery({"headers": {header: value}, "body": "{}"})
        found = attack(lambda: sources[name].authenticate(delivery)[0], len(value), bounds=BOUNDS, errors=REFUSED)
        assert found != "allowed" or value == f"sha256={signed}"

    headers = st.sampled_from(["Authorization", "X-Hub-Signature-256", "authorization"])
    fuzz(st.tuples(st.sampled_from(sorted(sources)), headers, _tokens()), check, seeds, examples=120)


def _segment(value: Any) -> str:
    return base64.urlsafe_b64encode(render(value).encode("utf-8", "surrogatepass")).rstrip(b"=").decode()


_JWT_HEADER = {"alg": "RS256", "typ": "JWT", "kid": "k1"}
_KEYS = {"keys": [{"kty": "RSA", "kid": "k1", "alg": "RS256", "use": "sig", "n": "AQAB" * 86, "e": "AQAB"}]}


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_token_and_any_key_set_are_judged(seeds: str) -> None:
    segments = st.one_of(values.map(_segment), st.text(max_size=8))
    headers = texts(st.just(_JWT_HEADER)).map(
        lambda text: base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).rstrip(b"=").decode()
    )
    tokens = st.tuples(headers | segments, segments, segments).map(".".join)

    def check(given: tuple[str, str]) -> None:
        token, keys = given
        identity = PushIdentity(
            audience="a",
            sender="s",
            on_failure=lambda _: None,
            fetch=lambda: keys.encode("utf-8", "surrogatepass"),
        )
        bounds = Bounds(steps=20_000, held=4 * 1024 * 1024)
        found = attack(lambda: identity.check(token), len(token) + len(keys), bounds=bounds)
        assert found != "allowed"
        if isinstance(found, Exception):
            assert isinstance(found, KeysUnavailable)
        else:
            check_text(str(found))

    nested = _segment(Raw('{"kid":%s}' % ("[" * 2900 + "]" * 2900)))
    kept = [(f"{nested}.e30.e30", "{}"), (f"{_segment(_JWT_HEADER)}.e30.e30", "[" * 9000 + "]" * 9000)]
    fuzz(st.tuples(tokens, texts(st.just(_KEYS))), check, seeds, examples=80, kept=kept)

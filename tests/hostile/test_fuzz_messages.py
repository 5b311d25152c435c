"""A hostile sender to a queue: every message is marked or refused with a reason, and none spoils another."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.hostile.fuzzing import SEEDS, Bounds, attack, check_text, fuzz
from tests.hostile.odd_json import DIGEST, texts

from geosync import observability
from geosync.errors import GeosyncError, MessageError
from geosync.intake.intake import Intake
from geosync.intake.marking import IntakeContext
from geosync.intake.refusals import Refusals
from geosync.messages.geo_event import VERSION, GeoEvent, Heartbeat
from geosync.messages.groups import group_of_body
from geosync.messages.reading import read_message
from geosync.messages.work import CatalogueMessage, Help, VerifyMessage, WorkMessage
from geosync.oci.manifests import Descriptor
from geosync.pair.selection import EVERYTHING
from geosync.sync_registry.items import Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

NOW_MS = 1_795_499_108_100
EVENT = GeoEvent(
    id="e-1",
    site="dublin",
    event_name="created",
    repository="group/app",
    tag="v1",
    digest=DIGEST,
    media_type="application/json",
    occurred_at="2026-11-24T05:45:04.878311822Z",
    received_at=NOW_MS,
    source="distribution",
    correlation_id="r-1",
)
RENAME = {**json.loads(EVENT.to_json()), "version": "2", "event_name": "updated", "renamed_from": "group/old"}
BLOB = Descriptor(media_type="", digest=DIGEST, size=2**40)
MESSAGES: list[Any] = [
    *(EVENT, Heartbeat(id="h-1", site="dublin", sent_at=NOW_MS - 1, received_at=NOW_MS)),
    *(CatalogueMessage(), VerifyMessage(repository="a/b", asked_at=1), VerifyMessage(scope="all", asked_at=1)),
    WorkMessage(repository="a/b", reason="resync", references=(Reference.tag("v1"), Reference.digest(DIGEST))),
    WorkMessage(repository="a/b", reason="event"),
    WorkMessage(repository="a/b", reason="sweep", help=Help(holder="h", blobs=(BLOB, BLOB), at_once=2)),
]
DOCUMENTS = [json.loads(one.to_json()) for one in MESSAGES] + [
    {name: value for name, value in RENAME.items() if name not in ("tag", "digest")}
]
BOUNDS = Bounds(held=1024 * 1024)
LONGEST_NUMBER = 10**16
"""DynamoDB takes 38 digits, JavaScript reads 16 of them."""


def check_message(body: str) -> None:
    found = attack(lambda: read_message(body), len(body), bounds=BOUNDS, errors=(MessageError,))
    attack(lambda: group_of_body(body), len(body), bounds=BOUNDS)
    if isinstance(found, GeoEvent):
        attack(lambda: (found.pushed_at, found.expects, found.message_group_id), len(body))
        assert 0 <= found.pushed_at <= found.received_at
    for name in ("received_at", "sent_at", "asked_at"):
        assert (getattr(found, name, 0) or 0) < LONGEST_NUMBER
    if not isinstance(found, Exception):
        again: Any = found
        assert read_message(again.to_json()) == found


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_message_is_read_or_refused_with_a_reason(seeds: str) -> None:
    fuzz(texts(st.sampled_from(DOCUMENTS)), check_message, seeds, examples=200, kept=KEPT)


def _changed(document: dict[str, Any], **changes: Any) -> str:
    return json.dumps({**document, **changes})


KEPT = [
    '{"version":"1","repository":"\\ud800","asked_at":1,"kind":"verify"}',
    _changed(DOCUMENTS[0], received_at=10**400),
    _changed(DOCUMENTS[1], sent_at=10**38),
    json.dumps({"kind": "verify", "version": VERSION, "scope": "all", "asked_at": 10**100}),
    '{"version":"1","kind":%s}' % ("[" * 900 + "]" * 900),
    '{"version":%s}' % ("[" * 900 + "]" * 900),
    '{"kind":"work","version":%s}' % ("[" * 900 + "]" * 900),
    '{"version":"2","kind":"\\u001b[2J"}',
    _changed(DOCUMENTS[0], event_name=["created"]),
    _changed({**DOCUMENTS[4]}, scope=["all"], repository=None),
]


class Letters:
    """A DLQ."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, dict[str, str]]] = []

    def send_body(self, body: str, attributes: dict[str, str]) -> None:
        self.bodies.append((body, attributes))


@pytest.mark.parametrize("seeds", SEEDS)
def test_a_batch_with_anything_in_it_marks_the_good_ones_and_refuses_the_others(seeds: str) -> None:
    logger = observability.logger()
    metrics = observability.Metrics("berlin")

    def check(bodies: list[str]) -> None:
        letters: Any = Letters()
        sync_registry = SyncRegistry(MemoryStore())
        context = IntakeContext(
            role="secondary",
            sync_registry=sync_registry,
            selection=EVERYTHING,
            registry_names=("registry.example.com",),
        )
        refusals = Refusals("secondary", sync_registry, letters, logger=logger, metrics=metrics)
        intake = Intake(context, refusals, logger=logger, metrics=metrics)
        batch = [*bodies, json.dumps({**DOCUMENTS[0], "repository": "victim/app"})]
        found = attack(
            lambda: intake.take(batch),
            sum(map(len, batch)),
            bounds=Bounds(steps=40_000, held=4 * 1024 * 1024),
            errors=(GeosyncError,),
        )
        assert not isinstance(found, Exception)
        taken: Any = found
        assert taken.again == frozenset()
        assert "victim/app" in taken.wakes
        for body, attributes in letters.bodies:
            assert body in bodies
            check_text(attributes["reason"])

    fuzz(st.lists(texts(st.sampled_from(DOCUMENTS)), max_size=3), check, seeds, examples=15)

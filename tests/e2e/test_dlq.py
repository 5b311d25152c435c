"""The DLQ on the deployed stack: a replay of poison and of what is good again, interrupted and begun anew."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from local.stack import Stack
from tests.e2e.command import Geosync
from tests.e2e.parts import PATIENCE_S, Site, dead_letters, eventually
from tests.e2e.registries import assert_same, digest, maker

from geosync.messages.geo_event import GeoEvent
from geosync.messages.work import WorkMessage
from geosync.operating.dead_letters import DeadLetter
from geosync.sync_registry.items import Reference

POISON = 12
"""So many that the first replay is not through when it is interrupted."""


def dead_letter(site: Site, body: str, **attributes: str) -> None:
    site.client("sqs").send_message(
        QueueUrl=site.about["dlq_url"],
        MessageBody=body,
        MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()},
    )


def test_a_replay_brings_home_what_can_be_and_keeps_poison_with_its_reason_also_when_it_is_interrupted(
    state: Path, stack: Stack, primary: Site, secondaries: list[Site]
) -> None:
    geosync, site = Geosync(state), secondaries[1]
    repository, word = f"e2e/{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    with maker(primary) as make:
        image = make.image(repository, "v1", layers=1)
    # Two tags of which the site knows nothing but what its DLQ has: an event that it died of, and one it gave up.
    tags = Path(primary.about["registry_folder"]) / "data/docker/registry/v2/repositories" / repository / "_manifests"
    for tag in ("crashed", "parked"):
        shutil.copytree(tags / "tags" / "v1", tags / "tags" / tag)
    event = GeoEvent(
        id=word,
        site=primary.name,
        event_name="created",
        repository=repository,
        tag="crashed",
        digest=image.digest,
        media_type=image.media_type,
        occurred_at=None,
        received_at=time.time_ns() // 1_000_000,
        source="distribution",
        correlation_id=word,
    )
    work = WorkMessage(repository=repository, reason="replay", references=(Reference.tag("parked"),))
    poison = [json.dumps({"version": f"99-{number}-{word}"}) for number in range(POISON)]
    for body in poison[: POISON // 2]:
        dead_letter(site, body, kind="refused", reason="as it was put there")
    dead_letter(site, event.to_json())
    dead_letter(site, work.to_json(), kind="parked", reason="registry:5000: GET blob: 404")
    for body in poison[POISON // 2 :]:
        dead_letter(site, body, kind="refused", reason="as it was put there")

    first = subprocess.Popen(
        geosync.line(site, "dlq", "replay", "--all"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline().startswith("replayed ")
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=PATIENCE_S)
    # On a busy machine all may have been sent before it was interrupted.
    assert (first.returncode, said.strip()) in ((1, "Aborted!"), (0, ""))

    def replays_all() -> bool:
        again = geosync(site, "dlq", "replay", "--all")
        # The minute looks through the DLQ, too, and then has the messages in its hands for a moment.
        assert again.code == 0 or "in use by another command" in again.error, again.error
        return again.code == 0

    eventually(replays_all, what="a replay of all")
    with maker(primary) as there, maker(site) as here:
        for tag in ("crashed", "parked"):

            def is_home(tag: str = tag) -> bool:
                return digest(here, repository, tag) == image.digest

            eventually(is_home, what=f"{tag} at {site.name}")
            assert_same(there, here, repository, tag)

    def mine() -> list[DeadLetter]:
        return [one for one in dead_letters(site).look() if word in one.body]

    def back() -> list[DeadLetter]:
        found = mine()
        return found if {one.body for one in found} == set(poison) else []

    found = eventually(back, what="the poison in the DLQ")
    assert {(one.kind, one.reason.startswith("as it was")) for one in found} == {("refused", False)}
    assert all("99-" in one.reason for one in found)
    assert max(Counter(one.body for one in found).values()) <= 2  # the one in hand may have been sent already
    noted: list[Any] = []
    list(dead_letters(site).discard({one.id for one in found}, noted.append))
    assert mine() == []

"""The recovery point on the deployed stack stands still while nobody takes from the queue, and says so."""

from __future__ import annotations

import time
import uuid

from tests.e2e.parts import Site, eventually
from tests.e2e.registries import maker

WAITING = "events wait in the queue"


def test_the_recovery_point_stands_still_while_the_event_source_is_off(primary: Site, secondaries: list[Site]) -> None:
    site = secondaries[1]
    repository = f"e2e/recovery/{uuid.uuid4().hex[:10]}"
    client = site.client("lambda")
    queue = site.about["queue_url"].rpartition("/")[2]
    mappings = client.list_event_source_mappings(FunctionName=site.about["functions"]["log_cursor"])[
        "EventSourceMappings"
    ]
    (source,) = [one["UUID"] for one in mappings if one["EventSourceArn"].endswith(queue)]

    def minute() -> tuple[str, int]:
        """Run a minute; return why the recovery point stands still, and where."""
        site.invoke("reconcile")
        found = site.item("#site", "recovery") or {}
        return found.get("why", ""), int(found.get("point", 0))

    client.update_event_source_mapping(UUID=source, Enabled=False)
    try:
        pushed_at = time.time() * 1000
        with maker(primary) as make:
            make.image(repository, "v1", layers=1)
        primary.invoke("reconcile")  # a heartbeat that is newer than the push
        eventually(lambda: site.messages("queue_url") >= 2, what="the push and the heartbeat in the queue")
        why, point = minute()
        assert why.startswith(WAITING)
        assert point < pushed_at
    finally:
        client.update_event_source_mapping(UUID=source, Enabled=True)
    eventually(lambda: site.item(repository, "tag#v1"), what="the push once events are taken again")
    eventually(lambda: not minute()[0].startswith(WAITING), what="the recovery point to go on")

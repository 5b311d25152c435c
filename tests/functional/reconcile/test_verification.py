"""Every minute: a few repositories are asked to be verified, if it is their turn, or if somebody asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from functions.reconcile import app
from tests.functional.reconcile.parts import TABLE, Site, minute
from tests.support.filled import fill

from geosync.clock import SYSTEM_CLOCK
from geosync.messages.work import Scope
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.verifying import choose
from geosync.verifying.choose import BUSY, MOST, ask_for_verifications
from geosync.verifying.reverify import make_due

Log = Callable[[], list[dict[str, Any]]]


def test_repositories_that_are_due_are_asked_to_be_verified(site: Site, aws: pytest.MonkeyPatch, log: Log) -> None:
    site.sync("group/app", "group/other")
    site.owe("group/worked-on")
    minute()
    asked = [message for message in site.messages() if message["kind"] == "verify"]
    assert sorted(message["repository"] for message in asked) == ["group/app", "group/other"]
    assert [line["repositories"] for line in log() if line["message"] == "verifications_asked_for"] == [2]
    aws.setenv("VERIFICATION_SECONDS", "0")
    app.site.cache_clear()
    assert set(minute().values()) == {"done"}
    assert "verify" not in {message["kind"] for message in site.messages()}


@pytest.mark.parametrize("scope", ["all", "failed"])
def test_what_an_operator_asks_for_is_verified_though_rolling_verification_is_off(
    site: Site, aws: pytest.MonkeyPatch, scope: Scope
) -> None:
    aws.setenv("VERIFICATION_SECONDS", "0")
    site.sync("group/app", "group/other")
    items = site.sync_registry.verification
    at = items.start(items.read("group/app") or {}, phase="tags", now_ms=SYSTEM_CLOCK.now_ms())
    assert at is not None
    items.fail(at, "differs", now_ms=SYSTEM_CLOCK.now_ms(), jitter=0)
    assert set(minute().values()) == {"done"}
    assert "verify" not in {message["kind"] for message in site.messages()}, "what failed waits for its next try"

    make_due(site.sync_registry, scope, SYSTEM_CLOCK.now_ms() + 1)
    minute()
    asked = sorted(message["repository"] for message in site.messages() if message["kind"] == "verify")
    assert asked == (["group/app"] if scope == "failed" else ["group/app", "group/other"])


def test_a_namespace_that_has_its_share_takes_no_turn_of_the_others(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "MOST", 3)
    site.sync(*(f"busy/{number}" for number in range(12)))
    site.sync("quiet/app", "so/quiet")
    slots = [site.sync_registry.take_slot("work", "busy", most=2, lasting_s=60) for _ in range(2)]
    site.sync_registry.take_slot("work", "so", most=2, lasting_s=60)
    site.sync_registry.take_slot("live", "quiet", most=1, lasting_s=60)

    def chosen() -> list[str]:
        ask_for_verifications(site.sync_registry, site.sqs, site.work_url, now_ms=SYSTEM_CLOCK.now_ms())
        return sorted(message["repository"] for message in site.messages())

    assert chosen() == ["quiet/app", "so/quiet"]
    assert slots[0] is not None
    site.sync_registry.give_slot_back(slots[0])
    assert len([name for name in chosen() if name.startswith("busy/")]) > 0


def test_a_minute_reads_a_page_of_each_shard_and_no_row_however_many_wait(site: Site) -> None:
    before = MemoryStore()
    site.sync_registry = SyncRegistry(before)
    site.sync(*(f"group/{number}" for number in range(60)))
    fill(site.dynamodb, TABLE, before)
    queries: list[str] = []
    site.dynamodb.meta.events.register("before-call.dynamodb.*", lambda model, params, **_: queries.append(model.name))
    asked = ask_for_verifications(SyncRegistry(site.store), site.sqs, site.work_url, now_ms=SYSTEM_CLOCK.now_ms())
    assert asked == MOST
    assert queries == ["Query"] * 16, "and as many for the slots that are taken"


def test_verification_waits_while_others_do(site: Site) -> None:
    site.sync("group/app")
    for number in range(BUSY):
        site.sqs.send_message(QueueUrl=site.work_url, MessageBody=str(number))
    assert ask_for_verifications(SyncRegistry(site.store), site.sqs, site.work_url, now_ms=SYSTEM_CLOCK.now_ms()) == 0

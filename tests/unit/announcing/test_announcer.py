"""The form of the announced events, their batches, and entries that are refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError
from tests.unit.announcing.crashes import A, CrashingSite

from geosync.announcing import announcer as announcing
from geosync.announcing import document
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.outbox import SPREAD, ReplicationEvent

ROOT = Path(__file__).parents[3]
SAMPLES = sorted((ROOT / "events" / "arrivals").glob("*.json"))
PAGE = (ROOT / "docs" / "operations" / "arrivals.md").read_text()
AT = 1_798_761_600_000
ARRIVED = ReplicationEvent(
    name="5f3c",
    kind="replicated",
    repository="group/app",
    reference=Reference.tag("v1"),
    at_ms=AT + 3200,
    digest=A,
    pushed_at_ms=AT,
)
FAILED = replace(ARRIVED, kind="failed", digest=None, reason="dublin: GET manifest: 500", attempts=1)
EVENTS = {"image-replicated.json": ARRIVED, "image-replication-failed.json": FAILED}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_the_announced_events_are_the_samples(sample: Path) -> None:
    told = json.loads(sample.read_text())
    event = EVENTS[sample.name]
    assert (told["source"], told["detail-type"]) == (document.SOURCE, document.detail_type(event))
    assert told["detail"] == document.detail(event, "oregon")


def test_an_unknown_value_is_null() -> None:
    by_digest = replace(ARRIVED, reference=Reference.digest(A), pushed_at_ms=None)
    told = document.detail(by_digest, "oregon")
    assert (told["tag"], told["pushed_at"], told["lag_seconds"]) == (None, None, None)
    assert document.sentence(by_digest, "oregon") == f"group/app@{A} is at oregon: {A}"


def test_an_event_can_be_read_back() -> None:
    for event in (ARRIVED, FAILED, replace(FAILED, parked=True, reference=Reference.whole())):
        change = event.put(now_ms=AT)
        item = {"repository": change.key.repository, "item": change.key.item, **change.set}
        assert ReplicationEvent.from_item(item) == event


def test_an_event_holds_no_credentials() -> None:
    secret = replace(FAILED, reason="GET https://user:Passw0rd@dublin/v2/: 401")
    told = json.dumps(document.message(secret, "oregon")) + document.sentence(secret, "oregon")
    assert "Passw0rd" not in told


def test_a_mail_is_a_sentence_and_its_subject_is_short() -> None:
    assert document.sentence(ARRIVED, "oregon") == f"group/app:v1 is at oregon, 3.2 s after its push: {A}"
    assert "(attempt 1; tried again)" in document.sentence(FAILED, "oregon")
    assert "it is parked" in document.sentence(replace(FAILED, parked=True), "oregon")
    long = replace(ARRIVED, repository="a" * 255)
    assert len(document.subject(long, "oregon")) == document.MOST_SUBJECT


# ------------------------------------------------------------------------------------------------------------- batches


def noted(site: CrashingSite, count: int) -> announcing.Announcer:
    """An announcer with so many fresh events, which are in the table as well."""
    registry = site._registry()
    events = [replace(ARRIVED, name=str(number), at_ms=site.clock.now_ms()) for number in range(count)]
    for change in registry.outbox.puts(events):
        site.store.write(change)
    registry.outbox.note(events)
    return site.announcer(registry)


def test_ten_events_are_sent_at_once_and_fewer_within_a_second() -> None:
    site = CrashingSite()
    few = noted(site, 3)
    assert few.due_in_s() == announcing.GATHERED_S <= 1
    few.tell_fresh()
    assert site.listening.requests == []
    site.clock.pass_(announcing.GATHERED_S)
    few.tell_fresh()
    assert (site.listening.requests, site.untold(), few.due_in_s()) == ([3], [], None)
    many = noted(site, 25)
    assert many.due_in_s() == 0
    many.tell_fresh()
    assert (site.listening.requests, site.untold()) == ([3, 10, 10, 5], [])


def test_an_entry_that_the_bus_does_not_take_is_sent_again_and_then_left_to_the_minute() -> None:
    site = CrashingSite()
    refusals = iter([True, False, True, True])
    site.listening.refuses = lambda position: position == 0 and next(refusals, False)
    noted(site, 2).tell_fresh(all_of_them=True)
    assert (site.listening.requests, len(site.listening.put), site.untold()) == ([2, 1], 2, [])
    left = noted(site, 2)
    left.tell_fresh(all_of_them=True)
    assert (site.listening.requests[2:], len(site.untold())) == ([2, 1], 1)
    assert left.due_in_s() is None
    site.clock.pass_(announcing.OLD_MS / 1000 + 1)
    assert left.tell_left_over() == 1
    assert site.untold() == []


def test_a_bus_that_is_down_delays_no_holder_and_loses_nothing() -> None:
    site = CrashingSite()
    announcer = noted(site, 3)

    def down(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "InternalException", "Message": "down"}}, "PutEvents")

    put, site.listening.put_events = site.listening.put_events, down  # type: ignore[method-assign, assignment]
    announcer.tell_fresh(all_of_them=True)
    assert (len(site.untold()), announcer.due_in_s()) == (3, None)
    site.listening.put_events = put  # type: ignore[method-assign]
    site.clock.pass_(60)
    assert announcer.tell_left_over() == 3


def test_the_minute_leaves_new_events_to_their_holder() -> None:
    site = CrashingSite()
    announcer = noted(site, 2)
    assert announcer.tell_left_over() == 0
    site.clock.pass_(announcing.OLD_MS / 1000 + 1)
    assert announcer.tell_left_over() == 2


def test_a_minute_begins_no_further_batch_when_its_time_is_over() -> None:
    site = CrashingSite()
    announcer, put = noted(site, 200), site.listening.put_events
    site.clock.pass_(announcing.OLD_MS / 1000 + 1)

    def slow(**entries: Any) -> Any:
        site.clock.pass_(announcing.LONGEST_S / 3)
        return put(**entries)

    site.listening.put_events = slow  # type: ignore[method-assign]
    assert announcer.tell_left_over() == 3 * announcing.BATCH
    site.listening.put_events = put  # type: ignore[method-assign]
    assert announcer.tell_left_over() == 200 - 3 * announcing.BATCH
    assert announcing.LONGEST_S <= 15


def test_an_event_written_before_the_clock_was_set_back_is_sent() -> None:
    site = CrashingSite()
    announcer = noted(site, 1)
    site.clock.pass_(-3600)
    assert announcer.tell_left_over() == 1


def test_events_are_spread_over_partitions_and_told_in_their_order() -> None:
    site = CrashingSite()
    registry = site._registry()
    for number in reversed(range(400)):
        site.store.write(replace(ARRIVED, name=f"{number:032x}", at_ms=AT + number).put(now_ms=AT))
    found = Counter(key.repository for key in site.store.table if key.repository in SPREAD)
    assert set(found) == set(SPREAD)
    assert max(found.values()) < 2 * 400 / len(SPREAD)
    site.clock.pass_(60)
    assert site.announcer(registry).tell_left_over() == 400
    told = [json.loads(one["Detail"])["id"] for one in site.listening.put]
    assert (told, site.untold()) == (sorted(told), [])


def test_an_item_that_cannot_be_read_holds_up_no_other() -> None:
    site = CrashingSite()
    announcer = noted(site, 1)
    change = replace(ARRIVED, name="zz", at_ms=1).put(now_ms=1)
    site.store.write(replace(change, set={**change.set, "reference": "nonsense"}))
    site.clock.pass_(60)
    assert announcer.tell_left_over() == 1
    assert site.untold() == []


# ---------------------------------------------------------------------------------------------------------- the page


def matches(pattern: Any, event: Any) -> bool:
    """Tell whether an event has what a pattern of EventBridge asks for: exact values, and prefixes."""
    if isinstance(pattern, dict):
        return all(name in event and matches(one, event[name]) for name, one in pattern.items())
    return any(str(event).startswith(one["prefix"]) if isinstance(one, dict) else event == one for one in pattern)


def test_the_rules_of_the_page_are_valid_and_take_the_samples() -> None:
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        if "AWS::Events::Rule" not in block:
            continue
        resources = yaml.load(re.sub(r"!\w+ ", "", block), Loader=yaml.SafeLoader)
        rules = [one for one in resources.values() if one["Type"] == "AWS::Events::Rule"]
        assert rules
        taken = [
            sample.name
            for rule in rules
            for sample in SAMPLES
            if matches(rule["Properties"]["EventPattern"], json.loads(sample.read_text()))
        ]
        assert taken, block


def test_the_page_names_every_field() -> None:
    for event in (ARRIVED, FAILED):
        for name in document.detail(event, "oregon"):
            assert f"| `{name}` |" in PAGE, name

"""`--wait` of resync and reverify: when it ends, and its words when it ends too early."""

from __future__ import annotations

import json

import pytest
from tests.functional.cli.conftest import PlayedClock, Site
from tests.functional.cli.test_following import known, leave_after, settle, verified
from tests.functional.cli.test_look import A, failed, synced

from geosync.cli import reverify, settling
from geosync.clock import SYSTEM_CLOCK
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.site import catalogue
from geosync.sync_registry.table.changes import Key, Update

__all__ = ["known"]


def owe(site: Site, repository: str, *, many: int, parked: bool = False) -> None:
    """Mark this number of tags that come before v1 in the order of the keys."""
    for number in range(many):
        owed = site.sync_registry.mark(repository, Reference.tag(f"a{number:03}"))
        if parked:
            site.sync_registry.fail(owed, "schema 1 is refused", parked=True)


def test_a_named_tag_behind_many_that_are_owed_is_waited_for(secondary: Site, known: None) -> None:
    synced(secondary, "group/app")
    owe(secondary, "group/app", many=101)
    late = secondary.run("resync", "group/app", "v1", "--wait", "--timeout", "3s", "-o", "json")
    assert (late.exit_code, json.loads(late.stdout)["left"]) == (1, 1), late.output


def test_a_named_tag_is_done_whatever_else_is_owed(secondary: Site, clock: PlayedClock, known: None) -> None:
    synced(secondary, "group/app")
    owe(secondary, "group/app", many=1)

    def settle() -> None:
        lease = secondary.sync_registry.knock("group/app")
        assert lease is not None
        for owed in secondary.sync_registry.owed("group/app"):
            if str(owed.reference) == "v1":
                assert secondary.sync_registry.discharge(lease, owed, Seen(digest=A, looked_at=1, seen_at=1))
        secondary.sync_registry.finish(lease)

    leave_after(clock, settle)
    done = secondary.run("resync", "group/app", "v1", "--wait", "-o", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["done"] is True


def test_what_is_owed_behind_many_that_are_parked_is_waited_for(secondary: Site, known: None) -> None:
    synced(secondary, "group/app")
    owe(secondary, "group/app", many=101, parked=True)
    secondary.sync_registry.mark("group/app", Reference.tag("v1"))
    late = secondary.run("resync", "group/app", "--wait", "--timeout", "3s", "-o", "json")
    document = json.loads(late.stdout)
    # The repository as a whole comes first, then the tags.
    assert (late.exit_code, document["done"], document["left"], len(document["failed"])) == (1, False, 2, 101)


def test_with_very_many_owed_the_command_says_that_there_are_more(
    secondary: Site, known: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "PAGE", 2)
    monkeypatch.setattr(settling, "MOST_WAITING", 3)
    synced(secondary, "group/app")
    owe(secondary, "group/app", many=5)
    late = secondary.run("resync", "group/app", "--wait", "--timeout", "3s")
    assert (late.exit_code, "more than 3 references are owed" in late.stdout) == (1, True), late.output


def test_a_resync_of_everything_beside_a_comparison_says_that_this_one_goes_on(
    secondary: Site, clock: PlayedClock
) -> None:
    now_ms = SYSTEM_CLOCK.now_ms()
    begun = {"started_at": now_ms, "touched_at": now_ms}
    secondary.sync_registry._store.write(Update(key=catalogue.KEY, set=begun))
    answer = secondary.run("resync", "--all")
    assert (answer.exit_code, "goes on: it began" in answer.stdout) == (0, True), answer.output
    assert "enqueued" not in answer.stdout
    assert secondary.bodies("WorkQueueUrl") == []


def test_a_resync_of_everything_that_leaves_something_parked_ends_with_1(secondary: Site, clock: PlayedClock) -> None:
    secondary.well()
    parked = secondary.sync_registry.mark("group/app", Reference.tag("old"))
    secondary.sync_registry.fail(parked, "schema 1 is refused", parked=True)

    def compared() -> None:
        secondary.well()
        secondary.sync_registry._store.write(Update(key=catalogue.KEY, set={"proved_at": 1}, remove=("asked_for",)))

    leave_after(clock, compared)
    answer = secondary.run("resync", "--all", "--wait")
    assert (answer.exit_code, "failed: group/app:old: schema 1 is refused" in answer.stderr) == (1, True), answer.output


def test_a_reverify_waits_by_the_clock_of_whoever_verifies(secondary: Site, clock: PlayedClock) -> None:
    synced(secondary, "group/a")
    before_ms = SYSTEM_CLOCK.now_ms() - 3_600_000
    verified(secondary, "group/a", before_ms)
    early = secondary.run("reverify", "group/a", "--wait", "--timeout", "3s")
    assert (early.exit_code, "1 repository is not verified yet" in early.stdout) == (1, True)
    # This machine's clock is an hour ahead of the site's.
    leave_after(clock, lambda: verified(secondary, "group/a", before_ms + 5000))
    assert secondary.run("reverify", "group/a", "--wait").exit_code == 0
    # And it may be an hour behind.
    verified(secondary, "group/a", SYSTEM_CLOCK.now_ms() + 3_600_000)
    clock.meanwhile = lambda: None
    assert secondary.run("reverify", "group/a", "--wait", "--timeout", "3s").exit_code == 1


def test_a_reverify_of_many_reads_some_of_them_in_turn(
    secondary: Site, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reverify, "MOST_READ", 2)
    names = [f"group/{letter}" for letter in "abcde"]
    for name in names:
        synced(secondary, name)
    late = secondary.run("reverify", "--all", "--wait", "--timeout", "3s", "-o", "json")
    document = json.loads(late.stdout)
    assert (late.exit_code, document["left"], "at most 5 repositories" in document["message"]) == (1, None, True)
    clock.slept.clear()

    def all_verified() -> None:
        for name in names:
            verified(secondary, name, 3)

    clock.meanwhile = all_verified
    done = secondary.run("reverify", "--all", "--wait", "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["done"]) == (0, True), done.output
    assert len(clock.slept) == 3, "five rows, two of them in a look"


def test_what_failed_and_cannot_be_read_is_said_and_is_not_done(secondary: Site, clock: PlayedClock) -> None:
    for name in ("group/a", "group/bad"):
        failed(secondary, name, "503")
    spoilt = Update(key=Key("group/bad", Reference.tag("v2").owed_key), set={"attempts": "many"})
    secondary.sync_registry._store.write(spoilt)
    leave_after(clock, lambda: settle(secondary.sync_registry, "group/a"))
    answer = secondary.run("resync", "--failed", "--wait")
    assert "1 failed reference is enqueued" in answer.stdout
    assert (answer.exit_code, "failed: 1 reference cannot be read" in answer.stderr) == (1, True), answer.output

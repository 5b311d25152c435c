"""geosync wait: the exit code of a pipeline's step, and the reason where it is not 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.functional.cli.conftest import PlayedClock, Site

from geosync.cli.pace import LONGEST_S
from geosync.cli.registries import DigestAtPrimary
from geosync.cli.site import StackSite as DeployedSite
from geosync.errors import Contended
from geosync.reading.arrival import Arrival
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry

A, B = (f"sha256:{letter * 64}" for letter in "ab")


@pytest.fixture
def holder(secondary: Site, clock: PlayedClock) -> Callable[[str | None], None]:
    """Have a holder see the tag as a digest, or not at the primary (None), while the command waits."""

    def plays(digest: str | None) -> None:
        def work() -> None:
            sync_registry = SyncRegistry(secondary.sync_registry._store, clock=clock)  # the command's, which is ahead
            lease = sync_registry.acquire("group/app")
            if lease is None:
                return
            for owed in sync_registry.due("group/app"):
                seen = Seen(digest=digest, looked_at=1, seen_at=1) if digest is not None else None
                sync_registry.discharge(lease, owed, seen)
            sync_registry.finish(lease)

        clock.meanwhile = work

    return plays


def test_it_ends_with_0_once_the_image_was_seen_here(
    secondary: Site, clock: PlayedClock, holder: Callable[[str | None], None]
) -> None:
    holder(A)
    ended = secondary.run("wait", "group/app:v1")
    assert (ended.exit_code, ended.output) == (0, f"group/app:v1 is at frankfurt: {A}\n")
    (pause_s,) = clock.slept  # and that is the longest from seen to its end, a look apart
    assert pause_s <= LONGEST_S
    (wake,) = secondary.bodies("WorkQueueUrl")
    assert (wake["repository"], "references" in wake) == ("group/app", False)
    assert [one["action"] for one in secondary.audit()] == ["geosync wait"]


def test_what_was_seen_before_the_command_began_is_no_answer(
    secondary: Site, holder: Callable[[str | None], None]
) -> None:
    sync_registry = secondary.sync_registry
    sync_registry.mark("group/app", Reference.tag("latest"))
    lease = sync_registry.acquire("group/app")
    assert lease is not None
    (owed,) = sync_registry.due("group/app")
    sync_registry.discharge(lease, owed, Seen(digest=A, looked_at=1, seen_at=1))
    assert sync_registry.finish(lease)
    assert secondary.run("wait", "group/app", "--timeout", "2s").exit_code == 1
    holder(B)
    ended = secondary.run("wait", "group/app")
    assert (ended.exit_code, B in ended.output) == (0, True)


def test_an_image_that_the_primary_does_not_have_ends_with_what_to_check(
    secondary: Site, holder: Callable[[str | None], None]
) -> None:
    holder(None)
    ended = secondary.run("wait", f"group/app@{A}")
    assert ended.exit_code == 1
    assert "is not at the primary" in ended.output
    assert "was it pushed there, is its name right?" in ended.output


@pytest.mark.parametrize("noted", ["gone_since", "missing_since", "outside_since"])
def test_a_copy_that_only_stays_is_no_image_of_the_primary(secondary: Site, clock: PlayedClock, noted: str) -> None:
    since: dict[str, Any] = {noted: 1}

    def keeps() -> None:
        sync_registry = SyncRegistry(secondary.sync_registry._store, clock=clock)
        if (lease := sync_registry.acquire("group/app")) is not None:
            for owed in sync_registry.due("group/app"):
                sync_registry.discharge(lease, owed, Seen(digest=A, looked_at=1, seen_at=1, **since))
            sync_registry.finish(lease)

    clock.meanwhile = keeps
    ended = secondary.run("wait", "group/app:v1")
    assert (ended.exit_code, "is not at the primary" in ended.output) == (1, True)


@pytest.mark.parametrize("image", ["group/app:v1", f"other/app@{A}"])
def test_a_copy_that_left_the_selection_is_said_and_not_waited_for(
    secondary: Site, stacks: dict[str, DeployedSite], holder: Callable[[str | None], None], image: str
) -> None:
    """With OutsideSelection=remove it stays, as it was, until the second comparison."""
    parameters: Any = stacks["geosync-test"].parameters
    parameters |= {"IncludeRepositories": "group/**", "IncludeTags": "v2*", "OutsideSelection": "remove"}
    holder(A)
    ended = secondary.run("wait", image)
    assert (ended.exit_code, "it is outside the selection of frankfurt" in ended.output) == (1, True)
    assert secondary.sync_registry.owed("group/app") == []
    assert secondary.bodies("WorkQueueUrl") == []
    assert secondary.run("wait", "group/app:v2").exit_code == 0


@pytest.mark.parametrize(
    "why", ["nothing has failed", "the site is paused", "failing: dublin: 503", "on hold: refused"]
)
def test_a_wait_that_is_over_names_the_reason(secondary: Site, clock: PlayedClock, why: str) -> None:
    sync_registry = secondary.sync_registry

    def happens() -> None:
        if "paused" in why:
            sync_registry.pause("upgrade")
        if "hold" in why:
            sync_registry.hold("dublin:5000", reason="refused")
        if "failing" in why and (owed := sync_registry.owed("group/app")):
            sync_registry.fail(owed[0], "dublin: 503")

    clock.meanwhile = happens
    ended = secondary.run("wait", "group/app:v1", "--timeout", "4s")
    assert ended.exit_code == 1
    assert "is not at frankfurt after 4 s: owed since" in ended.output
    assert why in ended.output


@pytest.mark.parametrize("image", ["Group/App", "group/app:", "group/app@sha256:aa", "group/app:-v1", ""])
def test_a_name_that_is_none_is_said_before_any_request(secondary: Site, image: str) -> None:
    assert secondary.run("wait", image).exit_code == 2
    assert secondary.audit() == []


@pytest.mark.parametrize("timeout", ["10", "m", "1d", "-5s"])
def test_a_time_that_is_none_is_said(secondary: Site, timeout: str) -> None:
    assert secondary.run("wait", "group/app", "--timeout", timeout).exit_code == 2


def test_a_primary_refuses_to_wait_for_an_image(primary: Site) -> None:
    assert primary.run("wait", "group/app").exit_code == 2


@pytest.fixture
def at_primary(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Have the primary's registry answer with a digest, or with 404 (None)."""

    def answers(digest: str | None) -> None:
        found = DigestAtPrimary(is_known=True, digest=digest)
        monkeypatch.setattr("geosync.cli.registries.primary_digest", lambda *_: found)

    return answers


def test_a_tag_that_was_never_pushed_ends_at_once(
    secondary: Site, clock: PlayedClock, at_primary: Callable[[str | None], None]
) -> None:
    at_primary(None)
    ended = secondary.run("wait", "group/app:typo")
    assert (ended.exit_code, clock.slept, secondary.audit()) == (1, [], [])
    assert "group/app:typo is not at frankfurt: it is not at the primary: was it pushed there" in ended.output


def test_a_later_digest_than_the_primary_had_at_first_is_said(
    secondary: Site, holder: Callable[[str | None], None], at_primary: Callable[[str | None], None]
) -> None:
    at_primary(A)
    holder(B)
    assert secondary.run("wait", "group/app:v1").output == f"group/app:v1 is at frankfurt: {B}, a later one than {A}\n"


def test_an_image_outside_the_selection_ends_at_once(
    secondary: Site, stacks: dict[str, DeployedSite], clock: PlayedClock
) -> None:
    site = stacks["geosync-test"]
    stacks["geosync-test"] = replace(site, parameters={**site.parameters, "ExcludeTags": "v1*"})
    ended = secondary.run("wait", "group/app:v1")
    assert (ended.exit_code, clock.slept, secondary.audit()) == (1, [], [])
    assert "group/app:v1 is not at frankfurt: it is outside the selection" in ended.output


def test_a_table_that_does_not_answer_is_asked_until_the_time_is_over(
    secondary: Site, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Arrival:
        raise Contended("in the way")

    monkeypatch.setattr("geosync.cli.awaited.look", fails)
    ended = secondary.run("wait", "group/app:v1", "--timeout", "5s")
    assert ended.exit_code == 2
    assert 0 < sum(clock.slept) <= 5
    assert "frankfurt could not be asked in 5 s: in the way" in ended.output
    assert ended.output.count("still waiting") == 1


def test_all_sites_are_waited_for_and_each_is_said(
    secondary: Site, stacks: dict[str, DeployedSite], holder: Callable[[str | None], None]
) -> None:
    assert secondary.run("wait", "group/app:v1", "--all-sites").exit_code == 2  # where are they?
    first = stacks["geosync-test"]
    stacks["other"] = replace(first, stack="other", parameters={**first.parameters, "SiteName": "oregon"})
    holder(A)
    ended = secondary.run("wait", "group/app:v1", "--all-sites", "--secondary", "other")
    said = f"group/app:v1 is at frankfurt: {A}\ngroup/app:v1 is at oregon: {A}\n"
    assert (ended.exit_code, ended.output) == (0, said)
    only = secondary.run("wait", "group/app:v1", "--site", "oregon", "--secondary", "other")
    assert (only.exit_code, only.output) == (0, f"group/app:v1 is at oregon: {A}\n")
    assert secondary.run("wait", "group/app", "--site", "rome", "--secondary", "other").exit_code == 2
    assert secondary.run("wait", "group/app", "--site", "rome", "--all-sites").exit_code == 2

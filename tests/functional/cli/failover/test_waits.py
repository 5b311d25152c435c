"""The waits of a promotion for holders and tag writes, and its words about queues and the primary."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner
from tests.functional.cli.conftest import PlayedClock, Site
from tests.functional.cli.stacks import CloudFormation, pause

from geosync.cli.failover import quiet_update
from geosync.cli.main import main
from geosync.cli.site import StackSite as DeployedSite
from geosync.clock import SYSTEM_CLOCK
from geosync.sync_registry.items import Reference

# ── what is being copied, what is in the queue ──


def test_a_holder_is_waited_for_however_much_is_owed(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        secondary.sync_registry.mark(f"group/backlog{number}", Reference.tag("v1"))
    monkeypatch.setattr("geosync.operating.status.MOST", 2)
    assert secondary.sync_registry.acquire("group/app") is not None
    monkeypatch.setattr(quiet_update, "DRAIN_SECONDS", 0.05)
    answer = secondary.run("promote", "--yes")
    assert answer.exit_code == 2
    assert "still copies in 1 repository after 0 min; nothing was changed" in answer.output
    assert answer.output.count("still copies in 1 repository: this takes at most") == 1
    assert (pause(secondary), cloudformation.updates) == (None, [])


def test_a_tag_write_that_may_still_land_is_waited_for(
    secondary: Site, cloudformation: CloudFormation, clock: PlayedClock
) -> None:
    lease = secondary.sync_registry.acquire("group/app")
    assert lease is not None
    suspecting = secondary.sync_registry.suspect(lease)
    secondary.sync_registry.release(suspecting)
    began: list[int] = []
    cloudformation.meanwhile = lambda: began.append(clock.now_ms())
    answer = secondary.run("promote", "--yes")
    assert cloudformation.updates
    assert began[0] >= suspecting.suspect_until
    said = r"may still take a tag write that was not answered, in 1 repository: this takes at most [1-6]?\d s …"
    assert len(re.findall(said, answer.output)) == 1


def test_a_holder_that_vanished_is_waited_for_until_its_last_write_has_landed(
    secondary: Site, cloudformation: CloudFormation, clock: PlayedClock, stacks: dict[str, DeployedSite]
) -> None:
    site = stacks[secondary.stack]
    stacks[secondary.stack] = replace(site, parameters={**site.parameters, "SuspectSeconds": "90"})
    lease = secondary.sync_registry.acquire("group/app")
    assert lease is not None
    began: list[int] = []
    cloudformation.meanwhile = lambda: began.append(clock.now_ms())
    answer = secondary.run("promote", "--yes")
    assert began[0] >= lease.expires + 90_000
    assert "still copies in 1 repository: this takes at most 16 min …" in answer.output
    assert re.search(r"may still take a tag write .* at most (8|9)\d s …", answer.output)


def test_an_operator_who_does_not_wait_for_it_has_changed_nothing(
    secondary: Site, cloudformation: CloudFormation, clock: PlayedClock
) -> None:
    assert secondary.sync_registry.acquire("group/app") is not None

    def interrupt() -> None:
        if len(clock.slept) == 5:
            raise KeyboardInterrupt

    clock.meanwhile = interrupt
    answer = secondary.run("promote", "--yes")
    assert answer.exit_code == 2
    assert (pause(secondary), cloudformation.updates) == (None, [])


def test_promote_says_that_its_list_lacks_what_waits_in_the_queues(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet_update, "EVENTS_SECONDS", 0.05)
    secondary.sqs.send_message(QueueUrl=secondary.outputs["EventsQueueUrl"], MessageBody="{}")
    secondary.sqs.send_message(QueueUrl=secondary.outputs["DeadLetterQueueUrl"], MessageBody="{}")
    said = CliRunner().invoke(main, ["--stack", secondary.stack, "promote"], input="no\n")
    assert (
        "1 event in the queue, 1 message in the DLQ: the references that they name may be missing, too" in said.output
    )
    answer = secondary.run("promote", "--yes", "--json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["events_waiting"], document["dead_letters"]) == (1, 1, 1)


def test_a_primary_that_is_alive_is_pointed_out(secondary: Site, cloudformation: CloudFormation) -> None:
    now = SYSTEM_CLOCK.now_ms()
    secondary.sync_registry.heartbeat.record(site="dublin", sent_at=now, arrived_at=now)
    said = CliRunner().invoke(main, ["--stack", secondary.stack, "promote"], input="no\n")
    assert re.search(r"dublin was alive \d+ (s|min) ago", said.output)
    assert "stop pushes first" in said.output
    assert (said.exit_code, cloudformation.updates) == (3, [])

"""What `geosync check` says of a site's sync registry, in moto. Of the rest: tests/e2e/test_check.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.functional.cli.conftest import REGION, PlayedClock, Site
from tests.support.findings import problem, problems

from geosync.cli import check
from geosync.cli.checks import endpoint, sync
from geosync.cli.site import AwsAccess, Chosen, StackName
from geosync.cli.site import StackSite as DeployedSite
from geosync.clock import SYSTEM_CLOCK
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.site import heartbeat
from geosync.sync_registry.site.recovery import LOST
from geosync.sync_registry.table.changes import Update

AN_HOUR = 3_600_000


def found(site: Site) -> DeployedSite:
    return DeployedSite.find(AwsAccess.of(region=REGION), StackName(name=site.stack))


def beat(site: Site, arrived_at: int) -> None:
    values = {"site": "dublin", "sent_at": arrived_at, "arrived_at": arrived_at}
    site.sync_registry._store.write(Update(key=heartbeat.KEY, set=values))


def test_a_site_at_which_all_is_well_has_no_problem(secondary: Site) -> None:
    beat(secondary, SYSTEM_CLOCK.now_ms())
    site = found(secondary)
    assert problems([*sync.look_at_the_site(site), *sync.look_at_the_sweep(site), *sync.look_at_the_dlq(site)]) == set()


def test_something_long_due_that_no_sweep_woke_is_a_problem(secondary: Site, clock: PlayedClock) -> None:
    assert problems(sync.look_at_the_sweep(found(secondary))) == set()
    secondary.sync_registry.mark("group/app", Reference.tag("v1"))
    clock.ahead_s = 170
    assert problems(sync.look_at_the_sweep(found(secondary))) == set()
    clock.ahead_s = 600
    assert "group/app" in problem(sync.look_at_the_sweep(found(secondary)), "sweep").text


def test_a_pause_a_hold_and_a_parked_reference_are_problems_by_name(secondary: Site) -> None:
    sync_registry = secondary.sync_registry
    sync_registry.pause("storage")
    sync_registry.hold("registry.example.com:443", reason="503")
    sync_registry.fail(sync_registry.mark("group/app", Reference.tag("v1")), "refused", parked=True)
    beat(secondary, SYSTEM_CLOCK.now_ms())
    at_the_site = list(sync.look_at_the_site(found(secondary)))
    assert problem(at_the_site, "not_paused").fix == "geosync resume"
    assert "registry.example.com:443" in problem(at_the_site, "registries_answer").text
    assert problem(at_the_site, "nothing_parked").fix == "mend the cause, then geosync resync group/app v1"
    assert problems(at_the_site) == {"not_paused", "registries_answer", "nothing_parked"}


def test_what_aws_throttles_is_named_by_its_call_with_what_to_do(secondary: Site) -> None:
    sync_registry = secondary.sync_registry
    secret, table = (f"AWS throttles {call} (X: Rate exceeded)" for call in ("Secrets Manager GetSecretValue", "SQS X"))
    sync_registry.hold("registry.example.com:443", reason=f"its secret cannot be read: {secret}")
    beat(secondary, SYSTEM_CLOCK.now_ms())
    assert "references_throttled" not in problems(sync.look_at_the_site(found(secondary)))
    owed = sync_registry.mark("group/app", Reference.tag("v1"))
    sync_registry.hold_back(owed, SYSTEM_CLOCK.now_ms() + AN_HOUR, table)
    at_the_site = list(sync.look_at_the_site(found(secondary)))
    held, said = problem(at_the_site, "registries_answer"), problem(at_the_site, "references_throttled")
    assert secret in held.text
    assert said.text == f"1 reference met it, such as group/app v1: {table}"
    for one in (held, said):
        assert one.fix is not None
        assert one.fix.endswith(sync.QUOTA)


@pytest.mark.parametrize(("ago", "said"), [(None, "no heartbeat"), (AN_HOUR, "60 min ago")])
def test_a_primary_that_is_silent_is_a_problem(secondary: Site, clock: PlayedClock, ago: int | None, said: str) -> None:
    if ago is not None:
        beat(secondary, clock.now_ms() - ago)
    fault = problem(sync.look_at_the_site(found(secondary)), "heartbeat")
    assert said in fault.text
    assert "check at the primary" in (fault.fix or "")


def test_a_push_that_nobody_announced_is_a_problem_that_names_what_gitlab_s_chart_leaves_out(secondary: Site) -> None:
    beat(secondary, SYSTEM_CLOCK.now_ms())
    assert "pushes_announced" not in problems(sync.look_at_the_site(found(secondary)))
    now = SYSTEM_CLOCK.now_ms()
    values = {"count": 2, "first_at": now, "last_at": now, "found_in": "group/app", "reference": "v1"}
    secondary.sync_registry._store.write(Update(key=LOST, set=values))
    fault = problem(sync.look_at_the_site(found(secondary)), "pushes_announced")
    assert fault.text.startswith("2 pushes were found by comparison alone")
    assert fault.text.endswith("such as group/app v1")
    assert "registry.notifications at the primary" in (fault.fix or "")


def test_what_gitlab_s_package_does_not_know_is_named_where_its_token_never_comes() -> None:
    """`registry['notification_secret']`: whoever sets it sends no token, and is refused for ever."""
    lines = [{"reason": "missing", "source": "distribution"}] * (endpoint.REFUSED_BY_CHECKS + 1)
    fault = endpoint._refused(lines)
    assert (fault.result, "(missing)" in fault.text) == ("problem", True)
    assert "registry['notification_secret']" in (fault.fix or "")


def test_a_catalogue_that_may_not_be_read_is_a_problem(secondary: Site) -> None:
    now = SYSTEM_CLOCK.now_ms()
    values = {"started_at": now, "touched_at": now, "repositories": 0, "failure": "dublin: GET /v2/_catalog: 401"}
    secondary.sync_registry._store.write(Update(key=catalogue_item.KEY, set=values))
    fault = problem(sync.look_at_the_site(found(secondary)), "comparison")
    assert "_catalog: 401" in fault.text
    assert "registry:catalog:*" in (fault.fix or "")


def test_a_message_in_the_dlq_is_a_problem(secondary: Site) -> None:
    secondary.sqs.send_message(QueueUrl=secondary.outputs["DeadLetterQueueUrl"], MessageBody="poison")
    fault = problem(sync.look_at_the_dlq(found(secondary)), "dlq_empty")
    assert fault.text == "the DLQ holds 1 message"
    assert "dlq list" in (fault.fix or "")


# ── the other end of a test notification's way on the local stack, after a promotion ──


def local_stack(site: Site, stacks: dict[str, DeployedSite], roles: dict[str, tuple[str, str]]) -> Chosen:
    """Sites by name, each with its role and the site that it follows; the check runs at `frankfurt`."""
    known = found(site)
    for name, (role, follows) in roles.items():
        stacks[f"geosync-{name}"] = replace(
            known,
            stack=f"geosync-{name}",
            parameters={"SiteName": name, "SiteRole": role, "PrimaryTopicArn": f"topic of {follows}"},
            outputs={**known.outputs, "TopicArn": f"topic of {name}"},
        )
    others = tuple(StackName(name=f"geosync-{name}") for name in roles if name != "frankfurt")
    return Chosen(access=known.access, stack=StackName(name="geosync-frankfurt"), others=others)


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (
            {"frankfurt": ("secondary", "dublin"), "dublin": ("primary", ""), "oregon": ("secondary", "dublin")},
            {"dublin"},
        ),
        ({"frankfurt": ("primary", ""), "dublin": ("primary", ""), "oregon": ("secondary", "frankfurt")}, {"oregon"}),
        ({"frankfurt": ("primary", ""), "dublin": ("primary", ""), "oregon": ("secondary", "dublin")}, set()),
        ({"frankfurt": ("secondary", "oregon"), "dublin": ("primary", ""), "oregon": ("primary", "")}, {"oregon"}),
        ({"frankfurt": ("secondary", "nobody"), "dublin": ("primary", ""), "oregon": ("primary", "")}, set()),
    ],
    ids=[
        "as deployed",
        "promoted and followed",
        "promoted, not followed yet",
        "another was promoted",
        "follows nobody",
    ],
)
def test_the_other_end_is_who_follows_whom_now(
    secondary: Site, stacks: dict[str, DeployedSite], roles: dict[str, tuple[str, str]], expected: set[str]
) -> None:
    chosen = local_stack(secondary, stacks, roles)
    others = check._others(chosen, chosen.site(), (), None)
    assert {one.name.removeprefix("geosync-") for one in others} == expected

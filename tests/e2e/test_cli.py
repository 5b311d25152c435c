"""The command `geosync` on the deployed stack: what it shows of a push, the DLQ, whom IAM lets, what it refuses.

That no command prints a secret is looked at in test_commands.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from local import emulator as local_emulator
from local.stack import Stack
from tests.e2e.command import COMMAND, Ended, Geosync, run_preloaded, undone
from tests.e2e.parts import Site, envelope, eventually, push_event
from tests.e2e.registries import maker
from tests.support.findings import problem, problems

from geosync.cli.checks import sync


@pytest.fixture
def run(state: Path, stack: Stack) -> Geosync:
    """Run the command at a site of the stack."""
    return Geosync(state)


# ── status ──


def test_status_shows_a_push_until_it_is_settled(run: Geosync, primary: Site, secondaries: list[Site]) -> None:
    # A paused site marks and does not sync, so that there is time to look.
    site = secondaries[0]
    repository = f"e2e/{uuid.uuid4().hex[:8]}"
    assert run(site, "pause", "e2e").code == 0
    with undone(lambda: run(site, "resume")):
        body = envelope(push_event(repository, "v1", f"sha256:{uuid.uuid4().hex * 2}"))
        assert primary.notify(body, primary.token())[0] == 200

        def named() -> dict[str, Any] | None:
            ended = run(site, "status", "--json", "--limit", "1000")
            found: dict[str, Any] = json.loads(ended.output)
            mine = [one for one in found["references"] if one["repository"] == repository]
            return {**found, "mine": mine, "code": ended.code} if mine else None

        found = eventually(named, what="the push in the status")
        assert found is not None
        assert (found["code"], found["paused"]["reason"]) == (1, "e2e")
        assert found["mine"][0]["reference"] == "v1"
        problem(sync.look_at_the_site(run.deployed(site)), "not_paused")
        assert repository in run(site, "status", "--limit", "1000").output
    assert "not_paused" not in problems(sync.look_at_the_site(run.deployed(site)))


# ── wait ──


def test_a_pipeline_waits_with_a_token_alone(primary: Site, secondaries: list[Site]) -> None:
    site = secondaries[0]
    repository = replicated(primary, site)
    seen = site.item(repository, "tag#v1")
    assert seen is not None
    digest = seen["digest"]
    about = {"GEOSYNC_ADMIN_URL": site.about["admin_url"], "GEOSYNC_TOKEN": site.about["admin_read_token"]}

    def waited(image: str, **environment: str) -> tuple[int, str]:
        command = [str(COMMAND), "wait", image, "--timeout", "5m"]
        alone = {"PATH": "", "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **environment}  # no account, no profile
        ended = subprocess.run(command, env=alone, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout + ended.stderr

    assert waited(f"{repository}:v1@{digest}", **about) == (
        0,
        f"{repository}:v1@{digest} is at {site.name}: {digest}\n",
    )
    code, said = waited(f"{repository}:v1", **{**about, "GEOSYNC_TOKEN": "x" * 48})
    assert (code, "this is no token of this site" in said) == (2, True)


def replicated(primary: Site, site: Site) -> str:
    """A repository with an image that is at the site."""
    repository = f"e2e/{uuid.uuid4().hex[:8]}"
    with maker(primary) as make:
        make.image(repository, "v1", layers=1)
    eventually(lambda: site.item(repository, "tag#v1"), what=f"{repository} at {site.name}")
    return repository


def test_a_resync_of_a_tag_that_the_primary_has_not_ends_with_nothing_owed(
    run: Geosync, primary: Site, secondaries: list[Site]
) -> None:
    site = secondaries[0]
    nowhere = run(site, "resync", f"e2e/{uuid.uuid4().hex[:8]}", "v1")
    assert (nowhere.code, "is not at the primary" in nowhere.error) == (1, True)
    repository = replicated(primary, site)
    assert run(site, "resync", repository, "v2").code == 0
    eventually(
        lambda: not [item for item in site.items_of(repository).values() if "mark" in item],
        what="its discharge",
    )


# ── the DLQ ──


def test_a_message_that_cannot_be_read_is_in_the_dlq_with_its_reason(run: Geosync, secondaries: list[Site]) -> None:
    site = secondaries[0]
    word = uuid.uuid4().hex
    site.client("sqs").send_message(QueueUrl=site.about["queue_url"], MessageBody=f'{{"version": "99-{word}"}}')

    def listed() -> list[dict[str, Any]]:
        ended = run(site, "dlq", "list", "--json")
        return [one for one in json.loads(ended.output) if word in one["body"]]

    (letter,) = eventually(listed, what="the message in the DLQ")
    assert letter["kind"] == "refused"
    assert "99-" in letter["reason"]
    problem(sync.look_at_the_dlq(run.deployed(site)), "dlq_empty")
    # Replayed, poison comes back, with its reason, as another message.
    assert run(site, "dlq", "replay", letter["id"]).code == 0
    (again,) = eventually(listed, what="the message back in the DLQ")
    assert (again["id"] != letter["id"], again["kind"], again["reason"]) == (True, "refused", letter["reason"])
    # Discarded, it is gone, and the audit log says why.
    assert run(site, "dlq", "discard", again["id"], "--reason", f"poison {word}").code == 0
    assert listed() == []
    assert f"poison {word}" in run(site, "events", "--audit", "--json", "--hours", "3").output


# ── under IAM ──


def policies() -> list[dict[str, Any]]:
    """The first two policies that the manual gives: to look, and to act besides. The others are for AWS's services."""
    manual = (local_emulator.ROOT / "docs" / "operations" / "permissions-and-secrets.md").read_text()
    blocks = re.findall(r'^```json\n(\{"Version".*?)```', manual, re.DOTALL | re.MULTILINE)
    return [json.loads(block) for block in blocks[:2]]


@pytest.fixture
def as_user(stack: Stack) -> Callable[..., Ended]:
    """Run the command at a site as an IAM user, by its stack's name as on AWS."""

    def run_as(key: dict[str, str], site: Site, *arguments: str) -> Ended:
        environment = local_emulator.aws_environment(stack.emulator.url) | {
            name.upper(): value for name, value in key.items()
        }
        place = ["--stack", site.about["stack"], "--region", site.about["region"]]
        return run_preloaded([*place, *arguments], environment=environment)

    return run_as


def test_the_policies_of_the_manual_are_enough(
    as_user: Callable[..., Ended], stack: Stack, primary: Site, secondaries: list[Site]
) -> None:
    look, act = policies()
    reader = local_emulator.make_user(stack.emulator, f"reader-{uuid.uuid4().hex[:8]}", look)
    both = {**look, "Statement": [*look["Statement"], *act["Statement"]]}
    actor = local_emulator.make_user(stack.emulator, f"actor-{uuid.uuid4().hex[:8]}", both)
    site = secondaries[1]
    other = f"{primary.about['stack']}@{primary.about['region']}"
    found = json.loads(as_user(reader, site, "check", "--primary", other, "--json").output)["findings"]
    assert [one for one in found if one["result"] not in {"ok", "problem"}] == []
    assert f"arrives_at_{site.name}" in {one["name"] for one in found}
    found = json.loads(as_user(reader, primary, "check", "--json").output)["findings"]
    assert [one["name"] for one in found if one["result"] == "unknown"] == []
    assert as_user(reader, site, "status").code in {0, 1}
    assert as_user(reader, site, "dlq", "list").code in {0, 1}
    resync = ["resync", replicated(primary, site), "v1"]
    for command in (["pause"], resync):
        refused = as_user(reader, site, *command)
        assert refused.code == 2
        assert "not authorized" in refused.error
        assert "Traceback" not in refused.error
    for command in (["pause"], ["resume"], resync, ["dlq", "replay", "--all"]):
        ended = as_user(actor, site, *command)
        assert ended.code == 0, ended.error
    sent = site.client("sqs").send_message(QueueUrl=site.about["dlq_url"], MessageBody="made by a test")
    ended = as_user(actor, site, "dlq", "discard", sent["MessageId"], "--reason", "made by a test")
    assert ended.code == 0, ended.error


def test_what_a_caller_may_not_look_at_is_unknown_and_does_not_keep_the_rest(
    as_user: Callable[..., Ended], stack: Stack, secondaries: list[Site]
) -> None:
    look = policies()[0]
    (statement,) = look["Statement"]
    allowed = [action for action in statement["Action"] if not action.startswith(("sns:", "lambda:"))]
    policy = {**look, "Statement": [{**statement, "Action": allowed}]}
    key = local_emulator.make_user(stack.emulator, f"half-{uuid.uuid4().hex[:8]}", policy)
    found = json.loads(as_user(key, secondaries[0], "check", "--json").output)["findings"]
    results = {one["name"]: one["result"] for one in found}
    assert "unknown" in results.values()
    assert results["token_accepted"] == results["local_registry"] == "ok"
    unknown = " ".join(one["fix"] for one in found if one["result"] == "unknown")
    assert "ListSubscriptionsByTopic" in unknown


# ── bad input ──


@pytest.mark.parametrize(
    ("site", "command", "said"),
    [
        ("nowhere", ["status"], "the local stack has no site 'nowhere'"),
        ("dublin", ["pause"], "is the primary"),
        ("dublin", ["check", "--primary", "x@eu-west-1"], "--secondary"),
        ("dublin", ["check", "--secondary", "geosync-typo@eu-west-1"], "there is no stack geosync-typo in eu-west-1"),
        ("oregon", ["check", "--repository", "Not/A/Name"], "is not a repository name"),
    ],
)
def test_what_cannot_be_answered_ends_with_2_and_one_line(
    run: Geosync, site: str, command: list[str], said: str
) -> None:
    ended = run.installed(site, *command)
    assert (ended.code, ended.output) == (2, "")
    assert said in ended.error
    assert "Traceback" not in ended.error

"""Every command in every output: for people on a terminal of 80 and of 200 columns and in a pipe, and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from unittest.mock import MagicMock

import boto3
import pytest
from tests.functional.cli.conftest import REGION, Site
from tests.functional.cli.shown import shows_everything
from tests.functional.cli.stacks import OTHER, CloudFormation, cloudformation
from tests.functional.cli.test_commands import PARKED, dead_letter
from tests.functional.cli.test_look import A, failed, synced
from tests.functional.cli.test_wrong_site import commands

from geosync.cli import check, registries
from geosync.cli.checks.findings import problem
from geosync.cli.choosing import contexts
from geosync.cli.choosing.contexts import Contexts, SiteContext
from geosync.cli.failover import follow as following
from geosync.cli.main import main
from geosync.cli.output import Answer
from geosync.cli.site import StackSite
from geosync.clock import SYSTEM_CLOCK
from geosync.operating import sites
from geosync.sync_registry.site.admin_access import NamedToken
from geosync.sync_registry.site.findings import key
from geosync.sync_registry.site.sites import SiteReport
from geosync.sync_registry.table.changes import Update

__all__ = ["cloudformation"]

AT_A_PRIMARY: dict[str, tuple[str, ...]] = {
    "sites list": (),
    "sites status": (),
    "sites add": ("oslo", "https://oslo.example.com", "--report-key", "0" * 64),
    "sites remove": ("oregon",),
}
AT_A_SECONDARY: dict[str, tuple[str, ...]] = {
    "backfill": ("--no-follow",),
    "backfill start": (),
    "check": (),
    "completion": ("bash",),
    "costs": (),
    "context add": ("here",),
    "context list": (),
    "context remove": ("kept",),
    "context use": ("kept",),
    "deletes resume": (),
    "deletes status": (),
    "dlq discard": ("LETTER", "--reason", "made by a test"),
    "dlq list": (),
    "dlq replay": ("--all",),
    "events": ("--audit", "--hours", "1"),
    "extras adopt": ("group/app", "old"),
    "extras dismiss": ("group/app", "--reason", "known to us"),
    "extras list": (),
    "extras undismiss": ("group/sick",),
    "follow": (f"{OTHER}@{REGION}", "--yes", "--registry-secret", "none"),
    "logs": ("--function", "reconcile"),
    "open": ("--print",),
    "pause": ("storage is moved",),
    "promote": ("--yes",),
    "repositories": (),
    "resume": (),
    "resync": ("group/app",),
    "reverify": ("group/app",),
    "selection preview": ("--exclude-repositories", "group/*"),
    "show": ("group/sick",),
    "sites key": (),
    "slo": (),
    "status": (),
    "token create": ("ci",),
    "token list": (),
    "token revoke": ("old",),
    "wait": ("group/app:v1", "--timeout", "1s"),
}
FORMER = {
    *("progress", "paused", "holds", "missing", "breaker", "oldest", "heartbeat", "last_sweep", "last_event_processed"),
    *("deletes_suspended", "received_at", "expire_at", "touched_at", "clean_since", "moved_at", "counted_at"),
    *("settled_at", "paces", "pushed_at"),
}
"""Keys of the version before, with moments in milliseconds, which the next version does not have any more."""
ACTS = {
    *("backfill start", "context add", "context remove", "context use", "deletes resume", "dlq discard", "dlq replay"),
    *("extras adopt", "extras dismiss", "extras undismiss", "follow", "pause", "promote", "resume", "resync"),
    *("reverify", "sites add", "sites remove", "token create", "token revoke", "wait"),
}
"""What changes the site: each has one of its own here, and those that only look share one."""
PRINTS_A_SCRIPT = {"completion"}
"""What a shell reads as it is, so that nobody sees it as a table."""
BY_ITSELF = {"init", "drill", "smoke"}
"""What talks with a person and writes files (init/); what reads two registries and what makes sites, whose reports are
looked at in every output where they are made (drill/test_drill.py, smoke/test_smoke.py)."""
LONG = "dublin: GET /v2/group/sick/manifests/v2: 503" + " service unavailable" * 10 + ' for "C:\\new"'


def test_every_command_is_here() -> None:
    assert sorted(commands(main)) == sorted([*AT_A_PRIMARY, *AT_A_SECONDARY, *BY_ITSELF])


def fill(site: Site) -> str:
    """Fill a site with something of each kind; return the id of a dead letter."""
    now_ms, sync_registry = SYSTEM_CLOCK.now_ms(), site.sync_registry
    synced(site, "group/app")
    failed(site, "group/sick", LONG)
    counts = {"found_at": now_ms, "of": 2, "extra": 1, "missing": 1}
    names = {"extra_names": ["old"], "missing_names": ["v1"]}
    sync_registry._store.write(Update(key=key("group/app"), set={**counts, **names}))
    dismissed = {"dismissed_at": now_ms, "dismissed_by": "anna", "dismissed_because": LONG}
    sync_registry._store.write(Update(key=key("group/sick"), set={**counts, **names, **dismissed}))
    sync_registry.admin_access.add(NamedToken(name="old", right="read", created_at=1, ends_at=2, key="0" * 64))
    logs = boto3.client("logs", region_name=REGION)
    group = f"/aws/lambda/{site.outputs['ReconcileFunction']}"
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    line = json.dumps({"level": "ERROR", "message": "minute_failed", "repository": "group/app", "error": LONG})
    logs.put_log_events(
        logGroupName=group, logStreamName="one", logEvents=[{"timestamp": now_ms - 1000, "message": line}]
    )
    return dead_letter(site, PARKED, kind="parked", reason=LONG)


def moments(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Fields of a document, however deep, that say when something was; without those of the version before."""
    if isinstance(value, dict):
        for key_, one in value.items():
            if key_ not in FORMER:
                yield from moments(one, key_)
    elif isinstance(value, list):
        for one in value:
            yield from moments(one, name)
    elif name.endswith(("_at", "_since")):
        yield name, value


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the looks at registries and functions that do not exist here."""
    found = problem("dlq_empty", f"it holds 1 message: {LONG}", "geosync dlq list")
    monkeypatch.setattr(check, "looks", lambda _: iter([found]))
    monkeypatch.setattr(check, "_looks", lambda *_: [])
    monkeypatch.setattr(registries, "primary_digest", lambda *_: registries.DigestAtPrimary(digest=A, is_known=True))
    monkeypatch.setattr(registries, "primary_knows", lambda *_: True)
    monkeypatch.setattr(following, "key_of", lambda _: "0" * 64)
    monkeypatch.setattr(StackSite, "client", lambda_apart(StackSite.client))


def lambda_apart(client: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the client of Lambda, which has no function here."""
    return lambda self, service, region=None: MagicMock() if service == "lambda" else client(self, service, region)


@pytest.mark.parametrize("command", [None, *sorted(ACTS & AT_A_SECONDARY.keys())])
def test_a_command_at_a_secondary_in_every_output(
    secondary: Site,
    cloudformation: CloudFormation,
    looks: None,
    answers: list[Answer],
    command: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letter = fill(secondary)
    contexts.write(Contexts().with_context("kept", SiteContext(stack=secondary.stack, region=REGION)))
    for one in [command] if command is not None else sorted(AT_A_SECONDARY.keys() - ACTS):
        arguments = [letter if word == "LETTER" else word for word in AT_A_SECONDARY[one]]
        ran(secondary, one, arguments, answers, monkeypatch)


def test_the_commands_at_a_primary_in_every_output(
    primary: Site, answers: list[Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = primary.sync_registry.sites
    known.add(name="oregon", url="https://oregon.example.com", key=sites.report_key("t" * 48), now_ms=1)
    now_ms = SYSTEM_CLOCK.now_ms()
    status = {"name": "oregon", "health_status": "Unhealthy", "health_reasons": [LONG], "health": LONG}
    known.record(SiteReport(site="oregon", sent_at=now_ms, arrived_at=now_ms, status=json.dumps(status)))
    for command, arguments in AT_A_PRIMARY.items():
        ran(primary, command, list(arguments), answers, monkeypatch)


def ran(site: Site, command: str, arguments: list[str], answers: list[Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command for programs, and look at its answer in every output."""
    if command in PRINTS_A_SCRIPT:
        answers.clear()
        script = site.run(command, *arguments)
        document = json.loads(site.run(command, *arguments, "-o", "json").stdout)
        assert (script.exit_code, "_geosync_completion" in script.stdout, answers) == (0, True, answers[-1:])
        assert document == {"shell": "bash", "script": script.stdout.removesuffix("\n")} == answers[-1].document
        assert site.run(command, *arguments, "-o", "name").stdout == "bash\n"
        return
    answers.clear()
    ended = site.run(*command.split(), *arguments, "-o", "json")
    assert ended.exit_code in {0, 1, 2}, ended.output
    assert answers, (command, ended.output, ended.exception)
    assert json.loads(ended.stdout) == json.loads(json.dumps(answers[-1].document))
    shows_everything(answers[-1], monkeypatch)
    for name, value in moments(answers[-1].document):
        assert isinstance(value, str | None), (command, name, value)
        assert value is None or datetime.fromisoformat(value), (command, name, value)

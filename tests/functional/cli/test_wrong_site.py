"""Every command at a site of the wrong role: one line that names the right site, exit code 2, no effect."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from tests.functional.cli.conftest import Site

from geosync.cli.main import main
from geosync.sync_registry.site import breaker
from geosync.sync_registry.table.changes import Key

SECONDARY = {
    "show": ("group/app",),
    "pause": (),
    "resume": (),
    "resync": ("group/app",),
    "wait": ("group/app",),
    "reverify": ("group/app",),
    "backfill": (),
    "slo": (),
    "backfill start": (),
    "deletes status": (),
    "deletes resume": (),
    "selection preview": (),
    "extras list": (),
    "extras adopt": ("group/app", "v1"),
    "extras dismiss": ("group/app", "--reason", "known"),
    "extras undismiss": ("group/app",),
    "promote": ("--yes",),
    "drill": (),
}
"""What only a secondary can answer or do."""
PRIMARY = {
    "sites list": (),
    "sites status": (),
    "sites add": ("oregon", "https://oregon.example.com", "--report-key", "0" * 64),
    "sites remove": ("oregon",),
}
"""What only a primary can."""
WITHOUT_A_SITE = {"completion", "context add", "context use", "context list", "context remove", "smoke"}
EVERYWHERE = {
    "logs",
    "open",
    "status",
    "repositories",
    "check",
    "costs",
    "init",
    "events",
    "dlq list",
    "dlq replay",
    "dlq discard",
    "sites key",
    "token create",
    "token list",
    "token revoke",
    "follow",
}


def commands(group: click.Group, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        whole = f"{before} {name}".strip()
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield whole
        if isinstance(command, click.Group):
            yield from commands(command, whole)


def test_every_command_is_known_to_be_of_one_kind() -> None:
    assert sorted(commands(main)) == sorted([*SECONDARY, *PRIMARY, *EVERYWHERE, *WITHOUT_A_SITE])


def test_the_primary_refuses_the_actions_of_a_secondary(primary: Site) -> None:
    store = primary.sync_registry._store
    for name, arguments in SECONDARY.items():
        answer = primary.run(*name.split(), *arguments)
        assert (answer.exit_code, "is the primary" in answer.output) == (2, True), (name, answer.output)
        assert "Traceback" not in answer.output
    assert primary.bodies("WorkQueueUrl") == []
    assert not primary.sync_registry.is_paused()
    assert store.get(breaker.KEY) is None


def test_a_secondary_refuses_the_actions_of_the_primary(secondary: Site) -> None:
    for name, arguments in PRIMARY.items():
        answer = secondary.run(*name.split(), *arguments)
        assert (answer.exit_code, "the primary's matter" in answer.output) == (2, True), (name, answer.output)
    assert secondary.sync_registry._store.get(Key("#site", "known#oregon")) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("repositories", "--state", "broken"),
        ("repositories", "--verification-state", "9"),
        ("repositories", "--limit", "0"),
        ("show", "../etc"),
        ("resync", "Group/App"),
        ("resync", "group/app", "v1:v2"),
        ("reverify", "group//app"),
        ("extras", "list", "../x"),
        ("extras", "adopt", "group/app", "no tag"),
        ("extras", "dismiss", "../x", "--reason", "known"),
        ("extras", "dismiss", "group/app"),
        ("extras", "dismiss", "group/app", "--reason", " "),
        ("extras", "dismiss", "group/app", "--reason", "x" * 1001),
        ("extras", "undismiss", "../x"),
        ("events", "--limit", "many"),
        ("status", "--limit", "-1"),
        ("dlq", "replay"),
        ("sites", "add", "Oregon", "https://oregon.example.com", "--report-key", "0" * 64),
        ("follow", "@eu-west-1", "--yes"),
        ("no-such-command",),
    ],
)
def test_what_is_no_name_state_page_or_site_is_named_and_nothing_is_sent(
    secondary: Site, arguments: tuple[str, ...]
) -> None:
    answer = secondary.run(*arguments)
    assert answer.exit_code == 2, answer.output
    assert "Error: " in answer.output
    assert "Traceback" not in answer.output
    assert secondary.bodies("WorkQueueUrl") == []

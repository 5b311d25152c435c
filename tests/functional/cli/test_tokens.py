"""`geosync token`: named tokens are made, listed and revoked; the audit log has each action."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from tests.functional.cli.conftest import REGION, PlayedClock, Site

from geosync.cli.main import main
from geosync.operating.admin_tokens import token_key


def test_a_token_is_shown_once_and_only_its_digest_is_kept(secondary: Site) -> None:
    made = secondary.run("token", "create", "ci-bot", "--right", "act", "--days", "30")
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    assert re.fullmatch(r"[A-Za-z0-9]{48}", text)
    assert text not in made.stderr
    kept = secondary.sync_registry.admin_access.find("ci-bot")
    assert kept is not None
    assert (kept.right, kept.key) == ("act", token_key(text.encode()))
    assert kept.ends_at == kept.created_at + 30 * 86_400_000
    for arguments in (["list"], ["list", "--json"]):
        shown = secondary.run("token", *arguments)
        assert "ci-bot" in shown.output
        assert text not in shown.output
        assert kept.key not in shown.output
    (entry,) = secondary.audit()
    assert (entry["action"], entry["outcome"], entry["detail"]) == (
        "geosync token create",
        "done",
        "ci-bot act '30 days'",
    )
    assert text not in str(entry)


def test_a_token_looks_and_has_no_end_unless_that_is_asked_for(secondary: Site) -> None:
    secondary.run("token", "create", "ana")
    (ana,) = json.loads(secondary.run("token", "list", "--json").output)
    assert (ana["name"], ana["right"], ana["ends_at"], ana["ended"]) == ("ana", "read", None, False)


def test_a_name_is_given_once(secondary: Site) -> None:
    assert secondary.run("token", "create", "ana").exit_code == 0
    before = secondary.sync_registry.admin_access.find("ana")
    again = secondary.run("token", "create", "ana", "--right", "act")
    assert (again.exit_code, again.stdout) == (1, "")
    assert secondary.sync_registry.admin_access.find("ana") == before


def test_a_token_is_revoked_once(secondary: Site, clock: PlayedClock) -> None:
    secondary.run("token", "create", "ana")
    clock.ahead_s += 1
    assert secondary.run("token", "revoke", "ana").exit_code == 0
    assert secondary.sync_registry.admin_access.find("ana") is None
    missing = secondary.run("token", "revoke", "ana")
    assert (missing.exit_code, "has no token ana" in missing.output) == (1, True)
    assert [entry["action"] for entry in secondary.audit()] == ["geosync token create", "geosync token revoke"]


@pytest.mark.parametrize("name", ["", "Ana", "a.b", "a:b", "a" * 33, "\x1b[2J"])
def test_a_name_is_plain(name: str) -> None:
    for command in ("create", "revoke"):
        run = CliRunner().invoke(main, ["--stack", "geosync-test", "--region", REGION, "token", command, name])
        assert run.exit_code == 2
        assert "\x1b" not in run.output

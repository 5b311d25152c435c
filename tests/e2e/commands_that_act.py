"""Cases of the commands that act: what they say, and what becomes of it."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.e2e.cases import Run, case
from tests.e2e.command import undone
from tests.e2e.drilling import by_the_schedule
from tests.e2e.parts import eventually
from tests.e2e.registries import digest, maker

from geosync.operating import deletions, sites
from geosync.operating.admin_tokens import token_key
from geosync.sync_registry.site.admin_access import NamedToken
from geosync.sync_registry.site.findings import Dismissal

# ── to act ──


@case("pause")
def pause(run: Run) -> None:
    with undone(run.geosync.deployed(run.site).sync_registry.resume):
        assert f"{run.site.name} is paused" in run("pause", "storage is moved")
        paused = run.site.item("#site", "pause")
        assert paused is not None
        assert paused["reason"] == "storage is moved"


@case("resume")
def resume(run: Run) -> None:
    run.geosync.deployed(run.site).sync_registry.pause("storage is moved")
    assert f"{run.site.name} goes on" in run("resume")
    assert run.site.item("#site", "pause") is None


@case("resync")
def resync(run: Run) -> None:
    def looked_at() -> int:
        return int((run.site.item(run.made.repository, "tag#v1") or {"looked_at": 0})["looked_at"])

    before = looked_at()
    said = run("resync", run.made.repository, "v1")
    assert f"{run.made.repository} (v1) is enqueued to be resynced at {run.site.name}" in said.replace("\n", "")
    eventually(lambda: looked_at() > before, what="another look at the tag")


@case("reverify")
def reverify(run: Run) -> None:
    before = int(run.row().get("verified_at") or 0)
    assert "enqueued to be verified" in run("reverify", run.made.repository)
    eventually(lambda: int(run.row().get("verified_at") or 0) > before, what="the verification")


@case("backfill start")
def backfill_start(run: Run) -> None:
    asked_at = time.time() * 1000
    said = run("backfill", "start")
    assert re.search(r"goes through the primary's catalogue now|A comparison is under way", said)

    def begun() -> bool:
        found = run.site.item("#site", "catalogue") or {}
        return int(found.get("started_at", 0)) >= asked_at or "under way" in said

    eventually(begun, what="the comparison")


@case("deletes resume")
def deletes_resume(run: Run) -> None:
    asked_at = time.time() * 1000
    assert "nothing was suspended" in run("deletes", "resume")
    assert deletions.read(run.geosync.deployed(run.site).sync_registry).breaker.accepted_at >= asked_at - 1


@case("extras adopt")
def extras_adopt(run: Run) -> None:
    with maker(run.site) as registry:
        assert digest(registry, run.made.repository, "adopted") is not None
        assert "asks the primary and removes" in run("extras", "adopt", run.made.repository, "adopted")
        eventually(lambda: digest(registry, run.made.repository, "adopted") is None, what="the tag to be removed")


@case("extras dismiss")
def extras_dismiss(run: Run) -> None:
    findings, name = run.geosync.deployed(run.site).sync_registry.findings, run.made.repository
    with undone(lambda: findings.undismiss(name)):
        said = run("extras", "dismiss", name, "--reason", "known to us")
        assert f"What was found in {name} is hidden until" in " ".join(said.split())
        found = findings.get(name)
        assert found is not None
        assert found.dismissed is not None
        assert found.dismissed.reason == "known to us"


@case("extras undismiss")
def extras_undismiss(run: Run) -> None:
    findings, name = run.geosync.deployed(run.site).sync_registry.findings, run.made.repository
    found = findings.get(name)
    assert found is not None
    findings.dismiss(found, Dismissal(at=1, by="anna", reason="known to us"))
    assert f"What was found in {name} is listed again" in " ".join(run("extras", "undismiss", name).split())
    found = findings.get(name)
    assert found is not None
    assert found.dismissed is None


@case("dlq list")
def dlq_list(run: Run) -> None:
    message = run.poison()
    with undone(lambda: run.drop(message)):
        shown = run("dlq", "list", code=1, table=True)
        assert re.search(r"^id[ \t]+kind[ \t]+about[ \t]+reason", shown), shown
        assert "refused" in shown
        if not run.on_a_terminal:
            assert f"{message}\trefused\t{run.made.repository} *\tthe version '99' is not known here" in shown
            found = {one["id"]: one for one in run.document("dlq", "list", code=1)}
            assert found[message]["body"] == json.dumps({"version": "99", "repository": run.made.repository})
            assert "receipt" not in found[message]


@case("dlq replay")
def dlq_replay(run: Run) -> None:
    message = run.poison()
    said = run("dlq", "replay", message)
    assert f"replayed {message}" in said
    assert "1 replayed." in said
    # It cannot be read by functions/sync either, which says so: as another message.
    body = json.dumps({"version": "99", "repository": run.made.repository})
    (again,) = eventually(lambda: [one.id for one in run.letters.look() if one.body == body], what="the poison")
    run.drop(again)
    assert again != message


@case("dlq discard")
def dlq_discard(run: Run) -> None:
    message = run.poison()
    assert f"discarded {message}" in run("dlq", "discard", message, "--reason", "made by a test")
    assert f"audit#discarded-{message}" in {one["id"] for one in run.site.items("events_table")}


@case("sites add")
def sites_add(run: Run) -> None:
    expected, name = run.geosync.deployed(run.primary).sync_registry.sites, f"e2e-{run.site.name}"
    with undone(lambda: expected.remove(name)):
        key = sites.report_key("t" * 48)
        said = run("sites", "add", name, "https://e2e.example.com/geo/", "--report-key", key, at=run.primary)
        assert f"{run.primary.name} expects {name}" in said
        known = expected.find(name)
        assert known is not None
        assert known.report_key == key


@case("sites remove")
def sites_remove(run: Run) -> None:
    expected, name = run.geosync.deployed(run.primary).sync_registry.sites, f"e2e-{run.site.name}-gone"
    expected.add(name=name, url="https://e2e.example.com/geo/", key=sites.report_key("t" * 48), now_ms=1)
    assert f"no longer expects {name}" in run("sites", "remove", name, at=run.primary)
    assert expected.find(name) is None


@case("token create")
def token_create(run: Run) -> None:
    access, name = run.geosync.deployed(run.site).sync_registry.admin_access, f"made-{run.on_a_terminal}".lower()
    with undone(lambda: access.revoke(name)):
        said = run("token", "create", name, "--days", "1")
        (text,) = re.findall(r"\b[A-Za-z0-9]{48}\b", said)
        kept = access.find(name)
        assert kept is not None
        assert kept.key == token_key(text.encode())
        asked = urllib.request.Request(
            run.site.about["admin_url"].rstrip("/") + "/api/v4/session", headers={"Authorization": f"Bearer {text}"}
        )

        def taken() -> Any:
            with suppress(urllib.error.HTTPError), urllib.request.urlopen(asked) as answer:
                return json.load(answer)
            return None

        assert eventually(taken, what="the token to be let in")["token_name"] == name


@case("token list")
def token_list(run: Run) -> None:
    access = run.geosync.deployed(run.site).sync_registry.admin_access
    with undone(lambda: access.revoke("listed")):
        access.add(NamedToken(name="listed", right="read", created_at=1, ends_at=2, key="0" * 64))
        assert re.search(r"^listed[ \t]+read[ \t]+.* ago[ \t]+ended *$", run("token", "list", table=True), re.MULTILINE)
        if not run.on_a_terminal:
            found = {one["name"]: one for one in run.document("token", "list")}
            assert (found["listed"]["right"], found["listed"]["ended"]) == ("read", True)


@case("token revoke")
def token_revoke(run: Run) -> None:
    access, name = run.geosync.deployed(run.site).sync_registry.admin_access, f"gone-{run.on_a_terminal}".lower()
    access.add(NamedToken(name=name, right="read", created_at=1, ends_at=None, key="0" * 64))
    assert f"{name} is revoked" in run("token", "revoke", name)
    assert access.find(name) is None


@case("promote")
def promote(run: Run) -> None:
    said = run("promote", code=3, typed=f"{run.primary.name}\n")
    assert f"{run.site.name} becomes the primary. Type its name to go on" in said.replace("\n", " ")
    assert "Nothing was changed." in said
    assert run.geosync.deployed(run.site).role == "secondary"


@case("follow")
def follow(run: Run) -> None:
    leader = f"{run.primary.about['stack']}@{run.primary.about['region']}"
    said = run("follow", leader, "--registry-secret", "none", code=3, typed="no\n")
    assert f"{run.site.name} follows {run.primary.name}. Type its name to go on" in said.replace("\n", " ")
    assert "Nothing was changed." in said
    assert run.site.item("#site", "pause") is None


@case("drill")
def drill(run: Run) -> None:
    """Look at each part of a drill, not at its verdict: on this stack other tests cause faults."""
    if run.on_a_terminal:
        shown = run("drill", code={0, 1, 2})
        assert f"The drill of {run.site.name} " in shown
        assert "accepted by CloudFormation, and not made" in shown
        assert f"geosync-drill:{run.site.name}" in shown
        return
    heartbeat = run.geosync.deployed(run.site).sync_registry.heartbeat
    eventually(heartbeat.read, what=f"a heartbeat of the primary at {run.site.name}")
    with _secret_to_push(run) as arn:
        done = by_the_schedule(run.site, run.geosync.deployed(run.site).parameters, arn)
    assert done.returncode in {0, 1, 2}, done.stderr
    assert not [secret for secret in run.secrets if secret in done.stdout + done.stderr]
    report = run.document("drill", "--site", run.site.name, "--last", code=done.returncode)
    canary, sample = report["canary"], report["sample"]
    assert canary["arrived_s"] is not None, canary
    with maker(run.site) as registry:
        assert digest(registry, "geosync-drill", run.site.name) == canary["digest"]
    assert report["truth"]["tags"] >= sample["chosen"] > 0
    assert not [one for one in sample["bad"] if one.startswith(canary["repository"])]
    assert sample["pulled"] > 0
    assert (report["update"]["is_accepted"], report["primary"]) == (True, run.primary.name)
    assert any("SyncFunction" in one for one in report["update"]["changes"])
    left = run.site.client("cloudformation").list_change_sets(StackName=run.site.about["stack"])
    assert "geosync-drill" not in {one["ChangeSetName"] for one in left["Summaries"]}
    assert run.geosync.deployed(run.site).role == "secondary"
    assert run.site.item("#drill", "drilling") is None
    assert f"drill#{report['id']}" in {one["id"] for one in run.site.items("events_table")}


@contextmanager
def _secret_to_push(run: Run) -> Iterator[str]:
    """Make the secret of a client of the primary's registry: the site's own account there may only pull."""
    client: Any = run.site.client("secretsmanager")
    account = {"type": "basic", "username": run.primary.about["username"], "password": run.primary.about["password"]}
    arn = client.create_secret(Name=f"drill-{time.time_ns()}", SecretString=json.dumps(account))["ARN"]
    with undone(lambda: client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)):
        yield arn

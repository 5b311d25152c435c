"""Every command of `geosync` on the deployed stack, in a pipe (as text and as JSON) and on a terminal.

A command that is not here fails the first test. What becomes of the action is looked at, too. `promote` and `follow`
are declined here; test_failover.py carries them out.
"""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
from local.stack import Stack
from rich.cells import cell_len
from tests.e2e.command import Geosync, undone
from tests.e2e.parts import Site, eventually
from tests.e2e.registries import digest, maker
from tests.support.terminal import COLUMNS, without_escapes

from geosync.cli.checks.findings import CheckFinding, exit_code
from geosync.cli.main import main
from geosync.cli.output import WIDTH_OF_A_PIPE
from geosync.operating import deletions, sites
from geosync.operating.admin_tokens import token_key
from geosync.operating.dead_letters import DeadLetters
from geosync.sync_registry.site.admin_access import NamedToken
from geosync.sync_registry.sync_registry import SyncRegistry

BAR = "━"
RUBY_TIME = r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{9} UTC \+00:00"
WITHOUT_JSON_HERE = {"promote"}
"""Its document comes only with the deed: test_failover.py."""


def leaves(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its whole name."""
    if not isinstance(command, click.Group) or (command.invoke_without_command and name):
        yield name, command
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from leaves(child, f"{name} {child.name}".strip())


COMMANDS = dict(leaves(main))


@dataclass(frozen=True, slots=True)
class Made:
    """An image that is at every site, and tags that only the secondaries have."""

    repository: str
    digest: str


@dataclass(slots=True)
class Run:
    """Runs a command at one site in one of the two ways, and looks at how it is shown."""

    geosync: Geosync
    primary: Site
    site: Site
    made: Made
    on_a_terminal: bool
    ran: list[tuple[str, ...]] = field(default_factory=list)
    documents: int = 0

    def __call__(
        self, *arguments: str, code: int | set[int] = 0, at: Site | None = None, table: bool = False, typed: str = ""
    ) -> str:
        """What is shown. `table`: it is as wide as there is room, and has colours on a terminal."""
        self.ran.append(arguments)
        site = at or self.site
        if self.on_a_terminal:
            ended = self.geosync.on_a_terminal(site, *arguments, typed=typed)
            shown = without_escapes(ended.output)
        else:
            ended = self.geosync(site, *arguments, typed=typed)
            shown = ended.output
            assert "\x1b" not in ended.output + ended.error
        assert "Traceback" not in ended.output + ended.error
        assert ended.code in ({code} if isinstance(code, int) else code), (ended.code, ended.output, ended.error)
        if table:
            width = COLUMNS if self.on_a_terminal else WIDTH_OF_A_PIPE
            assert max(map(cell_len, shown.splitlines())) <= width, shown
            assert ("\x1b[" in ended.output) is self.on_a_terminal, ended.output
        return shown

    def document(self, *arguments: str, code: int | set[int] = 0, at: Site | None = None) -> Any:
        """The JSON document, as a program reads it."""
        assert not self.on_a_terminal
        self.documents += 1
        return json.loads(self(*arguments, "--json", code=code, at=at))

    def poison(self) -> str:
        """Put a message that cannot be read into the site's DLQ, as functions/sync does; its id."""
        reasons = {"kind": "refused", "reason": "the version '99' is not known here"}
        sent = self.site.client("sqs").send_message(
            QueueUrl=self.site.about["dlq_url"],
            MessageBody=json.dumps({"version": "99", "repository": self.made.repository}),
            MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in reasons.items()},
        )
        return str(sent["MessageId"])

    @property
    def letters(self) -> DeadLetters:
        """The site's DLQ, without the command."""
        about = self.site.about
        return DeadLetters(
            self.site.client("sqs"),
            dlq_url=about["dlq_url"],
            events_url=about["queue_url"],
            work_url=about["work_queue_url"],
        )

    def drop(self, message: str) -> None:
        """Take a message out of the DLQ again."""
        assert list(self.letters.discard({message}, lambda letter: None))

    def is_settled(self) -> bool:
        """Whether nothing is owed in the repository: earlier cases compare and resync it."""
        return not self.geosync.deployed(self.site).sync_registry.owed(self.made.repository)

    def row(self) -> dict[str, Any]:
        found = self.site.item(self.made.repository, "row")
        assert found is not None
        return found


Case = Callable[[Run], None]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    """Say which command a case runs."""

    def add(of: Case) -> Case:
        CASES[name] = of
        return of

    return add


# ── to look ──


@case("status")
def status(run: Run) -> None:
    message = run.poison()
    with undone(lambda: run.drop(message)):
        shown = run("status", code=1, table=True)
        assert f"{run.site.name} (secondary, {run.site.about['region']}" in shown
        for line in ("health", "owed", "dlq", "heartbeat", "sweep", "comparison", "recovery point"):
            assert re.search(rf"^{line}  ", shown, re.MULTILINE), shown
        if not run.on_a_terminal:
            document = run.document("status", code=1)
            assert (document["site"], document["role"]) == (run.site.name, "secondary")
            assert document["dead_letters"] >= 1
            assert document["heartbeat"]["site"] == run.primary.name
            assert any("in the dead-letter queue" in reason for reason in document["health_reasons"])


@case("check")
def check(run: Run) -> None:
    shown = run("check", code={0, 1})
    lines = shown.splitlines()
    assert len(lines) >= 15
    assert all(" ... " in line for line in lines), shown  # however long, each is one line
    assert "local_registry ... ok: " in shown
    if not run.on_a_terminal:
        document = run.document("check", code={0, 1})
        found = [CheckFinding(**one) for one in document["findings"]]
        assert document["ok"] is (exit_code(found) == 0)
        assert {"clock", "sync", "reconcile"} <= {one.name for one in found}


@case("backfill")
def backfill(run: Run) -> None:
    shown = run("backfill", "--no-follow", code={0, 1}, table=True)
    assert re.search(r"^repositories +\d+ of \d+", shown, re.MULTILINE), shown
    assert re.search(r"^copied +\d+ of \d+", shown, re.MULTILINE), shown
    assert (BAR in shown) is run.on_a_terminal
    if not run.on_a_terminal:
        before = run.document("backfill", code={0, 1})["progress"]
        assert before["compared"] <= before["repositories"]


@case("repositories")
def repositories(run: Run) -> None:
    shown = run("repositories", run.made.repository, table=True)
    assert run.made.repository in shown
    assert re.search(r"\bsynced +(pending|started|succeeded)\b", shown), shown
    if not run.on_a_terminal:
        (row,) = run.document("repositories", run.made.repository)["repositories"]
        assert (row["repository"], row["state"]) == (run.made.repository, "2")


@case("show")
def show(run: Run) -> None:
    eventually(run.is_settled, what=f"nothing owed at {run.site.name}")
    shown = run("show", run.made.repository, table=True)
    row = run.row()
    for line in (
        rf"#<Geo::ContainerRepositoryRegistry {run.made.repository}",
        rf"  id: {row['id']},",
        rf"  container_repository_id: {row['id']},",
        r'  state: "2",',
        r"  retry_count: 0,",
        r"  last_sync_failure: nil,",
        r"  retry_at: nil,",
        rf"  last_synced_at: {RUBY_TIME},",
        rf"  created_at: {RUBY_TIME},",
        r"  missing_on_primary: false,",
    ):
        assert re.search(rf"^{line}?$", shown, re.MULTILINE), (line, shown)
    if not run.on_a_terminal:
        assert re.search(rf"^v1 +{run.made.digest} +{run.made.digest} *$", shown, re.MULTILINE)
        document = run.document("show", run.made.repository)
        assert {"name": "v1", "primary_digest": run.made.digest, "secondary_digest": run.made.digest} in document[
            "tags"
        ]
        assert (document["state"], document["owed"]) == ("2", [])


@case("wait")
def wait(run: Run) -> None:
    said = run("wait", f"{run.made.repository}:v1", "--timeout", "5m")
    assert run.site.name in said
    assert run.made.digest in said


@case("events")
def events(run: Run) -> None:
    shown = run("events", "--limit", "5", at=run.primary, table=True)
    assert re.search(r"^ago +event_name +repository +tag +outcome +id", shown)
    assert "accepted" in shown
    if not run.on_a_terminal:
        assert re.search(rf"\bcreated +{run.made.repository} +v1 +accepted\b", shown), shown
        found = run.document("events", "--limit", "5", at=run.primary)
        assert run.made.digest in {one.get("digest") for one in found if one["repository"] == run.made.repository}


@case("deletes status")
def deletes_status(run: Run) -> None:
    assert "are not suspended" in run("deletes", "status")
    if not run.on_a_terminal:
        assert run.document("deletes", "status")["breaker"]["suspended_at"] is None


@case("selection preview")
def selection_preview(run: Run) -> None:
    name = run.made.repository
    shown = run("selection", "preview", "--exclude-repositories", name, table=True)
    assert "Would be brought: 0 tags in 0 repositories" in shown
    assert re.search(r"Would leave the selection: \d+ tags? in 1 repository", shown), shown
    if not run.on_a_terminal:
        found = run.document("selection", "preview", "--exclude-repositories", name)
        assert "v1" in found["leaving"]["repositories"][0]["names"]


@case("extras list")
def extras_list(run: Run) -> None:
    shown = run("extras", "list", run.made.repository, code=1, table=True)
    assert run.made.repository in shown
    assert re.search(r"\bown\b", shown)
    if not run.on_a_terminal:
        (found,) = run.document("extras", "list", run.made.repository, code=1)
        assert "own" in found["extra_names"]


@case("sites list")
def sites_list(run: Run) -> None:
    shown = run("sites", "list", at=run.primary, table=True)
    assert re.search(r"\boregon\b.*\bs ago *$", shown, re.MULTILINE), shown
    if not run.on_a_terminal:
        found = {one["name"]: one["late"] for one in run.document("sites", "list", at=run.primary)}
        assert (found["frankfurt"], found["oregon"]) == (False, False)


@case("sites key")
def sites_key(run: Run) -> None:
    known = run.geosync.deployed(run.primary).sync_registry.sites.find(run.site.name)
    assert known is not None
    assert run("sites", "key").strip() == known.report_key


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


@case("dlq list")
def dlq_list(run: Run) -> None:
    message = run.poison()
    with undone(lambda: run.drop(message)):
        shown = run("dlq", "list", code=1, table=True)
        assert re.search(r"^id +kind +about +reason", shown), shown
        assert "refused" in shown
        if not run.on_a_terminal:
            assert f"{message}  refused  {run.made.repository} *  the version '99' is not known here" in shown
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
        assert re.search(r"^listed +read +.* ago +ended *$", run("token", "list", table=True), re.MULTILINE)
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


# ── all of them ──


@pytest.fixture(scope="module")
def geosync(state: Path, stack: Stack) -> Geosync:
    return Geosync(state)


@pytest.fixture(scope="module")
def made(primary: Site, secondaries: list[Site], geosync: Geosync) -> Made:
    """Push an image and see it everywhere; put tags beside it at the secondaries that the primary does not have."""
    repository = f"e2e/c{uuid.uuid4().hex[:6]}"
    with maker(primary) as registry:
        image = registry.image(repository, "v1", layers=1)
    for site in secondaries:
        with maker(site) as registry:

            def arrived(site: Site = site) -> bool:
                return (site.item(repository, "row") or {}).get("state") == "2"

            eventually(arrived, what=f"the image at {site.name}")
            for tag in ("own", "adopted"):
                registry.image(repository, tag, layers=1)
        assert geosync(site, "resync", repository).code == 0
    for site in secondaries:
        sync_registry = geosync.deployed(site).sync_registry

        def found(sync_registry: SyncRegistry = sync_registry) -> bool:
            return bool(deletions.extras(sync_registry, repository=repository))

        eventually(found, what=f"the extra tags at {site.name}")
    return Made(repository, image.digest)


def test_every_command_is_run_here() -> None:
    assert set(CASES) == set(COMMANDS)


@pytest.mark.parametrize("name", CASES)
def test_in_a_pipe_and_on_a_terminal(
    name: str, geosync: Geosync, primary: Site, secondaries: list[Site], made: Made
) -> None:
    ways = [
        Run(geosync, primary, site, made, on_a_terminal)
        for site, on_a_terminal in zip(secondaries, (True, False), strict=True)
    ]
    with ThreadPoolExecutor(len(ways)) as pool:
        list(pool.map(CASES[name], ways))
    for run in ways:
        assert any(arguments[: len(name.split())] == tuple(name.split()) for arguments in run.ran)
    takes_json = any("--json" in option.opts for option in COMMANDS[name].params)
    assert (sum(run.documents for run in ways) > 0) is (takes_json and name not in WITHOUT_JSON_HERE)

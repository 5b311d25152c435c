"""Cases of the commands that only look: what they show, and what their JSON says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.e2e.cases import Run, case
from tests.e2e.command import undone
from tests.e2e.parts import eventually

BAR = "━"
RUBY_TIME = r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{9} UTC \+00:00"


# ── to look ──


@case("status")
def status(run: Run) -> None:
    message = run.poison()
    with undone(lambda: run.drop(message)):
        shown = run("status", code=1, table=True)
        assert f"{run.site.name} (secondary, {run.site.about['region']}" in shown
        for line in ("health", "owed", "dlq", "heartbeat", "sweep", "comparison", "recovery point"):
            assert re.search(rf"^{line}[ \t]+", shown, re.MULTILINE), shown
        if not run.on_a_terminal:
            document = eventually(lambda: _with_heartbeat(run), what=f"the status of {run.site.name} with a heartbeat")
            assert (document["site"], document["role"]) == (run.site.name, "secondary")
            assert document["dead_letters"] >= 1
            assert document["heartbeat"]["site"] == run.primary.name
            assert any("in the dead-letter queue" in reason for reason in document["health_reasons"])


@case("check")
def check(run: Run) -> None:
    """As text; test_check.py reads its JSON at each site."""
    shown = run("check", code={0, 1})
    lines = shown.splitlines()
    assert len(lines) >= 15
    assert all(" ... " in line for line in lines), shown  # however long, each is one line
    assert "local_registry ... ok: " in shown


@case("init")
def init(run: Run) -> None:
    """At sites that are deployed: it reads their stacks, and has nothing left but what a person tells the registry."""
    about = [{"name": site.name, "region": site.about["region"]} for site in (run.primary, run.site)]
    sites = [{**one, "registry": "https://registry.example.com", "kind": "distribution"} for one in about]
    with TemporaryDirectory() as folder:
        answers = Path(folder, "answers.json")
        answers.write_text(json.dumps({"primary": sites[0], "secondaries": sites[1:]}))
        shown = run("init", "--no-check", "--folder", folder, "--answers", str(answers), code={0, 1})
        assert f"geosync-{run.site.name} is deployed in {run.site.about['region']}" in shown
        assert run.primary.token() in Path(folder, f"{run.primary.name}-notifications.txt").read_text()
        assert run.primary.token() not in shown


@case("backfill")
def backfill(run: Run) -> None:
    shown = run("backfill", "--no-follow", code={0, 1}, table=True)
    assert re.search(r"^repositories[ \t]+\d+ of \d+", shown, re.MULTILINE), shown
    assert re.search(r"^copied[ \t]+\d+ of \d+", shown, re.MULTILINE), shown
    assert (BAR in shown) is run.on_a_terminal
    if not run.on_a_terminal:
        before = run.document("backfill", code={0, 1})["progress"]
        assert before["compared"] <= before["repositories"]


@case("repositories")
def repositories(run: Run) -> None:
    shown = run("repositories", run.made.repository, table=True)
    assert run.made.repository in shown
    assert re.search(r"\bsynced[ \t]+(pending|started|succeeded)\b", shown), shown
    if not run.on_a_terminal:
        (row,) = run.document("repositories", run.made.repository)["repositories"]
        assert (row["name"], row["state"], row["state_number"]) == (run.made.repository, "synced", "2")


@case("show")
def show(run: Run) -> None:
    eventually(run.is_settled, what=f"nothing owed at {run.site.name}")
    shown = run(
        "show", run.made.repository, "--gitlab", code={0, 1}, table=True
    )  # 1: the minute's comparison owes it again
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
        whole = run("show", run.made.repository, "-o", "wide", code={0, 1})
        assert re.search(rf"^v1\t.*\t{run.made.digest}\t{run.made.digest}$", whole, re.MULTILINE)
        document = eventually(lambda: _nothing_owed(run), what=f"a document of {run.site.name} with nothing owed")
        found = {
            tag["name"]: (tag["state"], tag["primary_digest"], tag["secondary_digest"]) for tag in document["tags"]
        }
        assert found["v1"] == ("synced", run.made.digest, run.made.digest)
        assert (document["state"], document["owed"]) == ("synced", [])


def _with_heartbeat(run: Run) -> Any:
    document = run.document("status", code=1)
    return document if document["heartbeat"] else None


def _nothing_owed(run: Run) -> Any:
    document = run.document("show", run.made.repository, code={0, 1})
    return document if not document["owed"] else None


@case("wait")
def wait(run: Run) -> None:
    said = run("wait", f"{run.made.repository}:v1", "--timeout", "5m")
    assert run.site.name in said
    assert run.made.digest in said


@case("slo")
def slo(run: Run) -> None:
    codes = {0, 1, 2}  # other tests pause a site and stop its registry, which the month counts
    shown = run("slo", code=codes, table=True)
    assert re.search(r"^month[ \t]+20\d\d-\d\d *$", shown, re.MULTILINE), shown
    assert "of the pushes seen within 60 s" in shown
    if not run.on_a_terminal:
        found = run.document("slo", code=codes)
        assert (found["site"], found["target_lag_seconds"]) == (run.site.name, 60)


@case("costs")
def costs(run: Run) -> None:
    shown = run("costs", code=2, table=True)  # the emulator does not say how large an index is
    assert re.search(r"^in all[ \t]+not known *$", shown, re.MULTILINE), shown
    if not run.on_a_terminal:
        found = run.document("costs", code=2)
        usd = {one["what"]: one["usd"] for one in found["parts"]}
        assert found["minutes_recorded"] >= 1
        assert usd["pushes"] is not None
        assert (usd["storage of the tables"], found["usd"]) == (None, None)


@case("events")
def events(run: Run) -> None:
    shown = run("events", "--limit", "5", at=run.primary, table=True)
    assert re.search(r"^ago[ \t]+event_name[ \t]+repository[ \t]+tag[ \t]+outcome[ \t]+id", shown)
    assert "accepted" in shown
    if not run.on_a_terminal:
        assert re.search(rf"\bcreated\t{run.made.repository}\tv1\taccepted\b", shown), shown
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


@case("sites status")
def sites_status(run: Run) -> None:
    shown = run("sites", "status", at=run.primary, table=True, code={0, 1})
    assert re.search(r"^site[ \t]+role[ \t]+health", shown, re.MULTILINE), shown
    assert re.search(rf"^{run.site.name}[ \t]+secondary[ \t]", shown, re.MULTILINE), shown
    if not run.on_a_terminal:

        def counted() -> Any:
            """The sites, once this one has reported how many rows it has: a fresh stack has not yet."""
            found = {one["name"]: one for one in run.document("sites", "status", at=run.primary, code={0, 1})}
            return found if found.get(run.site.name, {}).get("container_repositories_registry_count") else None

        found = eventually(counted, what=f"the rows of {run.site.name} at the primary")
        assert {"dublin", "frankfurt", "oregon"} <= set(found)
        assert found["dublin"]["primary"] is True


@case("logs")
def logs(run: Run) -> None:
    shown = run("logs", "--function", "sync", "--repository", run.made.repository, table=True)
    assert re.search(r"^time[ \t]+function[ \t]+level[ \t]+message", shown), shown
    if not run.on_a_terminal:
        found = run.document("logs", "--repository", run.made.repository)
        assert {line["repository"] for line in found} == {run.made.repository}


@case("open")
def open_dashboard(run: Run) -> None:
    url = run.geosync.deployed(run.site).outputs["AdminUrl"]
    assert url in run("open", "--print").replace("\n", "")

"""geosync drill at a healthy site and at faulty ones: the verdict and its reasons."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.functional.cli.conftest import PlayedClock
from tests.functional.cli.drill.parts import UPDATE_S, ChangeSets, Drilled, denied
from tests.functional.cli.shown import shows_everything

from geosync.cli.output import Answer
from geosync.cli.site import StackSite as DeployedSite
from geosync.drilling.kept import DrillReports
from geosync.drilling.truth import Truth
from geosync.sync_registry.site.drills import Drills


def test_all_is_well_and_the_report_says_so(drilled: Drilled, cloudformation: ChangeSets) -> None:
    report = drilled.document(code=0)
    assert (report["verdict"], report["failed"], report["not_known"]) == ("passed", [], [])
    assert report["canary"]["digest"] is not None
    assert report["canary"]["arrived_s"] is not None
    truth, sample = report["truth"], report["sample"]
    assert (truth["repositories"], truth["tags"], truth["equal"]) == (3, 4, 4)
    assert (sample["chosen"], sample["pulled"], sample["blobs"]) == (4, 4, 8)
    assert report["listed"]["recovery_point"] is not None
    assert report["update"] == {"is_accepted": True, "changes": ["SyncFunction (Modify)"], "why": None}
    assert report["recovery_time"]["update_s"] == UPDATE_S
    assert report["recovery_time"]["estimated_s"] >= UPDATE_S
    (asked,) = cloudformation.asked
    given = {one["ParameterKey"]: one["ParameterValue"] for one in asked["Parameters"] if "ParameterValue" in one}
    assert (given, asked["UsePreviousTemplate"]) == ({"SiteRole": "primary"}, True)
    assert cloudformation.left == 0


def test_the_report_is_kept_and_written_down_with_who(drilled: Drilled) -> None:
    report = drilled.document(code=0)
    (kept,) = drilled.kept()
    assert json.loads(kept["report"]) == report
    assert kept["expire_at"] > report["ended_at"] // 1000 + 399 * 86_400
    last = drilled.sync_registry.drills.last()
    assert last is not None
    assert (last.id, last.verdict, last.why) == (report["id"], "passed", "")
    assert [(one["action"], one["outcome"], one["who"]) for one in drilled.site.audit()] == [
        ("geosync drill", "done", report["who"])
    ]
    assert drilled.document("--last", code=0) == report
    assert len(drilled.kept()) == 1


def test_the_report_is_written_and_shown_for_people(drilled: Drilled, tmp_path: Path) -> None:
    files = [tmp_path / f"report.{end}" for end in ("html", "md", "json")]
    ended = drilled.drill(*(f"--report={file}" for file in files))
    assert ended.exit_code == 0, ended.output
    for said in ("The drill of frankfurt passed.", "4 of 4 were right to the last byte", "accepted by CloudFormation"):
        assert said in ended.stdout
    page, text, document = (file.read_text() for file in files)
    assert page.startswith("<!doctype html>")
    assert text.startswith("# The drill of frankfurt passed.")
    assert json.loads(document)["verdict"] == "passed"
    shown = drilled.site.run("status").output
    assert "passed" in shown
    assert "measured: age of the recovery point" in shown
    said = json.loads(drilled.site.run("status", "--json").output)["last_drill"]
    assert said["verdict"] == "passed"
    assert said["recovery_time_seconds"] == pytest.approx(
        json.loads(document)["recovery_time"]["estimated_s"], abs=0.001
    )


def test_a_report_is_shown_in_every_output(
    drilled: Drilled, answers: list[Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drilled.document(code=0) == json.loads(json.dumps(answers[-1].document))
    shows_everything(answers[-1], monkeypatch)


def test_the_drills_of_a_site_are_entries_of_its_event_log(drilled: Drilled, clock: PlayedClock) -> None:
    assert "not known: none was carried out yet (geosync drill)" in drilled.site.run("status").output
    nothing = drilled.site.run("events", "--drills")
    assert (nothing.exit_code, nothing.output) == (0, "frankfurt has had no drill (geosync drill).\n")
    first = drilled.document(code=0)
    clock.ahead_s += 40 * 86_400
    drilled.lazy = True
    second = drilled.document("--timeout=1s")
    entries = json.loads(drilled.site.run("events", "--drills", "--json").output)
    assert [one["report"] for one in entries] == [second, first]
    assert [one["verdict"] for one in entries] == [second["verdict"], "passed"]
    assert "the canary did not arrive" in entries[0]["why"]
    assert entries[1]["recovery_time_seconds"] == first["recovery_time"]["estimated_s"]
    shown = drilled.site.run("events", "--drills").output
    assert "passed" in shown
    assert "the canary did not arrive" in shown
    assert [one["id"] for one in json.loads(drilled.site.run("events", "--drills", "--hours=48", "--json").output)] == [
        second["id"]
    ]
    assert len(json.loads(drilled.site.run("events", "--drills", "--limit=1", "--json").output)) == 1


def test_a_drill_whose_report_is_not_kept_is_an_entry_by_its_verdict(
    drilled: Drilled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(*_: Any, **__: Any) -> None:
        raise denied("PutItem")

    monkeypatch.setattr(DrillReports, "keep", throttled)
    report = drilled.document(code=0)
    (entry,) = json.loads(drilled.site.run("events", "--drills", "--json").output)
    assert (entry["id"], entry["verdict"], entry["report"]) == (report["id"], "passed", None)


@pytest.mark.parametrize("fails", ["keep", "last"])
def test_a_drill_after_which_a_call_fails_does_not_end_the_list(
    drilled: Drilled, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def drills() -> list[tuple[str, bool]]:
        entries = json.loads(drilled.site.run("events", "--drills", "--json").output)
        return [(one["id"], one["report"] is not None) for one in entries]

    def throttled(*_: Any, **__: Any) -> None:
        raise denied("PutItem")

    ids = []
    for number in range(4):
        with monkeypatch.context() as failing:
            if number == 1:
                failing.setattr(DrillReports if fails == "keep" else Drills, fails, throttled)
            ids.append(drilled.document()["id"])
        clock.ahead_s += 1
        if number == 1:
            assert drills() == [(ids[1], fails == "last"), (ids[0], True)]
    assert drills() == [(ids[3], True), (ids[2], True), (ids[0], True)]


@pytest.mark.parametrize("other", ["--audit", "--follow", "--repository=group/app"])
def test_drills_are_no_events_of_another_kind(drilled: Drilled, other: str) -> None:
    refused = drilled.site.run("events", "--drills", other)
    assert refused.exit_code == 2
    assert "--drills goes with --hours and --limit alone" in refused.output


def test_a_report_that_cannot_be_kept_is_shown_and_written(
    drilled: Drilled, clock: PlayedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails after a drill takes no report away, and its exit code is the verdict's."""

    def throttled(*_: Any, **__: Any) -> None:
        raise denied("PutItem")

    monkeypatch.setattr(DrillReports, "keep", throttled)
    monkeypatch.setattr(Drills, "record", throttled)
    monkeypatch.setattr(Drills, "end", throttled)
    written, gone = tmp_path / "report.json", tmp_path / "gone" / "report.json"
    gone.parent.mkdir()
    bring = clock.meanwhile

    def lose_the_folder() -> None:
        bring()
        shutil.rmtree(gone.parent, ignore_errors=True)

    clock.meanwhile = lose_the_folder
    ended = drilled.drill("--json", "--report", str(gone), "--report", str(written))
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["verdict"] == json.loads(written.read_text())["verdict"] == "passed"
    for said in ("is not written: ", "does not keep the report: ", "do not know of this drill: ", "at the latest: "):
        assert said in ended.stderr, said
    assert drilled.kept() == []


def test_live_replication_is_not_disturbed(drilled: Drilled) -> None:
    """Nothing is marked, held, paused or sent: what is due stays due in its order, and lags are what they were."""
    first = drilled.document(code=0)["canary"]["digest"]  # the canary has its row since then
    for name in ("v8", "v9"):
        drilled.mark("app", name)
    app, sync_registry = drilled.named("app"), drilled.sync_registry
    before, due = drilled.items(), [str(one.reference) for one in sync_registry.due(app)]
    assert len(due) == 2
    assert drilled.document()["canary"]["digest"] != first
    assert drilled.items() == before
    assert [str(one.reference) for one in sync_registry.due(app)] == due
    assert drilled.site.bodies("WorkQueueUrl") == []
    assert drilled.site.bodies("EventsQueueUrl") == []


def test_what_is_pushed_during_a_drill_arrives_as_without_one(drilled: Drilled, clock: PlayedClock) -> None:
    """A holder works at every tick of the clock: which tags it discharges at which tick is the same."""
    drilled.lazy = True

    def discharged(tag: str, run: Callable[[], object]) -> list[list[str]]:
        ticks: list[list[str]] = []

        def tick() -> None:
            drilled.mark("live", f"{tag}{len(ticks)}")
            ticks.append(drilled.work_off("live"))

        clock.meanwhile = tick
        run()
        clock.meanwhile = lambda: None
        return [[one.removeprefix(tag) for one in tick] for tick in ticks]

    during = discharged("a", lambda: drilled.document("--timeout", "30s", code=1))
    alone = discharged("b", lambda: list(map(clock.sleep, [1.0] * len(during))))
    assert during
    assert during == alone == [[str(number)] for number in range(len(during))]


def test_a_canary_that_does_not_arrive_fails_with_the_reason(drilled: Drilled) -> None:
    drilled.lazy = True
    report = drilled.document("--timeout", "20s", code=1)
    assert report["canary"]["arrived_s"] is None
    failed = report["failed"][0]
    assert failed.startswith("the canary did not arrive within 20 s: ")
    assert not failed.endswith(": None")


def test_who_may_not_push_gets_an_incomplete_drill(drilled: Drilled) -> None:
    report = drilled.document("--push-secret", "no-such-secret", code=2)
    assert (report["verdict"], report["failed"]) == ("incomplete", [])
    assert report["canary"]["digest"] is None
    (unknown,) = report["not_known"]
    assert unknown.startswith("the canary was not pushed: ")
    assert report["sample"]["pulled"] == 3


def test_a_canary_outside_of_the_selection_is_not_pushed(drilled: Drilled, stacks: dict[str, DeployedSite]) -> None:
    parameters: Any = stacks["geosync-test"].parameters
    parameters |= {"IncludeRepositories": drilled.named("app")}
    report = drilled.document(code=2)
    assert "outside the selection" in report["not_known"][0]
    assert (report["truth"]["repositories"], report["truth"]["tags"]) == (1, 2)
    assert drilled.canary is None


def test_a_push_that_nobody_told_of_is_a_loss_that_promote_would_not_name(drilled: Drilled) -> None:
    made = drilled.push("app", "v3")
    report = drilled.document(code=1)
    (one,) = report["truth"]["unnamed"]
    assert (one["repository"], one["tag"], one["at_primary"], one["here"]) == (
        drilled.named("app"),
        "v3",
        made.digest,
        None,
    )
    assert report["failed"] == [
        f"promote would not have named {drilled.named('app')}:v3: the primary has {made.digest}, this site nothing"
    ]


def test_a_push_that_is_owed_is_on_the_list_and_fails_nothing(drilled: Drilled) -> None:
    drilled.push("app", "v3")
    drilled.mark("app", "v3")
    report = drilled.document(code=0)
    assert [(one["repository"], one["reference"]) for one in report["listed"]["lost"]] == [(drilled.named("app"), "v3")]
    assert [one["tag"] for one in report["truth"]["named"]] == ["v3"]


def test_a_push_while_the_drill_looks_is_on_its_way(
    drilled: Drilled, cloudformation: ChangeSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = Truth.compare

    def pushes_before(truth: Truth) -> Any:
        drilled.push("app", "v3")
        found = compare(truth)
        drilled.bring("app", "v3")
        return found

    monkeypatch.setattr(Truth, "compare", pushes_before)
    report = drilled.document(code=0)
    assert (report["truth"]["in_flight"], report["truth"]["unnamed"]) == (1, [])


def test_a_parked_reference_fails_the_drill(drilled: Drilled) -> None:
    drilled.mark("app", "v3")
    (owed,) = drilled.sync_registry.owed(drilled.named("app"))
    drilled.sync_registry.fail(owed, "refused", parked=True)
    report = drilled.document(code=1)
    assert any("parked references: 1" in one for one in report["failed"])


def test_a_byte_that_is_wrong_here_is_found(drilled: Drilled) -> None:
    made = drilled.push("sick", "v1")
    drilled.bring("sick", "v1")
    drilled.damage(made.blobs[-1])
    report = drilled.document(code=1)
    (bad,) = report["sample"]["bad"]
    assert bad.startswith(f"{drilled.named('sick')}:v1: ")
    assert report["sample"]["pulled"] == report["sample"]["chosen"] - 1


def test_the_report_says_what_was_not_read(drilled: Drilled) -> None:
    report = drilled.document("--sample-mib", "0", "--tags", "2", code=2)
    assert any("blobs are beyond the 0 bytes" in one for one in report["not_known"])
    assert any(one.startswith("only 2 tags were compared") for one in report["not_known"])
    assert report["sample"]["pulled"] == 0


def test_a_repository_that_can_have_no_copy_is_said_and_the_others_are_compared(
    drilled: Drilled, stacks: dict[str, DeployedSite]
) -> None:
    drilled.push(f"{'x' * 116}/{'y' * 116}", "v1")
    parameters: Any = stacks["geosync-test"].parameters
    parameters |= {"RepositoryPrefix": "mirror/of/the/primary"}
    report = drilled.document("--push-secret", "none")
    assert any("was not compared: RepositoryPrefix makes the name of" in one for one in report["not_known"])
    assert (report["truth"]["repositories"], report["truth"]["equal"]) == (2, 0)


@pytest.mark.parametrize(
    ("played", "code", "said"),
    [
        ({"state": "FAILED", "reason": "Parameters: [X] must have values"}, 1, "must have values"),
        ({"error": denied()}, 2, "not authorized"),
        ({"was_updated": False}, 2, "this stack was never updated"),
    ],
    ids=["refused", "not permitted", "never updated"],
)
def test_the_update_of_a_promotion_is_refused_or_not_known(
    drilled: Drilled, cloudformation: ChangeSets, played: dict[str, Any], code: int, said: str
) -> None:
    for name, value in played.items():
        setattr(cloudformation, name, value)
    report = drilled.document(code=code)
    assert any(said in one for one in report["failed" if code == 1 else "not_known"])
    assert cloudformation.left == 0


def test_a_change_set_that_a_killed_drill_left_is_deleted(drilled: Drilled, cloudformation: ChangeSets) -> None:
    cloudformation.left = 1
    assert drilled.document(code=0)["update"]["is_accepted"] is True
    assert cloudformation.left == 0

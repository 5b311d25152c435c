"""Drills that cannot begin: they say why and change nothing. A killed drill is taken over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from local.processes import free_port
from tests.functional.cli.conftest import PlayedClock
from tests.functional.cli.drill.parts import ChangeSets, Drilled

from geosync.cli.drill.rehearsal import Rehearsal
from geosync.cli.site import StackSite as DeployedSite
from geosync.errors import GeosyncError
from geosync.sync_registry.site.drills import Drills


def paused(drilled: Drilled) -> None:
    drilled.sync_registry.pause("storage is moved")


def changing(drilled: Drilled) -> None:
    drilled.sync_registry.pauses.take("promotion [0123abcd]")


def held(drilled: Drilled) -> None:
    drilled.sync_registry.hold("dublin:5000", reason="it answers 503")


def drilling(drilled: Drilled) -> None:
    begin(drilled.sync_registry.drills)


def begin(drills: Drills) -> None:
    drills.begin("other", who="arn:aws:iam::1:user/other", lasts_ms=60_000)


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (paused, "frankfurt is paused: storage is moved (geosync resume)"),
        (changing, "geosync promote, run again, ends it"),
        (held, "the registry dublin:5000 is on hold: it answers 503"),
        (drilling, "a drill of arn:aws:iam::1:user/other began"),
    ],
)
def test_a_refused_drill_says_why_and_changes_nothing(
    drilled: Drilled, cloudformation: ChangeSets, happens: Callable[[Drilled], None], said: str
) -> None:
    happens(drilled)
    before = drilled.items()
    ended = drilled.drill()
    assert (ended.exit_code, "no drill was begun" in ended.output, said in ended.output) == (2, True, True), (
        ended.output
    )
    assert (drilled.items(), drilled.kept(), cloudformation.asked) == (before, [], [])
    assert drilled.sync_registry.drills.last() is None
    assert drilled.canary is None


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("Primary", "the primary is out, and this is no drill (geosync promote)"),
        ("Local", "frankfurt could not be promoted now (geosync check)"),
    ],
)
def test_while_a_registry_is_out_there_is_no_drill(
    drilled: Drilled, stacks: dict[str, DeployedSite], which: str, said: str
) -> None:
    parameters: Any = stacks["geosync-test"].parameters
    parameters[f"{which}RegistryUrl"] = f"http://127.0.0.1:{free_port()}"
    ended = drilled.drill()
    assert (ended.exit_code, said in ended.output) == (2, True), ended.output
    assert (drilled.canary, drilled.kept(), drilled.site.audit()) == (None, [], [])


def test_a_drill_that_was_killed_is_taken_over_after_its_end(drilled: Drilled, clock: PlayedClock) -> None:
    # By the clock of the command: on a slow machine the machine's own is many seconds past it.
    begin(Drills(drilled.sync_registry._store, clock))
    clock.ahead_s += 61
    drilled.document()
    assert len(drilled.kept()) == 1


def test_the_end_of_an_expired_drill_does_not_end_the_next(drilled: Drilled) -> None:
    drills = drilled.sync_registry.drills
    assert drills.begin("first", who="a", lasts_ms=0) is None
    assert drills.begin("second", who="b", lasts_ms=60_000) is None
    drills.end("first")
    other = drills.begin("third", who="c", lasts_ms=60_000)
    assert other is not None
    assert other.who == "b"


def test_a_drill_that_is_interrupted_lets_go_and_keeps_no_report(
    drilled: Drilled, cloudformation: ChangeSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        def breaks(*_: Any) -> None:
            raise GeosyncError("somebody pulled the plug")

        patched.setattr(Rehearsal, "_recovery_time", breaks)
        assert drilled.drill().exit_code == 2
    assert (drilled.kept(), drilled.sync_registry.drills.last(), cloudformation.left) == ([], None, 0)
    assert [one["outcome"] for one in drilled.site.audit()] == ["failed"]
    drilled.document(code=0)


def test_the_last_report_where_there_was_no_drill(drilled: Drilled) -> None:
    ended = drilled.drill("--last")
    assert (ended.exit_code, "frankfurt has had no drill yet" in ended.output) == (2, True)


@pytest.mark.parametrize("file", ["report.pdf", "no-such-folder/report.html", "closed.html"])
def test_a_file_that_cannot_be_written_is_said_before_there_is_a_drill(
    drilled: Drilled, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "closed.html").symlink_to("no-such-folder/closed.html")  # for root, too, it cannot be opened
    ended = drilled.drill("--report", file)
    assert (ended.exit_code, "--report" in ended.output) == (2, True), ended.output
    assert (drilled.site.audit(), drilled.kept()) == ([], [])


def test_a_drill_that_is_refused_leaves_no_empty_file_and_none_cut(drilled: Drilled, tmp_path: Path) -> None:
    paused(drilled)
    before, fresh = tmp_path / "before.md", tmp_path / "fresh.html"
    before.write_text("the last report")
    assert drilled.drill("--report", str(before), "--report", str(fresh)).exit_code == 2
    assert (before.read_text(), fresh.exists()) == ("the last report", False)

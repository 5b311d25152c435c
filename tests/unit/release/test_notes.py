"""The notes of a release are its section of the changelog; a tag that the sources do not agree with is refused."""

from __future__ import annotations

import re

import pytest
import yaml
from release import ROOT, PackageError, notes

from geosync import __version__

CHANGELOG = f"""# Changelog

## [Unreleased]

## [{__version__}] - 2026-12-01

### Added

- This.

## [0.0.1] - 2026-01-01

- That.
"""
WORKFLOWS = (".github/workflows/release.yml", ".gitlab-ci.yml")


def test_the_notes_are_the_section_of_the_version() -> None:
    assert notes.notes(CHANGELOG, __version__) == "### Added\n\n- This.\n"


def test_a_version_without_a_section_or_not_of_these_sources_is_refused() -> None:
    with pytest.raises(PackageError, match="no section"):
        notes.notes(CHANGELOG.replace(" - 2026-12-01", ""), __version__)
    with pytest.raises(PackageError, match="are of version"):
        notes.notes(CHANGELOG, "0.0.1")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_builds_and_checks_by_make_targets_alone(name: str) -> None:
    document = yaml.safe_load((ROOT / name).read_text())
    jobs = document.get("jobs") or {key: job for key, job in document.items() if isinstance(job, dict)}
    commands = [
        command
        for job in jobs.values()
        for command in [step.get("run") for step in job.get("steps", [])] + job.get("script", [])
        if command is not None
    ]
    made = [command.split() for command in commands if command.startswith("make ")]
    targets = {next(word for word in words[1:] if not word.startswith("-")) for words in made}
    assert targets == {"check", "test", "package", "release-notes"}
    assert [target for target in targets if f"\n{target}:" not in (ROOT / "Makefile").read_text()] == []
    assert all("BYTE_CODE=required" in words for words in made if "package" in words), "cold starts would compile"
    # What publishes is the host's own.
    assert [one for one in commands if not one.startswith(("make ", "gh release create ", "echo "))] == []


def test_fetched_code_runs_in_jobs_that_cannot_write_to_the_repository() -> None:
    """The job that may write runs no code of the checkout; actions are named by their commit, which nobody can move."""
    document = yaml.safe_load((ROOT / WORKFLOWS[0]).read_text())
    assert document["permissions"] == {"contents": "read"}
    steps = {name: job["steps"] for name, job in document["jobs"].items()}
    used = [step for job in steps.values() for step in job if "uses" in step]
    assert [one["uses"] for one in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one["uses"])] == []
    checkouts = [one for one in used if one["uses"].startswith("actions/checkout@")]
    assert checkouts
    assert [one for one in checkouts if one["with"]["persist-credentials"] is not False] == []
    writing = [name for name, job in document["jobs"].items() if job.get("permissions")]
    assert writing == ["release"]
    (download, publish) = steps["release"]
    assert download["uses"].startswith("actions/download-artifact@")
    assert publish["run"].startswith("gh release create ")

"""What `geosync check` found, by name. tests/unit/cli/test_findings.py sees that every name is asked for somewhere."""

from __future__ import annotations

from collections.abc import Iterable

from geosync.cli.checks.findings import CheckFinding, Name


def problem(found: Iterable[CheckFinding], name: Name, *, site: str = "") -> CheckFinding:
    """Return the fault that was found under its name; fails unless it was, with a way to fix it."""
    full, listed = f"{name}_{site}" if site else name, list(found)
    faults = [one for one in listed if (one.name, one.result) == (full, "problem")]
    assert faults, f"{full} is no problem: {listed}"
    assert all(one.text and one.fix for one in faults)
    return faults[0]


def problems(found: Iterable[CheckFinding]) -> set[str]:
    """The names of the findings that are not ok."""
    return {one.name for one in found if one.result != "ok"}

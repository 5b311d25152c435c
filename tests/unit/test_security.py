"""The threat model in SECURITY.md names tests that are there, and each of its rows has one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODEL = (ROOT / "SECURITY.md").read_text().partition("## Threat model")[2].partition("\n## ")[0]
ROWS = [line for line in MODEL.splitlines() if line.startswith("| ") and not line.startswith("| could try")]
DEFINED = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"(?m)^(?:async )?def (test_\w+)", path.read_text())
}


def test_each_row_of_the_threat_model_says_who_holds_its_bound() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        _, attempt, bound, held, _ = row.split("|")
        assert attempt.strip()
        assert bound.strip()
        assert re.search(r"`test_\w+`", held), row


def test_each_test_that_the_threat_model_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", MODEL))
    assert named - DEFINED == set()

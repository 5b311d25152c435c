"""docs/scale.md reckons with what the real functions do, counted in a simulated run, and it reckons right."""

from __future__ import annotations

import json
import re
from functools import cache
from math import prod

import pytest
from tests.simulation.processes import ROOT, run_module
from tests.unit.template.parts import PARAMETERS

from geosync.operating import costs

PAGE = (ROOT / "docs" / "scale.md").read_text()
KNOWN, NEW = "push to a known repository", "push to a new repository"
SITE_KNOWN, SITE_NEW = 1.0, 6.0
"""The most units that a push writes under `#site` (decision 57)."""
SECONDARY = "beta"


@cache
def counted() -> dict[str, dict[str, dict[str, float]]]:
    done = run_module("tests.simulation.scale")
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, dict[str, float]]] = json.loads(done.stdout)
    return found


def rows(head: str) -> list[list[str]]:
    """The cells of every table of the page that has this head."""
    found = []
    for part in PAGE.split(f"| {head} |\n")[1:]:
        lines = part.split("\n\n", 1)[0].splitlines()[1:]
        found += [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return found


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_a_push_writes_no_more_than_its_bound_for_the_whole_site() -> None:
    assert counted()[KNOWN][SECONDARY]["#site, units written"] <= SITE_KNOWN
    assert counted()[NEW][SECONDARY]["#site, units written"] <= SITE_NEW


def test_the_page_has_what_was_counted() -> None:
    on_the_page = {
        name: (number(known), number(new))
        for name, known, new in rows("counted | to a known repository | to a new one")
    }
    said = {name: tuple(counted()[what][SECONDARY].get(name, 0.0) for what in (KNOWN, NEW)) for name in on_the_page}
    assert on_the_page == said
    written = {
        name for name in counted()[NEW][SECONDARY] if name.endswith("written") and not name.startswith("#site: ")
    }
    assert written <= set(on_the_page), "no write is left out"


def limits() -> dict[str, list[str]]:
    return {row[0]: row for row in rows("met | takes | a second | pushes a minute | what to set")}


def test_limits_are_in_the_order_in_which_they_are_met() -> None:
    at = [number(row[3]) for row in limits().values()]
    assert at == sorted(at)
    for name, takes, a_second, pushes, _ in limits().values():
        assert number(pushes) == round(60 * number(a_second) / number(takes)), name


def test_limits_take_what_was_counted_and_what_the_template_sets() -> None:
    push = counted()[KNOWN][SECONDARY]
    units = sum(push[f"{name}, units written"] for name in ("repository", "hints of blobs", "#slots", "#site"))
    index = push["index of what is due, written"]
    expected = {
        "index": index,
        "partition `#site`": SITE_KNOWN,
        "units written": units + index,
        "units read": push["items read"],
        "a new table's units written": units + index,
        "a new table's units read": push["items read"],
    }
    for beginning, takes in expected.items():
        (row,) = [row for name, row in limits().items() if name.startswith(beginning)]
        assert number(row[1]) == takes, beginning
    for row in limits().values():
        for parameter in set(re.findall(r"`([A-Z]\w+)`", row[0])) - {"EventLogShards"}:
            assert number(row[2]) == PARAMETERS[parameter]["Default"], parameter


@pytest.mark.parametrize("row", rows("what | reckoned | result"), ids=lambda row: row[0])
def test_results_are_what_was_reckoned(row: list[str]) -> None:
    _, reckoned, result = row
    factors = [[number(one) for one in part.split(" / ")] for part in reckoned.split(" x ")]
    value = prod(first / prod(rest) for first, *rest in factors)
    digits = len(result.partition(".")[2])
    assert number(result) == round(value, digits)


def test_the_costs_reckon_with_what_was_counted() -> None:
    compared, verified = (counted()[f"{what} of a repository"][SECONDARY] for what in ("comparison", "verification"))
    for found, reads, units in (
        (compared, costs.COMPARISON_READS, costs.COMPARISON_UNITS),
        (verified, costs.VERIFICATION_READS, costs.VERIFICATION_UNITS),
    ):
        written = sum(one for name, one in found.items() if name.endswith("units written") and "#site: " not in name)
        assert (found["items read"], written + 2 * found["index of what is due, written"]) == (reads, units)
    new, known = (counted()[what][SECONDARY]["bytes in the sync registry"] for what in (NEW, KNOWN))
    later = sum(found["bytes in the sync registry"] for found in (compared, verified))
    assert (round(new - known + later), known) == (costs.REPOSITORY_BYTES, costs.TAG_BYTES)
    assert counted()[NEW]["alpha"]["bytes in the event log"] == costs.EVENT_BYTES

"""The verdict's reasons: none is lost behind a list, and what a list does not name is counted."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.drilling.test_pages import WELL

from geosync.drilling.findings import Difference, SampleFound, UpdateFound
from geosync.drilling.verdict import NAMED_REASONS, judge

MANY = tuple(Difference(repository="app", tag=f"v{one}", at_primary="sha256:a", here=None) for one in range(100))


def test_single_reasons_come_before_the_lists_of_failures() -> None:
    found = replace(
        WELL,
        listed=replace(WELL.listed, parked=3),
        truth=replace(WELL.truth, unnamed=MANY, unnamed_tags=4000),
        sample=SampleFound(
            chosen=200, pulled=0, blobs=0, read_bytes=0, bad_references=120, bad=("app:v1: wrong bytes",) * 100
        ),
        update=UpdateFound(is_accepted=False, why="AccessDenied"),
    )
    failed = judge(found, late_s=900).failed
    assert failed[0].startswith("parked references: 3")
    assert failed[1] == "the update of a promotion is refused: AccessDenied"
    unnamed, pulls = failed[2 : 3 + NAMED_REASONS], failed[3 + NAMED_REASONS :]
    assert unnamed[0] == "promote would not have named app:v0: the primary has sha256:a, this site nothing"
    assert unnamed[-1] == f"and {4000 - NAMED_REASONS} more"
    assert pulls == ("a pull failed: app:v1: wrong bytes",) * NAMED_REASONS + (f"and {120 - NAMED_REASONS} more",)


def test_single_reasons_come_before_the_list_of_uncompared_repositories() -> None:
    left = tuple(f"app{one} was not compared: 403" for one in range(30))
    found = replace(
        WELL,
        truth=replace(WELL.truth, left=left),
        sample=replace(WELL.sample, left=("2 blobs are beyond the 10 bytes that are read",)),
        update=UpdateFound(is_accepted=None, why="AccessDenied"),
        recovery_time=replace(WELL.recovery_time, update_s=None),
    )
    not_known = judge(found, late_s=900).not_known
    assert not_known[0].startswith("2 blobs are beyond")
    assert not_known[1].startswith("the update of a promotion was not checked")
    assert not_known[2].startswith("the recovery time is not known")
    assert not_known[3:] == left

"""The metrics of an attempt that ended: a look that a pull asks for is no copy."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.support.clock import FakeClock

from geosync.copying.outcome import CopyResult, Outcome
from geosync.sync_registry.items import Owed, Reference
from geosync.syncing.reporting import Reporter

NOW = 1_700_000_000_000
A = f"sha256:{'a' * 64}"
LOOKED = Outcome(discharged=True, digest=A)
COPY = CopyResult(bytes_copied=1, blobs_copied=1, blobs_there=0, manifests_put=1, seconds=1)
COPIED = Outcome(discharged=True, digest=A, copied=COPY)


class Told:
    """Metrics and measurements, by name."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def put(self, values: dict[str, float], *_: str) -> None:
        self.names |= values.keys()

    def note_synced(self, _: Owed) -> None:
        self.names.add("synced")

    def note_bytes(self, _: int) -> None:
        """Ignore the bytes."""


def told(outcome: Outcome, caplog: pytest.LogCaptureFixture, **about: Any) -> set[str]:
    caplog.set_level(logging.INFO)
    heard = Told()
    known: Any = heard
    nothing: Any = None
    logger: Any = logging.getLogger("reporting")
    reporter = Reporter(logger=logger, metrics=known, sqs=nothing, dlq_url="", measuring=known, clock=FakeClock(NOW))
    one = Owed(
        repository="group/app", reference=Reference.tag("v1"), mark="m", marked_at=NOW, owed_since=NOW, due=NOW, **about
    )
    reporter.report_ended(one, outcome)
    assert "reference_synced" in caplog.messages
    return heard.names & {"ReferencesSynced", "Lag", "synced"}


def test_a_look_that_was_asked_for_and_copied_nothing_is_logged_alone(caplog: pytest.LogCaptureFixture) -> None:
    assert told(LOOKED, caplog, asked=True) == set()


@pytest.mark.parametrize(
    ("outcome", "about"),
    [
        (COPIED, {"asked": True}),
        (LOOKED, {"asked": True, "copied": frozenset({A})}),  # by an attempt that could not prove it yet
        (LOOKED, {"asked": True, "expects": frozenset({A})}),
        (LOOKED, {"expects": frozenset({A})}),
        (LOOKED, {"walk": 1}),
    ],
)
def test_any_other_outcome_is_counted_and_measured(
    outcome: Outcome, about: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert told(outcome, caplog, **about) == {"ReferencesSynced", "Lag", "synced"}

"""Judges the counts that an invocation measured, once it has ended, against what it did.

Each rule gives the least and the most that the metric may be. Where every call of the invocation was answered they are
the same, but for what nobody outside of it can see.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.simulation.calls import REPEATED, Caller
from tests.simulation.ledger import Ledger
from tests.simulation.site import Site
from tests.simulation.tally import Tally

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An invocation that ended by itself: what it was given, what it answered, and what it did."""

    site: Site
    ledger: Ledger
    place: Caller
    event: Any
    answer: Any
    is_following: bool
    """It followed the primary all the time: before, what comes is dropped."""

    @property
    def tally(self) -> Tally:
        """The tally of its measurements and actions."""
        return self.place.tally

    def did(self, what: str) -> Bounds:
        """The number of times that it did this: the least and the most, as answers may be lost."""
        number = self.tally.did[what]
        return (0, number) if self.tally.is_troubled else (number, number)

    @property
    def marked_meanwhile(self) -> int:
        """References that anybody marked since it began: their attempts count for nothing."""
        return sum(at_s >= self.place.began_s for at_s in self.ledger.marks.values())


Rule = Callable[[Run], Bounds]


def _is(number: float) -> Bounds:
    return number, number


def _did(what: str) -> Rule:
    return lambda run: run.did(what)


def _at_most(what: str) -> Rule:
    return lambda run: (0, run.tally.did[what])


# --------------------------------------------------------------------------------------------------- notifications


def _events(run: Run, *, beats: bool) -> Bounds:
    """Every event of an envelope that the primary answered with 200."""
    if run.answer["statusCode"] != 200 or "dropped: " in run.answer["body"]:
        return _is(0)
    return _is(sum(("target" not in one) == beats for one in json.loads(run.event["body"])["events"]))


def _answered(*statuses: int) -> Rule:
    return lambda run: _is(run.answer["statusCode"] in statuses)


# ------------------------------------------------------------------------------------------------------ log_cursor


def _skipped(run: Run) -> Bounds:
    """An event that was done without a mark was seen already, unless it is outside the selection."""
    if not run.is_following:
        return 0, math.inf
    failed = {one["itemIdentifier"] for one in run.answer["batchItemFailures"]}
    done: Counter[tuple[str, str]] = Counter()
    perhaps = 0  # of what was outside the selection for some
    for record in run.event["Records"]:
        event = _read(record["body"])
        if record["messageId"] in failed or event.get("event_name") is None:
            continue
        if run.site.selections.entered_s(event["repository"], event.get("tag")) >= run.place.began_s:
            perhaps += 1
            continue
        name = f"tag#{event['tag']}" if event.get("tag") else f"digest#{event['digest']}"
        done[event["repository"], f"owed#{name}"] += 1
    skipped, most = sum((done - run.tally.marked).values()), sum(done.values()) + perhaps
    return (0, most) if run.tally.is_troubled else (skipped, skipped + perhaps)


def _read(body: str) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _refused(run: Run) -> Bounds:
    """A message sent twice to the DLQ because an answer was lost is there twice, and refused once."""
    number = run.tally.did["refused letter"]
    return number - run.tally.did[REPEATED], (math.inf if run.tally.is_troubled else number)


# ------------------------------------------------------------------------------------------------------------ sync


def _failed(run: Run) -> Bounds:
    low, high = run.did("failed")
    return low, (math.inf if run.tally.is_troubled else high + run.marked_meanwhile)


def _synced(run: Run) -> Bounds:
    """A discharge outside the selection is no sync, nor is a look that a pull only asked for."""
    low, high = run.did("discharged")
    low = max(0, low - run.did("discharged what was asked for")[1])
    return (low if len(run.site.selections.periods) == 1 else 0), high


def _held(run: Run) -> Bounds:
    """Counted for each reference that met a registry which serves nobody; each written hold met one."""
    return run.did("held")[0], math.inf if run.tally.did["was not served"] else 0


# ------------------------------------------------------------------------------------------------------- reconcile


def _ended(task: str, *, done: bool) -> Rule:
    return lambda run: _is(task in run.answer and (run.answer[task] == "done") == done)


def _arrivals_failed(run: Run) -> Bounds:
    """The bus, the topic or the outbox failed, which ends the task; nothing else in a minute uses them."""
    return _is(run.tally.did["not told"] > 0)


# ------------------------------------------------------------------------------------------------------------ pull


def _given(run: Run) -> Bounds:
    """A manifest that a client was given at a secondary."""
    given = "/manifests/" in run.event["path"] and run.answer["statusCode"] == 200
    return _is(given and run.site.role == "secondary") if run.is_following else (0, given)


RULES: dict[str, dict[str, Rule]] = {
    "notifications": {
        "EventsAccepted": lambda run: _events(run, beats=False),
        "Heartbeats": lambda run: _events(run, beats=True),
        "EventsDropped": lambda _: _is(0),
        "EventsUnusable": lambda _: _is(0),
        "NotificationsRefused": _answered(401),
        "NotificationsMalformed": _answered(400, 413, 415),
        "NotificationsFailed": _answered(503),
    },
    "log_cursor": {"EventsSkipped": _skipped, "MessagesRefused": _refused},
    "sync": {
        "ReferencesSynced": _synced,
        "ReferencesFailed": _failed,
        "ReferencesParked": _did("parked"),
        "BytesReplicated": _at_most("bytes"),
        "HoldersVanished": _did("took over"),
        "RegistriesHeld": _held,
        "RepositoriesVerified": _did("verified"),
        "RepositoriesDiffering": _did("found different"),
        "MessagesRefused": _refused,
        "ReplicationEventsTold": _did("told"),
    },
    "reconcile": {
        "ReconcileRuns": _ended("minute", done=True),
        "SweepsRun": _ended("sweep", done=True),
        "RepositoriesWoken": _did("woken"),
        "HeartbeatsPosted": _did("heartbeat posted"),
        "ReportsPosted": _did("report posted"),
        "NotificationsLost": _did("lost"),
        "ReplicationEventsTold": _did("told"),
        "ArrivalsFailed": _arrivals_failed,
        **{
            f"{task.capitalize()}Failed": _ended(task, done=False)
            for task in (
                *("subscription", "sweep", "comparison", "verification", "recovery", "clock", "counts", "minute"),
                *("health", "report", "heartbeat", "following", "history"),
            )
        },
    },
    "pull": {
        "ReadsServed": lambda run: (0, _given(run)[1]),
        "ReadsWaited": lambda run: (0, _given(run)[1]),
        "ReadsStale": lambda _: _is(0),
    },
}
"""The metrics of each function that count what happened."""


def is_counted(metric: str) -> bool:
    """A rule here judges the metric."""
    return any(metric in rules for rules in RULES.values()) or metric == "ReadsFellThrough"


def false_counts(run: Run, function: str) -> Iterator[str]:
    """Say which counts of an invocation are false, if any are."""
    for metric, rule in RULES.get(function, {}).items():
        (low, high), measured = rule(run), run.tally.measured.get(metric, 0)
        if not low <= measured <= high:
            yield f"{run.site.name}: {run.place.name} counted {metric} {measured}, and it was {low:g} to {high:g}"

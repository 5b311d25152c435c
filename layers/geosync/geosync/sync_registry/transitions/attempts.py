"""Attempts: an owed reference is put off, has failed, or got further. Each holds only if nobody marked it again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.sync_registry.decisions import Look
from geosync.sync_registry.failures import cut, retry_at
from geosync.sync_registry.items import PARKED_DUE_MS, Owed
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.shards import failed_shard
from geosync.sync_registry.timing import Timing


def is_unmarked(owed: Owed) -> ConditionBase:
    """Nobody marked it again since it was read (and nobody discharged it)."""
    return Attr("mark").eq(owed.mark)


def postpone(owed: Owed, due_ms: int, *, copied: frozenset[str] = frozenset(), shown: Look | None = None) -> Update:
    """Make a reference due later: nothing is proved yet.

    `copied` is noted as by `note_copy`. `shown` is a look at the primary that the secondary equals, which proves
    nothing yet: it is noted with the mark, as it was made after that one.
    """
    values: dict[str, Any] = {"due": due_ms}
    if shown is not None:
        values |= {"shown": shown.digest, "shown_at": shown.at, "shown_by": owed.mark}
    change = _change(owed, values)
    return replace(change, union={"copied": copied}) if copied else change


def hold_back(owed: Owed, due_ms: int, failure: str, *, now_ms: int, unanswered: bool = False) -> Update:
    """Make a reference due later, as a registry or the table cannot be used now; no attempt is counted.

    `unanswered`: a registry did not answer a write in time. The next attempt makes none that may be as late.
    """
    values: dict[str, Any] = {"due": due_ms, "failure": cut(failure), "failed_at": now_ms}
    return _change(owed, {**values, **({"unanswered": True} if unanswered else {})})


def bring_forward(owed: Owed, *, now_ms: int) -> Update:
    """Make a reference that waits for its next attempt due now, unless something happened to it since it was read.

    What has failed stays counted, so that it is parked in the end.
    """
    change = _change(owed, {"due": now_ms, "asked": True})
    return replace(change, when=is_unmarked(owed) & Attr("due").eq(owed.due))


def look_anew(owed: Owed, *, name: str, now_ms: int) -> Update:
    """Have the primary looked at once more, by a look that is made after this: its `mark` gets another `name`.

    Nothing else of the mark changes: a look proves what it proved before, however often somebody asks for one. A holder
    that is at work finds that it was marked, and looks again. What has failed since, or is parked, waits as it did.
    """
    change = _change(owed, {"mark": name, "due": now_ms, "asked": True})
    return replace(change, when=is_unmarked(owed) & Attr("failure").not_exists())


def fail(owed: Owed, failure: str, *, now_ms: int, jitter: int, timing: Timing, parked: bool = False) -> Update:
    """Count a failed attempt, and try again later; parked (`parked`, or too many attempts) only after another mark."""
    return _change(owed, _failed(owed, failure, now_ms=now_ms, jitter=jitter, timing=timing, parked=parked))


def fail_in_doubt(
    owed: Owed, failure: str, *, now_ms: int, jitter: int, timing: Timing, child_absent: bool = False
) -> Update:
    """Count a failed attempt that found what may pass, as `fail`; parked after `max_doubts` of them.

    That is wrong content, or (`child_absent`) a child of an index that the primary does not have.
    """
    parked = is_last_doubt(owed, timing)
    values = _failed(owed, failure, now_ms=now_ms, jitter=jitter, timing=timing, parked=parked)
    return _change(owed, {**values, "doubts": owed.doubts + 1, "absences": owed.absences + child_absent})


def fail_by_death(owed: Owed, failure: str, *, now_ms: int, timing: Timing) -> Update:
    """Count a failed attempt for a reference over which a holder vanished; parked after `max_deaths` of them.

    Until then it is due at once, behind what never failed: the lease that ran out was pause enough.
    """
    parked = is_last_death(owed, timing)
    values = _failed(owed, failure, now_ms=now_ms, jitter=0, timing=timing, parked=parked)
    due = {} if parked else {"due": now_ms}
    return _change(owed, {**values, **due, "deaths": owed.deaths + 1})


def is_last_death(owed: Owed, timing: Timing) -> bool:
    """True when one more holder that vanishes over the reference has it parked."""
    return owed.deaths + 1 >= timing.max_deaths


def is_last_doubt(owed: Owed, timing: Timing) -> bool:
    """True when one more attempt that finds what may pass has the reference parked."""
    return owed.doubts + 1 >= timing.max_doubts


def _failed(owed: Owed, failure: str, *, now_ms: int, jitter: int, timing: Timing, parked: bool) -> dict[str, Any]:
    """The attributes of a reference after one more failed attempt."""
    attempts = owed.attempts + 1
    values: dict[str, Any] = {
        "attempts": attempts,
        "failure": cut(failure),
        "failed_at": now_ms,
        "due_shard": failed_shard(owed.repository),
    }
    if parked or attempts >= timing.max_attempts:
        values |= {"parked": True, "due": PARKED_DUE_MS}
    else:
        values["due"] = retry_at(attempts, now_ms=now_ms, jitter=jitter)
    return values


def note_copy(owed: Owed, digest: str) -> Update:
    """Note that `digest` is about to be put at the secondary; a mark that came meanwhile keeps it."""
    key = Key(owed.repository, owed.reference.owed_key)
    return Update(key=key, union={"copied": frozenset({digest})}, when=Attr("mark").exists())


def advance(owed: Owed, cursor: str, *, due_ms: int) -> Update:
    """Move the whole repository's cursor (the last tag of the page that is done)."""
    return _change(owed, {"cursor": cursor, "due": due_ms})


def _change(owed: Owed, values: dict[str, Any]) -> Update:
    return Update(key=Key(owed.repository, owed.reference.owed_key), set=values, when=is_unmarked(owed))

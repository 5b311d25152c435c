"""The history of the sites, recorded as it happens: the truth for the invariants."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.simulation.queues import Message
from tests.simulation.registry.server import Uploaded
from tests.simulation.site import Site

from geosync.messages.event_log import AUDIT_ID
from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import Key

Violated = Callable[[str], None]
VERIFICATIONS = {
    "verified": ("verified", "checksummed"),
    "failed": ("differing", "found wrong", "checksummed"),
    "unreadable": ("found wrong", "no checksum"),
}
"""The kinds of rows by how their last verification ended: `unreadable`, it made no checksum."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A notification that the primary's endpoint answered with 200, at that moment of the world."""

    at_s: float
    event: dict[str, Any]

    @property
    def occurred_ms(self) -> int:
        """The moment of the event by the registry's clock."""
        return int(datetime.fromisoformat(self.event["timestamp"]).timestamp() * 1000)

    @property
    def reference(self) -> tuple[str, str]:
        """The repository, and the tag or digest."""
        target = self.event["target"]
        return target["repository"], target.get("tag") or target["digest"]


@dataclass(frozen=True, slots=True)
class OwedAs:
    """An owed reference as the table has it."""

    is_whole: bool
    """The whole repository."""
    is_parked: bool
    has_failed: bool
    walk: int | None
    """The comparison that made it owed, by its begin (ms)."""

    @property
    def is_a_look(self) -> bool:
        """A comparison is to look at the repository, and nothing is known to differ."""
        return self.is_whole and self.walk is not None and not self.has_failed


@dataclass(slots=True)
class Ledger:
    """One site's history. `marked` has the events whose messages were deleted from the events queue, by id."""

    site: Site
    is_following: Callable[[], bool]
    """It is a secondary, and not just becoming one: until then it drops what comes, and is compared later."""
    now_s: Callable[[], float]
    violated: Violated
    taken: dict[str, Taken] = field(default_factory=dict)
    marked: dict[str, float] = field(default_factory=dict)
    marks: dict[Key, float] = field(default_factory=dict)
    """When each owed reference was last marked."""
    changed_s: float = 0.0
    """When the table was last written."""
    paused_since_s: float | None = None
    discharged: int = 0
    """Owed references that were deleted."""
    counted_synced: int = 0
    """References that the metric counted as synced."""
    runs_since_s: float = 0.0
    """When the last pause ended."""
    rows: Counter[str] = field(default_factory=Counter)
    """The rows of the table, and those in each state."""
    rows_before: list[tuple[float, Counter[str]]] = field(default_factory=list)
    """What `rows` was until each moment."""
    recounted_s: list[float] = field(default_factory=list)
    """When a row became counted as something else than before."""
    owed: dict[Key, OwedAs] = field(default_factory=dict)
    owed_before: list[tuple[float, Key, OwedAs | None]] = field(default_factory=list)
    """What `owed` said of a reference until that moment; None: it was not owed."""
    lost: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    """The notifications that the table says are lost, from each moment on."""
    walk: int | None = None
    """The begin (ms) of the latest comparison."""
    walk_listed_s: float | None = None
    """When it came to the end of the catalogue; None: it has not."""
    compared: Counter[str] = field(default_factory=Counter)
    """How often it had each repository looked at: a page that is begun twice counts twice."""
    recorded: dict[str, set[int]] = field(default_factory=dict)
    """The minutes in which each hour of the history was written."""

    def watch(self) -> None:
        """Listen to the fakes of the site."""
        self.site.table.listeners.append(self._written)
        self.site.queues["events"].on_delete.append(self._event_done)
        self.site.server.on_upload.append(self._uploaded)
        self.site.log.listeners.append(self._logged)

    def take(self, body: str) -> None:
        """Note an envelope that was answered with 200."""
        for event in json.loads(body)["events"]:
            if "target" in event:
                self.taken.setdefault(event["id"], Taken(self.now_s(), event))

    def _written(self, key: Key, before: Item | None, after: Item | None) -> None:
        self.changed_s = self.now_s()
        if key.item == "pause":
            self.paused_since_s = None if after is None else self.paused_since_s or self.now_s()
            self.runs_since_s = self.now_s()
        if key.item.startswith("owed#"):
            self._owes(key, after)
        if key.item == "row":
            self._count_row(before, after)
        if key == Key("#site", "lost"):
            self.lost.append((self.now_s(), max((after or {}).get("count", 0), 0)))
        if key == Key("#site", "catalogue"):
            self._walks(after or {})
        if key.repository == "#history" and key.item.startswith("hour#") and after is not None:
            self.recorded.setdefault(key.item, set()).add(after["last_at"] // 60_000)
        mark = (after or {}).get("mark")
        if mark is not None and mark != (before or {}).get("mark"):
            self.marks[key] = self.now_s()

    def _count_row(self, before: Item | None, after: Item | None) -> None:
        steps = Counter(_states(after))
        steps.subtract(_states(before))
        if _counted(before) != _counted(after):
            self.recounted_s.append(self.now_s())
        if any(steps.values()):
            self.rows_before.append((self.now_s(), self.rows.copy()))
            self.rows.update(steps)

    def rows_since(self, at_s: float, name: str) -> tuple[int, int]:
        """The least and the most rows of a kind since a moment; one that moved meanwhile may be read twice, or not.

        So may one that is counted anew: a status reads the sums, and then the rows that correct them.
        """
        seen, moved = [self.rows[name]], sum(one >= at_s for one in self.recounted_s) if name != "rows" else 0
        for changed_s, before in reversed(self.rows_before):
            if changed_s < at_s:
                break
            moved += before[name] != seen[-1]
            seen.append(before[name])
        return max(min(seen) - moved, 0), max(seen) + moved

    def running_since(self, at_s: float) -> tuple[int, int]:
        """Whether the site was paused all the time since a moment (0, 0), or never (1, 1)."""
        if self.paused_since_s is not None:
            return 0, int(self.paused_since_s > at_s)
        return int(self.runs_since_s < at_s), 1

    def _walks(self, catalogue: Item) -> None:
        """Note which comparison is the latest, and when it came to the end of the catalogue."""
        if catalogue.get("started_at") != self.walk:
            self.walk, self.walk_listed_s = catalogue.get("started_at"), None
            self.compared.clear()
        if catalogue.get("finished_at") is None:
            self.walk_listed_s = None
        elif self.walk_listed_s is None:
            self.walk_listed_s = self.now_s()

    def _owes(self, key: Key, after: Item | None) -> None:
        before, now = self.owed.get(key), None if after is None else _owed_as(key, after)
        if before == now:
            return
        self.owed_before.append((self.now_s(), key, before))
        if now is None:
            self.discharged += 1
            del self.owed[key]
            return
        self.owed[key] = now
        if (
            now.is_whole
            and now.walk is not None
            and now.walk == self.walk
            and (before is None or before.walk != now.walk)
        ):
            self.compared[key.repository] += 1

    def owed_since(self, at_s: float, is_one: Callable[[OwedAs], bool]) -> tuple[int, int]:
        """How many references were owed in such a way all the time since a moment, and how many ever since."""
        always = {key for key, one in self.owed.items() if is_one(one)}
        ever = set(always)
        for changed_s, key, before in reversed(self.owed_before):
            if changed_s < at_s:
                break
            if before is not None and is_one(before):
                ever.add(key)
            else:
                always.discard(key)
        return len(always), len(ever)

    def lost_since(self, at_s: float) -> tuple[int, int]:
        """The least and the most notifications that were lost since a moment."""
        last = max(number for number, (from_s, _) in enumerate(self.lost) if not number or from_s < at_s)
        counts = [count for _, count in self.lost[last:]]
        return min(counts), max(counts)

    def comparing_since(self, at_s: float) -> tuple[int, int]:
        """The least and the most repositories that the latest comparison had still to look at since a moment."""
        walk, repeated = self.walk, sum(self.compared.values()) - len(self.compared)
        waiting, _ = self.owed_since(at_s, lambda one: one.is_whole and one.walk is not None and one.walk == walk)
        is_listed = self.walk_listed_s is not None and self.walk_listed_s < at_s
        _, most = self.owed_since(at_s, lambda one: one.is_whole and one.walk is not None)
        return (max(waiting - repeated, 0) if is_listed else 0), most

    def _event_done(self, message: Message) -> None:
        """No message is lost: an event is deleted once it is marked, seen, or in the DLQ."""
        event = _event_of(message)
        if event is None or not self.is_following():
            return
        if self.site.selections.entered_s(event["repository"], event.get("tag")) > message.sent_s:
            return  # it was outside the selection, for those at least who took it
        self.marked.setdefault(event["id"], self.now_s())
        tag, digest = event.get("tag"), event.get("digest")
        name = f"tag#{tag}" if tag is not None else f"digest#{digest}" if digest is not None else "*"
        key = Key(event["repository"], f"owed#{name}")
        if self.marks.get(key, -1.0) >= message.sent_s:
            return
        seen = self.site.table.table.get(Key(event["repository"], name), {})
        in_dlq = any(one.body == message.body for one in self.site.queues["dlq"].messages.values())
        if not in_dlq and (event["event_name"] == "deleted" or seen.get("digest") != digest):
            self.violated(f"{self.site.name}: message lost: {message.body}")

    def _uploaded(self, uploaded: Uploaded) -> None:
        # Two clients may push one layer at a time. A registry that has just begun not to mount says of a blob that is
        # there what others say of one that is not.
        if uploaded.was_there and uploaded.why != "client" and self.site.server.habits.mounts:
            self.violated(f"{self.site.name}: uploaded twice: {uploaded.repository} {uploaded.digest}")

    def _logged(self, identifier: str, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
        """No audit record changes, but for its end."""
        if before is None or not identifier.startswith(AUDIT_ID) or identifier.startswith(f"{AUDIT_ID}refused-"):
            return
        for name in ("action", "who", "detail", "received_at", "hour"):
            if before.get(name) != after.get(name):
                self.violated(f"{self.site.name}: audit record {identifier} changed: {name}")


def _event_of(message: Message) -> dict[str, Any] | None:
    """The event in a message; None: it is a heartbeat, or cannot be read."""
    try:
        event = json.loads(message.body)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "repository" in event else None


def _counted(row: Item | None) -> tuple[object, object]:
    """The states as which the counters have a row, by its own record."""
    return (row or {}).get("state_counted"), (row or {}).get("verification_counted")


def _owed_as(key: Key, item: Item) -> OwedAs:
    return OwedAs(
        is_whole=key.item == "owed#*",
        is_parked=bool(item.get("parked")),
        has_failed=item.get("failure") is not None,
        walk=item.get("walk"),
    )


def _states(row: Item | None) -> Iterator[str]:
    """The kinds of rows that a row is one of."""
    if row is not None and "id" in row:
        yield "rows"
        yield {"2": "synced", "3": "failed"}.get(str(row.get("state")), "others")
        yield from VERIFICATIONS.get(str(row.get("verification_counted")), ())

"""Counts what each invocation does, as the fakes of its site see it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.simulation.calls import Caller
from tests.simulation.queues import Message
from tests.simulation.registry.server import Uploaded
from tests.simulation.registry.wire import Wire
from tests.simulation.scheduler import Scheduler
from tests.simulation.site import Site
from tests.simulation.tally import Tally

from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import Key

VERIFIED, DIFFERS = "2", "3"
"""A row's `verification_state` at the end of a round."""


@dataclass(slots=True)
class Watcher:
    """Listens to one site, and counts in the tally of the task that has the baton."""

    site: Site
    scheduler: Scheduler
    wire: Wire

    def watch(self) -> None:
        """Listen to the fakes of the site."""
        self.site.table.listeners.append(self._written)
        self.site.queues["work"].on_send.append(self._woken)
        self.site.queues["dlq"].on_send.append(self._put_aside)
        self.site.server.on_upload.append(self._uploaded)

    def note(self, what: str, by: int = 1) -> None:
        """Count an action of the task that has the baton."""
        tally = self._tally()
        if tally is not None:
            tally.did[what] += by

    def _tally(self) -> Tally | None:
        place = self.wire.acting or self.scheduler.current.place
        return place.tally if isinstance(place, Caller) else None

    def _written(self, key: Key, before: Item | None, after: Item | None) -> None:
        was, now = before or {}, after or {}
        if key.item.startswith("owed#"):
            self._owes(key, was, now)
        elif key.item == "row":
            self._changes_row(was, now)
        elif key.item.startswith("hold#") and now.get("until", 0) > was.get("until", 0):
            self.note("held")
        elif key == Key("#site", "lost") and now.get("count", 0) > was.get("count", 0):
            self.note("lost")

    def _owes(self, key: Key, was: Item, now: Item) -> None:
        tally = self._tally()
        if tally is not None and now.get("mark") != was.get("mark") and now:
            tally.marked[key.repository, key.item] += 1
        if was and not now:
            self.note("discharged")
            if was.get("asked"):
                self.note("discharged what was asked for")
        if now.get("attempts", 0) > was.get("attempts", 0) or now.get("deaths", 0) > was.get("deaths", 0):
            self.note("failed")
        if now.get("parked") and not was.get("parked"):
            self.note("parked")

    def _changes_row(self, was: Item, now: Item) -> None:
        if "lease_token" in was and now.get("lease_token", was["lease_token"]) != was["lease_token"]:
            self.note("took over")
        if now.get("verified_at", was.get("verified_at")) != was.get("verified_at"):
            self.note({VERIFIED: "verified", DIFFERS: "found different"}[str(now["verification_state"])])

    def _woken(self, message: Message) -> None:
        if json.loads(message.body).get("reason") == "sweep":
            self.note("woken")

    def _put_aside(self, message: Message) -> None:
        self.note(f"{message.attributes.get('kind', {}).get('StringValue', '?')} letter")

    def _uploaded(self, uploaded: Uploaded) -> None:
        self.note("bytes", uploaded.size)

"""Waits for what was pushed to arrive: one thread per secondary looks at its registry and at its sync registry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from botocore.exceptions import BotoCoreError, ClientError

from geosync.sync_registry.items import SYNCED
from local.demo.looks import SiteLooks

LOOK_EVERY = 0.1  # seconds; also the resolution of the times that are shown


@dataclass(kw_only=True, eq=False)
class Reference:
    """A tag that was pushed with a digest, or deleted (`digest` None), and when each secondary had it so.

    Times are seconds of the monotonic clock; `pushed` is the end of the push, known once it is `over`, `moved` the
    bytes that a secondary has to fetch, as the client knows it.
    """

    repository: str
    tag: str
    digest: str | None
    what: str
    moved: int
    began: float = field(default_factory=time.monotonic)
    pushed: float = 0.0
    arrived: dict[str, float] = field(default_factory=dict)

    def over(self) -> Self:
        """Note the end of the push; return itself."""
        self.pushed = time.monotonic()
        return self

    @property
    def took(self) -> float:
        """Seconds that the push took."""
        return self.pushed - self.began

    def lag(self, site: str) -> float | None:
        """Seconds from the end of the push until the site's registry was seen to serve it; None: not yet."""
        return None if site not in self.arrived else max(self.arrived[site] - self.pushed, 0.0)


class Watch:
    """What is expected at which secondary. Runs from entry to exit; `references` only grows."""

    def __init__(self, looks: Sequence[SiteLooks], say: Callable[[Reference, str], None]) -> None:
        self.sites = [one.name for one in looks]
        self.references: list[Reference] = []
        self.states: dict[tuple[str, str], str | None] = {}
        self._say = say
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(one,), daemon=True) for one in looks]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=15)

    def expect(self, reference: Reference) -> None:
        """Look for a reference at every secondary from now on."""
        with self._lock:
            self.references.append(reference)
            for site in self.sites:
                # What was known of the repository is older than this push.
                self.states[site, reference.repository] = None

    def missing(self) -> list[tuple[Reference, str]]:
        """Return what has not arrived, with the site where."""
        return [(one, site) for one in list(self.references) for site in self.sites if site not in one.arrived]

    def unsynced(self) -> list[tuple[str, str]]:
        """Return the sites and repositories whose row does not say synced."""
        return [place for place, state in list(self.states.items()) if state != SYNCED]

    def wait(self, until: float, done: Callable[[], bool]) -> bool:
        """Wait until `done`, or until that moment of the monotonic clock; whether it was done."""
        while not done():
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_EVERY / 2)
        return True

    def _run(self, looks: SiteLooks) -> None:
        site = looks.name
        while not self._ended.wait(LOOK_EVERY):
            for reference in list(self.references):
                if site not in reference.arrived and _is_there(looks, reference):
                    reference.arrived[site] = time.monotonic()
                    self._say(reference, site)
            for repository in [repository for where, repository in self.unsynced() if where == site]:
                with suppress(BotoCoreError, ClientError):
                    self._note(site, repository, looks.state(repository))

    def _note(self, site: str, repository: str, state: str | None) -> None:
        with self._lock:
            # Before an event has arrived the row says synced, too: that counts once the registry has everything.
            behind = any(site not in one.arrived for one in self.references if one.repository == repository)
            self.states[site, repository] = None if state == SYNCED and behind else state


def _is_there(looks: SiteLooks, reference: Reference) -> bool:
    if reference.digest is None:
        return looks.is_gone(reference.repository, reference.tag)
    return looks.served(reference.repository, reference.tag) == reference.digest

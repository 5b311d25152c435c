"""A site whose answers come when a test says so: at once, not yet, or as a failure."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from tests.functional.admin.parts import Answer, Ask
from tests.support.patience import PATIENCE_S

PATIENT = """
const soon = window.setTimeout;
window.setTimeout = (what, wait, ...more) => soon(what, wait === 15000 ? 1000 * wait : wait, ...more);
"""
"""Has a page wait for an answer (api.js: LOOK_SECONDS) for longer than any test takes to look at it meanwhile."""
ASK_NOW = "window.dispatchEvent(new Event('online'))"
"""Has a page ask anew for all that it shows (poll.js), as one does that has a network again."""
IN_THE_SITE, ALL = ("/api/v4/geo/",), ("/api/v4/geo/", "/api/v4/geo_sites")


class Answers:
    """The answers about what is in the site, and of the sites where `of_sites` is set."""

    def __init__(self) -> None:
        self._come = threading.Event()
        self._come.set()
        self._fail = False
        self.of_sites = False

    def hang(self) -> None:
        """Answer nothing until `come`."""
        self._come.clear()

    def come(self, *, fail: bool = False) -> None:
        """Answer from now on, with a failure or as it is."""
        self._fail = fail
        self._come.set()

    def holds(self, path: str) -> bool:
        """Tell whether the test decides when the answer to this path comes."""
        return path.startswith(ALL if self.of_sites else IN_THE_SITE)

    def of(self, answer: Answer) -> Answer:
        """Wait until the answer may come; return it, or the failure in its place."""
        self._come.wait(PATIENCE_S)
        failure = json.dumps({"message": "AWS did not answer, or refused"})
        return Answer(503, answer.headers, failure) if self._fail else answer


def held(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Hold the function's answers under the test's control until it ends."""
    answers, ask = Answers(), Ask.__call__

    def answer(self: Ask, method: str, path: str, *rest: Any, **more: Any) -> Answer:
        found = ask(self, method, path, *rest, **more)
        return answers.of(found) if answers.holds(path) else found

    monkeypatch.setattr(Ask, "__call__", answer)
    return answers

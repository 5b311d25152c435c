"""The steps of a run: each with the promise that it looks at, what was seen of it, and how long it took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.following import FailedLook, look_once
from geosync.clock import Clock
from geosync.errors import GeosyncError

Verdict = Literal["seen", "not seen", "not known", "not tried"]
LOOK_SECONDS = 1.0
"""Between two looks at what is waited for."""

Found = TypeVar("Found")


class NotSeen(Exception):
    """A promise was not kept; the text says what was seen instead. Not raised beyond this folder."""


class NotKnown(Exception):
    """A promise could not be looked at; the text says why. Not raised beyond this folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeStep:
    """A step that has ended. `seen` says what was seen, or why nothing was; `took_s` is in seconds."""

    title: str
    promise: str
    verdict: Verdict
    seen: str
    took_s: float


class Steps:
    """Takes one step after the other. After one that was `needed` and failed, the others are not tried."""

    def __init__(self, clock: Clock, say: Callable[[SmokeStep], None]) -> None:
        self._clock = clock
        self._say = say
        self._stopped_by: str | None = None
        self.taken: list[SmokeStep] = []

    @property
    def has_stopped(self) -> bool:
        """True after a needed step that failed, and after an interruption."""
        return self._stopped_by is not None

    def take(self, title: str, promise: str, act: Callable[[], str], *, needed: bool = False) -> None:
        """Look at a promise: `act` returns what was seen, or raises NotSeen, NotKnown, or an error.

        Only what is no error of a step's comes out: a fault of the program. KeyboardInterrupt ends the steps.
        """
        if self._stopped_by is not None:
            self._note(SmokeStep(title=title, promise=promise, verdict="not tried", seen=self._stopped_by, took_s=0.0))
            return
        began_s = self._clock.monotonic_s()
        verdict, seen = _outcome(act)
        took_s = self._clock.monotonic_s() - began_s
        self._note(SmokeStep(title=title, promise=promise, verdict=verdict, seen=seen, took_s=took_s))
        if seen == INTERRUPTED:
            self._stopped_by = INTERRUPTED
        elif needed and verdict != "seen":
            self._stopped_by = f"it needs what failed: {title}"

    def _note(self, step: SmokeStep) -> None:
        self.taken.append(step)
        self._say(step)


INTERRUPTED = "interrupted"


def _outcome(act: Callable[[], str]) -> tuple[Verdict, str]:
    try:
        return "seen", act()
    except NotKnown as why:
        return "not known", str(why)
    except KeyboardInterrupt:
        return "not known", INTERRUPTED
    except (NotSeen, GeosyncError, BotoCoreError, ClientError, OSError) as error:
        return "not seen", str(error)


def verdict_of(steps: Sequence[SmokeStep]) -> Verdict:
    """The verdict of a run: seen only where every promise was."""
    verdicts = {step.verdict for step in steps}
    if "not seen" in verdicts:
        return "not seen"
    return "not known" if verdicts - {"seen"} else "seen"


def wait_for(
    look: Callable[[], Found | None], what: str, *, clock: Clock, timeout_s: float, every_s: float = LOOK_SECONDS
) -> Found:
    """Look until something is found, and return it. Raises NotSeen when the time is over, with `what` was awaited.

    A look that fails in passing is made again.
    """
    end_s = clock.monotonic_s() + timeout_s
    while True:
        found = look_once(look)
        if found is not None and not isinstance(found, FailedLook):
            return found
        if clock.monotonic_s() >= end_s:
            why = f" ({found.why})" if isinstance(found, FailedLook) else ""
            raise NotSeen(f"waited {timeout_s:.0f} s for {what}{why}")
        clock.sleep(every_s)

"""The end of a holder: its reason, and the signal for its threads."""

from __future__ import annotations

from enum import Enum

from geosync.errors import OutOfTime
from geosync.oci.deadline import Deadline
from geosync.threads import Threads


class Ending(Enum):
    """The reason why a holder stopped."""

    FINISHED = "finished"
    """Nothing is due."""
    HELD = "held"
    """A registry cannot be used now; it is on hold."""
    OUT_OF_TIME = "out_of_time"
    """The invocation is about to end."""
    LOST = "lost"
    """Somebody else has the repository."""


class Halt:
    """Knows why a holder stops; `ending` is None while it goes on. Its attempts wait here, and stop with it.

    Thread-safe.
    """

    def __init__(self, deadline: Deadline, threads: Threads) -> None:
        self.ending: Ending | None = None
        self._error: Exception | None = None
        self._deadline = deadline
        self._stopped = threads.event()

    def end(self, ending: Ending) -> None:
        """Stop for `ending`. The first reason counts, except that a lost lease overrides everything."""
        if self.ending is None or ending is Ending.LOST:
            self.ending = ending

    def fail(self, error: Exception) -> None:
        """Stop because the table cannot be used; the first such error is raised to the caller of the holder."""
        self._error = self._error or error
        self.end(Ending.OUT_OF_TIME)

    def stop_attempts(self) -> None:
        """Wake the attempts that wait."""
        self._stopped.set()

    def pause(self, seconds: float) -> None:
        """Wait inside an attempt; raises OutOfTime when the holder stops or the invocation ends meanwhile."""
        if self._stopped.wait(min(seconds, max(self._deadline.left_s(), 0))):
            raise OutOfTime("the holder stopped")
        self._deadline.check()

    def reason(self) -> Ending:
        """The reason why the holder stopped; raises what `fail` was told."""
        if self._error is not None:
            raise self._error
        if self.ending is None:
            raise AssertionError("a holder that neither ended nor failed")
        return self.ending

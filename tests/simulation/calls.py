"""The fate of a call: its duration, its effect, its answer, and the death of its caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from tests.simulation.scheduler import Killed, Scheduler
from tests.simulation.tally import Tally

Result = TypeVar("Result")
REPEATED = "call sent a second time"
"""As it is noted of whoever made it."""
INSTANT = 0.85
"""The share of calls that take no time, among those that come in dozens: a world has more seeds for it."""


@dataclass(slots=True)
class Weather:
    """The faults of one service at one site, as shares of its calls; all 0 in calm weather."""

    refused: float = 0.0
    """The call has no effect, and an error is answered."""
    lost: float = 0.0
    """The call has its effect, and no answer comes."""
    slow: float = 0.0
    """The call takes up to `slowest_s`."""
    slowest_s: float = 2.0
    partial: float = 0.0
    """A batch is done in part, a write meets another one: the library tries again, and may give up."""

    @property
    def is_calm(self) -> bool:
        """No call fails or takes long."""
        return not (self.refused or self.lost or self.slow or self.partial)

    def calm(self) -> None:
        """End all faults."""
        self.refused = self.lost = self.slow = self.partial = 0.0


@dataclass(slots=True)
class Caller:
    """A place with a clock, whose calls can be its last: `kill_in` calls from now it is killed."""

    name: str
    offset_ms: Callable[[], int] = lambda: 0
    is_dead: bool = False
    began_s: float = 0.0
    kill_in: int | None = None
    calls: int = 0
    on_kill: Callable[[], None] = lambda: None
    tally: Tally = field(default_factory=Tally)

    @property
    def skew_ms(self) -> int:
        """The skew of the site that it runs at."""
        return self.offset_ms()


class Calls:
    """Carries out the calls of everybody in one world."""

    def __init__(self, scheduler: Scheduler, random: Random) -> None:
        self._scheduler = scheduler
        self._random = random
        self.beyond = Caller("beyond")
        """Where the late effects of dead callers come from."""

    def make(
        self,
        effect: Callable[[], Result],
        weather: Weather,
        *,
        refused: Callable[[], Exception],
        lost: Callable[[], Exception] | None = None,
        late_s: float = 0.0,
    ) -> Result:
        """Make one call, and return what its effect does. Raises Killed, and what `refused` and `lost` make.

        `lost` None: an answer that is lost is no error, as the client asks again by itself. A caller that dies may
        leave its call on the way, for up to `late_s`.
        """
        scheduler, random = self._scheduler, self._random
        place = scheduler.check().place
        self._pass(weather)
        if isinstance(place, Caller):
            place.calls += 1
            if place.kill_in is not None and place.calls >= place.kill_in:
                self._kill(place, effect, late_s)
        lot = random.random()
        if lot < weather.refused:
            self.trouble()
            raise refused()
        result = effect()
        if lot < weather.refused + weather.lost and lost is not None:
            self.trouble()
            self._pass(weather)
            raise lost()
        if lot > 0.9:
            self._pass(weather)
        return result

    def is_instant(self) -> bool:
        """True for most of the calls that come in dozens: they take no time, and no other task runs between them."""
        self._scheduler.check()
        return self._random.random() < INSTANT

    def is_repeated(self, weather: Weather) -> bool:
        """True where a call whose answer was lost is sent a second time by the client itself."""
        is_repeated = weather.lost > 0 and self._random.random() < weather.lost
        if is_repeated:
            self.trouble()
            self.note(REPEATED)
        return is_repeated

    def is_in_part(self, weather: Weather) -> bool:
        """True where a service does a part of what it is asked, or another write is in the way."""
        is_in_part = weather.partial > 0 and self._random.random() < weather.partial
        if is_in_part:
            self.trouble()
        return is_in_part

    def gives_up(self, pauses_s: float) -> bool:
        """Wait as the library does before it tries again; True where it has tried often enough."""
        self._scheduler.sleep(self._random.random() * pauses_s)
        return self._random.random() < 0.5

    def below(self, number: int) -> int:
        """A number below `number`."""
        return self._random.randrange(number)

    def trouble(self) -> None:
        """Note that the caller may not know of an effect of its call."""
        place = self._scheduler.current.place
        if isinstance(place, Caller):
            place.tally.is_troubled = True

    def note(self, what: str) -> None:
        """Count an action of the task that has the baton."""
        place = self._scheduler.current.place
        if isinstance(place, Caller):
            place.tally.did[what] += 1

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Count an action if the block ends with an error."""
        try:
            yield
        except Exception:
            self.note(what)
            raise

    def _pass(self, weather: Weather) -> None:
        random = self._random
        lot = random.random()
        if lot < weather.slow:
            self._scheduler.sleep(random.random() * weather.slowest_s)
        else:
            self._scheduler.sleep(0.002 + lot * lot * 0.04)

    def _kill(self, place: Caller, effect: Callable[[], object], late_s: float) -> None:
        """Kill the caller before its call was sent, while it is on the way, or when it had its effect."""
        lot = self._random.random()
        if lot < 1 / 3:
            effect()
        elif lot < 2 / 3:
            self._scheduler.spawn(lambda: _quietly(effect), "late", self.beyond, delay_s=self._random.random() * late_s)
        self._scheduler.kill(place)
        place.on_kill()
        raise Killed


def _quietly(effect: Callable[[], object]) -> None:
    """Carry out an effect whose answer gets lost."""
    try:
        effect()
    except Exception:  # noqa: BLE001 - the answer goes to nobody
        return

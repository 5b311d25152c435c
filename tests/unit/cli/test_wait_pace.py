"""The end of `geosync wait` after an image was seen, and how often it asks: in time that only the test lets pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from click.testing import CliRunner, Result
from tests.support.clock import FakeClock
from tests.support.patience import PATIENCE_S

from geosync.cli.awaited import AwaitedSite, WhichSites
from geosync.cli.main import main
from geosync.cli.pace import LEAST_PAUSE_S, LONGEST_S, MOST_S, SHORTEST_S, LookPace
from geosync.errors import AdminApiUnavailable
from geosync.reading.arrival import Arrival, AwaitedImage

DIGEST = f"sha256:{'a' * 64}"
PROMISED_S = 2.0
"""From seen to the end of the command."""
LOOK_S = 0.8
"""The longest look for which that holds."""
ANSWERS_LATE_S = 35.0
"""An admin API that hangs is given up after that time."""


@dataclass(slots=True)
class SeenLater:
    """A site that sees the image after some seconds. A look takes `look_s` and says what was so when it began."""

    name: str
    clock: FakeClock
    seen_s: float = 1e9
    look_s: float = LOOK_S
    fails_until_s: float = 0.0
    expected: str | None = None
    looks_s: list[float] = field(default_factory=list)

    def begin(self, image: AwaitedImage) -> str | None:
        """There may be something to wait for."""
        return None

    def look(self, image: AwaitedImage) -> Arrival:
        """Look. Raises AdminApiUnavailable while it does not answer."""
        now_s = self.clock.monotonic_s()
        self.looks_s.append(now_s)
        self.clock.pass_(self.look_s)
        if now_s < self.fails_until_s:
            raise AdminApiUnavailable("the admin API answers 429")
        if now_s < self.seen_s:
            return Arrival(state="waiting", reason="owed")
        return Arrival(state="here", digest=DIGEST, seen_at_ms=round(self.seen_s * 1000))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command at the sites that are given."""

    def run(*sites: AwaitedSite, timeout: str = "10m") -> Result:
        monkeypatch.setattr(WhichSites, "over_api", lambda *_: list(sites))
        environment = {"GEOSYNC_ADMIN_URL": "https://admin.example.com/geo", "GEOSYNC_TOKEN": "x" * 48}
        return CliRunner().invoke(main, ["wait", "group/app:v1", "--timeout", timeout], env=environment)

    return run


@pytest.mark.parametrize("look_s", [0.01, 0.2, LOOK_S])
@pytest.mark.parametrize("seen_s", [0.0, 0.3, 1.01, 2.7, 59.99, 481.3])
def test_a_wait_ends_within_two_seconds_of_the_moment_at_which_the_image_was_seen(
    clock: FakeClock, wait: Callable[..., Result], seen_s: float, look_s: float
) -> None:
    """Also one that has gone on for minutes, and with a look that began just before."""
    ended = wait(SeenLater("oregon", clock, seen_s, look_s))
    assert ended.exit_code == 0, ended.output
    assert clock.monotonic_s() - seen_s <= PROMISED_S


def test_a_long_wait_asks_a_bounded_number_of_times(clock: FakeClock, wait: Callable[..., Result]) -> None:
    site = SeenLater("oregon", clock, look_s=0.0)
    assert wait(site, timeout="10m").exit_code == 1
    assert clock.monotonic_s() == pytest.approx(600, abs=0.1)
    assert 600 / LONGEST_S <= len(site.looks_s) <= 600 / SHORTEST_S + 2
    assert site.looks_s[-1] == pytest.approx(600, abs=0.1)  # and once more at the end


def test_two_that_begin_together_do_not_ask_together(wait: Callable[..., Result]) -> None:
    asked = []
    for _ in range(2):
        site = SeenLater("oregon", FakeClock(), look_s=0.0)
        wait(site, timeout="1m")
        asked.append(site.looks_s[1:-1])
    # Of some seventy moments each, in thousandths of a second of a minute, one in twelve pairs has one in common.
    assert len(set(asked[0]) & set(asked[1])) < len(asked[0]) / 10


def test_a_site_that_is_too_busy_is_asked_less_and_less_and_then_as_before(
    clock: FakeClock, wait: Callable[..., Result]
) -> None:
    site = SeenLater("oregon", clock, look_s=0.0, fails_until_s=100.0, seen_s=130.0)
    ended = wait(site)
    assert ended.exit_code == 0, ended.output
    between = [later - earlier for earlier, later in zip(site.looks_s, site.looks_s[1:], strict=False)]
    failed = [one for one, at_s in zip(between, site.looks_s, strict=False) if at_s < 100.0]
    expected = [(1.2, 2), (2.4, 4), (4.8, 8), *[(7.2, MOST_S)] * len(failed)]
    for one, (least_s, most_s) in zip(failed, expected, strict=False):
        assert least_s - 0.001 <= one <= most_s + 0.001
    assert max(between[len(failed) :]) <= LONGEST_S + 0.001
    assert clock.monotonic_s() - 130.0 <= PROMISED_S
    assert ended.output.count("still waiting") == 1


def test_a_site_that_hangs_takes_no_look_from_another(
    clock: FakeClock, wait: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look at the other is over before the time passes, whichever thread comes first."""
    looked, is_over = LookPace.looked, threading.Event()

    def noted(pace: LookPace, began_s: float, *, ended_s: float, has_failed: bool) -> None:
        looked(pace, began_s, ended_s=ended_s, has_failed=has_failed)
        is_over.set()

    class Hanging(SeenLater):
        def look(self, image: AwaitedImage) -> Arrival:
            assert is_over.wait(PATIENCE_S)
            return super().look(image)

    monkeypatch.setattr(LookPace, "looked", noted)
    hangs = Hanging("oregon", clock, look_s=ANSWERS_LATE_S, fails_until_s=1e9)
    other = SeenLater("frankfurt", clock, seen_s=15.0, look_s=0.0)
    ended = wait(hangs, other, timeout="20s")
    assert (ended.exit_code, f"group/app:v1 is at frankfurt: {DIGEST}" in ended.output) == (2, True)
    assert len(hangs.looks_s) == 1


def test_a_look_that_takes_longer_than_the_time_between_two_is_followed_by_a_pause() -> None:
    pace = LookPace(between=lambda least_s, most_s: most_s)
    assert pace.due_s == 0
    pace.looked(10.0, ended_s=10.1, has_failed=False)
    assert pace.due_s == 10.0 + LONGEST_S
    pace.looked(20.0, ended_s=24.0, has_failed=False)
    assert pace.due_s == 24.0 + LEAST_PAUSE_S
    for _ in range(2000):
        pace.looked(30.0, ended_s=30.0, has_failed=True)
    assert pace.due_s == 30.0 + MOST_S


def test_the_promise_holds_for_the_longest_pause_and_a_look() -> None:
    assert LONGEST_S + LOOK_S <= PROMISED_S

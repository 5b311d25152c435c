"""A registry that throttles: fewer requests in flight, its pauses kept in both forms, one hold when it wants more."""

from __future__ import annotations

import email.utils
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, pushed
from tests.integration.vendors.world import wait_for
from tests.support.images import ImageMaker
from tests.support.scripted import Reply, Request
from tests.support.vendors.double import VendorDouble
from tests.support.waits import waits

from geosync.errors import RegistryUnavailable
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.throttle import GROWTH_S
from geosync.pair.settings import PARALLELISM

IN_SECONDS: Callable[[float], str] = lambda seconds: str(round(seconds))  # noqa: E731
AS_A_DATE: Callable[[float], str] = lambda seconds: email.utils.formatdate(time.time() + seconds + 1, usegmt=True)  # noqa: E731


class Throttling(VendorDouble):
    """Takes `most` requests at a time, and refuses what comes beside them, and whoever comes back too early.

    RFC 6585, 4 (429) and RFC 9110, 10.2.3 (Retry-After: seconds, or a date). `refused_in_a_pause` has one number for
    each pause: the requests that were refused from its first refusal to its end.
    """

    def __init__(
        self, registry: str, *, most: int, pause: float = 1.0, form: Callable[[float], str] = IN_SECONDS
    ) -> None:
        self.most = most
        self.pause = pause
        self.form = form
        self.refused_in_a_pause: list[int] = []
        self.answered = 0
        self._in_flight = 0
        self._closed_until = 0.0
        self._counting = threading.Lock()
        super().__init__(registry)

    @property
    def refused(self) -> int:
        return sum(self.refused_in_a_pause)

    def answer(self, request: Request) -> Reply:
        with self._counting:
            now = time.monotonic()
            is_closed = now < self._closed_until
            if is_closed or self._in_flight >= self.most:
                if not is_closed:
                    self.refused_in_a_pause.append(0)
                self.refused_in_a_pause[-1] += 1
                self._closed_until = max(self._closed_until, now + self.pause)
                return replace(self.error(429, "TOOMANYREQUESTS"), headers=[("Retry-After", self.form(self.pause))])
            self._in_flight += 1
        try:
            time.sleep(0.01)
            return self.forward(request)
        finally:
            with self._counting:
                self._in_flight -= 1
                self.answered += 1


@pytest.mark.parametrize("form", [IN_SECONDS, AS_A_DATE])
def test_a_copy_into_a_registry_that_throttles_ends_without_a_hold_at_its_pace(
    plain_registry: Place, second_registry: Place, make: ImageMaker, repository: str, form: Callable[[float], str]
) -> None:
    images = [make.image(repository, f"v{number}", layers=6) for number in range(3)]
    with Throttling(second_registry.url, most=3, form=form) as double:
        secondary = Secondary(plain_registry, double)
        started = time.monotonic()
        secondary.receive(*(pushed(one) for one in images))
        wait_for(secondary, repository)

        assert [secondary.digest(repository, one.reference) for one in images] == [one.digest for one in images]
        assert not secondary.sync_registry.holds()
        assert not secondary.dlq.messages
        assert double.refused > 0
        # What was under way when the first refusal went out comes yet, and nobody comes who knows of it.
        assert max(double.refused_in_a_pause) <= PARALLELISM
        # It finds its pace by halves, and tries one more at a time now and then. All at a time would be refused again
        # after each pause: 3 of some 50 requests would get through between two of them.
        halves = math.ceil(math.log2(PARALLELISM / 3))
        assert len(double.refused_in_a_pause) <= halves + (time.monotonic() - started) // GROWTH_S
        secondary.close()


def test_a_pause_longer_than_a_request_may_wait_is_a_hold_for_all_functions_of_the_site(
    plain_registry: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    """The other function is another receiver with clients of its own, on the same table."""
    first, second = make.image(repository, "v1", layers=1), make.image(f"{repository}-other", "v1", layers=1)
    with Throttling(second_registry.url, most=0, pause=90) as double:
        one = Secondary(plain_registry, double)
        other = Secondary(plain_registry, double, store=one.store)
        other.registries.secondary.close()
        other.registries = replace(other.registries, secondary=one.registries.secondary)

        before = time.time()
        one.receive(pushed(first))
        waited = time.time() - before
        (hold,) = one.sync_registry.holds()
        asked = double.refused
        other.receive(pushed(second))

        assert 89 <= hold.until / 1000 - before <= 91 + waited
        assert double.refused == asked, "nobody asks a registry that is on hold"
        assert one.owed(repository)[0].attempts == 0
        assert other.owed(f"{repository}-other")
        one.close()
        other.close()


def test_a_throttled_request_that_would_not_end_in_time_is_not_waited_for(second_registry: Place) -> None:
    deadline = Deadline()
    with Throttling(second_registry.url, most=0, pause=3) as double:
        client = RegistryClient(double.url, Anonymous(), deadline=deadline)
        deadline.set(2.5)
        with waits() as waited, pytest.raises(RegistryUnavailable) as caught:
            client.ping()
        client.close()
        assert double.refused == 1
    assert (caught.value.status, caught.value.retry_after) == (429, 3.0)
    assert waited == []

"""MaxBandwidth holds for what the work queue woke, helpers too, and not for a push."""

from __future__ import annotations

import json

import pytest
from tests.functional.sync.parts import DONE, Site, handle, sample, wake
from tests.functional.sync.test_help import help_with, hold, owe, queue_url, sent
from tests.support.images import Made

from geosync.pair.bandwidth import Bandwidth
from geosync.pair.pace import Pace

__all__ = ["queue_url"]


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that were counted."""
    spent: list[int] = []
    monkeypatch.setattr(Bandwidth, "spend", lambda _, size: spent.append(size))
    return spent


def size_of(made: Made) -> int:
    document = json.loads(made.content)
    return sum(int(one["size"]) for one in (document["config"], *document["layers"]))


def test_a_push_is_not_bounded_and_a_worker_is(
    site: Site, aws: pytest.MonkeyPatch, repository: str, spent: list[int]
) -> None:
    aws.setenv("MAX_BANDWIDTH", "1000000")
    live, work = owe(site, f"{repository}/live"), owe(site, f"{repository}/work")
    assert handle(sample("sync-live.json", repository=live.repository)) == DONE
    assert site.digest(live.repository, "v1") == live.digest
    assert spent == []
    assert handle(wake(work.repository)) == DONE
    assert site.digest(work.repository, "v1") == work.digest
    assert sum(spent) == size_of(work)


def test_a_helper_is_bounded(site: Site, aws: pytest.MonkeyPatch, repository: str, spent: list[int]) -> None:
    aws.setenv("MAX_BANDWIDTH", "1000000")
    made = owe(site, repository)
    assert handle(help_with(made, hold(site, repository).token)) == DONE
    assert sum(spent) == size_of(made)


def test_bounded_work_has_a_pace_of_its_own(site: Site, aws: pytest.MonkeyPatch, repository: str) -> None:
    aws.setenv("MAX_BANDWIDTH", "100000000")
    noted: list[Pace] = []
    aws.setattr(Pace, "note", lambda self, *_: noted.append(self))
    live, work, helped = (owe(site, f"{repository}/{name}") for name in ("live", "work", "helped"))
    paces = []
    for event in (
        sample("sync-live.json", repository=live.repository),
        wake(work.repository),
        help_with(helped, hold(site, helped.repository).token),
    ):
        noted.clear()
        assert handle(event) == DONE
        (pace,) = set(noted)
        paces.append(pace)
    assert paces[0] is not paces[1]
    assert paces[1] is paces[2]


def test_a_push_asks_no_helper_that_would_be_bounded_and_a_worker_does(
    site: Site, aws: pytest.MonkeyPatch, queue_url: str, repository: str, spent: list[int]
) -> None:
    aws.setenv("MAX_BANDWIDTH", "1000000")
    live, work = owe(site, f"{repository}/live"), owe(site, f"{repository}/work")
    assert handle(sample("sync-live.json", repository=live.repository)) == DONE
    assert site.digest(live.repository, "v1") == live.digest
    assert sent(queue_url) == []
    assert handle(wake(work.repository)) == DONE
    assert {body["repository"] for body in sent(queue_url)} == {work.repository}
    assert sum(spent) == size_of(work)


def test_without_the_parameter_nothing_is_counted(site: Site, repository: str, spent: list[int]) -> None:
    made = owe(site, repository)
    assert handle(wake(repository)) == DONE
    assert site.digest(repository, "v1") == made.digest
    assert spent == []

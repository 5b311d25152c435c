"""Pulls at a secondary that promises the primary's present tag (MaxStaleness 0), between real registries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from tests.integration.conftest import Place
from tests.integration.reading.client import Client
from tests.integration.reading.test_pulls import digest_of, old_and_refused
from tests.integration.secondary import PATIENCE_S, Secondary, pushed, quick
from tests.support.images import ImageMaker
from tests.support.proxy import Call

from geosync.messages.work import WorkMessage

SETTLES_S = 600.0
"""Longer than any pull waits: a tag that was just looked at is not proved to stay while a test runs."""
PULLERS = 8


@pytest.fixture
def strict(secondary: Secondary) -> Iterator[Client]:
    """A client at a site with MaxStaleness 0, whose first comparison is complete and whose events are accounted."""
    with Client(secondary, max_staleness_ms=0) as one:
        one.account(ago_s=0)
        yield one


def test_an_unchanged_tag_is_looked_at_and_its_manifest_asked_for_once(
    secondary: Secondary, strict: Client, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    secondary.reset()
    got = strict.pull(f"/v2/{repository}/manifests/v1")
    assert (got.status, got.body) == (200, made.content)
    assert strict.metrics.counts == {"ReadsWaited": 1}
    assert len(strict.live.sent) == 1
    strict.live.join()
    # The client's own question, and the holder's look, which is made after the pull began.
    assert secondary.secondary_proxy.counts() == {("GET", "tag"): 1, ("HEAD", "tag"): 1}
    assert secondary.primary_proxy.counts() == {("GET", "tag"): 1, ("GET", "referrers"): 1}
    assert not secondary.owed(repository)


def test_what_was_pushed_before_the_pull_is_served_though_nobody_told_of_it(
    secondary: Secondary, strict: Client, make: ImageMaker, repository: str
) -> None:
    """The site is as well as can be, and the former digest would be served by a site that allows five minutes."""
    secondary.receive(pushed(make.image(repository, "v1")))
    new = make.image(repository, "v1")
    got = strict.pull(f"/v2/{repository}/manifests/v1")
    assert (got.status, digest_of(got.body)) == (200, new.digest)


def test_a_look_that_was_made_before_the_pull_began_is_no_answer(
    secondary: Secondary, strict: Client, make: ImageMaker, repository: str
) -> None:
    """A holder has the former digest in hand; the next push ends, and then the pull begins."""
    secondary.receive(pushed(make.image(repository, "v1")))
    old = make.image(repository, "v1")
    looked, pulled = threading.Event(), threading.Event()

    def wait() -> None:
        looked.set()
        pulled.wait(PATIENCE_S)

    secondary.primary_proxy.add(Call(kind="tag", after=wait))
    with ThreadPoolExecutor(2) as pool:
        holder = pool.submit(secondary.receive, pushed(old))
        assert looked.wait(PATIENCE_S)
        new = make.image(repository, "v1")
        secondary.secondary_proxy.add(Call(kind="tag", method="GET", after=pulled.set))  # the pull has begun
        got = pool.submit(strict.pull, f"/v2/{repository}/manifests/v1").result()
        holder.result()
    assert (got.status, digest_of(got.body)) == (200, new.digest)


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_tag_that_was_just_looked_at_is_served_as_soon_as_it_is_here(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str, *, is_announced: bool
) -> None:
    """Whether it stays is not proved before the settle time is over, and nothing is discharged until then."""
    slow = Secondary(primary, second_registry, timing=quick(settle=SETTLES_S, suspect=2.0))
    with closing(slow), Client(slow, max_staleness_ms=0) as client:
        client.account(ago_s=0)
        slow.receive(pushed(make.image(repository, "v1")))
        for _ in range(2):
            new = make.image(repository, "v1")
            if is_announced:
                slow.intake.take([pushed(new).to_json()])
            got = client.pull(f"/v2/{repository}/manifests/v1")
            assert (got.status, digest_of(got.body)) == (200, new.digest)
            client.live.join()
        (owed,) = slow.owed(repository)
        assert owed.shown == new.digest
        again = client.pull(f"/v2/{repository}/manifests/v1")
        assert (again.status, digest_of(again.body)) == (200, new.digest)
        client.live.join()
        (anew,) = slow.owed(repository)
        assert (anew.marked_at, anew.due) == (owed.marked_at, owed.due)  # no pull puts off what proves it


def test_a_pull_does_not_put_off_the_proof_of_the_next_push(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    slow = Secondary(primary, second_registry, timing=quick(settle=SETTLES_S, suspect=2.0))
    with closing(slow), Client(slow, max_staleness_ms=0) as client:
        client.account(ago_s=0)
        make.image(repository, "v1")
        assert client.pull(f"/v2/{repository}/manifests/v1").status == 200
        client.live.join()
        slow.receive(pushed(make.image(repository, "v1")))
        assert not slow.owed(repository)


def test_at_a_site_that_allows_minutes_it_is_served_as_soon_as_it_is_here_as_well(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    slow = Secondary(primary, second_registry, timing=quick(settle=SETTLES_S, suspect=2.0))
    with closing(slow), Client(slow) as client:
        client.account()
        slow.receive(pushed(make.image(repository, "v1")))
        new = make.image(repository, "v1")
        slow.intake.take([pushed(new).to_json()])
        slow.worker.receive(WorkMessage(repository=repository, reason="event").to_json())
        slow.reset()
        got = client.pull(f"/v2/{repository}/manifests/v1")
        assert (got.status, digest_of(got.body)) == (200, new.digest)
        assert client.metrics.counts == {"ReadsServed": 1}
        assert slow.primary_proxy.total() == 0
        assert slow.owed(repository)


def test_many_at_once_share_the_looks(secondary: Secondary, strict: Client, make: ImageMaker, repository: str) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    secondary.reset()
    clients = [strict, *(Client(secondary, max_staleness_ms=0) for _ in range(PULLERS - 1))]
    begun = threading.Barrier(PULLERS)
    for client in clients:
        secondary.secondary_proxy.add(Call(kind="tag", method="GET", nth=clients.index(client) + 1, after=begun.wait))
    with ThreadPoolExecutor(PULLERS) as pool:
        answers = list(pool.map(lambda one: one.pull(f"/v2/{repository}/manifests/v1"), clients))
    assert [(one.status, one.body) for one in answers] == [(200, made.content)] * PULLERS
    for client in clients:
        client.live.join()
    for client in clients[1:]:
        client.own.close()
    # One look for those who came before it began, and one more for those who came while it was made.
    assert secondary.primary_proxy.counts()["GET", "tag"] + secondary.primary_proxy.counts()["HEAD", "tag"] <= 4


def test_while_the_primary_is_gone_old_is_refused_or_served_as_the_site_says(
    secondary: Secondary, strict: Client, make: ImageMaker, repository: str
) -> None:
    made = old_and_refused(secondary, strict, make, repository)
    with Client(secondary, max_staleness_ms=0, serves_stale=True) as lost:
        got = lost.pull(f"/v2/{repository}/manifests/v1")
        assert (got.status, got.body) == (200, made.content)
        assert lost.metrics.counts == {"ReadsStale": 1}


def test_a_tag_that_the_primary_does_not_have_is_not_served(
    secondary: Secondary, strict: Client, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    make.delete(made)
    got = strict.pull(f"/v2/{repository}/manifests/v1", seconds=8.0)
    assert (got.status, got.code) == (404, "MANIFEST_UNKNOWN")


def test_a_digest_is_never_old_and_nobody_is_asked_for_it(
    secondary: Secondary, strict: Client, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    secondary.reset()
    assert strict.pull(f"/v2/{repository}/manifests/{made.digest}").body == made.content
    assert secondary.primary_proxy.total() == 0

"""Pulls at a secondary between real registries: what is served, what is waited for, what is refused."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import requests
from tests.integration.conftest import Place
from tests.integration.reading.client import Client
from tests.integration.secondary import Secondary, event, pushed, quick
from tests.support.clock import FakeClock
from tests.support.images import ImageMaker, Made
from tests.support.patience import PATIENCE_S
from tests.support.proxy import CountingProxy, Status

from geosync.messages.work import WorkMessage
from geosync.pair.selection import Selection
from geosync.sync_registry.items import Owed

LONG_AGO_S = 1000.0
"""Longer than MaxStaleness."""


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def test_a_recent_image_is_served_with_its_moment(
    secondary: Secondary, client: Client, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    secondary.reset()
    got = client.pull(f"/v2/{repository}/manifests/v1")
    assert (got.status, got.body) == (200, made.content)
    assert got.headers["Docker-Content-Digest"] == made.digest
    assert got.headers["Content-Type"] == made.media_type
    assert int(got.headers["X-Geosync-Lag"]) < 100  # a holder saw it just now
    assert client.metrics.counts == {"ReadsServed": 1}
    # One request to the site's registry, none to the primary's, and nobody woken.
    assert secondary.secondary_proxy.counts() == {("GET", "tag"): 1}
    assert secondary.primary_proxy.total() == 0
    assert client.live.sent == []


def test_a_head_of_a_manifest_is_to_be_a_get_because_api_gateway_would_say_that_its_size_is_0(
    secondary: Secondary, client: Client, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    secondary.reset()
    for reference in ("v1", made.digest):
        got = client.pull(f"/v2/{repository}/manifests/{reference}", method="HEAD")
        assert (got.status, got.body, got.headers["Allow"]) == (405, b"", "GET")
        assert not got.headers.keys() & {"Content-Length", "Docker-Content-Digest"}
    assert secondary.secondary_proxy.total() == 0
    refused = client.pull("/v2/Group/manifests/v1", method="HEAD")
    assert (refused.status, refused.body) == (400, b"")


def test_a_tag_whose_event_is_marked_is_waited_for_and_never_served_as_it_was(
    secondary: Secondary, client: Client, make: ImageMaker, repository: str
) -> None:
    secondary.receive(pushed(make.image(repository, "v1")))
    new = make.image(repository, "v1")
    secondary.intake.take([pushed(new).to_json()])  # marked, and its wake got lost
    secondary.have_passed(3)
    got = client.pull(f"/v2/{repository}/manifests/v1")
    assert (got.status, digest_of(got.body)) == (200, new.digest)
    assert client.metrics.counts == {"ReadsWaited": 1}
    assert len(client.live.sent) == 1


def test_a_pull_brings_an_unannounced_push(
    secondary: Secondary, client: Client, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    got = client.pull(f"/v2/{repository}/manifests/v1")
    assert (got.status, got.body) == (200, made.content)
    by_digest = make.image(repository)
    got = client.pull(f"/v2/{repository}/manifests/{by_digest.digest}")
    assert (got.status, got.body) == (200, by_digest.content)
    assert client.metrics.counts == {"ReadsWaited": 2}


def test_a_pull_of_a_tag_that_the_primary_lacks_waits_only_for_the_look(
    primary: Place, second_registry: Place, repository: str
) -> None:
    settling = Secondary(primary, second_registry, timing=quick(settle=30.0, suspect=2.0))
    with closing(settling), Client(settling) as client:
        client.account()
        got = client.pull(f"/v2/{repository}/manifests/v9")
        assert (got.status, got.code) == (404, "MANIFEST_UNKNOWN")
        client.live.join()
        (owed,) = settling.owed(repository)
        asked = settling.primary_proxy.total()
        assert client.pull(f"/v2/{repository}/manifests/v9").status == 404
        assert settling.owed(repository)[0].mark == owed.mark  # who asks again marks nothing again
        assert settling.primary_proxy.total() == asked
        assert len(client.live.sent) == 1
        assert client.metrics.counts == {"ReadsFellThrough": 2}


def test_a_tag_that_is_older_than_allowed_is_looked_at_and_then_served(
    secondary: Secondary, client: Client, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    secondary.have_passed(LONG_AGO_S)
    old = make.image(repository, "v2")
    secondary.receive(pushed(old))
    secondary.have_passed(LONG_AGO_S)
    new = make.image(repository, "v2")  # nobody tells
    for tag, expected in (("v1", made), ("v2", new)):
        got = client.pull(f"/v2/{repository}/manifests/{tag}")
        assert (got.status, digest_of(got.body)) == (200, expected.digest)
        assert int(got.headers["X-Geosync-Lag"]) < 300
    assert client.metrics.counts == {"ReadsWaited": 2}


def old_and_refused(secondary: Secondary, client: Client, make: ImageMaker, repository: str) -> Made:
    """Push an image and lose the primary: the image becomes too old for `client`, and the primary is on hold."""
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    secondary.have_passed(LONG_AGO_S)
    secondary.primary_proxy.add(Status(status=503, times=10_000))
    got = client.pull(f"/v2/{repository}/manifests/v1")
    assert (got.status, got.code) == (404, "MANIFEST_UNKNOWN")
    client.live.join()
    assert secondary.sync_registry.holds()  # from here on nobody waits
    return made


def test_while_the_primary_is_gone_old_is_refused_or_served_as_the_site_says(
    secondary: Secondary, client: Client, make: ImageMaker, repository: str
) -> None:
    made = old_and_refused(secondary, client, make, repository)
    with Client(secondary, serves_stale=True) as lost:
        got = lost.pull(f"/v2/{repository}/manifests/v1")
        assert (got.status, got.body) == (200, made.content)
        assert int(got.headers["X-Geosync-Lag"]) >= LONG_AGO_S
        assert lost.metrics.counts == {"ReadsStale": 1}
        assert lost.live.sent == []


def test_a_tag_that_was_deleted_at_the_primary_is_not_served_from_the_event_on(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    clock = FakeClock(time.time_ns() // 1_000_000)
    settling = Secondary(primary, second_registry, timing=quick(settle=600.0, suspect=2.0))
    with closing(settling), Client(settling, clock=clock) as client:
        client.account()
        made = make.image(repository, "v1")
        settling.receive(pushed(made))
        make.send("DELETE", f"/v2/{repository}/manifests/{made.digest}", repository)
        settling.intake.take([event("deleted", repository, tag="v1").to_json()])
        client.live.works = False  # who puts it off while the pull waits ends the wait
        assert client.pull(f"/v2/{repository}/manifests/v1").status == 404
        assert 19.9 < sum(clock.slept) < 20.1  # as long as anything is waited for
        for wake in client.live.sent:
            settling.worker.receive(wake)
        assert settling.digest(repository, "v1") == made.digest  # it waits for its settle time


def test_a_tag_that_was_deleted_by_digest_is_not_served_from_the_event_on(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    slow = Secondary(primary, second_registry, timing=quick(settle=3600.0, suspect=2.0))
    with closing(slow), Client(slow) as client:
        client.account()
        made = make.image(repository, "v1")
        slow.receive(pushed(made))
        make.send("DELETE", f"/v2/{repository}/manifests/{made.digest}", repository)
        # The event has waited in its queue, and what is accounted is newer than the last look at the tag.
        slow.have_passed(LONG_AGO_S)
        slow.receive(event("deleted", repository, digest=made.digest))
        client.account()
        assert client.pull(f"/v2/{repository}/manifests/v1").status == 404
        client.live.join()
        assert slow.digest(repository, "v1") == made.digest  # until the deletion is proved
        slow.receive(pushed(make.retag(made, "v1")))  # a holder sees it after the deletion was marked
        assert [str(owed.reference) for owed in slow.owed(repository)] == [made.digest]
        got = client.pull(f"/v2/{repository}/manifests/v1")
        assert (got.status, got.body) == (200, made.content)


def test_a_tag_that_stays_though_the_primary_deleted_it_is_not_served(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    keeping = Secondary(primary, second_registry, removals=False)
    with closing(keeping), Client(keeping) as client:
        made = make.image(repository, "v1")
        keeping.receive(pushed(made))
        make.send("DELETE", f"/v2/{repository}/manifests/{made.digest}", repository)
        keeping.receive(event("deleted", repository, tag="v1"))
        keeping.sweep_until(lambda: not keeping.owed(repository))
        client.account(ago_s=0)
        got = client.pull(f"/v2/{repository}/manifests/v1")
        assert (got.status, got.code) == (404, "MANIFEST_UNKNOWN")
        client.live.join()
        assert keeping.digest(repository, "v1") == made.digest
        keeping.sweep_until(lambda: not keeping.owed(repository))
        back = make.image(repository, "v1")
        got = client.pull(f"/v2/{repository}/manifests/v1")
        assert (got.status, digest_of(got.body)) == (200, back.digest)


def test_an_image_that_fails_is_parked_in_the_end_however_often_it_is_pulled(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    timing = replace(quick(settle=2.0, suspect=2.0), max_attempts=12)
    failing = Secondary(primary, second_registry, timing=timing)
    with closing(failing), Client(failing) as client:
        client.account()
        make.image(repository, "v1")
        failing.primary_proxy.add(Status(status=403, kind="blob", times=10_000))

        def pull() -> Owed:
            assert client.pull(f"/v2/{repository}/manifests/v1").status == 404
            client.live.join()
            (owed,) = failing.owed(repository)
            return owed

        first = owed = pull()
        while owed.attempts < 9:  # its next attempt is more than a minute away by then
            assert failing.sync_registry.fail(owed, "403") is not None
            (owed,) = failing.owed(repository)
        tried = []
        for _ in range(4):
            failing.have_passed(60.0)
            owed = pull()
            tried.append((owed.attempts, owed.parked, len(client.live.sent)))
            assert owed.mark == first.mark
        assert tried == [(10, False, 2), (11, False, 3), (12, True, 4), (12, True, 4)]


def test_somebody_else_s_tag_is_not_served_as_the_primary_s(
    secondary: Secondary, client: Client, second_registry: Place, repository: str
) -> None:
    with second_registry.maker(seed=77) as stranger:
        stranger.image(repository, "v1")
    assert client.pull(f"/v2/{repository}/manifests/v1").status == 404


def test_while_the_site_is_paused_nobody_is_marked_or_woken(
    secondary: Secondary, client: Client, make: ImageMaker, repository: str
) -> None:
    make.image(repository, "v1")
    secondary.sync_registry.pause("maintenance")
    assert client.pull(f"/v2/{repository}/manifests/v1").status == 404
    assert secondary.owed(repository) == []
    assert client.live.sent == []


def test_a_name_that_only_clients_ever_said_is_not_waited_for_as_long_as_others(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    clock = FakeClock(time.time_ns() // 1_000_000)
    with Client(secondary, clock=clock) as client:
        client.live.works = False
        assert client.pull(f"/v2/{repository}/manifests/v1").status == 404
        assert 4.9 < sum(clock.slept) < 5.1
        (wake,) = client.live.sent
        assert WorkMessage.from_json(wake).reason != "event"  # by which the worker knows the work queue's
        client.live.sent.clear()
        secondary.sweep()
        clock.slept.clear()
        secondary.receive(pushed(make.image(repository, "v2")))
        clock.now = time.time_ns() // 1_000_000
        assert client.pull(f"/v2/{repository}/manifests/v3").status == 404
        assert 19.9 < sum(clock.slept) < 20.1
        assert {WorkMessage.from_json(one).reason for one in client.live.sent} == {"event"}


def test_a_wait_ends_before_the_invocation_does(
    secondary: Secondary, client: Client, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    client.live.works = False
    got = client.pull(f"/v2/{repository}/manifests/v1", seconds=5.0)
    assert (got.status, got.code) == (404, "MANIFEST_UNKNOWN")
    assert client.deadline.left_s() > 0
    secondary.sweep_until(lambda: secondary.digest(repository, "v1") == made.digest)
    assert client.pull(f"/v2/{repository}/manifests/v1").status == 200


def test_a_repository_or_a_tag_outside_the_selection_is_refused_and_not_asked_for(
    secondary: Secondary, repository: str
) -> None:
    selection = Selection.parse(include_repositories="other/**", exclude_tags="")
    with Client(secondary, selection=selection) as client:
        got = client.pull(f"/v2/{repository}/manifests/v1")
        assert (got.status, got.code) == (404, "NAME_UNKNOWN")
    with Client(secondary, selection=Selection.parse(include_tags="v*")) as client:
        got = client.pull(f"/v2/{repository}/manifests/latest")
        assert (got.status, got.code) == (404, "MANIFEST_UNKNOWN")
    assert secondary.primary_proxy.total() == 0
    assert secondary.owed(repository) == []


def test_lists_are_the_registry_s_with_the_site_s_recovery_point(
    secondary: Secondary, client: Client, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    got = client.pull(f"/v2/{repository}/tags/list", query={"n": "5"})
    assert json.loads(got.body) == {"name": repository, "tags": ["v1"]}
    assert 99 <= int(got.headers["X-Geosync-Lag"]) < 130
    referrers = client.pull(f"/v2/{repository}/referrers/{made.digest}")
    assert referrers.status == 404  # Distribution 2.8 has no such API: a client goes on to the tag sha256-<hex>
    assert client.pull("/v2/").status == 200


def test_a_registry_that_does_not_answer_is_said_in_a_registry_s_form(secondary: Secondary, repository: str) -> None:
    with Client(secondary, url="http://127.0.0.1:9") as client:
        got = client.pull(f"/v2/{repository}/manifests/v1")
    assert (got.status, got.code) == (503, "UNAVAILABLE")
    assert secondary.owed(repository) == []


@pytest.fixture
def token_proxy(token_registry: Place) -> Iterator[CountingProxy]:
    with CountingProxy(token_registry.url) as proxy:
        yield proxy


@pytest.mark.parametrize("authorization", [None, "Basic Z2VvOndyb25n", "Bearer of-another-registry"])
def test_without_the_registry_s_own_credentials_nothing_is_learned_or_caused(
    secondary: Secondary, token_registry: Place, token_proxy: CountingProxy, repository: str, authorization: str | None
) -> None:
    with Client(secondary, url=token_proxy.url) as client:
        client.account()
        for path in ("/v2/", f"/v2/{repository}/manifests/v1", f"/v2/{repository}/tags/list"):
            got = client.pull(path, authorization=authorization)
            assert (got.status, got.code) == (401, "UNAUTHORIZED")
            direct = requests.get(token_registry.url + path, timeout=PATIENCE_S).headers["WWW-Authenticate"]
            # The realm, the service and the scope are the registry's own.
            assert got.headers["WWW-Authenticate"].partition(",error=")[0] == direct.partition(",error=")[0]
        assert client.live.sent == []
    assert secondary.owed(repository) == []


def test_a_client_comes_in_with_a_token_of_the_registry_s_own_realm(
    secondary: Secondary, token_registry: Place, token_proxy: CountingProxy, repository: str
) -> None:
    with token_registry.maker(seed=5) as maker:
        made = maker.image(repository, "v1")
    with Client(secondary, url=token_proxy.url, role="primary") as client:
        challenge = client.pull(f"/v2/{repository}/manifests/v1").headers["WWW-Authenticate"]
        named = dict(one.split("=", 1) for one in challenge.removeprefix("Bearer ").split(","))
        asked = {name: named[name].strip('"') for name in ("service", "scope")}
        token = requests.get(
            named["realm"].strip('"'),
            params=asked,
            auth=(token_registry.username, token_registry.password),
            timeout=PATIENCE_S,
        ).json()["token"]
        got = client.pull(f"/v2/{repository}/manifests/v1", authorization=f"Bearer {token}")
        assert (got.status, got.body) == (200, made.content)
        other = client.pull("/v2/team/other/manifests/v1", authorization=f"Bearer {token}")
        assert (other.status, other.code) == (401, "UNAUTHORIZED")


def test_a_blob_is_where_the_registry_redirects_to(secondary: Secondary, s3_registry: Place, repository: str) -> None:
    with s3_registry.maker(seed=6) as maker:
        made = maker.image(repository, "v1")
    with Client(secondary, url=s3_registry.url) as client:
        for blob in made.blobs:
            got = client.pull(f"/v2/{repository}/blobs/{blob}")
            assert (got.status, got.body) == (307, b"")
            assert not got.headers["Location"].startswith(s3_registry.url)
            assert digest_of(requests.get(got.headers["Location"], timeout=PATIENCE_S).content) == blob
        missing = client.pull(f"/v2/{repository}/blobs/sha256:{'0' * 64}")
        assert (missing.status, missing.code) == (404, "BLOB_UNKNOWN")


def test_a_blob_of_a_registry_that_serves_it_itself_is_at_that_registry(
    secondary: Secondary, client: Client, make: ImageMaker, second_registry: Place, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    got = client.pull(f"/v2/{repository}/blobs/{made.blobs[0]}")
    assert (got.status, got.body) == (307, b"")
    assert got.headers["Location"] == f"{client.own.base}/v2/{repository}/blobs/{made.blobs[0]}"
    assert digest_of(requests.get(got.headers["Location"], timeout=PATIENCE_S).content) == made.blobs[0]
    head = client.pull(f"/v2/{repository}/blobs/{made.blobs[0]}", method="HEAD")
    assert (head.status, head.headers["Location"]) == (307, got.headers["Location"])

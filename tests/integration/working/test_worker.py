"""The whole way of functions/sync, from a message to an equal secondary, between real registries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import requests
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event, pushed
from tests.support.images import ImageMaker
from tests.support.proxy import Status

from geosync.sync_registry.items import FAILED, PENDING, SYNCED, Reference

Make = Callable[[], ImageMaker]


# ---------------------------------------------------------------------------------------------- pushes, and their price


@pytest.mark.parametrize("layers", [1, 5])
def test_a_push_arrives_with_the_fewest_requests(
    secondary: Secondary, make: ImageMaker, repository: str, layers: int
) -> None:
    made = make.image(repository, "v1", layers=layers)

    secondary.receive(pushed(made))

    assert secondary.digest(repository, "v1") == made.digest
    assert secondary.requests() == 3 * layers + 6
    assert not secondary.owed(repository)
    assert secondary.row(repository).state == SYNCED


def test_the_same_event_again_costs_no_request(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    again = pushed(make.image(repository, "v1"))
    secondary.receive(again)
    secondary.reset()

    secondary.receive(again, again)

    assert secondary.requests() == 0


def test_a_new_tag_costs_three_requests_and_a_look_at_each_blob(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    make.put(repository, "v2", json.loads(made.content))
    secondary.reset()

    secondary.receive(pushed(made, tag="v2"))

    assert secondary.digest(repository, "v2") == made.digest
    assert secondary.requests() == len(set(made.blobs)) + 3


def test_an_index_and_its_children_arrive_as_one(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    index = make.index(repository, "latest", children=3, layers=2, share=True)
    children = [event("created", repository, digest=digest) for digest in index.children]

    secondary.receive_together(*children, pushed(index))

    blobs, manifests = len(set(index.blobs)), len(index.children)
    assert secondary.digest(repository, "latest") == index.digest
    assert secondary.requests() == 3 * blobs + 2 * manifests + 3
    assert not secondary.owed(repository)


def test_tags_that_share_their_layers_move_them_once(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    layer = make.layer(repository, 200_000)
    images = [make.image(repository, f"v{number}", layers=1, reuse=[layer]) for number in range(4)]

    secondary.receive(*(pushed(image) for image in images))

    gets = secondary.primary_proxy.counts()["GET", "blob"]
    assert gets == 1 + 2 * len(images)  # the layer, and of each image a layer and the config
    assert [secondary.digest(repository, f"v{number}") for number in range(4)] == [image.digest for image in images]


def test_a_repository_of_many_tags_costs_a_push_no_more(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    first = make.image(repository, "v0", layers=1)
    for number in range(1, 200):
        make.put(repository, f"v{number}", json.loads(first.content))
    made = make.image(repository, "pushed", layers=1)

    secondary.receive(pushed(made))

    assert secondary.requests() == 3 * 1 + 6


def test_a_prefix_moves_repositories_below_it(
    plain_registry: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(plain_registry, second_registry, prefix="mirror/")
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    assert secondary.digest(repository, "v1") == made.digest
    answer = requests.get(f"{second_registry.url}/v2/mirror/{repository}/tags/list", timeout=60)
    assert answer.json()["tags"] == ["v1"]
    secondary.close()


# ------------------------------------------------------------------------------------------------ events are only hints


def test_an_event_that_is_ahead_of_its_tag_ends_on_the_new_digest(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    old = make.image(repository, "v1")
    secondary.receive(pushed(old))
    secondary.primary_proxy.show_tags_late(1.0)
    secondary.registries.primary.head_manifest(repository, "v1")
    new = make.image(repository, "v1")

    secondary.receive(pushed(new))
    secondary.sweep_until(lambda: not secondary.owed(repository), passing=0)

    assert secondary.digest(repository, "v1") == new.digest


def test_a_late_event_does_not_bring_an_old_digest_back(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    old = make.image(repository, "v1")
    new = make.image(repository, "v1")
    secondary.receive(pushed(new))

    secondary.receive(pushed(old))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "v1") == new.digest


def test_a_tag_that_goes_from_a_to_b_to_a_is_looked_at_each_time(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    a = make.image(repository, "v1")
    secondary.receive(pushed(a))
    b = make.image(repository, "v1")
    secondary.receive(pushed(b))
    assert secondary.digest(repository, "v1") == b.digest
    make.put(repository, "v1", json.loads(a.content))

    secondary.receive(pushed(a))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "v1") == a.digest


def test_a_hundred_events_for_one_tag_cost_a_few_looks(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    made = make.image(repository, "v1", layers=1)

    secondary.receive(*(pushed(made) for _ in range(100)))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "v1") == made.digest
    assert secondary.requests() < 30


def test_a_push_does_not_wait_for_the_tags_owed_before_it(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v0", layers=1)
    for number in range(1, 100):
        make.put(repository, f"v{number}", json.loads(made.content))
        secondary.sync_registry.mark(repository, Reference.tag(f"v{number}"))
    new = make.image(repository, "new", layers=1)

    # One after the other: of those that go at once, any may be the first to arrive.
    secondary.options = replace(secondary.options, parallelism=1)
    secondary.open()
    secondary.receive(pushed(new))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "new") == new.digest
    puts = [one for one in secondary.secondary_proxy.exchanges if (one.kind, one.status) == ("tag", 201)]
    order = [one.path.rpartition("/")[2] for one in puts]
    assert {f"v{number}" for number in range(1, 100)} < set(order)
    assert order[0] == "new"


# ------------------------------------------------------------------------------------------------- failures, honestly


def test_one_bad_reference_does_not_stop_the_others_and_is_named(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    bad, good = make.image(repository, "bad", layers=1), make.image(repository, "good", layers=1)
    secondary.primary_proxy.add(Status(status=404, kind="blob", target=re.compile(bad.blobs[-1]), times=1000))

    secondary.receive(pushed(bad), pushed(good))

    assert secondary.digest(repository, "good") == good.digest
    assert secondary.digest(repository, "bad") is None
    row = secondary.row(repository)
    assert row.state == FAILED
    assert "bad" in (row.last_sync_failure or "")
    assert [owed.reference for owed in secondary.owed(repository)] == [Reference.tag("bad")]


def test_a_registry_that_is_down_is_one_hold_and_the_backlog_comes_home(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = [make.image(repository, f"v{number}", layers=1) for number in range(3)]
    during = make.image(repository, "during", layers=1)  # now: the hold may be over once it is made
    secondary.secondary_proxy.add(Status(status=503, times=1000))

    secondary.receive(*(pushed(image) for image in images))

    holds = secondary.sync_registry.holds()
    assert [hold.registry for hold in holds] == [secondary.registries.secondary.name]
    assert secondary.row(repository).state == PENDING
    assert len(secondary.owed(repository)) == 3
    secondary.reset()
    secondary.receive(pushed(during))
    assert secondary.requests() == 0, "nothing is asked of anybody while a registry is on hold"

    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert secondary.row(repository).state == SYNCED
    assert not secondary.sync_registry.holds()


def test_what_never_succeeds_is_parked_with_its_reason_and_replayed_from_the_dlq(
    plain_registry: Place, strict_registry: Place, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(plain_registry, strict_registry)
    foreign = make.foreign(repository, "windows")

    secondary.receive(pushed(foreign))

    (message,) = secondary.dlq.messages
    assert message["MessageAttributes"]["kind"]["StringValue"] == "parked"
    assert "MANIFEST" in message["MessageAttributes"]["reason"]["StringValue"]
    (owed,) = secondary.owed(repository)
    assert owed.parked
    assert secondary.row(repository).state == FAILED
    assert secondary.sync_registry.due_repositories() == []

    with plain_registry.maker(seed=3) as other:
        mended = other.image(repository, "windows")
    secondary.receive(message["MessageBody"])
    # The tag is mended. What was pushed first is at the primary still, so that it is owed by its digest, and parked.
    of_the_first = Reference.digest(foreign.digest)
    secondary.sweep_until(lambda: [one.reference for one in secondary.owed(repository) if one.parked] == [of_the_first])
    assert secondary.digest(repository, "windows") == mended.digest
    secondary.close()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("not json", "not JSON"),
        ('{"version": "9"}', "version '9'"),
        ('{"version": "1", "kind": "work", "repository": "../etc", "reason": "sweep"}', "repository"),
    ],
)
def test_a_message_that_cannot_be_marked_is_in_the_dlq_unchanged_with_the_reason(
    secondary: Secondary, body: str, reason: str
) -> None:
    secondary.receive(body)

    (message,) = secondary.dlq.messages
    assert message["MessageBody"] == body
    assert reason in message["MessageAttributes"]["reason"]["StringValue"]


# ---------------------------------------------------------------------------------------------------- pause and resync


def test_a_paused_site_marks_and_syncs_when_it_is_resumed(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    secondary.sync_registry.pause("maintenance")
    made = make.image(repository, "v1")

    secondary.receive(pushed(made))
    secondary.sweep()

    assert secondary.requests() == 0
    assert len(secondary.owed(repository)) == 1
    secondary.sync_registry.resume()
    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert secondary.digest(repository, "v1") == made.digest


def test_a_resync_of_a_repository_brings_every_tag_and_its_referrers(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = {f"v{number}": make.image(repository, f"v{number}", layers=1) for number in range(12)}
    signature = make.cosign_signature(repository, images["v0"])

    resync = {"version": "1", "kind": "work", "repository": repository, "reason": "resync", "references": ["*"]}
    secondary.receive(json.dumps(resync))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    for tag, made in images.items():
        assert secondary.digest(repository, tag) == made.digest
    assert secondary.digest(repository, signature.reference) == signature.digest
    assert secondary.row(repository).state == SYNCED


def test_a_resync_when_nothing_changed_reads_twice_and_writes_nothing(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    secondary.receive(pushed(make.image(repository, "v1")))
    secondary.reset()

    work = {"version": "1", "kind": "work", "repository": repository, "reason": "resync", "references": ["tag#v1"]}
    secondary.receive(json.dumps(work))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.secondary_proxy.counts() == {("HEAD", "tag"): 1}


def test_a_listing_that_fails_is_never_an_empty_repository(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    secondary.primary_proxy.add(Status(status=401, kind="tags", times=1000))

    work = {"version": "1", "kind": "work", "repository": repository, "reason": "resync", "references": ["*"]}
    secondary.receive(json.dumps(work))

    assert secondary.digest(repository, "v1") == made.digest
    assert secondary.row(repository).state == FAILED

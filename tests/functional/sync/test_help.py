"""A large image's copy is shared through the work queue, and what is asked of a helper is done, dropped or refused."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from tests.functional.sync.parts import DONE, Log, Site, handle, sample
from tests.support.images import Made
from tests.support.patience import PATIENCE_S

from geosync.copying.blobs import BlobMover
from geosync.copying.sharing import Sharing
from geosync.errors import MalformedMessage, NotSent
from geosync.messages.queues import Queue
from geosync.messages.work import Help, WorkMessage
from geosync.oci.manifests import Descriptor
from geosync.sync_registry.items import SYNCED, Lease, Reference
from geosync.sync_registry.transitions.marks import Mark

LAYERS, SIZE = 6, 2000
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def queue_url(site: Site, aws: pytest.MonkeyPatch) -> str:
    """The work queue of a site that shares images of 5,000 bytes and more."""
    url: str = boto3.client("sqs").create_queue(QueueName="work")["QueueUrl"]
    aws.setenv("WORK_QUEUE_URL", url)
    aws.setenv("SHARED_COPY_BYTES", "5000")
    return url


def sent(queue_url: str) -> list[dict[str, Any]]:
    answer = boto3.client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def owe(site: Site, repository: str) -> Made:
    made = site.make.image(repository, "v1", layers=LAYERS, size=SIZE)
    site.sync_registry.mark(repository, Reference.tag("v1"), Mark(expects=made.digest))
    return made


def hold(site: Site, repository: str) -> Lease:
    """Take the repository, as a holder in another invocation does."""
    lease = site.sync_registry.acquire(repository)
    assert lease is not None
    return lease


def help_with(made: Made, holder: str, **changes: Any) -> dict[str, Any]:
    """The event of a message that asks for help with all blobs of an image."""
    document = json.loads(made.content)
    blobs = [[one["digest"], one["size"]] for one in (document["config"], *document["layers"])]
    asked = {"holder": holder, "at_once": 2, "blobs": blobs} | changes
    return sample("sync-work.json", repository=made.repository, help=asked)


def there(site: Site, made: Made) -> int:
    """How many of an image's blobs the secondary has."""
    found = [
        requests.head(f"{site.secondary.url}/v2/{made.repository}/blobs/{digest}", timeout=PATIENCE_S).status_code
        for digest in made.blobs
    ]
    return found.count(200)


def said(log: Log, message: str) -> list[dict[str, Any]]:
    return [line for line in log() if line["message"] == message]


def test_a_holder_asks_for_help_and_brings_all_if_nobody_comes(
    site: Site, queue_url: str, repository: str, log: Log
) -> None:
    made = owe(site, repository)
    assert handle(sample("sync-live.json", repository=repository)) == DONE
    assert site.digest(repository, "v1") == made.digest
    messages = [WorkMessage.from_json(json.dumps(body)) for body in sent(queue_url)]
    assert len(messages) == 3
    document = json.loads(made.content)
    wanted = {Descriptor(media_type="", digest=one["digest"], size=one["size"]) for one in document["layers"]}
    for message in messages:
        assert message.help is not None
        assert wanted <= set(message.help.blobs)
    (asked,) = said(log, "help_asked")
    assert (asked["repository"], asked["helpers"]) == (repository, 3)

    # The holder is done: whoever comes now says so, and asks no registry.
    for message in messages:
        assert handle(sample("sync-work.json", **json.loads(message.to_json()))) == DONE
    assert [line["repository"] for line in said(log, "help_not_wanted")] == [repository] * 3
    assert site.dead_letters() == []


def test_a_copy_below_the_size_sends_nothing(
    site: Site, queue_url: str, aws: pytest.MonkeyPatch, repository: str
) -> None:
    aws.setenv("SHARED_COPY_BYTES", "10000000")
    made = owe(site, repository)
    assert handle(sample("sync-live.json", repository=repository)) == DONE
    assert site.digest(repository, "v1") == made.digest
    assert sent(queue_url) == []


def test_a_queue_that_takes_no_message_leaves_all_to_the_holder(
    site: Site, queue_url: str, repository: str, log: Log
) -> None:
    made = owe(site, repository)
    boto3.client("sqs").delete_queue(QueueUrl=queue_url)
    assert handle(sample("sync-live.json", repository=repository)) == DONE
    assert site.digest(repository, "v1") == made.digest
    assert len(said(log, "help_not_asked")) == 1


def test_a_queue_that_took_some_messages_of_a_batch_may_bring_helpers(
    site: Site, queue_url: str, aws: pytest.MonkeyPatch, repository: str, log: Log
) -> None:
    def send_some(*_: object) -> int:
        raise NotSent("1 of 3 messages were not taken")

    shared: list[int] = []
    aws.setattr(Queue, "send_all", send_some)
    hand_out = Sharing.hand_out

    def noted(self: Sharing, blobs: Iterable[Descriptor], *, at_once: int) -> None:
        shared.append(at_once)
        hand_out(self, blobs, at_once=at_once)

    aws.setattr(Sharing, "hand_out", noted)
    made = owe(site, repository)
    assert handle(sample("sync-live.json", repository=repository)) == DONE
    assert site.digest(repository, "v1") == made.digest
    assert len(shared) == 1
    assert len(said(log, "help_not_asked")) == 1


def test_a_helper_brings_blobs_and_no_manifest_and_the_holder_moves_none_of_them(
    site: Site, queue_url: str, repository: str, log: Log
) -> None:
    made = owe(site, repository)
    lease = hold(site, repository)
    assert handle(help_with(made, lease.token)) == DONE
    assert there(site, made) == len(made.blobs)
    assert site.digest(repository, "v1") is None, "a helper puts no manifest"
    assert site.owed(repository) == ["tag#v1"], "and discharges nothing"
    (helped,) = said(log, "helped")
    assert helped["blobs"] == len(made.blobs)

    site.sync_registry.release(lease)
    assert handle(sample("sync-live.json", repository=repository)) == DONE
    assert site.digest(repository, "v1") == made.digest
    (synced,) = said(log, "reference_synced")
    assert (synced["bytes"], synced["blobs_copied"]) == (0, 0)
    assert site.row(repository).state == SYNCED


def test_a_helper_that_goes_on_with_other_work_asks_for_no_help(
    site: Site, queue_url: str, repository: str, log: Log
) -> None:
    """Each helper's helpers would be further in one chain of functions/sync's own messages, which Lambda stops."""
    helped, others = owe(site, repository), owe(site, f"{repository}/large")
    lease = hold(site, repository)
    assert handle(help_with(helped, lease.token)) == DONE
    assert site.digest(others.repository, "v1") == others.digest, "it goes on with what is due"
    assert (sent(queue_url), said(log, "help_asked")) == ([], [])

    another = owe(site, f"{repository}/another")
    assert handle(sample("sync-work.json", repository=another.repository)) == DONE
    assert len(sent(queue_url)) == 3, "a wake of the sweep is no such message"


def test_a_helper_copies_no_more_blobs_at_a_time_than_the_site_may(
    site: Site, aws: pytest.MonkeyPatch, repository: str
) -> None:
    aws.setenv("BLOB_CONCURRENCY", "1")
    made = owe(site, repository)
    lock, now, most = threading.Lock(), 0, 0
    bring = BlobMover.bring

    def counted(*given: Any, **more: Any) -> int | None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        try:
            return bring(*given, **more)
        finally:
            with lock:
                now -= 1

    aws.setattr(BlobMover, "bring", counted)
    assert handle(help_with(made, hold(site, repository).token, at_once=6)) == DONE
    assert there(site, made) == len(made.blobs)
    assert most == 1


def test_what_a_helper_brought_is_reported_if_the_table_fails_then(
    site: Site, aws: pytest.MonkeyPatch, repository: str, log: Log
) -> None:
    is_left, looks = Sharing.is_left, 0

    def fails(self: Sharing, blob: Descriptor) -> bool:
        nonlocal looks
        looks += 1
        if looks > 2:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "BatchGetItem")
        return is_left(self, blob)

    aws.setattr(Sharing, "is_left", fails)
    made = owe(site, repository)
    assert handle(help_with(made, hold(site, repository).token, at_once=1)) == DONE
    (helped,) = said(log, "helped")
    assert helped["blobs"] == 2


@pytest.mark.parametrize("state", ["unknown", "another holder", "let go", "paused", "outside", "no slot"])
def test_help_that_is_not_wanted_or_not_allowed_is_dropped_and_said_once(
    site: Site, queue_url: str, aws: pytest.MonkeyPatch, repository: str, log: Log, state: str
) -> None:
    made = site.make.image(repository, "v1") if state == "unknown" else owe(site, repository)
    lease = hold(site, repository) if state != "unknown" else None
    token = "nobody" if lease is None or state == "another holder" else lease.token
    if state == "let go" and lease is not None:
        site.sync_registry.release(lease)
        # What was let go is due: the worker would take it up after it has dropped the message.
        site.sync_registry.postpone(site.sync_registry.owed(repository)[0], time.time_ns() // 1_000_000 + 60_000)
    if state == "paused":
        site.sync_registry.pause()
    if state == "outside":
        aws.setenv("EXCLUDE_REPOSITORIES", "**")
    namespace = repository.partition("/")[0]
    slots = [
        site.sync_registry.take_slot("work", namespace, most=7, lasting_s=960) for _ in range(7 * (state == "no slot"))
    ]
    assert handle(help_with(made, token)) == DONE
    assert there(site, made) == 0
    line = {
        "paused": "site_paused",
        "outside": "outside_the_selection",
        "no slot": "namespace_has_its_share",
    }.get(state, "help_not_wanted")
    assert len(said(log, line)) == 1
    assert site.dead_letters() == []
    for slot in slots:
        assert slot is not None
        site.sync_registry.give_slot_back(slot)


@pytest.mark.parametrize(
    "field",
    [
        None,
        [],
        {},
        {"holder": 7},
        {"holder": ""},
        {"holder": "x" * 65},
        {"at_once": 0},
        {"at_once": True},
        {"at_once": 7},
        {"blobs": []},
        {"blobs": {}},
        {"blobs": [[DIGEST, 1]] * 201},
        {"blobs": [DIGEST]},
        {"blobs": [[DIGEST]]},
        {"blobs": [["sha256:../../etc", 1]]},
        {"blobs": [[DIGEST, 0]]},
        {"blobs": [[DIGEST, "1"]]},
        {"blobs": [[DIGEST, 2**60]]},
    ],
)
def test_a_request_for_help_that_is_nonsense_is_refused(field: Any) -> None:
    good = {"holder": "h", "at_once": 1, "blobs": [[DIGEST, 1]]}
    body = {"version": "1", "kind": "work", "repository": "group/app", "reason": "sweep"}
    changed = good | field if isinstance(field, dict) and field else field
    with pytest.raises(MalformedMessage):
        WorkMessage.from_json(json.dumps({**body, "help": changed}))


def test_nonsense_is_a_dead_letter_with_its_reason(site: Site, queue_url: str, repository: str) -> None:
    assert handle(sample("sync-work.json", repository=repository, help={"holder": "h"})) == DONE
    ((_, attributes),) = site.dead_letters()
    assert "at_once" in attributes["reason"]


def test_to_a_version_that_knows_no_help_it_is_a_wake_of_the_sweep() -> None:
    asked = Help(holder="h", blobs=(Descriptor(media_type="", digest=DIGEST, size=1),), at_once=1)
    body = json.loads(WorkMessage(repository="group/app", reason="sweep", help=asked).to_json())
    del body["help"]
    assert WorkMessage.from_json(json.dumps(body)) == WorkMessage(repository="group/app", reason="sweep")

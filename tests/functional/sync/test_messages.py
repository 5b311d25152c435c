"""What functions/sync makes of a message: done once it is marked or in the DLQ with its reason, else it comes again."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from functions.sync import app
from tests.functional.sync.parts import DONE, TABLE, Log, Site, handle, push, sample, until_free, wake
from tests.support.counts import verification_counts

from geosync.sync_registry.items import PENDING, SYNCED, Reference
from geosync.sync_registry.transitions.marks import Mark
from geosync.verifying.checksum import checksum
from geosync.working.worker import ENOUGH_S

# ── events: while a stack is updated, the former event source of their queue still hands some over ──


def test_a_push_is_copied_and_synced(site: Site, repository: str) -> None:
    made = site.make.image(repository, "v1")
    assert handle(push(made)) == DONE
    assert site.digest(repository, "v1") == made.digest
    assert site.row(repository).state == SYNCED
    assert site.owed(repository) == []
    assert site.dead_letters() == []


def test_a_push_by_digest_and_its_index_are_copied(site: Site, repository: str) -> None:
    index = site.make.index(repository, "multi")
    for child in index.children:
        site.sync_registry.mark(repository, Reference.digest(child), Mark(expects=child))
    assert handle(push(index)) == DONE
    assert site.digest(repository, "multi") == index.digest
    assert [site.digest(repository, child) for child in index.children] == list(index.children)
    assert site.row(repository).state == SYNCED


def test_the_same_push_again_asks_neither_registry(site: Site, repository: str, log: Log) -> None:
    event = push(site.make.image(repository, "v1"))
    handle(event)
    assert handle(event) == DONE
    assert [line["message"] for line in log()][-1] == "event_seen_already"


def test_a_deleted_tag_is_removed_and_its_sibling_stays(site: Site, repository: str) -> None:
    gone = site.make.image(repository, "1.0")
    stays = site.make.image(repository, "2.0")
    handle(push(gone))
    handle(push(stays))
    handle(push(gone, tag="sibling"))  # the primary has no such tag: nothing may be made of it
    site.make.delete(gone)
    assert handle(sample("sync-delete.json", repository=repository, tag="1.0")) == DONE
    assert site.digest(repository, "1.0") is None
    assert site.digest(repository, "2.0") == stays.digest
    assert (repository, "tag#1.0") not in site.items()


def test_a_delete_that_the_primary_does_not_confirm_removes_nothing(site: Site, repository: str) -> None:
    made = site.make.image(repository, "1.0")
    handle(push(made))
    assert handle(sample("sync-delete.json", repository=repository, tag="1.0")) == DONE
    assert site.digest(repository, "1.0") == made.digest
    assert site.row(repository).state == SYNCED


def test_under_the_policy_keep_nothing_is_removed(site: Site, aws: pytest.MonkeyPatch, repository: str) -> None:
    aws.setenv("DELETES", "keep")
    made = site.make.image(repository, "1.0")
    handle(push(made))
    site.make.delete(made)
    assert handle(sample("sync-delete.json", repository=repository, tag="1.0")) == DONE
    assert site.digest(repository, "1.0") == made.digest
    assert site.owed(repository) == []


def test_a_heartbeat_is_kept_and_an_older_one_is_not(site: Site) -> None:
    assert handle(sample("sync-heartbeat.json")) == DONE
    assert handle(sample("sync-heartbeat.json", sent_at=1_795_498_979_000)) == DONE
    kept = site.items()["#site", "heartbeat"]
    assert (kept["site"], kept["sent_at"]) == ("dublin", 1_795_498_980_000)
    assert kept["arrived_at"] > kept["sent_at"]


# ── wakes ──


def test_a_wake_of_the_live_queue_works_off_its_repository_and_no_other(site: Site, repository: str) -> None:
    made = [site.make.image(f"{repository}-{number}", "v1") for number in range(2)]
    for one in made:
        site.sync_registry.mark(one.repository, Reference.tag("v1"), Mark(expects=one.digest))
    assert handle(sample("sync-live.json", repository=made[0].repository)) == DONE
    assert site.digest(made[0].repository, "v1") == made[0].digest
    assert site.sync_registry.due_repositories() == [made[1].repository]


def test_a_wake_of_the_work_queue_goes_on_with_what_is_due_next(site: Site, repository: str) -> None:
    made = [site.make.image(f"{repository}-{number}", "v1", layers=1) for number in range(4)]
    for one in made:
        site.sync_registry.mark(one.repository, Reference.tag("v1"), Mark(expects=one.digest))
    assert handle(wake(made[0].repository)) == DONE
    assert [site.digest(one.repository, "v1") for one in made] == [one.digest for one in made]
    assert site.sync_registry.due_repositories() == []


def test_with_little_time_left_nothing_else_is_begun(site: Site, repository: str) -> None:
    made = [site.make.image(f"{repository}-{number}", "v1", layers=1) for number in range(2)]
    for one in made:
        site.sync_registry.mark(one.repository, Reference.tag("v1"), Mark(expects=one.digest))
    assert handle(wake(made[0].repository), seconds=ENOUGH_S) == DONE
    assert site.sync_registry.due_repositories() == [made[1].repository]


@pytest.mark.parametrize("reason", ["event", "sweep"])
def test_a_wake_for_what_is_outside_the_selection_forgets_it(
    site: Site, aws: pytest.MonkeyPatch, repository: str, reason: str
) -> None:
    site.sync_registry.mark(repository, Reference.tag("v1"))
    aws.setenv("EXCLUDE_REPOSITORIES", "group/**")
    assert handle(sample("sync-live.json", repository=repository, reason=reason)) == DONE
    assert site.owed(repository) == []
    assert site.dead_letters() == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"repository": "../etc"}, "repository"),
        ({"reason": "because"}, "reason"),
        ({"version": "9"}, "version"),
        ({"kind": "song"}, "kind"),
    ],
)
def test_a_wake_that_is_nonsense_is_a_dead_letter_and_nothing_else_is_begun(
    site: Site, repository: str, change: dict[str, str], why: str
) -> None:
    site.sync_registry.mark(repository, Reference.tag("v1"))
    assert handle(sample("sync-work.json", **change)) == DONE
    ((_, attributes),) = site.dead_letters()
    assert why in attributes["reason"]
    assert site.sync_registry.due_repositories() == [repository]


def test_a_wake_up_works_off_what_is_due(site: Site, repository: str) -> None:
    made = [site.make.image(repository, f"v{number}") for number in range(3)]
    for one in made:
        site.sync_registry.mark(repository, Reference.tag(one.reference))
    assert handle(wake(repository)) == DONE
    assert [site.digest(repository, one.reference) for one in made] == [one.digest for one in made]
    assert site.row(repository).state == SYNCED


def test_a_whole_repository_is_brought_tag_by_tag(site: Site, repository: str) -> None:
    made = [site.make.image(repository, f"v{number}", layers=1) for number in range(5)]
    assert handle(sample("sync-work.json", repository=repository, reason="resync", references=["*"])) == DONE
    assert [site.digest(repository, one.reference) for one in made] == [one.digest for one in made]
    assert site.row(repository).state == SYNCED


def test_a_wake_up_of_a_repository_with_nothing_due_changes_nothing_there(site: Site, repository: str) -> None:
    assert handle(wake(repository)) == DONE
    assert site.owed(repository) == []


def test_the_primary_s_catalogue_is_walked_and_each_of_its_repositories_owed(site: Site, repository: str) -> None:
    made = site.make.image(repository, "v1")
    assert handle(sample("sync-catalogue.json"), seconds=ENOUGH_S) == DONE  # it has no time left for them itself
    walk = site.items()["#site", "catalogue"]
    assert walk["finished_at"] >= walk["started_at"]
    assert site.owed(repository) == ["*"]
    assert repository in site.sync_registry.due_repositories()
    assert handle(wake(repository)) == DONE
    assert site.digest(repository, "v1") == made.digest


def test_a_catalogue_that_cannot_be_read_is_said_in_its_item_and_comes_not_back(site: Site, log: Log) -> None:
    site.set_secret({"username": "geo", "password": "wrong-one"})
    assert handle(sample("sync-catalogue.json")) == DONE
    assert "401" in site.items()["#site", "catalogue"]["failure"]
    assert "catalogue_unreadable" in [line["message"] for line in log()]


def test_a_synced_repository_is_verified(site: Site, repository: str, log: Log) -> None:
    made = site.make.image(repository, "v1")
    assert handle(push(made)) == DONE
    assert handle(sample("sync-verify.json", repository=repository)) == DONE
    row = site.row(repository)
    assert row.verified_at is not None
    assert (row.verification_state, row.verification_checksum) == ("2", checksum([("v1", made.digest)]))
    assert verification_counts(site.sync_registry).verified == 1
    assert [line["ending"] for line in log() if line["message"] == "verification_ended"] == ["verified"]
    assert handle(sample("sync-verify.json", repository=repository)) == DONE
    assert site.row(repository).verified_at == row.verified_at, "it is not due"
    # Who asks has a clock that is an hour late; SQS's tells that the row was verified before.
    everything = sample("sync-verify.json", repository=None, scope="all", asked_at=row.verified_at - 3_600_000)
    everything["Records"][0]["attributes"]["SentTimestamp"] = str(row.verified_at + 1)
    assert handle(everything) == DONE
    assert site.row(repository).verification_state == "0"
    assert handle(sample("sync-verify.json", repository=repository)) == DONE
    again = site.row(repository)
    assert again.verification_state == "2"
    assert again.verified_at is not None
    assert again.verified_at > row.verified_at


# ── the dead-letter queue ──


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": "99"}, "version"),
        ({"repository": "Not/A/Name"}, "repository"),
        ({"event_name": "sung"}, "event_name"),
    ],
)
def test_a_message_that_cannot_be_read_is_a_dead_letter_with_its_reason(
    site: Site, change: dict[str, str], reason: str
) -> None:
    event = sample("sync-push.json", **change)
    assert handle(event) == DONE
    ((body, attributes),) = site.dead_letters()
    assert body == event["Records"][0]["body"]
    assert attributes["kind"] == "refused"
    assert reason in attributes["reason"]
    assert set(site.items()) == {("#site", "refused")}, "the recovery point has to know"


def test_what_is_no_json_is_a_dead_letter_word_for_word(site: Site) -> None:
    event = sample("sync-push.json")
    event["Records"][0]["body"] = "not JSON ÿ"
    assert handle(event) == DONE
    ((body, attributes),) = site.dead_letters()
    assert (body, attributes["kind"]) == ("not JSON ÿ", "refused")


def test_a_row_that_was_edited_by_hand_is_a_dead_letter_that_names_the_attribute(site: Site, repository: str) -> None:
    row = {"repository": {"S": repository}, "item": {"S": "row"}, "revision": {"S": "seven"}}
    site.dynamodb.put_item(TableName=TABLE, Item=row)
    assert handle(push(site.make.image(repository, "v1"))) == DONE
    ((_, attributes),) = site.dead_letters()
    assert repository in attributes["reason"]
    assert "revision" in attributes["reason"]


def test_what_no_attempt_changes_is_parked_and_its_dead_letter_replays_it(site: Site, repository: str) -> None:
    made = site.make.foreign(repository, "win")  # the secondary's registry takes no foreign layers
    assert handle(push(made)) == DONE
    ((body, attributes),) = site.dead_letters()
    assert attributes["kind"] == "parked"
    assert attributes["reason"]
    (owed,) = site.sync_registry.owed(repository)
    assert owed.parked
    assert owed.failure == attributes["reason"]
    image = site.make.image(repository, "win")  # somebody mends it
    event = sample("sync-work.json")
    event["Records"][0]["body"] = body
    assert handle(event) == DONE
    assert site.digest(repository, "win") == image.digest
    # What was pushed first is at the primary still, and is parked by its digest.
    assert site.owed(repository) == [f"digest#{made.digest}"]


# ── before the mark, and after it ──


def test_without_its_table_a_message_comes_again(site: Site, repository: str) -> None:
    event = push(site.make.image(repository, "v1"))
    site.dynamodb.delete_table(TableName=TABLE)
    assert handle(event) == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}


def test_without_its_dlq_an_unreadable_message_comes_again(site: Site) -> None:
    site.lose_the_dlq()
    event = sample("sync-push.json", version="99")
    assert handle(event) == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}


@pytest.mark.parametrize("writes", [2, 3, 4])  # the selection's fingerprint and the mark, at least
def test_a_table_that_is_lost_after_the_mark_loses_nothing(
    site: Site, aws: pytest.MonkeyPatch, repository: str, writes: int
) -> None:
    made = site.make.image(repository, "v1")
    left = iter(range(writes))

    def cut(**_: Any) -> None:
        if next(left, None) is None:
            raise EndpointConnectionError(endpoint_url="dynamodb")

    table: Any = app.site().sync_registry._store
    client: Any = table._client
    for operation in ("UpdateItem", "TransactWriteItems"):
        client.meta.events.register(f"before-call.dynamodb.{operation}", cut)
    assert handle(push(made)) == DONE
    assert site.owed(repository) == ["tag#v1"]
    for operation in ("UpdateItem", "TransactWriteItems"):
        client.meta.events.unregister(f"before-call.dynamodb.{operation}", cut)
    until_free(site, repository)
    assert handle(wake(repository)) == DONE
    assert site.digest(repository, "v1") == made.digest


def test_with_no_time_left_an_event_is_marked_and_the_repository_let_go(site: Site, repository: str) -> None:
    made = site.make.image(repository, "v1")
    assert handle(push(made), seconds=15) == DONE
    assert site.owed(repository) == ["tag#v1"]
    assert site.row(repository).lease_token is None
    assert site.sync_registry.due_repositories() == [repository]
    assert handle(wake(repository)) == DONE
    assert site.digest(repository, "v1") == made.digest


def test_an_event_without_records_is_done_without_a_call(aws: pytest.MonkeyPatch) -> None:
    assert handle({"Records": []}) == DONE
    assert handle({}) == DONE
    assert app.site.cache_info().currsize == 0


# ── when nothing is to be synced ──


def test_a_primary_drops_what_its_queues_bring(site: Site, aws: pytest.MonkeyPatch, repository: str, log: Log) -> None:
    aws.setenv("SITE_ROLE", "primary")
    made = site.make.image(repository, "v1")
    for event in (push(made), sample("sync-heartbeat.json"), wake(repository)):
        assert handle(event) == DONE
    assert site.items() == {}
    assert site.digest(repository, "v1") is None
    assert {line["message"] for line in log()} == {"message_dropped"}


def test_a_paused_site_marks_and_syncs_when_it_goes_on(site: Site, repository: str) -> None:
    site.sync_registry.pause("maintenance")
    made = site.make.image(repository, "v1")
    assert handle(push(made)) == DONE
    assert handle(wake(repository)) == DONE
    assert site.digest(repository, "v1") is None
    assert site.owed(repository) == ["tag#v1"]
    assert site.row(repository).state == PENDING
    site.sync_registry.resume()
    assert handle(wake(repository)) == DONE
    assert site.digest(repository, "v1") == made.digest

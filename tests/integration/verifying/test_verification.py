"""A verified repository is equal at both sites, down to its blobs; a difference is found, named and copied again."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from tests.integration.conftest import Place
from tests.integration.secondary import PATIENCE_S, Secondary, pushed
from tests.integration.verifying.conftest import TIMING, Breakable
from tests.support.counts import verification_counts
from tests.support.images import ImageMaker, Made
from tests.support.proxy import Call, Status

from geosync.clock import SYSTEM_CLOCK
from geosync.messages.work import VerifyMessage
from geosync.sync_registry.items import FAILED, ROW, SYNCED, Row
from geosync.sync_registry.measured import MeasuredTags
from geosync.sync_registry.table.changes import Delete, Key, Update
from geosync.sync_registry.transitions.verification import MISMATCH
from geosync.verifying.checksum import checksum
from geosync.verifying.choose import MOST

SETTLED = TIMING.settle_s + 0.05


def verify(secondary: Secondary, repository: str, *, asked: bool = False) -> Row:
    asked_at = SYSTEM_CLOCK.now_ms() if asked else None
    secondary.receive(VerifyMessage(repository=repository, asked_at=asked_at).to_json())
    return secondary.row(repository)


def verify_until(secondary: Secondary, repository: str, *states: str, seconds: float = PATIENCE_S) -> Row:
    """Do what reconcile and the queues do, verification only, until the row is in one of the states."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for due in secondary.sync_registry.verification.due(now_ms=SYSTEM_CLOCK.now_ms(), limit=MOST):
            secondary.receive(VerifyMessage(repository=due).to_json())
        row = secondary.row(repository)
        if row.verification_state in states:
            return row
        time.sleep(0.01)
        secondary.have_passed(0.5)
    raise AssertionError(f"it never came to {states}: {secondary.row(repository)}")


def heal(secondary: Secondary, repository: str) -> Row:
    """Sweep and verify until the row is verified."""
    secondary.sweep_until(lambda: secondary.row(repository).state == SYNCED)
    secondary.store.write(Update(key=Key(repository, ROW), remove=("verification_retry_at",)))  # its backoff is over
    return verify_until(secondary, repository, "2")


def synced(secondary: Secondary, *made: Made) -> None:
    secondary.receive(*map(pushed, made))
    assert secondary.row(made[0].repository).state == SYNCED
    secondary.reset()


def test_what_is_equal_is_verified_with_gitlabs_checksum(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    tags = [make.image(repository, "v2"), make.index(repository, "multi"), make.image(repository, "V1.0")]
    synced(secondary, *tags)
    assert secondary.row(repository).verification_state == "0"

    row = verify(secondary, repository)

    assert row.verification_state == "2"
    assert row.verification_checksum == checksum(sorted((one.reference, one.digest) for one in tags))
    assert row.verified_at is not None
    assert row.verification_started_at is not None
    assert (row.checksum_mismatch, row.verification_failure, row.verification_retry_count) == (False, None, 0)
    known = {seen.digest: seen.size_bytes for _, seen in secondary.sync_registry.seen_tags(repository, limit=9)}
    assert row.measured == MeasuredTags(
        tags=3, size_bytes=sum(size or 0 for size in known.values()), at=row.verified_at
    )
    assert verification_counts(secondary.sync_registry).verified == 1
    assert not secondary.sync_registry.verification.due(now_ms=SYSTEM_CLOCK.now_ms(), limit=MOST)
    assert secondary.sync_registry.verification.due(now_ms=SYSTEM_CLOCK.now_ms() + 8 * 86_400_000, limit=MOST) == [
        repository
    ]


def test_a_size_that_no_copy_has_read_is_known_once_it_was_verified(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    tags = [make.image(repository, "v1"), make.index(repository, "multi"), make.nested_index(repository, "n", depth=2)]
    synced(secondary, *tags)
    assert (copied := verify(secondary, repository).measured) is not None
    for one in tags:
        key = Key(repository, f"tag#{one.reference}")
        secondary.sync_registry._store.write(Update(key=key, remove=("sized", "size_bytes")))
    assert (read := verify(secondary, repository, asked=True).measured) is not None
    assert (read.tags, read.size_bytes) == (3, copied.size_bytes)
    assert copied.size_bytes is not None
    assert read.at > copied.at


@pytest.mark.parametrize("kind", ["image", "index", "nested", "cache", "artifact", "schema1-less", "at-a-url-too"])
def test_every_kind_of_image_is_verified_to_its_last_blob(
    secondary: Secondary, make: ImageMaker, repository: str, kind: str, forgetful: Breakable
) -> None:
    made = {
        "image": lambda: make.image(repository, "v1"),
        "index": lambda: make.index(repository, "v1"),
        "nested": lambda: make.nested_index(repository, "v1", depth=3),
        "cache": lambda: make.buildkit_cache(repository, "v1"),
        "artifact": lambda: make.artifact(repository, "v1"),
        "schema1-less": lambda: make.image(repository, "v1", docker=True),
        "at-a-url-too": lambda: make.image(
            repository,
            "v1",
            layers=0,
            reuse=[{**make.layer(repository, 2000), "urls": ["https://example.com/layer"]}],
        ),
    }[kind]()
    synced(secondary, made)
    assert verify(secondary, repository).verification_state == "2"
    last = made.blobs[-1]
    forgetful.blob(last).unlink()

    row = verify_asked_until_failed(secondary, repository)

    assert row.verification_failure == f"v1: {last} is missing or wrong at the secondary"
    assert heal(secondary, repository).verification_state == "2"
    assert forgetful.blob(last).exists()


def test_a_layer_that_is_only_at_a_url_is_at_neither_registry_and_not_missed(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    synced(secondary, make.foreign(repository, "v1"))
    assert verify(secondary, repository).verification_state == "2"


def verify_asked_until_failed(secondary: Secondary, repository: str) -> Row:
    verify(secondary, repository, asked=True)
    return verify_until(secondary, repository, "3")


def test_a_tag_that_was_changed_behind_our_back_is_a_mismatch_and_only_that_tag_is_copied(
    secondary: Secondary, make: ImageMaker, repository: str, forgetful: Breakable
) -> None:
    right, other = make.image(repository, "v1"), make.image(repository, "v2")
    synced(secondary, right, other)
    with forgetful.place.maker(seed=7) as vandal:
        wrong = vandal.image(repository, "v1")

    row = verify_until(secondary, repository, "3")

    assert row.verification_failure == MISMATCH
    assert row.checksum_mismatch
    assert row.verification_checksum == checksum([("v1", wrong.digest), ("v2", other.digest)])
    assert row.verification_checksum_mismatched == checksum([("v1", right.digest), ("v2", other.digest)])
    assert row.verification_retry_count == 1
    assert row.verification_retry_at is not None
    assert [owed.reference.value for owed in secondary.owed(repository)] == ["v1"]
    assert row.state == "0"
    counts = verification_counts(secondary.sync_registry)
    assert (counts.verified, counts.failed, counts.checksummed) == (0, 1, 1)

    row = heal(secondary, repository)

    assert secondary.digest(repository, "v1") == right.digest
    assert (row.verification_failure, row.checksum_mismatch, row.verification_checksum_mismatched) == (
        None,
        False,
        None,
    )
    assert (row.verification_retry_count, row.verification_retry_at) == (0, None)
    assert verification_counts(secondary.sync_registry).verified == 1


def test_a_tag_that_nobody_announced_is_a_mismatch(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    known = make.image(repository, "v1")
    synced(secondary, known)
    lost = make.image(repository, "v2")

    row = verify_until(secondary, repository, "3")

    assert row.verification_failure == MISMATCH
    assert row.verification_checksum == checksum([("v1", known.digest)])
    assert row.verification_checksum_mismatched == checksum([("v1", known.digest), ("v2", lost.digest)])
    heal(secondary, repository)
    assert secondary.digest(repository, "v2") == lost.digest


def test_a_tag_that_only_the_secondary_has_is_in_neither_checksum(
    secondary: Secondary, make: ImageMaker, repository: str, forgetful: Breakable
) -> None:
    ours = make.image(repository, "v1")
    synced(secondary, ours)
    with forgetful.place.maker(seed=8) as somebody:
        somebody.image(repository, "a-guest")

    row = verify(secondary, repository)

    assert row.verification_state == "2"
    assert row.verification_checksum == checksum([("v1", ours.digest)])


def test_a_tag_that_is_gone_from_the_primary_is_left_to_the_deletes(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    kept, gone = make.image(repository, "v1"), make.image(repository, "v2")
    synced(secondary, kept, gone)
    make.delete(gone)

    row = verify_until(secondary, repository, "2")

    assert row.verification_checksum == checksum([("v1", kept.digest)])
    assert secondary.digest(repository, "v2") == gone.digest
    assert not secondary.owed(repository)


def test_a_truncated_blob_that_the_registry_will_not_replace_is_parked_with_the_way_out(
    secondary: Secondary, make: ImageMaker, repository: str, forgetful: Breakable
) -> None:
    """Distribution keeps whatever file is under a digest (`blobWriter.moveBlob`); only its operator can remove it."""
    made = make.image(repository, "v1")
    synced(secondary, made)
    layer = made.blobs[0]
    file = forgetful.blob(layer)
    file.write_bytes(file.read_bytes()[:-1])

    row = verify_until(secondary, repository, "3")
    assert row.verification_failure == f"v1: {layer} is missing or wrong at the secondary"
    secondary.sweep_until(lambda: secondary.row(repository).state == FAILED)

    (owed,) = secondary.owed(repository)
    assert owed.parked
    assert owed.failure is not None
    assert owed.failure.startswith(f"{layer} is wrong at")
    assert owed.failure.endswith("remove it from its storage, then geosync resync")
    assert len(secondary.dlq.messages) == 1

    file.unlink()
    secondary.receive(secondary.dlq.messages[0]["MessageBody"])

    assert heal(secondary, repository).verification_state == "2"
    assert not secondary.owed(repository)


def test_a_blob_that_the_registry_only_remembers_is_found_by_the_sample_and_uploaded_anew(
    follow: Callable[..., Secondary], remembering: Breakable, make: ImageMaker, repository: str
) -> None:
    """Its cache says 200 to a HEAD and 201 to a mount of a blob that has no bytes any more."""
    secondary = follow(remembering)
    made = make.image(repository, "v1", layers=1)
    synced(secondary, made)
    layer = made.blobs[0]
    remembering.blob(layer).unlink()
    assert secondary.registries.secondary.head_blob(repository, layer) is not None

    row = verify_until(secondary, repository, "3")

    assert row.verification_failure == f"v1: {layer} is missing or wrong at the secondary"
    assert secondary.sync_registry.shared_blobs.read([layer])[layer].repositories == (), "nobody mounts it from here"
    assert secondary.sync_registry.shared_blobs.read([made.blobs[1]])[made.blobs[1]].repositories == (repository,)
    heal(secondary, repository)
    assert remembering.blob(layer).exists()


def test_a_flipped_byte_is_found_by_the_sample(
    follow: Callable[..., Secondary], remembering: Breakable, make: ImageMaker, repository: str
) -> None:
    secondary = follow(remembering)
    made = make.image(repository, "v1", layers=1)
    synced(secondary, made)
    file = remembering.blob(made.blobs[0])
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    row = verify_until(secondary, repository, "3")

    assert row.verification_failure == f"v1: {made.blobs[0]} is missing or wrong at the secondary"
    secondary.sweep_until(lambda: secondary.row(repository).state == FAILED)
    assert secondary.owed(repository)[0].parked


def test_a_child_of_an_index_that_is_gone_is_put_again(
    secondary: Secondary, make: ImageMaker, repository: str, forgetful: Breakable
) -> None:
    made = make.index(repository, "v1")
    synced(secondary, made)
    forgetful.blob(made.children[0]).unlink()

    row = verify_until(secondary, repository, "3")

    assert row.verification_failure == f"v1: {made.children[0]} is missing or wrong at the secondary"
    assert not row.checksum_mismatch
    heal(secondary, repository)
    assert forgetful.blob(made.children[0]).exists()


def test_a_push_in_the_middle_is_no_mismatch(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    synced(secondary, make.image(repository, "v1"))
    moved: list[Made] = []
    push = Call(method="HEAD", kind="tag", before=lambda: moved.append(make.image(repository, "v1")))
    secondary.primary_proxy.add(push)

    row = verify(secondary, repository)
    assert row.verification_state == "1", "it looked different, and is looked at again"
    secondary.receive(pushed(moved[-1]))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.row(repository).verification_state == "0"
    row = verify_until(secondary, repository, "2")
    assert row.verification_failure is None
    assert row.verification_checksum == checksum([("v1", moved[-1].digest)])
    assert verification_counts(secondary.sync_registry).failed == 0


def test_a_registry_that_is_down_is_held_and_the_round_goes_on_afterwards(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    synced(secondary, make.image(repository, "v1"))
    secondary.primary_proxy.add(Status(status=503, times=2, headers={"Retry-After": "1"}))

    row = verify(secondary, repository)

    assert row.verification_state == "1"
    assert secondary.sync_registry.holds()
    secondary.reset()
    verify(secondary, repository)
    assert secondary.requests() == 0, "a registry on hold is left alone"


def test_a_site_that_is_paused_verifies_nothing(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    synced(secondary, make.image(repository, "v1"))
    secondary.sync_registry.pause()

    row = verify(secondary, repository, asked=True)

    assert row.verification_state == "0"
    assert secondary.requests() == 0
    secondary.sync_registry.resume()
    assert verify(secondary, repository).verification_state == "2"


def test_one_bad_answer_of_a_registry_that_is_well_is_a_failure_with_its_reason(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    synced(secondary, make.image(repository, "v1"))
    secondary.secondary_proxy.add(Status(status=403, kind="blob", method="HEAD", times=1))

    row = verify(secondary, repository)

    assert row.verification_state == "3"
    assert row.verification_failure is not None
    assert row.verification_failure.startswith("Verification failed: ")
    assert row.verification_checksum is None
    assert row.state == SYNCED, "nothing is known to be wrong"
    counts = verification_counts(secondary.sync_registry)
    assert (counts.failed, counts.checksummed, counts.checksum_failed) == (1, 0, 1)


def test_a_storage_that_is_redirected_to_is_asked_for_its_blobs(
    plain_registry: Place, s3_registry: Place, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(plain_registry, s3_registry, timing=TIMING)
    try:
        made = make.index(repository, "v1")
        synced(secondary, made)

        row = verify(secondary, repository)

        assert (row.verification_state, row.verification_checksum) == ("2", checksum([("v1", made.digest)]))
        assert secondary.secondary_proxy.counts()["HEAD", "blob"] == len(set(made.blobs))
    finally:
        secondary.close()


def test_tags_that_are_equal_and_were_never_recorded_are_recorded_and_no_mismatch(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    tags = [make.image(repository, f"v{number}") for number in range(4)]
    synced(secondary, *tags)
    for tag in tags[1:]:
        secondary.store.write(Delete(key=Key(repository, f"tag#{tag.reference}")))

    row = verify(secondary, repository)
    assert row.verification_state == "1"
    secondary.have_passed(SETTLED)
    row = verify(secondary, repository)

    assert row.verification_state == "0", "begun anew when they are recorded"
    assert len(secondary.owed(repository)) == len(tags) - 1, "all in one round"
    assert verify(secondary, repository, asked=True).verification_state == "0", "not while they are owed"
    secondary.sweep_until(lambda: not secondary.owed(repository))
    row = heal(secondary, repository)
    assert row.verification_checksum == checksum([(tag.reference, tag.digest) for tag in tags])
    assert verification_counts(secondary.sync_registry).failed == 0

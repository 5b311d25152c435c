"""False answers of success: nothing is called synced for them, and nothing is given up."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.integration.secondary import TIMING, Secondary, pushed
from tests.support.images import ImageMaker
from tests.support.proxy import Fault, Status

from geosync.sync_registry.items import SYNCED, Reference

PAGE = {"Content-Type": "text/html; charset=utf-8"}
LOGIN = b"<html><body>Please sign in</body></html>"


def page(method: str | None, kind: str) -> Status:
    """A proxy before the registry answers 200 with a web page."""
    return Status(method=method, kind=kind, status=200, headers=PAGE, body=LOGIN, times=999)


def stored_nothing(kind: str) -> Status:
    """A PUT is answered as a registry does that has stored it."""
    return Status(method="PUT", kind=kind, status=201, times=999)


def shows_another() -> Status:
    """The registry shows another manifest under the tag than the one put there."""
    other = {
        "Docker-Content-Digest": f"sha256:{'0' * 64}",
        "Content-Type": "application/vnd.oci.image.manifest.v1+json",
    }
    return Status(method="HEAD", kind="tag", status=200, headers=other, times=999)


LIES: dict[str, tuple[str, Callable[[], Fault], str]] = {
    "a tag that was not stored": ("secondary", lambda: stored_nothing("tag"), "after it accepted"),
    "layers that were not stored": ("secondary", lambda: stored_nothing("upload"), "MANIFEST_BLOB_UNKNOWN"),
    "another digest under the tag": ("secondary", shows_another, "after it accepted"),
    "a page for the secondary's tag": ("secondary", lambda: page(None, "tag"), "a page that is not the registry's"),
    "a page for the primary's tag": ("primary", lambda: page("GET", "tag"), "a page that is not the registry's"),
    "a page for a layer": ("primary", lambda: page("GET", "blob"), "a page that is not the registry's"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_false_answer_is_retried_with_its_reason_until_it_is_true(
    secondary: Secondary, make: ImageMaker, repository: str, lie: str
) -> None:
    where, fault, reason = LIES[lie]
    proxy = secondary.primary_proxy if where == "primary" else secondary.secondary_proxy
    proxy.add(fault())
    made = make.image(repository, "v1", layers=1)
    secondary.receive(pushed(made))
    (owed,) = secondary.owed(repository)
    assert re.search(reason, owed.failure or ""), owed.failure
    assert not owed.parked
    assert secondary.row(repository).state != SYNCED
    proxy.reset()
    secondary.receive(pushed(made))
    secondary.sweep_until(lambda: secondary.row(repository).state == SYNCED)
    assert secondary.digest(repository, "v1") == made.digest
    assert not secondary.dlq.messages


@pytest.mark.parametrize("words", [b"404 page not found\n", b'{"message":"no Route matched with those values"}', b""])
def test_a_404_that_is_not_the_registrys_is_not_taken_for_a_deletion(
    secondary: Secondary, make: ImageMaker, repository: str, words: bytes
) -> None:
    """As while the registry is away, and what stands before it has nobody to pass a request on to."""
    made = make.image(repository, "v1", layers=1)
    secondary.primary_proxy.add(Status(kind="tag", status=404, body=words, times=999))
    secondary.receive(pushed(made))
    secondary.have_passed(TIMING.settle_s + 60)
    secondary.sweep()
    (owed,) = secondary.owed(repository)
    assert "an answer that is not a registry's" in (owed.failure or "")
    assert not owed.parked
    secondary.reset()
    secondary.have_passed(3600)
    secondary.sweep()
    assert secondary.row(repository).state == SYNCED
    assert secondary.digest(repository, "v1") == made.digest


def test_a_comparison_does_not_take_such_a_404_for_a_repository_without_tags(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1", layers=1)
    secondary.primary_proxy.add(Status(kind="tags", status=404, body=b"404 page not found\n", times=999))
    secondary.sync_registry.mark(repository, Reference.whole())
    secondary.sweep()
    (owed,) = secondary.owed(repository)
    assert owed.reference == Reference.whole()
    assert "an answer that is not a registry's" in (owed.failure or "")
    secondary.reset()
    secondary.have_passed(3600)
    secondary.sweep_until(lambda: secondary.row(repository).state == SYNCED)
    assert secondary.digest(repository, "v1") == made.digest

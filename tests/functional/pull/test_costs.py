"""What a pull costs in functions/pull: the calls that docs/costs.md reckons with."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from functions.pull import app
from tests.functional.pull.parts import WRONG, Site, invoke, pull, sample
from tests.support.aws_calls import counted, on_the_page

from geosync.reading.waiting import Whereabouts
from geosync.sync_registry.items import Seen


def test_a_pull_by_tag_makes_the_calls_that_the_page_says(site: Site, repository: str) -> None:
    site.account()
    site.synced(repository)
    with counted() as calls:
        assert pull(repository, "v1")["statusCode"] == 200
    assert dict(+calls) == on_the_page("pull of a manifest by tag")


@pytest.mark.parametrize("what", ["digest", "blob", "list"])
def test_a_pull_of_a_digest_a_blob_or_a_list_makes_the_calls_that_the_page_says(
    site: Site, repository: str, what: str
) -> None:
    site.account()
    made = site.synced(repository)
    paths = {"digest": f"manifests/{made.digest}", "blob": f"blobs/{made.blobs[0]}", "list": "tags/list"}
    with counted() as calls:
        invoke(sample("pull-manifest.json", path=f"/v2/{repository}/{paths[what]}"))
    assert dict(+calls) == on_the_page("pull of a digest, a blob, or a list")


def test_a_digest_that_the_registry_refuses_costs_what_one_that_is_here_costs(site: Site, repository: str) -> None:
    site.account()
    made = site.synced(repository)
    with counted() as calls:
        answer = pull(repository, made.digest, WRONG)
    assert answer["statusCode"] == 401
    assert "X-Geosync-Recovery-Point" not in answer["headers"]
    assert dict(+calls) == on_the_page("pull of a digest, a blob, or a list")


def test_a_digest_that_is_not_here_is_looked_for_twice_beside_the_site_s_recovery_point(
    site: Site, repository: str
) -> None:
    site.account()
    site.synced(repository)
    site.sync_registry.pause("nothing is copied, so that nobody waits")
    with counted() as calls:
        assert pull(repository, f"sha256:{'e' * 64}")["statusCode"] == 404
    assert calls["dynamodb:BatchGetItem"] == 1 + 2 * 2


def test_admission_makes_no_call(site: Site) -> None:
    invoke(sample("pull-admission.json"))
    with counted() as calls:
        invoke(sample("pull-admission.json"))
    assert dict(+calls) == {}


def test_a_pull_that_waits_for_a_look_makes_the_calls_that_the_page_says(
    site: Site, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one more reading, in which it is discharged: each further one is two or three reads more."""
    monkeypatch.setenv("MAX_STALENESS", "0")
    app.site.cache_clear()
    site.account()
    made = site.synced(repository)
    with counted() as calls:

        def discharge(_: Whereabouts, __: float) -> Iterator[None]:
            before = calls.copy()
            lease, now_ms = site.sync_registry.acquire(repository), time.time_ns() // 1_000_000
            assert lease is not None
            for owed in site.sync_registry.due(repository):
                site.sync_registry.discharge(lease, owed, Seen(digest=made.digest, looked_at=now_ms, seen_at=now_ms))
            assert site.sync_registry.finish(lease)
            calls.clear()
            calls.update(before)
            yield

        monkeypatch.setattr(Whereabouts, "looks", discharge)
        assert pull(repository, "v1")["statusCode"] == 200
    assert dict(+calls) == on_the_page("pull of a manifest by tag, with `MaxStaleness=0`")
    assert site.woken() == [repository]

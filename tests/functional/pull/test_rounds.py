"""The rounds of a pull: requests that wait for one another. The site's registry is asked while the table is read.

A request to the registry is on the wire, through a proxy; one to the table is held where botocore sends it. The first
of each is held until the other is there. Were one made only after the other is answered, nobody would come.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient
from functions.pull import app
from tests.functional.pull.parts import Site, invoke, pull, sample
from tests.support.proxy import Call, CountingProxy

from geosync.sync_registry.items import ABSENT, Reference
from geosync.sync_registry.transitions.marks import Mark

PATIENCE_S = 60.0
"""It is waited for so long by a test that fails."""


@dataclass
class Rounds:
    """The requests of a block. `meeting`: the first of the table's and the first of the registry's are there."""

    proxy: CountingProxy
    tables: list[str] = field(default_factory=list)
    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))

    @property
    def registry(self) -> int:
        return self.proxy.total()


@pytest.fixture
def proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingProxy]:
    """A proxy in front of the site's registry, which the function asks."""
    with CountingProxy(site.registry.url) as one:
        monkeypatch.setenv("LOCAL_REGISTRY_URL", one.url)
        app.site.cache_clear()
        yield one


@contextmanager
def held(proxy: CountingProxy) -> Iterator[Rounds]:
    """Hold the first request to each of the two until the other's is there."""
    proxy.reset()
    rounds = Rounds(proxy)
    proxy.add(Call(before=lambda: rounds.meeting.wait(PATIENCE_S)))
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def hold(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        rounds.tables.append(operation)
        if len(rounds.tables) == 1:
            rounds.meeting.wait(PATIENCE_S)
        return original(client, operation, parameters)

    with patch.object(BaseClient, "_make_api_call", hold):
        yield rounds


def test_a_tag_takes_two_rounds_the_registry_is_asked_in_the_first(
    site: Site, proxy: CountingProxy, repository: str
) -> None:
    site.account()
    made = site.synced(repository)
    with held(proxy) as rounds:
        answer = pull(repository, "v1")
    assert (answer["statusCode"], answer["body"].encode()) == (200, made.content)
    assert (rounds.tables, rounds.registry) == (["BatchGetItem"] * 2, 1)


def test_where_something_else_is_owed_in_the_repository_it_takes_one_more(
    site: Site, proxy: CountingProxy, repository: str
) -> None:
    site.account()
    made = site.synced(repository)
    site.sync_registry.mark(repository, Reference.tag("v2"))
    site.sync_registry.tell(repository)
    with held(proxy) as rounds:
        answer = pull(repository, "v1")
    assert (answer["statusCode"], answer["body"].encode()) == (200, made.content)
    assert (rounds.tables, rounds.registry) == (["BatchGetItem"] * 3, 1)


def test_a_digest_that_is_owed_as_deleted_is_asked_for_where_the_row_says_that_something_is_owed(
    site: Site, proxy: CountingProxy, repository: str
) -> None:
    site.account()
    made = site.synced(repository)
    site.sync_registry.mark(repository, Reference.digest(made.digest), Mark(expects=ABSENT))
    site.sync_registry.tell(repository)
    site.account(ago_s=0)
    answer = pull(repository, "v1", seconds=5.0)
    assert answer["statusCode"] == 404


def test_a_digest_that_is_owed_as_deleted_is_asked_for_where_the_knock_failed(
    site: Site, proxy: CountingProxy, repository: str
) -> None:
    """Its message is out of the queue, so that it is accounted, and the row says still that nothing is owed."""
    made = site.synced(repository)
    site.sync_registry.mark(repository, Reference.digest(made.digest), Mark(expects=ABSENT))
    site.account(ago_s=0)
    with held(proxy) as rounds:
        answer = pull(repository, "v1", seconds=5.0)
    assert answer["statusCode"] == 404
    assert rounds.tables[:2] == ["BatchGetItem"] * 2


def test_a_deletion_is_seen_that_was_marked_while_the_table_left_a_part_of_the_first_read_unread(
    site: Site, repository: str
) -> None:
    """The row is of before the mark, what is accounted of after it."""
    site.account()
    made = site.synced(repository)
    original = BaseClient._make_api_call  # type: ignore[attr-defined]
    reads: list[Mapping[str, Any]] = []

    def leave_unread(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        reads.append(parameters)
        if len(reads) > 1:
            return original(client, operation, parameters)
        ((table, asked),) = parameters["RequestItems"].items()
        first = [key for key in asked["Keys"] if key["repository"]["S"] == repository]
        later = [key for key in asked["Keys"] if key not in first]
        answer = original(client, operation, {"RequestItems": {table: asked | {"Keys": first}}})
        site.sync_registry.mark(repository, Reference.digest(made.digest), Mark(expects=ABSENT))
        site.account(ago_s=0)
        return answer | {"UnprocessedKeys": {table: asked | {"Keys": later}}}

    with patch.object(BaseClient, "_make_api_call", leave_unread):
        answer = pull(repository, "v1", seconds=5.0)
    assert answer["statusCode"] == 404


@pytest.mark.parametrize("what", ["manifest", "blob", "list"])
def test_a_digest_a_blob_or_a_list_takes_one_round(
    site: Site, proxy: CountingProxy, repository: str, what: str
) -> None:
    site.account()
    made = site.synced(repository)
    paths = {"manifest": f"manifests/{made.digest}", "blob": f"blobs/{made.blobs[0]}", "list": "tags/list"}
    with held(proxy) as rounds:
        answer = invoke(sample("pull-manifest.json", path=f"/v2/{repository}/{paths[what]}"))
    assert answer["statusCode"] == (307 if what == "blob" else 200)
    assert answer["headers"]["X-Geosync-Recovery-Point"] != "not known"
    assert (rounds.tables, rounds.registry) == (["BatchGetItem"], 1)


def test_the_registrys_answer_is_withheld_while_its_tag_may_be_too_old(
    site: Site, proxy: CountingProxy, repository: str
) -> None:
    site.account(ago_s=1000)
    made = site.synced(repository)
    with held(proxy):
        answer = pull(repository, "v1", seconds=5.0)
    assert answer["statusCode"] == 404
    assert made.digest not in str(answer)


def test_the_registry_s_answer_is_waited_for_where_the_table_fails(
    site: Site, proxy: CountingProxy, repository: str
) -> None:
    """Its connection would otherwise be in use by the time of the next request."""
    site.account()
    site.synced(repository)
    failed, answered = threading.Event(), threading.Event()
    proxy.reset()
    proxy.add(Call(before=lambda: failed.wait(PATIENCE_S), after=answered.set))

    def fail(_client: BaseClient, _operation: str, _parameters: Mapping[str, Any]) -> Any:
        failed.set()
        raise site.dynamodb.exceptions.InternalServerError({"Error": {"Code": "InternalServerError"}}, "BatchGetItem")

    with patch.object(BaseClient, "_make_api_call", fail):
        assert pull(repository, "v1")["statusCode"] == 503
    assert answered.is_set()
    assert pull(repository, "v1")["statusCode"] == 200

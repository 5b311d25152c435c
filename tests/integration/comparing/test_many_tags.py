"""Repositories with many tags: a comparison gets through them in as many invocations as it takes, in flat memory."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.integration.secondary import Secondary
from tests.support.images import OCI_MANIFEST
from tests.support.scripted import Reply, Request, Script, ScriptedServer

from geosync.clock import SYSTEM_CLOCK
from geosync.comparing.tags import PART
from geosync.messages.work import CatalogueMessage, WorkMessage
from geosync.oci.listings import PAGE_SIZE
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.timing import Timing

REPOSITORY = "team/many"
DIGEST = f"sha256:{'1' * 64}"
WAKE = WorkMessage(repository=REPOSITORY, reason="sweep").to_json()


@dataclass(kw_only=True)
class Listed:
    """A registry with `tags` tags of one digest. `pages`: by `n` and `last` as Distribution 3 does; else as
    Distribution 2.8: whatever is asked for, all of them, in the order in which the file system has them.
    """

    tags: int
    pages: bool
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        url = urlsplit(request.target)
        if url.path.endswith("/_catalog"):
            return Reply(body=json.dumps({"repositories": [REPOSITORY]}).encode())
        if "/referrers/" in url.path:
            return Reply(status=404, body=b"404 page not found\n")  # as Distribution: it has no such API
        if not url.path.endswith("/tags/list"):
            self.asked.append(url.path.rpartition("/")[2])
            headers = (("Docker-Content-Digest", DIGEST), ("Content-Type", OCI_MANIFEST))
            return Reply(headers=headers, length=500) if request.method == "HEAD" else Reply(status=503)
        page: tuple[tuple[str, str], ...] = ()
        names = [f"v{number:05}" for number in range(self.tags)]
        if self.pages:
            query = parse_qs(url.query)
            names = [name for name in names if name > query.get("last", [""])[0]][: int(query["n"][0])]
            if names and names[-1] != f"v{self.tags - 1:05}":
                page = (("Link", f'<{url.path}?n={query["n"][0]}&last={names[-1]}>; rel="next"'),)
        else:
            names.sort(key=lambda name: name[::-1])
        return Reply(headers=page, body=json.dumps({"name": REPOSITORY, "tags": names}).encode())


@contextmanager
def between(primary: Script, there: Script) -> Iterator[Secondary]:
    """A secondary between two scripted registries."""
    with ScriptedServer(primary) as one, ScriptedServer(there) as other:
        secondary = Secondary(one, other, timing=Timing())
        with closing(secondary):
            yield secondary


def seen_equal(secondary: Secondary, tags: int, *, at: int = 1) -> None:
    """Have the tags seen equal long ago, or `at` (ms)."""
    seen = Seen(digest=DIGEST, looked_at=at, seen_at=at)
    lease = secondary.sync_registry.knock(REPOSITORY)
    assert lease is not None
    secondary.sync_registry.record(lease, [(Reference.tag(f"v{number:05}"), seen) for number in range(tags)])
    secondary.sync_registry.release(lease)


@pytest.mark.parametrize("pages", [True, False])
def test_a_comparison_that_is_cut_again_and_again_gets_to_its_end(pages: bool) -> None:
    tags, looks_in_time = 1500, 450
    primary, ends_at = Listed(tags=tags, pages=pages), [0]

    def cut(request: Request) -> Reply:
        if len(primary.asked) >= ends_at[0]:
            secondary.deadline.set(0)
        return primary(request)

    with between(cut, Listed(tags=tags, pages=pages)) as secondary:
        seen_equal(secondary, tags)
        secondary.sync_registry.mark(REPOSITORY, Reference.whole())
        invocations = 0
        while secondary.owed(REPOSITORY):
            invocations += 1
            assert invocations <= 2 * tags / looks_in_time, "it does not get to its end"
            ends_at[0] = len(primary.asked) + looks_in_time
            secondary.deadline.clear()
            secondary.receive(WAKE)

        assert invocations > tags / looks_in_time - 1
        assert set(primary.asked) == {f"v{number:05}" for number in range(tags)}
        assert all(seen.looked_at > 1 for _, seen in secondary.sync_registry.seen_tags(REPOSITORY, limit=tags))


def test_a_thousand_unchanged_tags_cost_a_thousand_requests_and_pages() -> None:
    tags = 1000
    with between(Listed(tags=tags, pages=True), Listed(tags=tags, pages=True)) as secondary:
        seen_equal(secondary, tags, at=SYSTEM_CLOCK.now_ms() - 3_600_000)

        secondary.receive(CatalogueMessage().to_json())
        secondary.sweep_until(lambda: not secondary.owed(REPOSITORY))

        assert secondary.primary_proxy.counts()["HEAD", "tag"] == tags
        assert secondary.secondary_proxy.counts() == {("GET", "tags"): 1, ("HEAD", "tag"): tags / PART}
        assert secondary.requests() <= 1010
        assert all(one.looked_at > one.seen_at for _, one in secondary.sync_registry.seen_tags(REPOSITORY, limit=tags))


def test_memory_grows_by_the_names_of_the_tags_alone() -> None:
    names = 9000 * (sys.getsizeof("v00000") + 64)  # in a set that has room to grow
    assert held_by_a_walk(11_000) - held_by_a_walk(2_000) < names + 256 * 1024


def held_by_a_walk(tags: int) -> int:
    """Bytes that our code holds, without the store's, when the last page of a backfill is asked for."""
    primary, held = Listed(tags=tags, pages=True), list[int]()

    def measure(request: Request) -> Reply:
        if f"last=v{tags - PAGE_SIZE - 1:05}" in request.target:
            ours = [tracemalloc.Filter(True, "*/layers/geosync/*"), tracemalloc.Filter(False, "*/sync_registry/*")]
            found = tracemalloc.take_snapshot().filter_traces(ours)
            held.append(sum(one.size for one in found.statistics("filename")))
            secondary.deadline.set(0)
        return primary(request)

    with between(measure, Listed(tags=0, pages=True)) as secondary:
        secondary.sync_registry.mark(REPOSITORY, Reference.whole())
        tracemalloc.start()
        secondary.receive(WAKE)
        tracemalloc.stop()
    return held[0]

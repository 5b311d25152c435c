"""A repository of any number of tags takes more requests and more runs, and no more memory."""

from __future__ import annotations

import gc
import json
import logging
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.ahead_clock import AheadClock

from geosync.clock import DAY_MS, SYSTEM_CLOCK
from geosync.copying.outcome import VerificationEnding
from geosync.oci import media_types
from geosync.oci.deadline import Deadline
from geosync.oci.listings import ListedTag
from geosync.oci.manifests import Descriptor, Manifest
from geosync.pair.capabilities import Capabilities
from geosync.pair.registries import Registries
from geosync.pair.settings import Bounds
from geosync.sync_registry.items import Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.syncing.reporting import Reporter
from geosync.verifying import known_tags, verdict
from geosync.verifying.checksum import checksum
from geosync.verifying.context import VerificationContext
from geosync.verifying.verifier import Verifier

REPOSITORY = "group/app"


class Generated:
    """A registry whose every tag is an image of its own, made up when it is asked for; it keeps nothing."""

    name = "generated:5000"
    lists_digests = False

    def __init__(self, tags: int) -> None:
        self._tags = tags
        self.requests = 0

    def manifest(self, tag: str) -> Manifest:
        blob = {"mediaType": media_types.OCI_EMPTY, "digest": f"sha256:{int(tag[1:]):064x}", "size": 2}
        document = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": blob, "layers": [blob]}
        return Manifest.read(json.dumps(document).encode(), media_types.OCI_MANIFEST)

    def get_manifest(self, _repository: str, reference: str) -> Manifest:
        self.requests += 1
        return self.manifest(reference)

    def head_manifest(self, _repository: str, reference: str) -> Descriptor:
        self.requests += 1
        made = self.manifest(reference)
        return Descriptor(media_type=made.media_type, digest=made.digest, size=len(made.content))

    def head_blob(self, _repository: str, _digest: str) -> int:
        self.requests += 1
        return 2

    def tags_with_digests(self, _repository: str, *, last: str | None = None) -> Iterator[list[ListedTag]]:
        first = 0 if last is None else int(last[1:]) + 1
        for start in range(first, self._tags, 100):
            self.requests += 1
            yield [ListedTag(name(number), None) for number in range(start, min(start + 100, self._tags))]


class Nothing:
    """Takes whatever it is told."""

    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None


def name(number: int) -> str:
    return f"t{number:06}"


def verified(tags: int, requests: int) -> tuple[int, int]:
    """Verify a repository of `tags`, `requests` a day: the peak of memory in one run (bytes), and how many runs."""
    registry_of_both: Any = Generated(tags)
    nothing: Any = Nothing()
    store = MemoryStore()
    sync_registry = SyncRegistry(store)
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    now = SYSTEM_CLOCK.now_ms()
    seen = [(name(number), registry_of_both.manifest(name(number)).digest) for number in range(tags)]
    for tag, digest in seen:
        what = {"digest": digest, "looked_at": now, "seen_at": now}
        store.write(Update(key=Key(REPOSITORY, Reference.tag(tag).seen_key), set=what))
    assert sync_registry.finish(lease)
    clock = AheadClock()
    context = VerificationContext(
        sync_registry=sync_registry,
        registries=Registries(
            primary=registry_of_both,
            secondary=registry_of_both,
            remover=nothing,
            capabilities=lambda _: Capabilities(),
        ),
        bounds=Bounds(requests=requests, sample_bytes=0),
        deadline=Deadline(),
        clock=clock,
    )
    reporter = Reporter(logger=logging.getLogger("large"), metrics=nothing, sqs=nothing, dlq_url="")  # type: ignore[arg-type]
    verifier = Verifier(context, reporter=reporter)
    peak = runs = 0
    ending = VerificationEnding.LATER
    while ending is VerificationEnding.LATER:
        gc.collect()
        tracemalloc.start()
        result = verifier.verify(REPOSITORY)
        peak = max(peak, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        ending, runs = result.ending, runs + 1
        clock.ahead += DAY_MS
        assert result.requests <= requests + known_tags.GROUP * 3
    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert (ending, row.verification_checksum) == (VerificationEnding.VERIFIED, checksum(seen))
    assert registry_of_both.requests == tags * 3 + -(-tags // 100)
    return peak, runs


def test_five_times_the_tags_take_five_times_the_runs_and_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "SEEN_PAGE", 100)
    few, many = verified(200, 250), verified(1000, 250)

    assert many[1] >= few[1] * 4
    # What grows with the tags would be five times as much. The rest is what is not collected yet.
    assert many[0] < few[0] * 2.5

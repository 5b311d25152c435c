"""A function killed at each request of a copy inside S3: the next one completes it, and no unproved layer is linked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
from tests.integration.copying.s3_site import LARGE, LEAST, PRIMARY, S3Site
from tests.integration.secondary import Secondary
from tests.integration.syncing.test_killed import PASSING, TIMING, Life, MortalStore, live
from tests.support.images import OCI_LAYER, ImageMaker
from tests.support.proxy import Call
from tests.support.s3_double import S3Double
from tests.support.scripted import Reply, Request

from geosync.sync_registry.items import SYNCED
from geosync.sync_registry.table.memory import MemoryStore

AT_S3 = ["create_multipart_upload", "upload_part_copy", "complete_multipart_upload", "put_object"]
AT_THE_REGISTRY = [("HEAD", "blob")]


@pytest.fixture
def make(s3_site: S3Site) -> Iterator[ImageMaker]:
    with s3_site.primary.maker(seed=int.from_bytes(os.urandom(4))) as maker:
        yield maker


def is_synced(secondary: Secondary, name: str) -> bool:
    return not secondary.owed(name) and secondary.row(name).state == SYNCED


@pytest.mark.parametrize("size", [2 * LEAST, LARGE + 1000])
def test_whoever_comes_after_a_kill_ends_the_copy(
    s3_site: S3Site, make: ImageMaker, repository: str, size: int
) -> None:
    """Each kill has an image of its own; the second size goes in several parts."""
    kills: list[str | tuple[str, str]] = [*AT_S3, *AT_THE_REGISTRY] if size < LARGE else ["head_object", *AT_S3[1:3]]
    for number, kill in enumerate(kills):
        name = f"{repository}/{number}"
        layer = make.blob(name, os.urandom(size), OCI_LAYER)
        made = make.image(name, "v1", layers=0, reuse=[layer])
        table, life = MemoryStore(), Life(float("inf"))
        with closing(S3Double(s3_site.double._emulator)) as double:
            killed = Secondary(s3_site.primary, s3_site.secondary, timing=TIMING, store=MortalStore(table, life))
            S3Site(primary=s3_site.primary, secondary=s3_site.secondary, double=double, store=s3_site.store).follow(
                killed
            )

            def dies(
                asked: str, request: Request, kill: object = kill, life: Life = life, name: str = name
            ) -> Reply | None:
                is_of_the_proof = asked == "put_object" and name not in request.path
                if asked == kill and not is_of_the_proof:
                    life.over.set()
                return Reply(silent=True) if life.over.is_set() else None

            double.faults.append(dies)
            for proxy in (killed.primary_proxy, killed.secondary_proxy):
                if not isinstance(kill, str):
                    proxy.add(Call(method=kill[0], kind=kill[1], target=re.compile(name), before=life.over.set))
                proxy.add(Call(times=10**6, before=life.before, after=life.after))
            live(killed, made).join()
            assert life.over.is_set(), kill
            killed.close()

        if kill in AT_S3:
            assert not s3_site.is_linked(name, layer["digest"])
        after = s3_site.follow(Secondary(s3_site.primary, s3_site.secondary, timing=TIMING, store=table))
        after.sweep_until(partial(is_synced, after, name), passing=PASSING)
        content = s3_site.bytes_of(layer["digest"])
        assert content is not None
        assert content == s3_site.bytes_of(layer["digest"], PRIMARY)
        assert s3_site.is_linked(name, layer["digest"])
        assert after.digest(name, "v1") == made.digest
        after.close()

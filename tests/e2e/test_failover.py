"""The primary is lost: a secondary is promoted, the third site follows it, and the old primary rejoins.

On a stack of its own, as it changes what every other test takes for granted: who the primary is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local import stack as local_stack
from local.stack import Stack
from tests.e2e.parts import Site, eventually
from tests.e2e.registries import assert_same, digest, maker, stopped
from tests.support.images import ImageMaker

COMMAND = Path(sys.executable).parent / "geosync"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("failover")


@pytest.fixture(scope="module")
def sites_of_its_own(folder: Path) -> Iterator[list[Site]]:
    try:
        stack: Stack = local_stack.up(folder)
        yield [Site(stack=stack, about=about) for about in stack.description["sites"]]
    finally:
        local_stack.down(folder)


def geosync(folder: Path, site: Site, *arguments: str, expected: int = 0, answer: str = "") -> str:
    command = [str(COMMAND), "--local", site.name, "--local-state", str(folder), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, input=answer)
    assert ended.returncode == expected, f"{arguments}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def arrives(there: ImageMaker, repository: str, tag: str, wanted: str, *, seconds: float = 90) -> None:
    def here() -> bool:
        return digest(there, repository, tag) == wanted

    eventually(here, seconds=seconds, what=f"{repository}:{tag} at {there.url}")


def lost(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["repository"], one["reference"]) for one in document["lost"]}


def test_a_lost_primary_is_replaced_and_comes_back_as_a_secondary(folder: Path, sites_of_its_own: list[Site]) -> None:
    dublin, frankfurt, oregon = sites_of_its_own
    old, new, third = maker(dublin), maker(frankfurt), maker(oregon)

    # Before: what is pushed to Dublin is everywhere; then Frankfurt falls behind.
    everywhere = old.image("group/app", "v1")
    for registry in (new, third):
        arrives(registry, "group/app", "v1", everywhere.digest)
    geosync(folder, frankfurt, "pause", "storage is moved")
    late = old.image("group/app", "v2")
    arrives(third, "group/app", "v2", late.digest)
    eventually(lambda: frankfurt.item("group/app", "owed#tag#v2"), what="the event at frankfurt")

    with stopped(folder, dublin):
        # Declined, nothing changes.
        said = geosync(folder, frankfurt, "promote", answer="dublin\n", expected=1)
        assert "v2" in said
        assert "Nothing was changed" in said

        # What promote says would be lost is what Frankfurt lacks: nothing more, nothing less.
        document = json.loads(geosync(folder, frankfurt, "promote", "--yes", "--json", expected=1))
        lacking = {
            (name, tag) for name, tag in (("group/app", "v1"), ("group/app", "v2")) if not digest(new, name, tag)
        }
        assert lost(document) == lacking == {("group/app", "v2")}
        assert geosync(folder, frankfurt, "promote", "--yes", expected=2) == ""  # it is the primary already

        geosync(folder, oregon, "follow", "geosync-frankfurt@eu-central-1", "--yes")
        after = new.image("group/new", "v1")
        arrives(third, "group/new", "v1", after.digest)
        assert_same(new, third, "group/new", "v1")

    # Dublin comes back with what only it had, which nobody takes from it.
    geosync(folder, dublin, "follow", "geosync-frankfurt@eu-central-1", answer="dublin\n")
    arrives(old, "group/new", "v1", after.digest)
    again = new.image("group/app", "v3")
    for registry in (old, third):
        arrives(registry, "group/app", "v3", again.digest)
        assert digest(registry, "group/app", "v2") == late.digest
        assert digest(registry, "group/app", "v1") == everywhere.digest

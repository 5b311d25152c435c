"""The primary is lost: a secondary is promoted, the third site follows it, and the old primary rejoins.

The last test of its stack, as it changes what every other test takes for granted: who the primary is.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from local.roles import with_current_roles
from tests.e2e.command import Geosync
from tests.e2e.conftest import Unannounced
from tests.e2e.parts import PATIENCE_S, Site, envelope, eventually, push_event
from tests.e2e.registries import assert_same, digest, maker, stopped
from tests.e2e.test_admin import ask
from tests.support.images import ImageMaker


def geosync(state: Path, site: Site, *arguments: str, expected: int = 0, answer: str = "") -> str:
    ended = Geosync(state)(site, *arguments, typed=answer)
    assert ended.code == expected, f"{arguments}: {ended}"
    return ended.output


def arrives(there: ImageMaker, repository: str, tag: str, wanted: str, *, seconds: float = PATIENCE_S) -> None:
    def here() -> bool:
        return digest(there, repository, tag) == wanted

    eventually(here, seconds=seconds, what=f"{repository}:{tag} at {there.url}")


def lost(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["repository"], one["reference"]) for one in document["lost"]}


def tags_of(site: Site) -> dict[tuple[str, str], str]:
    """The digest of every tag that is in a registry's storage, by repository and tag."""
    repositories = Path(site.about["registry_folder"]) / "data/docker/registry/v2/repositories"
    links = repositories.glob("**/_manifests/tags/*/current/link")
    return {(str(link.relative_to(repositories).parents[4]), link.parts[-3]): link.read_text() for link in links}


@pytest.mark.skipif("GEOSYNC_E2E_STATE" in os.environ, reason="that stack keeps its primary")
def test_a_lost_primary_is_replaced_and_comes_back_as_a_secondary(
    state: Path, sites: list[Site], unannounced: Unannounced
) -> None:
    dublin, frankfurt, oregon = sites
    old, new, third = maker(dublin), maker(frankfurt), maker(oregon)
    for site in (frankfurt, oregon, frankfurt):  # the last one is told of the others' reports
        assert site.invoke("reconcile")["report"] == "done"
    ids = {one["name"]: one["id"] for one in ask(dublin, "GET", "/api/v4/geo_sites")[1]}
    assert set(ids) == {"dublin", "frankfurt", "oregon"}
    # What no notification told of is known to nobody before the next comparison.
    unknown = digest(old, unannounced.repository, unannounced.tag)
    assert unknown is not None
    arrives(new, unannounced.repository, unannounced.tag, unknown)

    # Before: what is pushed to Dublin is everywhere; then Frankfurt falls behind.
    everywhere = old.image("group/app", "v1")
    for registry in (new, third):
        arrives(registry, "group/app", "v1", everywhere.digest)
    eventually(lambda: not frankfurt.item("group/app", "owed#tag#v1"), what="v1 seen equal at frankfurt")
    geosync(state, frankfurt, "pause", "storage is moved")
    late = old.image("group/app", "v2")
    arrives(third, "group/app", "v2", late.digest)
    eventually(lambda: frankfurt.item("group/app", "owed#tag#v2"), what="the event at frankfurt")
    # A registry that waited too long for its answer tells of a push twice.
    dublin.notify(envelope(push_event("group/app", "v1", everywhere.digest)), dublin.token())
    eventually(lambda: frankfurt.item("group/app", "owed#tag#v1"), what="the event of v1, once more")

    with stopped(state, dublin):
        # Declined, nothing changes.
        said = geosync(state, frankfurt, "promote", answer="dublin\n", expected=3)
        assert "v2" in said
        assert "Nothing was changed" in said

        # What promote says would be lost is what Frankfurt lacks: nothing more, nothing less.
        document = json.loads(geosync(state, frankfurt, "promote", "--yes", "--json", expected=1))
        assert document["promoted"] is True
        pushed = tags_of(dublin)
        assert pushed["group/app", "v1"] == everywhere.digest
        lacking = {one for one, wanted in pushed.items() if digest(new, *one) != wanted}
        # What other tests only announced is not there to be lost.
        assert lost(document) & pushed.keys() == lacking == {("group/app", "v2")}
        # Once more, for whoever lost the list; at a site that was no secondary there is nothing to tell.
        assert json.loads(geosync(state, frankfurt, "promote", "--yes", "--json", expected=1)) == document
        assert geosync(state, dublin, "promote", "--yes", expected=2) == ""

        geosync(state, oregon, "follow", "geosync-frankfurt@eu-central-1", "--yes")
        after = new.image("group/new", "v1")
        arrives(third, "group/new", "v1", after.digest)
        assert_same(new, third, "group/new", "v1")

    # Dublin comes back with what only it had, which nobody takes from it.
    geosync(state, dublin, "follow", "geosync-frankfurt@eu-central-1", answer="dublin\n")
    arrives(old, "group/new", "v1", after.digest)
    again = new.image("group/app", "v3")
    for registry in (old, third):
        arrives(registry, "group/app", "v3", again.digest)
        assert digest(registry, "group/app", "v2") == late.digest
        assert digest(registry, "group/app", "v1") == everywhere.digest

    # Whoever asks is told the roles of now, and the ids of before.
    described = with_current_roles(dublin.stack.emulator, dublin.stack.description)["sites"]
    assert {one["name"]: one["role"] for one in described} == {
        "dublin": "secondary",
        "frankfurt": "primary",
        "oregon": "secondary",
    }
    frankfurt.invoke("reconcile")  # its heartbeat

    def shows_who_is_who(site: Site) -> bool:
        _, known = ask(site, "GET", "/api/v4/geo_sites")
        primaries = [one["name"] for one in known if one["primary"]]
        return primaries == ["frankfurt"] and {one["name"]: one["id"] for one in known} == ids

    for site in (frankfurt, oregon, dublin):
        eventually(partial(shows_who_is_who, site), what=f"the new primary at {site.name}")
    # What was done is written down where it was done.
    done = [
        (entry["action"], entry["outcome"])
        for site in (frankfurt, oregon, dublin)
        for entry in json.loads(geosync(state, site, "events", "--audit", "--json", "--hours", "3"))
    ]
    assert ("geosync promote", "done") in done
    assert done.count(("geosync follow", "done")) == 4  # two sites, and the leader each time

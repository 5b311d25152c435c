"""The primary is lost: a secondary is promoted, the third site follows it, the old primary rejoins, and leads again.

What an operator does is read from docs/failover.md. The last test of its stack, as it changes what every other test
takes for granted: who the primary is.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from local.roles import with_current_roles
from tests.e2e.command import Geosync
from tests.e2e.conftest import Unannounced
from tests.e2e.parts import (
    Site,
    envelope,
    eventually,
    hurried,
    let_the_next_comparison_be_due,
    push_event,
)
from tests.e2e.registries import assert_same, digest, maker, stopped
from tests.e2e.runbook import Runbook, standing_for
from tests.e2e.test_admin import ask
from tests.support.images import ImageMaker
from tests.support.runbook import COMING_BACK, DISASTER, FAILING_BACK, steps


def geosync(state: Path, site: Site, *arguments: str, expected: int = 0, answer: str = "") -> str:
    ended = Geosync(state)(site, *arguments, typed=answer)
    assert ended.code == expected, f"{arguments}: {ended}"
    return ended.output


def arrives(there: ImageMaker, repository: str, tag: str, wanted: str, *, minutes_of: Sequence[Site] = ()) -> None:
    """Wait until the tag has the digest; `minutes_of`: the sites whose minutes run meanwhile."""

    def here() -> bool:
        return digest(there, repository, tag) == wanted

    eventually(hurried(minutes_of, here), what=f"{repository}:{tag} at {there.url}")


def lost(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["repository"], one["reference"]) for one in document["lost"]}


def tags_of(site: Site) -> dict[tuple[str, str], str]:
    """The digest of every tag that is in a registry's storage, by repository and tag."""
    repositories = Path(site.about["registry_folder"]) / "data/docker/registry/v2/repositories"
    links = repositories.glob("**/_manifests/tags/*/current/link")
    return {(str(link.relative_to(repositories).parents[4]), link.parts[-3]): link.read_text() for link in links}


def has_all_of(site: Site, primary: Site) -> bool:
    """Whether every tag of the primary's storage is in the site's, and no comparison is under way there."""
    catalogue = site.item("#site", "catalogue") or {}
    return tags_of(primary).items() <= tags_of(site).items() and "finished_at" in catalogue


def assert_roles(sites: list[Site], ids: dict[str, int], *, primary: str) -> None:
    """Check that the sites have their new roles and kept their ids."""
    stack = sites[0].stack
    described = with_current_roles(stack.emulator, stack.description)["sites"]
    assert {one["name"] for one in described if one["role"] == "primary"} == {primary}
    assert {one["role"] for one in described} == {"primary", "secondary"}
    leader = next(site for site in sites if site.name == primary)
    leader.invoke("reconcile")  # its heartbeat
    _read_rights_anew(leader)

    def shows_who_is_who(site: Site) -> bool:
        status, known = ask(site, "GET", "/api/v4/geo_sites")
        if status != 200:
            return False  # its function is made anew
        primaries = [one["name"] for one in known if one["primary"]]
        return primaries == [primary] and {one["name"]: one["id"] for one in known} == ids

    for site in sites:
        look = partial(shows_who_is_who, site)
        eventually(hurried(sites, look), what=f"the new primary at {site.name}")


def _read_rights_anew(site: Site) -> None:
    """Start functions/admin anew, as its deployment does: each environment keeps for a minute who may report."""
    client, name = site.client("lambda"), site.about["functions"]["admin"]
    timeout = client.get_function_configuration(FunctionName=name)["Timeout"]
    client.update_function_configuration(FunctionName=name, Timeout=timeout)


@pytest.mark.skipif("GEOSYNC_E2E_STATE" in os.environ, reason="that stack keeps its primary")
def test_a_lost_primary_is_replaced_and_comes_back_as_a_secondary(
    state: Path, sites: list[Site], unannounced: Unannounced, tmp_path: Path
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
    # Nor does it lack what other tests have pushed, a moment ago or without a notification.
    if not has_all_of(frankfurt, dublin):
        let_the_next_comparison_be_due(frankfurt)
    eventually(hurried([frankfurt], lambda: has_all_of(frankfurt, dublin)), what="all that was pushed at frankfurt")
    geosync(state, frankfurt, "pause", "storage is moved")
    late = old.image("group/app", "v2")
    arrives(third, "group/app", "v2", late.digest)
    eventually(lambda: frankfurt.item("group/app", "owed#tag#v2"), what="the event at frankfurt")
    # A registry that waited too long for its answer tells of a push twice.
    dublin.notify(envelope(push_event("group/app", "v1", everywhere.digest)), dublin.token())
    eventually(lambda: frankfurt.item("group/app", "owed#tag#v1"), what="the event of v1, once more")

    by_name = {site.name: site for site in sites}
    runbook = Runbook(by_name, tmp_path, standing_for(by_name))
    with stopped(state, dublin):
        # Declined, nothing changes.
        said = geosync(state, frankfurt, "promote", answer="dublin\n", expected=3)
        assert "v2" in said
        assert "Nothing was changed" in said

        # What promote says would be lost is what Frankfurt lacks: nothing more, nothing less.
        ended = runbook.run(DISASTER, status={0, 1}, promote={1})
        (hint,) = (step.commands[0] for step in steps(COMING_BACK) if "as promote has printed" in step.text)
        assert hint in next(one.output for line, one in ended.items() if line.endswith(" promote"))
        document = json.loads(geosync(state, frankfurt, "promote", "--yes", "--json", expected=1))
        assert document["promoted"] is True
        pushed = tags_of(dublin)
        assert pushed["group/app", "v1"] == everywhere.digest
        lacking = {one for one, wanted in pushed.items() if digest(new, *one) != wanted}
        # What other tests only announced is not there to be lost.
        assert lost(document) & pushed.keys() == lacking == {("group/app", "v2")}
        # Once more, for whoever lost the list; at a site that was no secondary there is nothing to tell.
        once_more = json.loads(geosync(state, frankfurt, "promote", "--yes", "--json", expected=1))
        assert (lost(once_more), once_more["since"]) == (lost(document), document["since"])
        assert geosync(state, dublin, "promote", "--yes", expected=2) == ""
        after = new.image("group/new", "v1")
        arrives(third, "group/new", "v1", after.digest)
        assert_same(new, third, "group/new", "v1")

    # Dublin comes back with what only it had, which nobody takes from it, and which is pushed to the new primary.
    runbook.run(COMING_BACK)
    assert digest(new, "group/app", "v2") == late.digest
    arrives(old, "group/new", "v1", after.digest, minutes_of=[dublin])
    again = new.image("group/app", "v3")
    for registry in (old, third):
        arrives(registry, "group/app", "v3", again.digest)
        assert digest(registry, "group/app", "v2") == late.digest
        assert digest(registry, "group/app", "v1") == everywhere.digest
    assert_roles(sites, ids, primary="frankfurt")

    # And it leads again: nothing is lost on the way, and what is pushed to it goes to both others.
    ended = runbook.run(FAILING_BACK)
    said = next(one.output for line, one in ended.items() if line.endswith(" promote"))
    assert "--region eu-central-1 follow geosync-dublin@eu-west-1 --registry-secret ARN" in said
    assert runbook.used == set(runbook.values)
    assert_roles(sites, ids, primary="dublin")
    back = old.image("group/back", "v1")
    for registry in (new, third):
        arrives(registry, "group/back", "v1", back.digest)
    for registry, (tag, wanted) in product((old, new, third), {"v1": everywhere, "v2": late, "v3": again}.items()):
        assert digest(registry, "group/app", tag) == wanted.digest
    # What was done is written down where it was done.
    done = Counter(
        (entry["action"], entry["outcome"])
        for site in sites
        for entry in json.loads(geosync(state, site, "events", "--audit", "--json", "--hours", "3"))
    )
    assert done["geosync promote", "done"] == 2
    assert done["geosync follow", "done"] == 8  # two sites, and the leader each time

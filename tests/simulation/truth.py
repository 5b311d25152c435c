"""The truth, from the content of the fakes. Nothing here asks the library."""

from __future__ import annotations

from tests.simulation.ledger import Ledger
from tests.simulation.queues import Message
from tests.simulation.registry.storage import Storage, TagMove
from tests.simulation.site import Site

COPY_S = 60.0
"""What a restore or garbage collection took may have been brought so long before its image's tag was put, or seen."""


def lost_since(here: Storage, at_s: float) -> bool:
    """Content went away since a moment, or during the copy that ended then."""
    return any(lost_s > at_s - COPY_S for lost_s in here.lost_at_s)


def was_cut_below(here: Storage, repository: str, tag: str) -> bool:
    """What a copy brought went away before the tag was put, and the registry, which does not check, took it.

    Only a verification finds that (docs/operations/act.md): a later look at the tag alone does not show it.
    """
    last = next((one for one in reversed(here.moves) if (one.repository, one.tag) == (repository, tag)), None)
    if last is None or not last.why.startswith("sync@"):
        return False
    return lost_since(here, last.at_s) or any(went_s > last.at_s - COPY_S for went_s in here.unused_went_at_s)


def cut_below(here: Storage) -> list[str]:
    """The repositories with a tag that is not complete because of that."""
    tags = list(here.all_tags())
    cut = (name for name, tag, digest in tags if was_cut_below(here, name, tag) and not here.is_complete(name, digest))
    return list(dict.fromkeys(cut))


def differences(primary: Storage, site: Site) -> list[str]:
    """The selected tags that a secondary lacks, or has with another digest."""
    found, secondary = [], site.server.storage
    here = {(repository, tag): digest for repository, tag, digest in primary.all_tags()}
    there = {(repository, tag): digest for repository, tag, digest in secondary.all_tags()}
    for (repository, tag), digest in here.items():
        if not site.selections.has(repository, tag):
            continue
        if there.get((repository, tag)) != digest:
            found.append(f"{repository}:{tag} is {there.get((repository, tag))} instead of {digest}")
        elif primary.is_complete(repository, digest) and not secondary.is_complete(repository, digest):
            found.append(f"{repository}:{tag} is not complete")
    return found


def extras(primary: Storage, site: Site, since_s: float) -> list[str]:
    """The tags that Geosync put at a secondary after a moment, as they are now, and that are to go."""
    secondary = site.server.storage
    here = {(repository, tag) for repository, tag, _ in primary.all_tags()}
    there = {(repository, tag) for repository, tag, _ in secondary.all_tags()}
    last = {(one.repository, one.tag): one for one in secondary.moves}
    ours = {
        tag
        for tag, one in last.items()
        if one.at_s > since_s and one.why.startswith("sync@") and not _was_let_go(site, one)
        if site.kept.isdisjoint({tag, (one.repository, None)})
    }
    gone = [
        f"{name}:{tag} is not at the primary"
        for name, tag in sorted((there - here) & ours)
        if site.selections.has(name, tag)
    ]
    outside = [
        f"{name}:{tag} is outside the selection"
        for name, tag in sorted(there & ours)
        if not site.selections.has(name, tag)
    ]
    return gone + outside


def _was_let_go(site: Site, move: TagMove) -> bool:
    """A tag that left the selection while such tags stay is no longer known as Geosync's."""
    after = site.selections.since(move.at_s)
    return any(not one.removes and not one.has(move.repository, move.tag) for one in after)


def missing_digests(events: Ledger, secondary: Ledger) -> list[tuple[str, str, str]]:
    """The pushed manifests that the primary still has, whose event was marked here, and that are not here.

    Each with the event's id and its repository. One that was outside the selection meanwhile, or that a backup of the
    primary brought back, is not listed by a registry of this kind, so no comparison brings it.
    """
    primary, here = events.site.server.storage, secondary.site.server.storage
    if here.lost_at_s or here.has_dropped_untagged or here.unused_went_at_s:
        return []
    found = []
    for identifier in secondary.marked:
        taken = events.taken.get(identifier)
        if taken is None or taken.event["action"] != "push":
            continue
        repository, digest = taken.event["target"]["repository"], taken.event["target"]["digest"]
        if secondary.site.selections.entered_s(repository, taken.event["target"].get("tag")) > taken.at_s:
            continue
        if primary.came_back_s.get((repository, digest), -1.0) >= taken.at_s:
            continue
        if primary.is_complete(repository, digest) and not here.is_complete(repository, digest):
            found.append((identifier, repository, digest))
    return found


def letters(site: Site) -> list[str]:
    """The messages in a site's DLQ."""
    return [f"in the DLQ: {kind_of(one)} {one.body}" for one in site.queues["dlq"].messages.values()]


def kind_of(letter: Message) -> str:
    """Why a message is in the DLQ; one that a redrive put there says nothing."""
    return str(letter.attributes.get("kind", {}).get("StringValue", "redriven"))


def rows_of_nothing(primary: Storage, site: Site) -> list[str]:
    """The rows of repositories that neither registry has, and of which nothing was ever seen equal."""
    found = []
    for repository, items in site.table.partitions.items():
        is_known = any(name.startswith(("tag#", "digest#")) for name in items)
        is_there = repository in primary.repositories or repository in site.server.storage.repositories
        if "row" in items and not is_known and not is_there:
            found.append(f"a row of {repository}, which is nowhere")
    return found


def suspected(site: Site) -> list[str]:
    """The notifications of which a site has not decided whether they were lost."""
    return [f"undecided {item}" for item in site.table.partitions.get("#suspected", {})]


def owed(site: Site) -> list[str]:
    """The references that a site's table says are owed."""
    return [f"owed {key.repository} {key.item}" for key in site.table.table if key.item.startswith("owed#")]

"""Judges each move of a registry's tag at the moment of the move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.registry.storage import TagMove
from tests.simulation.site import Site

from geosync.sync_registry.table.changes import Key

RACE_S = 100.0
"""From the look at the primary to a removal that lands: it may take 30 s, and land 50 s later."""


@dataclass(slots=True)
class TagRules:
    """Judges the moves of the tags of one site's registry."""

    site: Site
    primaries: Callable[[], list[Site]]
    """The site that it follows; all others while the primary changes."""
    now_s: Callable[[], float]
    violated: Callable[[str], None]

    def judge(self, move: TagMove) -> None:
        """Judge one move that Geosync made."""
        if not move.why.startswith("sync@"):
            return
        if self.site.role == "primary":
            self.violated(f"{self.site.name}: {move.why} moved {move.repository}:{move.tag} of the primary")
            return
        had = self._values_at_primary(move)
        if move.digest is not None:
            if move.digest not in self._ever(move):
                self.violated(f"{move} was never at the primary")
            if self._was_outside(move):
                self.violated(f"{self.site.name}: {move.repository}:{move.tag} was copied, and is not selected")
        elif None not in had:
            why_not = self._why_not_for_leaving(move)
            if why_not is not None:
                self.violated(f"{self.site.name}: {move.repository}:{move.tag} was removed, and {why_not}")
        elif not self._is_ours(move) and not self._was_the_primarys(move):
            self.violated(f"{self.site.name}: {move.repository}:{move.tag} was removed, and is not Geosync's")

    def _was_outside(self, move: TagMove) -> bool:
        """The tag was outside the selection for as long as a write may be on its way."""
        periods = self.site.selections.since(self.now_s() - RACE_S)
        return not any(one.has(move.repository, move.tag) for one in periods)

    def _why_not_for_leaving(self, move: TagMove) -> str | None:
        """Why a tag that the primary has may not go for having left the selection; None: it may."""
        selections, repository = self.site.selections, move.repository
        recent = selections.since(self.now_s() - RACE_S)
        out = [one for one in recent if not one.has(repository, move.tag)]
        if not out:
            return "the primary has it"
        if not any(one.removes for one in out):
            return "what leaves the selection stays"
        whole = [one for one in selections.periods if not one.selection.has_repository(repository)]
        is_whole = not any(one.selection.has_repository(repository) for one in recent)
        if is_whole and selections.accepted_s < min(one.from_s for one in whole):
            return "nobody accepted that all of the repository goes"
        if not self._is_ours(move) or not self._shows_ours(move):
            return "it is not Geosync's"
        return None

    def _shows_ours(self, move: TagMove) -> bool:
        """The tag had what Geosync put there, or what the primary's tag once was: somebody may take a name."""
        before = [
            one
            for one in self.site.server.storage.moves
            if (one.repository, one.tag) == (move.repository, move.tag) and one is not move
        ]
        return not before or before[-1].why.startswith("sync@") or before[-1].digest in self._ever(move)

    def _was_the_primarys(self, move: TagMove) -> bool:
        """The tag had what a client gave it at the primary, whose event allows Geosync to remove it."""
        here = [
            one.digest
            for one in self.site.server.storage.moves
            if (one.repository, one.tag) == (move.repository, move.tag) and one is not move
        ]
        return any(
            one.why == "client" and (one.repository, one.tag, one.digest) == (move.repository, move.tag, here[-1])
            for primary in self.primaries()
            for one in primary.server.storage.moves
            if here
        )

    def _ever(self, move: TagMove) -> set[str | None]:
        """The digests that the tag ever had at any other site."""
        return {
            one.digest
            for primary in self.primaries()
            for one in primary.server.storage.moves
            if (one.repository, one.tag) == (move.repository, move.tag)
        }

    def _values_at_primary(self, move: TagMove) -> set[str | None]:
        """The digests that the tag had at the primary lately."""
        found: set[str | None] = set()
        for primary in self.primaries():
            value: str | None = None
            for one in primary.server.storage.moves:
                if (one.repository, one.tag) == (move.repository, move.tag):
                    if one.at_s > self.now_s() - RACE_S:
                        found.add(value)
                    value = one.digest
            found.add(value)
        return found

    def _is_ours(self, move: TagMove) -> bool:
        """Geosync put the tag, or saw it equal."""
        if Key(move.repository, f"tag#{move.tag}") in self.site.table.table:
            return True
        return any(
            one.why.startswith("sync@")
            for one in self.site.server.storage.moves
            if (one.repository, one.tag) == (move.repository, move.tag) and one.digest is not None
        )

"""The promise of a site to those who pull there, as its settings say it."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.pair.selection import EVERYTHING, Selection
from geosync.reading.refusals import ReadRefusal, unknown_manifest
from geosync.settings import Role
from geosync.sync_registry.items import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The promise of a site.

    A tag that is served was the primary's at most `max_staleness_ms` ago; 0: at a moment since the pull began.
    `serves_stale`: a tag that cannot be shown to be so new is served nevertheless, for the day when the primary is
    gone. `prefix` (with its slash) is put before the primary's names at this site.
    """

    role: Role
    max_staleness_ms: int
    serves_stale: bool = False
    selection: Selection = EVERYTHING
    prefix: str = ""

    @property
    def is_strict(self) -> bool:
        """True where a tag is served only if it was the primary's at a moment since the pull began."""
        return self.max_staleness_ms == 0

    def at_primary(self, repository: str) -> str:
        """Return the primary's name of this site's `repository`; raises ReadRefusal if it is not replicated here."""
        name = repository.removeprefix(self.prefix)
        if (self.prefix and name == repository) or not self.selection.has_repository(name):
            raise ReadRefusal(404, "NAME_UNKNOWN", "this site does not replicate the repository")
        return name

    def check_selected(self, repository: str, reference: Reference) -> None:
        """Raise ReadRefusal for a reference of the primary's `repository` that this site does not replicate."""
        if not self.selection.has(repository, reference):
            raise unknown_manifest("this site does not replicate the tag")

"""One container repository at both sites."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.oci.repository import Repository


@dataclass(frozen=True, slots=True)
class Pair:
    """The primary's container repository, and this site's copy of it."""

    primary: Repository
    secondary: Repository

    @property
    def name(self) -> str:
        """The repository's name at the primary, by which the sync registry knows it."""
        return self.primary.name

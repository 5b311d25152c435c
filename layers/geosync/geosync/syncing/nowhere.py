"""A repository that neither registry knows has no row: a typo in a resync, a notification of what was never there.

The registries are asked only where all that a holder worked on is absent at the primary: no push costs a request more.
"""

from __future__ import annotations

from concurrent.futures import Future

from geosync.copying.outcome import Outcome
from geosync.errors import NotFound, RegistryError
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair
from geosync.pair.presence import is_listed
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import Lease


class Nowhere:
    """Notices that the repository of one holder is nowhere. For its main thread."""

    def __init__(self, pair: Pair, held: HeldLease) -> None:
        self._pair = pair
        self._held = held
        self._all_absent: bool | None = None
        """Whether all that was discharged was absent; None: nothing was discharged since that was last asked."""

    def note_ended(self, attempt: Future[Outcome]) -> None:
        """Note an attempt that has ended, in whatever way; one that did not discharge says nothing."""
        if attempt.exception() is None and attempt.result().discharged:
            self._all_absent = attempt.result().absent and self._all_absent is not False

    def drop(self, lease: Lease) -> bool:
        """Release the repository and delete its row if neither registry has anything of it. False: it is still held.

        `lease` must be from before the call of `due` that found nothing. Raises what DynamoDB raises, and OutOfTime.
        """
        if not self._all_absent:
            return False
        self._all_absent = None
        if _knows(self._pair.primary) or _knows(self._pair.secondary):
            return False
        return self._held.drop(lease)


def _knows(repository: Repository) -> bool:
    """Ask a registry for the first page of tags; it knows the repository unless it says that there is none.

    If it lists no tags, its catalogue decides.
    """
    try:
        return bool(next(repository.tags(), [])) or is_listed(repository)
    except NotFound:
        return False
    except RegistryError:
        return True

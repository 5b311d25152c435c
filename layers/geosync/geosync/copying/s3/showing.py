"""A proof that this site's registry shows what is put into its bucket: a few bytes, before a layer goes there.

It does not where the bucket or the root directory is another one's, and where the registry has an index of its own.
Layers that nobody finds would stay in the bucket then, as the function may delete none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from geosync.copying.s3.copies import Check, NotCopied, ProvedCopies
from geosync.errors import GeosyncError, Unauthorized
from geosync.oci.manifests import Descriptor, digest_of
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair
from geosync.threads import SYSTEM_THREADS, Threads

REPOSITORY = "geosync-check"
"""The repository of proofs, below the site's prefix. The template lets the function delete links in no other."""


class NotShown(NotCopied):
    """The registry does not show what is in its bucket; no caller of the copier sees this."""

    def __init__(self, registry: str, digest: str) -> None:
        super().__init__(f"{registry} does not show {digest}, which is in its bucket now")


def look(blob: Descriptor, repository: Repository) -> None:
    """Look for a blob that was linked. Raises NotShown, and what the registry raises."""
    if not blob.fits(repository.head_blob(blob.digest)):
        raise NotShown(repository.client.name, blob.digest)


class Showing:
    """Remembers of each registry whether it shows what is in its bucket, for the rest of the process. Thread-safe."""

    def __init__(self, copies: ProvedCopies, threads: Threads = SYSTEM_THREADS) -> None:
        self._copies = copies
        self._one_at_a_time = threads.lock()
        self._seen: dict[str, bool] = {}

    def is_refuted(self, registry: str) -> bool:
        """Tell whether it was seen that the registry of this name does not show what is in its bucket."""
        return not self._seen.get(registry, True)

    def note(self, registry: str, *, shows: bool) -> None:
        """Note what was seen with a layer."""
        self._seen[registry] = shows

    def prove(self, pair: Pair, check: Check, is_wanted: Callable[[], bool]) -> bool:
        """Prove with a blob of our own that the registry shows it, unless that was seen.

        False: another thread saw that it does not, or nobody wants the proof any more (`is_wanted`).

        A registry that lets the account see no other repository proves nothing: the first layer does then. Raises
        NotShown, and what boto3, the registry and `check` raise.
        """
        name = pair.secondary.client.name
        with self._one_at_a_time:
            if not is_wanted() or self.is_refuted(name):
                return False
            if name not in self._seen:
                with suppress(Unauthorized):
                    self._see(pair, check)
                self._seen[name] = True
        return True

    def _see(self, pair: Pair, check: Check) -> None:
        # Each proof has bytes of its own: no other function's proof shows them, or takes their link back.
        content = f"geosync {uuid4()}\n".encode()
        digest = digest_of(content, "")
        prefix = pair.secondary.name.removesuffix(pair.primary.name)
        here = Repository(pair.secondary.client, prefix + REPOSITORY)
        self._copies.put(self._copies.data_key(digest), content, check)
        link = self._copies.link(here.name, digest, check)
        try:
            look(Descriptor(media_type="", digest=digest, size=len(content)), here)
        except NotShown:
            self._seen[here.client.name] = False
            raise
        finally:
            with suppress(BotoCoreError, ClientError, GeosyncError):
                self._copies.delete(link, check)

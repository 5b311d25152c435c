"""What refers to images that are equal on both sides, and is not at the secondary: pushed by digest, told to nobody.

No tag tells of it, so a comparison asks the primary's referrers API about every digest that its tags name, and about
all below those that are indexes; where the primary has none, clients list referrers under a tag, which is compared like
any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from geosync.copying.referrers import Listings, lacking
from geosync.errors import ContentError
from geosync.oci import media_types
from geosync.oci.manifests import Descriptor
from geosync.oci.repository import Repository
from geosync.registries.registry import Registry


class MissingReferrers:
    """Finds the referrers that the secondary lacks, in one run through a repository; asks about each digest once."""

    def __init__(
        self,
        *,
        primary: Registry,
        repository: str,
        secondary: Registry,
        secondary_repository: str,
        check: Callable[[], None],
    ) -> None:
        """`check` raises OutOfTime when the holder stops."""
        self._listings = Listings(Repository(primary, repository))
        self._secondary = Repository(secondary, secondary_repository)
        self._check = check

    @property
    def unavailable(self) -> bool:
        """Whether the primary's registry is known to have no referrers API."""
        return self._listings.unavailable

    def of(self, pool: ThreadPoolExecutor, images: Mapping[str, Descriptor | None]) -> tuple[set[str], set[str]]:
        """Return the digests of what refers to `images` and is not there, and those of `images` that cannot be told.

        `images` are digests, with what a look said of each (None: nothing, so that it may be an index). One cannot be
        told when something below it cannot be read. Raises RegistryError.
        """
        missing: set[str] = set()
        unread: set[str] = set()

        def ask(image: tuple[str, Descriptor | None]) -> None:
            digest, looked = image
            self._check()
            may_be_index = looked is None or media_types.is_index(looked.media_type)
            roots = [(digest, may_be_index)]
            try:
                missing.update(one.digest for one in lacking(self._listings, self._secondary, roots))
            except ContentError:
                unread.add(digest)

        for _ in pool.map(ask, images.items()):
            pass
        return missing, unread

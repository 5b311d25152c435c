"""One image copied by workers that have a quarter of the wire each: by one alone, or by one and its helpers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext

from bench.ours import reader, writer
from geosync.clock import SYSTEM_CLOCK
from geosync.copying.copy import Copier
from geosync.copying.helping import Helped, Helper
from geosync.copying.route import Helpers, Route
from geosync.copying.sharing import Sharing
from geosync.errors import GeosyncError
from geosync.messages.work import Help
from geosync.oci.deadline import Deadline
from geosync.oci.repository import Repository
from geosync.pair.bandwidth import Bandwidth
from geosync.pair.pair import Pair
from geosync.sync_registry.shared_blobs import SharedBlobItems
from geosync.sync_registry.site.bandwidth import BandwidthShares
from geosync.sync_registry.table.memory import MemoryStore


class Workers:
    """Workers of one site, with connections of their own and `bytes_per_s` each."""

    def __init__(self, source_url: str, destination_url: str, bytes_per_s: float) -> None:
        self._urls = (source_url, destination_url)
        self._bytes_per_s = bytes_per_s
        self._items = SharedBlobItems(MemoryStore(), SYSTEM_CLOCK)
        self._repository = ""

    def copy(self, repository: str, tag: str, *, helpers: bool) -> None:
        """Copy an image; raises GeosyncError when it is not at the destination then."""
        self._repository = repository
        futures: list[Future[Helped]] = []
        with ThreadPoolExecutor() as pool:

            def ask(helps: Sequence[Help]) -> bool:
                futures.extend(pool.submit(self._help, asked) for asked in helps)
                return True

            route = self._route("holder", Helpers(least_bytes=1, holder="holder", ask=ask) if helpers else None)
            manifest = route.source.get_manifest(tag)
            if manifest is None:
                raise GeosyncError(f"{repository}:{tag} is not at the source")
            with Copier(route, tag_write=nullcontext) as copier:
                copier.copy(manifest, tag)
            seen = route.destination.head_manifest(tag)
        if seen is None or seen.digest != manifest.digest:
            raise GeosyncError(f"{repository}:{tag} is not at the destination")
        if helpers and not all(future.result().blobs for future in futures):
            raise GeosyncError("a helper brought nothing")

    def _help(self, asked: Help) -> Helped:
        return Helper(self._route(f"helper {id(asked)}", None), asked, is_wanted=lambda: True).help()

    def _route(self, token: str, helpers: Helpers | None) -> Route:
        source, destination = reader(self._urls[0]), writer(self._urls[1])
        alone = BandwidthShares(MemoryStore(), SYSTEM_CLOCK)
        return Route(
            pair=Pair(Repository(source, self._repository), Repository(destination, self._repository)),
            sharing=Sharing(self._items, repository=self._repository, token=token),
            helpers=helpers,
            bandwidth=Bandwidth(alone, self._bytes_per_s, workers=1, deadline=Deadline()),
        )

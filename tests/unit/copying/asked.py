"""A holder that asks for help, and helpers as another invocation makes them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.unit.copying.sites import Site, layers

from geosync.copying.helping import Helper
from geosync.copying.route import Helpers, Route
from geosync.copying.sharing import Sharing
from geosync.messages.work import Help
from geosync.oci.manifests import Manifest
from geosync.sync_registry.shared_blobs import SharedBlobItems

OWN = "mirror/app"
LARGE, SMALL = 10, b"{}"
"""Layers of an image of 11 blobs, and its config, which is too small for help."""
HELPERS, HANDS = 3, 4
_numbers = itertools.count()


@dataclass
class Asked:
    """Notes what a holder asks; `then` does what the helpers do before the holder goes on."""

    then: Callable[[Sequence[Help]], None] = lambda _: None
    is_heard: bool = True
    helps: list[Help] = field(default_factory=list)

    def __call__(self, helps: Sequence[Help]) -> bool:
        self.helps += helps
        self.then(helps)
        return self.is_heard

    def helpers(self, least_bytes: int = 1000) -> Helpers:
        return Helpers(least_bytes=least_bytes, holder="the-holder", ask=self)


def large_layers(start: int = 0) -> list[bytes]:
    return [one + bytes(number) for number, one in enumerate(layers(LARGE, start))]


def helper(site: Site, asked: Help, items: SharedBlobItems, *, is_wanted: Callable[[], bool] = lambda: True) -> Helper:
    sharing = Sharing(items, repository=site.mirror, token=f"helper {next(_numbers)}", clock=items._clock)
    route = Route(pair=site.pair, capabilities=site.habits, sharing=sharing, clock=items._clock)
    return Helper(route, asked, is_wanted=is_wanted)


def large(image: Manifest) -> list[str]:
    return [blob.digest for blob in image.blobs if blob.size > len(SMALL)]


def moved_once(site: Site, digests: Sequence[str]) -> bool:
    return Counter(site.destination.of("PUT blob")) == Counter(site.source.of("GET blob")) == Counter(digests)


def requests(site: Site) -> Counter[str]:
    return Counter(verb for verb, _ in (*site.source.requests, *site.destination.requests))

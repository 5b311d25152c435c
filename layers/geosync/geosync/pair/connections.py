"""The number of connections over which a large layer is read: one, unless several are faster.

One connection is measured while it reads. Several are tried if it is slower than the upload, and if all layers that are
read side by side leave some of the network unused. They are faster if all those layers together are. A finding holds
for some layers, and is then measured again. A registry that gave a wrong range is read over one connection for as long
as this process lives.
"""

from __future__ import annotations

import threading

MIB = 1024 * 1024

MOST = 4
"""Connections for one layer."""
FAST = 64 * MIB
"""Bytes per second of all layers from which no connection is added: about what one function's network carries."""
SLOWER = 2.0
"""Several are tried if the upload waits for the connection so many times as long as the connection waits for it."""
GAIN = 1.2
"""Several connections are kept if the layers are so many times as fast with them."""
LAYERS = 16
"""Layers for which a finding holds."""


class Connections:
    """The findings about two registries, which outlive a holder. Threads may race: any measurement will do."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        """Connections for one layer where several are faster."""
        self._before, self._layers_before = 0.0, 1
        """The bytes per second of all layers before any connection joined, and how many layers these were."""
        self._lock = threading.Lock()
        self._rates: dict[object, tuple[float, bool]] = {}
        self._several_pay: bool | None = None
        self._layers_left = 0
        self._joined: set[str] = set()
        self._doubted: set[str] = set()
        self._refusal: str | None = None
        self._is_reported = False

    @property
    def is_refused(self) -> bool:
        """True where the registry gave a wrong range, so that no more are used."""
        return self._refusal is not None

    def begin(self) -> bool:
        """Count a layer that begins; True: use several connections at once, as they were faster lately."""
        self._layers_left -= 1
        if self._layers_left < 0:
            self._several_pay = None
        return self._several_pay is True and self.most > 1 and not self.is_refused

    def note_rate(self, layer: object, rate: float, *, several: bool) -> None:
        """Record the bytes per second of a layer, over several connections or one."""
        with self._lock:
            self._rates[layer] = rate, several

    def leave(self, layer: object) -> None:
        """Record that a layer is no longer read."""
        with self._lock:
            self._rates.pop(layer, None)

    def is_alone(self, layer: object) -> bool:
        """Tell whether no other layer is read now, as far as any was measured."""
        return not self._others(layer)

    def are_worth(self, size: int, read_s: float, sent_s: float, layer: object = None) -> bool:
        """Judge one connection by `size` bytes of a layer: `read_s` seconds to read them, `sent_s` to send them on.

        True: others should join it.
        """
        if self._several_pay is False or self.most < 2 or self.is_refused:
            return False
        if read_s <= 0 or read_s < SLOWER * sent_s:
            return False
        others = self._others(layer)
        rate = size / read_s + sum(one for one, _ in others)
        if rate >= FAST:
            return False
        if not any(several for _, several in others):
            self._before, self._layers_before = rate, len(others) + 1
        return True

    def note(self, size: int, seconds: float, layer: object = None) -> None:
        """Record that `size` bytes of a layer went over several connections in so many seconds.

        It is ignored where the number of layers has changed, and that alone may have made the difference.
        """
        others = self._others(layer)
        rate = size / max(seconds, 1e-9) + sum(one for one, _ in others)
        wanted = GAIN * self._before
        paid = rate >= wanted
        if paid is not (rate * self._layers_before >= wanted * (len(others) + 1)):
            return
        if self._several_pay is None or not paid:
            self._several_pay, self._layers_left = paid, LAYERS

    def _others(self, layer: object) -> list[tuple[float, bool]]:
        with self._lock:
            return [rate for one, rate in self._rates.items() if one is not layer]

    def join(self, digest: str) -> None:
        """Note that several connections read a part of a layer, until it is there."""
        self._joined.add(digest)

    def doubt(self, digest: str) -> None:
        """Record that the destination was given wrong bytes of a layer.

        If several connections read a part of it, one reads all of it next (`is_doubted`), and of others for a while.
        """
        if digest in self._doubted:  # the one connection gave wrong bytes, too
            self.forget(digest)
        elif digest in self._joined:
            self._doubted.add(digest)
            self.give_up()

    def is_doubted(self, digest: str) -> bool:
        """Tell whether a layer is to be read over one connection, as the bytes that several gave of it were wrong."""
        return digest in self._doubted

    def note_brought(self, digest: str) -> None:
        """Record that a layer was brought: its ranges were wrong if it was doubted before."""
        if digest in self._doubted:
            self.refuse(f"the bytes of its ranges of {digest} hash to another digest")
        self.forget(digest)

    def forget(self, digest: str) -> None:
        """End the doubt about a layer: it was brought, or is wrong however it is read."""
        self._joined.discard(digest)
        self._doubted.discard(digest)

    def give_up(self) -> None:
        """Use one connection for a while, because one failed beside others."""
        self._several_pay, self._layers_left = False, LAYERS

    def refuse(self, reason: str) -> None:
        """Use one connection for good: the registry's ranges are wrong."""
        self._refusal = self._refusal or reason

    def news(self) -> str | None:
        """Return once why the registry's ranges are not used; None after that, and while they are."""
        if self._is_reported or self._refusal is None:
            return None
        self._is_reported = True
        return self._refusal

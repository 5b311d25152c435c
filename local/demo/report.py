"""Shows a run: a live table on a terminal, a line for each thing that happens everywhere else."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from geosync.sync_registry.items import SYNCED
from local.demo.images import MIB
from local.demo.looks import STATES
from local.demo.watch import Reference, Watch

WORTH_A_RATE = 8 * MIB  # bytes; for less the time is that of the messages
WIDE = 110  # columns; a narrower terminal is shown less


class Report:
    """Prints. On a terminal the table is drawn again four times a second until `end`."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console = Console(highlight=False, width=140)
        self._began = time.monotonic()
        self._live: Live | None = None

    def follow(self, watch: Watch) -> Self:
        """Show what this watch sees."""

        def draw() -> Table:
            return table(watch, self.console.width)

        self._live = Live(get_renderable=draw, console=self.console, refresh_per_second=4, transient=True)
        return self

    def __enter__(self) -> Self:
        if self._live is not None and self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None and self.console.is_terminal:
            self._live.stop()

    def say(self, text: str, style: str | None = None) -> None:
        """Print a line with the seconds since the beginning."""
        self.console.print(
            f"{time.monotonic() - self._began:6.1f} s  {text}", style=style, markup=False, soft_wrap=True
        )

    def tell(self, text: str, style: str | None = None) -> None:
        """Print a line that is about the whole run."""
        self.console.print(text, style=style, markup=False, soft_wrap=True)

    def arrived(self, reference: Reference, site: str) -> None:
        """Print that a reference is at a site as it was pushed."""
        where, what = ("gone from", "delete") if reference.digest is None else ("at", "push")
        self.say(f"{name(reference)} {where} {site}, {reference.lag(site):.1f} s after the {what}")


def table(watch: Watch, width: int) -> Table:
    """Return what is where: per secondary the lag, the throughput of what is large, the state of the repository."""
    wide = width >= WIDE
    built = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("image", "", "size", "push") if wide else ("image", "size"):
        built.add_column(heading, justify="right" if heading in {"size", "push"} else "left", no_wrap=True)
    for site in watch.sites:
        built.add_column(site, no_wrap=True)
    for one in list(watch.references):
        size = amount(one.moved) if one.moved else ""
        cells = [_cell(watch, one, site) for site in watch.sites]
        about = (name(one), one.what, size, f"{one.took:.1f} s") if wide else (name(one), size)
        built.add_row(*about, *cells)
    return built


def amount(size: int) -> str:
    """Return a number of bytes as it is read best."""
    return f"{size / MIB:.1f} MiB" if size >= MIB / 10 else f"{size / 1024:.1f} KiB"


def name(reference: Reference) -> str:
    """Return a short name of a reference: without the run's own prefix, and without most of a digest in a tag."""
    tag = reference.tag if len(reference.tag) < 20 else f"{reference.tag[:13]}…{reference.tag[-4:]}"
    return f"{reference.repository.rpartition('/')[2]}:{tag}"


def _cell(watch: Watch, one: Reference, site: str) -> str:
    state = STATES.get(watch.states.get((site, one.repository)) or "", "")
    lag = one.lag(site)
    if lag is None:
        return f"[yellow]{time.monotonic() - one.pushed:.0f} s … {state}[/]"
    rate = f" {one.moved / MIB / lag:.0f} MiB/s" if one.moved >= WORTH_A_RATE and lag > 0 else ""
    colour = "green" if state == STATES[SYNCED] else "cyan"
    return f"[{colour}]{lag:.1f} s{rate} {state}[/]"

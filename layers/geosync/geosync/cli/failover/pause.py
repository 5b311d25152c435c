"""The pause that a promotion or `follow` makes, told apart from an operator's by its reason."""

from __future__ import annotations

import re

from geosync.cli.site import StackSite

_OURS = re.compile(r"(promotion|following [a-z0-9-]+) \[[0-9a-f]{8}\]")
"""The reason of a pause that one of these commands made. It is left behind when the command is interrupted."""
_OPERATOR = "an operator"
"""In place of the reason of a pause that has none."""


def is_left_behind(site: StackSite) -> bool:
    """True when one of these commands was interrupted and left the site paused."""
    return _is_ours(_reason(site))


def pause_site(site: StackSite, reason: str) -> None:
    """Pause the site, taking over from a command that was interrupted; a pause of an operator's stays theirs."""
    found = _reason(site)
    if found is None or _is_ours(found):
        site.sync_registry.pause(reason)


def end_pause(site: StackSite, reason: str | None = None) -> None:
    """End the pause with this reason (None: of any command here), and no other: somebody may have taken it over."""
    reason = reason or _reason(site)
    if reason is not None and _is_ours(reason):
        site.sync_registry.overview.end_pause(reason)


def _reason(site: StackSite) -> str | None:
    """The reason of the site's pause, None while it is not paused."""
    pause = site.sync_registry.overview.pause()
    return pause.reason or _OPERATOR if pause is not None else None


def _is_ours(reason: str | None) -> bool:
    return reason is not None and _OURS.fullmatch(reason) is not None

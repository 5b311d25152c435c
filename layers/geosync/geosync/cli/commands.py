"""The commands: the module of each, and its line in `geosync --help`, without importing any of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

import click

from geosync.cli.choosing.options import take_site_options

_COMMANDS = {
    "backfill": ("backfill:backfill", "Show the progress of the backfill, or of the comparison."),
    "check": ("check:check", "Look for misconfigurations; each with the way to fix it."),
    "completion": ("completion.command:completion", "Complete names in bash, zsh or fish."),
    "context": ("choosing.command:context", "Name sites, and choose the current one."),
    "costs": ("costs:costs", "Estimate what a month of the site costs at AWS."),
    "deletes": ("deletes:deletes", "See and steer what comparisons remove."),
    "dlq": ("dlq:dlq", "Look at the dead-letter queue, replay, discard."),
    "drill": ("drill.command:drill", "Rehearse the loss of the primary at this secondary."),
    "events": ("events:events", "Show the newest entries of the site's event log."),
    "extras": ("extras:extras", "See, adopt and dismiss tags that Geosync did not put there."),
    "follow": ("failover.follow:follow", "Make this site a secondary of another primary."),
    "init": ("init.command:init", "Write the files that deploy sites; say what is next."),
    "logs": ("logs:logs", "Show what the site's functions log."),
    "open": ("dashboard:open_dashboard", "Open the site's dashboard in a browser."),
    "pause": ("pausing:pause", "Stop syncing; what is pushed meanwhile is marked."),
    "promote": ("failover.promote:promote", "Make this secondary the primary."),
    "repositories": ("repositories:repositories", "List the container repositories and their states."),
    "resume": ("pausing:resume", "Go on after pause."),
    "resync": ("resync:resync", "Sync a repository, all, or all that failed, again."),
    "reverify": ("reverify:reverify", "Verify a repository, all, or all that failed, now."),
    "selection": ("selection:selection", "See what other patterns would bring and remove."),
    "show": ("show:show", "Show one repository, its tags, and what is owed."),
    "sites": ("sites:sites_group", "Show and change the sites that a primary expects."),
    "slo": ("slo:slo", "Show a month's service level and its error budget."),
    "smoke": ("smoke.command:smoke", "Prove a package in your own account, and remove all of it."),
    "status": ("status.command:status", "Show what is owed, since when and why."),
    "token": ("tokens:tokens", "Named tokens of the admin API."),
    "wait": ("wait:wait", "Wait until an image is at one site or at all sites."),
}
"""The `module:variable` of each command in this folder, and its line."""

LINES = {name: line for name, (_, line) in _COMMANDS.items()}


class CommandsOnDemand(Mapping[str, click.Command]):
    """All commands by name; the module of one is imported when it is asked for."""

    def __getitem__(self, name: str) -> click.Command:
        module, _, variable = _COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(f"geosync.cli.{module}"), variable)
        take_site_options(command)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)

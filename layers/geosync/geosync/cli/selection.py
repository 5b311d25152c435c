"""`geosync selection preview`: what a change of the patterns would bring to a site, and what it would remove."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.output import (
    CANNOT_TELL,
    NOTHING_OWED,
    Answer,
    Column,
    Format,
    Grid,
    Part,
    count,
    output_option,
    plain,
    put,
)
from geosync.cli.registries import open_site_registry
from geosync.cli.site import Chosen, StackSite
from geosync.errors import GeosyncError
from geosync.oci.deadline import Deadline
from geosync.operating import selection_preview
from geosync.operating.selection_preview import PreviewBounds, RepositoryTags, SelectionChange
from geosync.pair.selection import Selection
from geosync.registries.vendors import AUTO, find
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.sync_registry import SyncRegistry

PARAMETERS = {
    "include_repositories": "IncludeRepositories",
    "exclude_repositories": "ExcludeRepositories",
    "include_tags": "IncludeTags",
    "exclude_tags": "ExcludeTags",
}
"""The settings of a selection, and the stack's parameters that give them."""
LONGEST = 700
"""Characters that the template takes in one of them."""
ASKED_FOR_S = 120.0
"""Seconds for the requests to the primary's registry."""
NAMES = 10
"""Tags of a repository that are shown."""


@click.group()
def selection() -> None:
    """See what other patterns would bring and remove."""


@selection.command(short_help="Show what other patterns would bring, and remove. Changes nothing.")
@click.option("--include-repositories", metavar="PATTERNS", help='Instead of IncludeRepositories; "" for all.')
@click.option("--exclude-repositories", metavar="PATTERNS", help='Instead of ExcludeRepositories; "" for none.')
@click.option("--include-tags", metavar="PATTERNS", help='Instead of IncludeTags; "" for all.')
@click.option("--exclude-tags", metavar="PATTERNS", help='Instead of ExcludeTags; "" for none.')
@click.option(
    "--outside-selection",
    type=click.Choice(["keep", "remove"]),
    help="Instead of OutsideSelection: what becomes of tags here that leave the selection.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=200,
    show_default=True,
    help="Repositories whose tags are read, on each side.",
)
@output_option
@click.pass_obj
def preview(
    choose: Callable[[], Chosen],
    /,
    *,
    outside_selection: str | None,
    limit: int,
    output: Format,
    **patterns: str | None,
) -> None:
    """Show what the site would bring, and remove or forget, with other patterns. Nothing is changed.

    An option that is not given leaves the parameter of the stack as it is. Without options: what is outside the
    present selection. The primary's registry is asked from here, with the site's secret; the stack is not updated.

    Exit code 2 where the primary's registry cannot be asked: then only what would leave is shown.
    """
    for name, text in patterns.items():
        if text is not None and len(text) > LONGEST:
            raise click.BadParameter(f"more than {LONGEST} characters", param_hint=f"--{name.replace('_', '-')}")
    site = choose().secondary("selection preview")
    shown = _Preview(site, patterns, outside_selection, PreviewBounds(repositories=limit))
    put(shown.answer(), output)
    raise SystemExit(CANNOT_TELL if shown.brought is None else NOTHING_OWED)


def present(site: StackSite) -> Selection:
    """The selection that the site's stack has now. Raises ConfigurationError for a pattern that is none."""
    return Selection.parse(**_patterns(site))


def _patterns(site: StackSite) -> dict[str, str]:
    return {name: site.parameters.get(parameter, "") for name, parameter in PARAMETERS.items()}


class _Preview:
    """Both sides of a change, read from the primary's registry and the site's table."""

    def __init__(
        self, site: StackSite, patterns: Mapping[str, str | None], policy: str | None, bounds: PreviewBounds
    ) -> None:
        self.site = site
        self.bounds = bounds
        self.policy = policy or site.parameters.get("OutsideSelection", "keep")
        now = _patterns(site)
        self.wanted = now | {name: text for name, text in patterns.items() if text is not None}
        before, after = Selection.parse(**now), Selection.parse(**self.wanted)
        self.why_not: str | None = None
        self.brought = self._ask(before, after)
        self.leaving = selection_preview.leaving(_sync_registry(site), after, bounds)
        self.local = find(site.parameters["LocalRegistryUrl"], site.parameters.get("LocalRegistryVendor", AUTO))
        self.suspends: str | None = None
        if self.policy == "remove":
            self.suspends = selection_preview.reason_to_suspend(self.leaving, _limits(site))

    def _ask(self, before: Selection, after: Selection) -> SelectionChange | None:
        """Ask what would come; None where the primary's registry cannot tell."""
        site = self.site
        deadline = Deadline(site.clock)
        deadline.set(ASKED_FOR_S)
        try:
            with closing(open_site_registry(site, "PrimaryRegistry", deadline)) as primary:
                return selection_preview.brought(primary, before, after, self.bounds)
        except (GeosyncError, BotoCoreError, ClientError) as error:
            self.why_not = str(error)
            return None

    def answer(self) -> Answer:
        """The preview in every output: a row is a repository on one of the two sides."""
        document = self._document()
        sides = (("brought", self.brought), ("leaving", self.leaving))
        rows = [
            {"name": one.repository, "change": side, "tags": one.tags, "more": one.more, "names": list(one.names)}
            for side, change in sides
            if change is not None
            for one in change.repositories
        ]
        return Answer(document=document, rows=rows, shown=list(self._parts()))

    def _document(self) -> dict[str, Any]:
        """The preview for programs; `brought` is null where the primary's registry cannot be asked."""
        return {
            "selection": self.wanted,
            "outside_selection": self.policy,
            "brought": _document(self.brought) if self.brought is not None else None,
            "brought_not_known": self.why_not,
            "leaving": _document(self.leaving),
            "removed": self.policy == "remove" and self.local.DELETES,
            "suspends": self.suspends,
        }

    def _parts(self) -> Iterator[Part]:
        """The preview for people."""
        for name, parameter in PARAMETERS.items():
            yield f"{parameter}: {self.wanted[name] or ('(all)' if 'include' in name else '(none)')}"
        yield ""
        if self.brought is None:
            yield plain(f"What would be brought is not known: {self.why_not}", "yellow")
        else:
            yield from _change("Would be brought", self.brought)
        if self.policy == "remove":
            yield from _change("Would be removed", self.leaving)
            if not self.local.DELETES:
                said = f"{self.local.LABEL} deletes nothing through its API: each removal would be parked."
                yield plain(said, "yellow")
        else:
            yield from _change("Would leave the selection", self.leaving)
            if self.leaving.repositories:
                yield "They stay here, and Geosync forgets that it put them here (OutsideSelection=keep)."
        if self.suspends is not None:
            yield plain(f"Deletes by comparison would be suspended: {self.suspends}.", "yellow")
            yield plain("They go on when somebody says so: geosync deletes resume.", "yellow")
        yield plain("Nothing was changed.", "dim")


def _change(what: str, change: SelectionChange) -> Iterator[Part]:
    tags = _at_least(count(change.tags, "tag"), change.has_more)
    where = _at_least(count(len(change.repositories), "repository", "repositories"), change.more)
    yield f"{what}: {tags} in {where}"
    if change.repositories:
        yield Grid(_COLUMNS, change.repositories)


def _sync_registry(site: StackSite) -> SyncRegistry:
    """The site's sync registry as functions/sync reads it: what was seen under another primary counts for nothing."""
    primary = site.parameters.get("PrimaryTopicArn") or None
    return SyncRegistry.open(
        site.client("dynamodb"), site.outputs["SyncRegistryTable"], primary=primary, clock=site.clock
    )


def _limits(site: StackSite) -> Limits:
    default = Limits()
    share = site.parameters.get("BreakerShare")
    return Limits(
        share=float(share) / 100 if share is not None else default.share,
        tags=int(site.parameters.get("BreakerTags", default.tags)),
    )


def _document(change: SelectionChange) -> dict[str, Any]:
    return {
        "tags": change.tags,
        "more": change.has_more,
        "more_repositories": change.more,
        "repositories": [asdict(one) for one in change.repositories],
    }


def _at_least(number: object, more: bool) -> str:
    """Write a number; where not all could be looked at, it is the least that there is."""
    return f"at least {number}" if more else str(number)


def _names(one: RepositoryTags) -> str:
    return ", ".join(one.names[:NAMES]) + (" …" if one.tags > NAMES or one.more else "")


_COLUMNS = (
    Column("repository", lambda one: one.repository),
    Column("tags", lambda one: _at_least(one.tags, one.more)),
    Column("names", _names),
)

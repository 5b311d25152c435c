"""The sites at which `geosync wait` waits: each over AWS, by its stack, or over its admin API, by a token alone.

Over AWS the reference is marked first. It is discharged only after a look at the primary that was made after the mark,
and a look at this site's registry that showed the same digest. Over the admin API the site asks the primary where only
that tells more; a token with the right to read is enough. An answer then counts from the moment at which the command
first asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, get_args

from geosync.cli import registries
from geosync.cli.admin_api import AdminClient, other_sites, token_of
from geosync.cli.audit import audited
from geosync.cli.resync import is_nowhere, mark_and_wake
from geosync.cli.selection import present
from geosync.cli.site import Chosen, StackName, StackSite
from geosync.clock import Clock, parsed_moment
from geosync.errors import AdminApiRefused, ConfigurationError
from geosync.oci.deadline import Deadline
from geosync.reading.arrival import Arrival, ArrivalState, AwaitedImage
from geosync.reading.arrival_look import AskedSite, look


class AwaitedSite(Protocol):
    """A site at which somebody waits for an image."""

    @property
    def name(self) -> str:
        """The site's name."""

    def begin(self, image: AwaitedImage) -> str | None:
        """Begin to wait; returns the reason when there is nothing to wait for, otherwise None."""

    def look(self, image: AwaitedImage) -> Arrival:
        """Look for the image at the site."""

    @property
    def expected(self) -> str | None:
        """The digest that the primary had when the wait began; None: not known."""

    @property
    def clock(self) -> Clock:
        """The clock of the machine that waits."""


@dataclass(slots=True)
class StackAwaited:
    """A site that is asked over AWS."""

    site: StackSite
    expected: str | None = None

    @property
    def name(self) -> str:
        """The site's name."""
        return self.site.name

    @property
    def clock(self) -> Clock:
        """The clock of the machine that waits."""
        return self.site.clock

    def begin(self, image: AwaitedImage) -> str | None:
        """Ask the primary's registry for the image, if it can be asked from here; mark it, and wake somebody."""
        site, repository = self.site, image.repository
        selection = present(self.site)
        if not selection.has(repository, image.reference):
            return f"it is outside the selection of {site.name} (geosync selection)"
        at_primary = registries.primary_digest(site, repository, str(image.reference))
        if at_primary.is_absent or (not at_primary.is_known and is_nowhere(site, repository)):
            return "it is not at the primary: was it pushed there, and is its name right?"
        self.expected = image.digest or at_primary.digest
        with audited(site, "wait", f"{repository} {image.reference}"):
            mark_and_wake(site, repository, [image.reference])
        return None

    def look(self, image: AwaitedImage) -> Arrival:
        """Read the site's table."""
        site = self.site
        asked = AskedSite(
            name=site.name,
            sync_registry=site.sync_registry.under(site.primary_topic),
            primary=site.primary_topic,
            deadline=Deadline(site.clock),
            selection=present(self.site),
        )
        return look(asked, image)


@dataclass(slots=True)
class ApiAwaited:
    """A site that is asked over its admin API. `since_ms` is its own moment of the first question."""

    name: str
    client: AdminClient = field(repr=False)
    clock: Clock
    since_ms: int | None = None
    expected: str | None = None

    def begin(self, image: AwaitedImage) -> str | None:
        """Note the digest that is asked for."""
        self.expected = image.digest
        return None

    def look(self, image: AwaitedImage) -> Arrival:
        """Ask the API. Raises AdminApiUnavailable, AdminApiRefused."""
        answer = self.client.get(
            "/api/v4/geo/arrival",
            repository=image.repository,
            reference=str(image.reference),
            digest=image.digest,
            since=self.since_ms,
        )
        found = _arrival(answer)
        if self.since_ms is None:
            self.since_ms = answer["asked_at"]
            self.name = _text(answer, "site") or self.name
            if self.expected is None and len(found.announced) == 1:
                (self.expected,) = found.announced
        return found


def _arrival(answer: Any) -> Arrival:
    """Read an answer; raises AdminApiRefused for one that says nothing."""
    if not isinstance(answer, dict) or answer.get("state") not in get_args(ArrivalState):
        raise AdminApiRefused("the admin API's answer is none: is the site of another version?")
    if not isinstance(answer.get("asked_at"), int):
        raise AdminApiRefused("the admin API's answer has no asked_at: is the site of another version?")
    return Arrival(
        state=answer["state"],
        digest=_text(answer, "digest"),
        seen_at_ms=parsed_moment(_text(answer, "seen_at") or "") or None,
        reason=_text(answer, "reason"),
        failure=_text(answer, "failure"),
        parked=answer.get("parked") is True,
        announced=_texts(answer.get("announced")),
    )


def _text(answer: Mapping[str, Any], name: str) -> str | None:
    value = answer.get(name)
    return value if isinstance(value, str) else None


def _texts(values: Any) -> frozenset[str]:
    return frozenset(one for one in values if isinstance(one, str)) if isinstance(values, list) else frozenset()


# ------------------------------------------------------------------------------------------------------- which sites


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichSites:
    """The sites to wait at: the chosen one, the one of a name, or all secondaries."""

    name: str | None = None
    all_sites: bool = False

    def stacks(self, choose: Callable[[], Chosen], secondaries: tuple[str, ...], what: str) -> list[StackSite]:
        """Find their stacks: the chosen one, those named besides and, on the local stack, all. Raises as they do.

        `what` names the command, which is for secondaries.
        """
        chosen = choose()
        first = chosen.site()
        others = [StackName.parse(text) for text in secondaries] or list(chosen.others)
        if self.name is None and not self.all_sites:
            first.must_be_secondary(what)
            return [first]
        if self.name == first.name:
            others = []
        found = [first, *(StackSite.find(chosen.access, name) for name in others)]
        sites = self._wanted(found)
        if not sites or (self.all_sites and not others):
            raise self._not_found()
        return sites

    def _not_found(self) -> ConfigurationError:
        where = "all sites" if self.all_sites else f"the site {self.name}"
        return ConfigurationError(f"where is {where}? Name each stack with --secondary STACK@REGION")

    def _wanted(self, found: Sequence[StackSite]) -> list[StackSite]:
        return [one for one in found if not one.is_primary and self._is_wanted(one.name)]

    def over_api(self, url: str, clock: Clock) -> list[AwaitedSite]:
        """Find their admin APIs, by the one at `url`. Raises AdminApiRefused, ConfigurationError."""
        client = AdminClient(url, token_of())
        if self.name is None and not self.all_sites:
            return [ApiAwaited(f"the site at {url}", client, clock)]  # its answers have its name
        known = [one for one in other_sites(client) if one.get("primary") is not True and self._is_wanted(one["name"])]
        if not known:
            what = "no secondary" if self.all_sites else f"no secondary {self.name}"
            raise ConfigurationError(f"the site at {url} knows {what}")
        return [ApiAwaited(one["name"], client if one.get("current") is True else _other(one), clock) for one in known]

    def _is_wanted(self, name: str) -> bool:
        return self.all_sites or name == self.name


def _other(site: Mapping[str, Any]) -> AdminClient:
    """The client of another site, with that site's own token."""
    url = site.get("url")
    if not isinstance(url, str):
        raise ConfigurationError(f"the address of {site['name']} is not known there: geosync sites add, at the primary")
    return AdminClient(url, token_of(str(site["name"])))

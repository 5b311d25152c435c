"""Tags here that a comparison would not bring: missing at the primary, outside the selection, extra; and the breaker.

What an operator decides about them is sent from here, too.

The command line and the admin API both go this way. Each action can be done twice, and by two operators at once,
without harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from geosync.clock import moment
from geosync.operating.actions import resync
from geosync.sync_registry.items import ADOPT, KEEP, Reference
from geosync.sync_registry.site import findings
from geosync.sync_registry.site.breaker import State
from geosync.sync_registry.site.findings import Dismissal, Finding
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST = 100
"""Repositories that are read."""
EXAMINED = 500
"""Findings that one page reads at most."""
Kind = Literal["missing", "outside", "extra"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletions:
    """The breaker, and the repositories with tags that are missing at the primary, or outside the selection.

    `more`: there are more of them.
    """

    breaker: State
    missing: tuple[Finding, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsPage:
    """Findings by the repositories' names; there may be more after the name `after`, None: the end."""

    found: tuple[Finding, ...]
    after: str | None


def read(sync_registry: SyncRegistry, *, most: int = MOST) -> Deletions:
    """Read whether deletes by comparison are suspended, and the tags that are to go in at most `most` repositories.

    What an operator dismissed is among them: it goes all the same.
    """
    found = list(islice((one for one in _walk(sync_registry) if one.goes), most + 1))
    return Deletions(breaker=sync_registry.breaker.state(), missing=tuple(found[:most]), more=len(found) > most)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter:
    """Selects findings by the repository's name, by the kind of tags (None: any), and those that are dismissed."""

    prefix: str = ""
    kind: Kind | None = None
    dismissed: bool = False
    """True: only those; False: none of them."""

    def takes(self, one: Finding) -> bool:
        """True for a finding that is selected; the walk has seen to its name."""
        wanted = {"missing": one.missing, "outside": one.outside, "extra": one.extra, None: not one.is_nothing}
        return bool(wanted[self.kind]) and self.dismissed == (one.dismissed is not None)


def page(sync_registry: SyncRegistry, wanted: FindingFilter, *, limit: int, after: str = "") -> FindingsPage:
    """The next at most `limit` findings after the repository `after`."""
    taken: list[Finding] = []
    last = after
    step = limit + 1 if wanted.kind is None else None
    for examined, one in enumerate(_walk(sync_registry, prefix=wanted.prefix, after=after, step=step)):
        if len(taken) == limit or examined == EXAMINED:
            return FindingsPage(found=tuple(taken), after=last)
        last = one.repository
        if wanted.takes(one):
            taken.append(one)
    return FindingsPage(found=tuple(taken), after=None)


def extras(
    sync_registry: SyncRegistry, *, repository: str | None = None, most: int = MOST, dismissed: bool = False
) -> list[Finding]:
    """The extra tags that the latest comparisons found, in one repository or in the first `most` that have any.

    `dismissed`: what an operator dismissed, of all kinds; otherwise none of that.
    """
    if repository is not None:
        found = of(sync_registry, repository)
        walked = iter([found] if found is not None else [])
    else:
        walked = _walk(sync_registry)
    wanted = FindingFilter(kind=None if dismissed else "extra", dismissed=dismissed)
    return list(islice(filter(wanted.takes, walked), most))


def of(sync_registry: SyncRegistry, repository: str) -> Finding | None:
    """The findings of the latest comparison of one repository, None when it found nothing to tell."""
    found = sync_registry.findings.get(repository)
    return found.open() if found is not None else None


def _walk(
    sync_registry: SyncRegistry, *, prefix: str = "", after: str = "", step: int | None = None
) -> Iterator[Finding]:
    walked = sync_registry.findings.walk(prefix=prefix, after=after, step=step or findings.PAGE)
    return (one.open() for one in walked)


def adopt(
    sync_registry: SyncRegistry, sqs: SQSClient, work_url: str, repository: str, tags: Sequence[str] = ()
) -> None:
    """Treat extra tags (none named: all of the repository) as Geosync's own: those that the primary lacks go."""
    resync(sqs, work_url, repository, [*map(Reference.tag, tags)], if_absent=ADOPT)
    sync_registry.findings.speak_of(repository, tags)


def keep(sync_registry: SyncRegistry, sqs: SQSClient, work_url: str, repository: str, tags: Sequence[str] = ()) -> None:
    """Cancel the removal of tags (none named: of all that are missing, or outside the selection): they stay.

    From then on they are tags that Geosync did not put there.
    """
    resync(sqs, work_url, repository, [*map(Reference.tag, tags)], if_absent=KEEP)
    sync_registry.findings.speak_of(repository, tags)


def dismiss(
    sync_registry: SyncRegistry, repository: str, dismissal: Dismissal, *, found_at: str | None = None
) -> str | None:
    """List what was found in a repository no more, until a comparison finds something else.

    `found_at` (RFC 3339) names the finding that the operator saw; None: whichever it is now. Returns why nothing was
    dismissed, None where it was.
    """
    found = of(sync_registry, repository)
    if found is None or found.is_nothing:
        return f"{repository}: nothing is missing, outside or extra, so there is nothing to dismiss"
    is_another = found_at not in (None, moment(found.found_at))
    if is_another or not sync_registry.findings.dismiss(found, dismissal):
        return f"{repository}: a comparison found something else meanwhile: look again"
    return None


def undismiss(sync_registry: SyncRegistry, repository: str) -> str | None:
    """List what was found in a repository again. Returns why nothing changed, None where it did."""
    return None if sync_registry.findings.undismiss(repository) else f"{repository}: nothing is dismissed"


def resume(sync_registry: SyncRegistry) -> bool:
    """Accept that what comparisons found missing, or outside, until now is to go: the next comparison removes it here.

    False: nothing was suspended; what was found is accepted all the same.
    """
    return sync_registry.breaker.resume()

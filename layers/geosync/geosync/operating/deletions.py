"""What an operator sees and says of tags that the primary has not: missing ones, extra ones, and the breaker.

For the command line and the admin API alike. Each action can be done twice, and by two operators at once, without harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from geosync.operating.actions import send_resync
from geosync.sync_registry.items import ADOPT, KEEP, Reference
from geosync.sync_registry.site import breaker, findings
from geosync.sync_registry.site.breaker import State, resume
from geosync.sync_registry.site.findings import Finding
from geosync.sync_registry.table.changes import Store

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["Deletes", "adopt", "extras", "keep", "of", "page", "read", "resume"]

MOST = 100
"""Repositories that are read."""
EXAMINED = 500
"""Findings that one page reads at most."""
Kind = Literal["missing", "extra"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletes:
    """The breaker, and the repositories with tags that are missing at the primary; `more`: there are more of them."""

    breaker: State
    missing: tuple[Finding, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Findings by the repositories' names; there may be more after the name `after`, None: no more."""

    found: tuple[Finding, ...]
    after: str | None


def read(store: Store, *, most: int = MOST) -> Deletes:
    """Read whether deletes by comparison are suspended, and what comparisons found missing, in `most` repositories."""
    found = list(islice((one for one in _walk(store) if one.missing), most + 1))
    return Deletes(breaker=breaker.read(store), missing=tuple(found[:most]), more=len(found) > most)


def page(store: Store, *, limit: int, kind: Kind | None = None, prefix: str = "", after: str = "") -> Page:
    """The next at most `limit` findings after the repository `after`: with missing tags, with extra ones, or any."""
    taken: list[Finding] = []
    last = after
    for examined, one in enumerate(_walk(store, prefix=prefix, after=after, step=limit + 1 if kind is None else None)):
        if len(taken) == limit or examined == EXAMINED:
            return Page(found=tuple(taken), after=last)
        last = one.repository
        if {"missing": one.missing, "extra": one.extra, None: not one.is_nothing}[kind]:
            taken.append(one)
    return Page(found=tuple(taken), after=None)


def extras(store: Store, *, repository: str | None = None, most: int = MOST) -> list[Finding]:
    """What the latest comparisons found extra, in one repository or in the first `most` that have any."""
    if repository is not None:
        found = of(store, repository)
        return [found] if found is not None and found.extra else []
    return list(islice((one for one in _walk(store) if one.extra), most))


def of(store: Store, repository: str) -> Finding | None:
    """What the latest comparison of one repository found, None when there was nothing to tell."""
    found = findings.get(store, repository)
    return found.open() if found is not None else None


def _walk(store: Store, *, prefix: str = "", after: str = "", step: int | None = None) -> Iterator[Finding]:
    walked = findings.walk(store, prefix=prefix, after=after, step=step or findings.PAGE)
    return (one.open() for one in walked)


def adopt(store: Store, sqs: SQSClient, work_url: str, repository: str, tags: Sequence[str] = ()) -> None:
    """Treat extra tags (none named: all of the repository) as Geosync's own: what the primary has not, is removed."""
    send_resync(sqs, work_url, repository, [*map(Reference.tag, tags)], if_absent=ADOPT)
    findings.speak_of(store, repository, tags)


def keep(store: Store, sqs: SQSClient, work_url: str, repository: str, tags: Sequence[str] = ()) -> None:
    """Cancel the deletion of tags (none named: of all that are missing): they stay, as extra ones."""
    send_resync(sqs, work_url, repository, [*map(Reference.tag, tags)], if_absent=KEEP)
    findings.speak_of(store, repository, tags)

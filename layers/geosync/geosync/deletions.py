"""What an operator sees and says of tags that the primary has not: missing ones, extra ones, and the breaker.

For the command line and the admin API alike. Each action can be done twice, and by two operators at once, without harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from geosync.actions import send_resync
from geosync.sync_registry import breaker, findings
from geosync.sync_registry.breaker import State, resume
from geosync.sync_registry.changes import Store
from geosync.sync_registry.findings import Finding
from geosync.sync_registry.items import ADOPT, KEEP, Reference

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["Deletes", "adopt", "extras", "keep", "read", "resume"]

MOST = 100
"""Repositories that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletes:
    """The breaker, and the repositories with tags that are missing at the primary; `more`: there are more of them."""

    breaker: State
    missing: tuple[Finding, ...]
    more: bool


def read(store: Store, *, most: int = MOST) -> Deletes:
    """Read whether deletes by comparison are suspended, and what comparisons found missing, in `most` repositories."""
    found = findings.missing(store, limit=most + 1)
    return Deletes(breaker=breaker.read(store), missing=tuple(found[:most]), more=len(found) > most)


def extras(store: Store, *, repository: str | None = None, most: int = MOST) -> list[Finding]:
    """What the latest comparisons found extra, in one repository or in the first `most` that have any."""
    if repository is not None:
        found = findings.get(store, repository)
        return [found] if found is not None and found.extra else []
    return list(islice((one for one in findings.walk(store) if one.extra), most))


def adopt(sqs: SQSClient, work_url: str, repository: str, tags: Sequence[str] = ()) -> None:
    """Treat extra tags (none named: all of the repository) as Geosync's own: what the primary has not, is removed."""
    send_resync(sqs, work_url, repository, [*map(Reference.tag, tags)], if_absent=ADOPT)


def keep(sqs: SQSClient, work_url: str, repository: str, tags: Sequence[str] = ()) -> None:
    """Cancel the deletion of tags (none named: of all that are missing): they stay, as extra ones."""
    send_resync(sqs, work_url, repository, [*map(Reference.tag, tags)], if_absent=KEEP)

"""The audit log as the command writes it: each action at each site that it touches, with the caller's ARN.

An action is written down before it is taken, as the admin API does: one that the audit log does not take is not taken.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import click
from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.output import SOMETHING_WRONG
from geosync.cli.site import StackSite
from geosync.errors import NotAudited
from geosync.operating.audit import Audit, AuditEntry

SOURCE = "command line"
"""In place of the address that a request to the admin API comes from."""
DONE, IN_PART, FAILED = 200, 409, 500
"""The ends of an action, as the statuses that the admin API would answer with."""


def audit_of(site: StackSite) -> Audit:
    """The audit log of a site."""
    return Audit(
        site.client("dynamodb"),
        site.outputs["EventsTable"],
        logging.getLogger(__name__),  # nobody listens: the command says itself what it does
        retention_days=site.event_retention_days,
        clock=site.clock,
    )


def caller_of(site: StackSite) -> str:
    """The ARN of whoever runs the command, as AWS knows them. Raises botocore's errors."""
    return str(site.client("sts").get_caller_identity()["Arn"])


@contextmanager
def audited(site: StackSite, action: str, *details: str) -> Iterator[str]:
    """Write an action down at a site before it is taken, and how it ended; yields the caller's ARN.

    `action` is the command without its arguments (`pause`), `details` are these; no secret is among them. Raises
    NotAudited before anything is done. An end that cannot be written down is a line on standard error: the action has
    been taken by then.
    """
    audit = audit_of(site)
    try:
        who = caller_of(site)
        of = f"{action.replace(' ', '-')}-"
        entry = audit.begin(who, f"geosync {action}", source=SOURCE, detail=shlex.join(details), of=of)
    except (BotoCoreError, ClientError) as error:
        text = f"the audit log of {site.name} does not take it, so nothing was done: {error}"
        raise NotAudited(text) from error
    try:
        yield who
    except SystemExit as end:
        _end(audit, site, entry, DONE if end.code in (0, None) else IN_PART if end.code == SOMETHING_WRONG else FAILED)
        raise
    except BaseException:
        _end(audit, site, entry, FAILED)
        raise
    _end(audit, site, entry, DONE)


def _end(audit: Audit, site: StackSite, entry: AuditEntry, status: int) -> None:
    try:
        audit.end(entry, status=status)
    except (BotoCoreError, ClientError) as error:
        click.echo(f"The audit log of {site.name} has the action, but not how it ended: {error}", err=True)

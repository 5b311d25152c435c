"""The verification of a repository to its end, as functions/reconcile and functions/sync do it in days."""

from __future__ import annotations

import time

from tests.integration.secondary import Secondary

from geosync.clock import SYSTEM_CLOCK
from geosync.messages.work import VerifyMessage
from geosync.verifying.choose import MOST


def verify(secondary: Secondary, repository: str) -> None:
    """Verify until there is a verdict."""
    secondary.receive(VerifyMessage(repository=repository, asked_at=SYSTEM_CLOCK.now_ms()).to_json())
    until = time.monotonic() + 300
    while secondary.row(repository).verification_state not in ("2", "3") and time.monotonic() < until:
        secondary.have_passed(5.0)
        for due in secondary.sync_registry.verification.due(now_ms=SYSTEM_CLOCK.now_ms(), limit=MOST):
            secondary.receive(VerifyMessage(repository=due).to_json())

"""A loss that nobody announced is healed by the schedule alone, within five minutes at the local stack's pace.

The tag is written at the beginning of the run and looked at here, near its end. Alone, this test takes minutes.
"""

from __future__ import annotations

import time
from datetime import datetime

from tests.e2e.conftest import Unannounced
from tests.e2e.parts import Site, eventually

FIVE_MINUTES = 300.0


def test_a_tag_that_no_notification_told_of_is_healed_within_five_minutes(
    unannounced: Unannounced, secondaries: list[Site]
) -> None:
    left = max(FIVE_MINUTES - (time.time() - unannounced.written_at), 1)
    for site in secondaries:

        def seen(site: Site = site) -> float | None:
            """When it was first synced: a later comparison looks at it again, and this test may come late."""
            for line in site.log("sync"):
                names = (line.get("message"), line.get("repository"), line.get("reference"))
                if names == ("reference_synced", unannounced.repository, f"tag#{unannounced.tag}"):
                    return datetime.fromisoformat(line["timestamp"]).timestamp()
            return None

        healed_at = eventually(seen, seconds=left, what=f"{unannounced.repository}:{unannounced.tag} at {site.name}")
        assert healed_at is not None
        took = healed_at - unannounced.written_at
        assert 0 < took < FIVE_MINUTES
    events = [item.get("tag") for item in unannounced.events() if item.get("repository") == unannounced.repository]
    assert events == ["v1"], "nobody announced the other tag"

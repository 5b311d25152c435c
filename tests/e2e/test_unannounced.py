"""A loss that nobody announced is healed by the schedule alone, once a comparison is due.

The tag is written at the beginning of the run, when the latest comparison is made to look old. It is looked at here,
near the end. Alone, this test takes up to two minutes: the first asks for the comparison, the second works it off.
"""

from __future__ import annotations

from datetime import datetime

from tests.e2e.conftest import Unannounced
from tests.e2e.parts import Site, eventually


def test_a_tag_that_no_notification_told_of_is_healed_by_the_schedule(
    unannounced: Unannounced, secondaries: list[Site]
) -> None:
    for site in secondaries:

        def seen(site: Site = site) -> float | None:
            """The moment of the first sync; later comparisons look at the tag again."""
            for line in site.log("sync"):
                names = (line.get("message"), line.get("repository"), line.get("reference"))
                if names == ("reference_synced", unannounced.repository, f"tag#{unannounced.tag}"):
                    return datetime.fromisoformat(line["timestamp"]).timestamp()
            return None

        # A whole log is too much to be read again and again for minutes.
        eventually(lambda site=site: site.item(unannounced.repository, f"tag#{unannounced.tag}"), what="the tag")  # type: ignore[misc]
        healed_at = eventually(seen, what=f"{unannounced.repository}:{unannounced.tag} at {site.name}")
        assert healed_at is not None
        assert healed_at > unannounced.written_at
    events = [item.get("tag") for item in unannounced.events() if item.get("repository") == unannounced.repository]
    assert events == ["v1"], "nobody announced the other tag"

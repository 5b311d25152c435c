"""The log of a copy names the trace that its wake belongs to, from the notification on; other work does not."""

from __future__ import annotations

from typing import Any

from tests.functional.sync.parts import DONE, Log, Site, handle, sample, wake

from geosync.sync_registry.items import Reference
from geosync.sync_registry.transitions.marks import Mark

TRACE = "1-6923f0b4-1f2e3d4c5b6a798081928374"


def traced(event: dict[str, Any], header: str = f"Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1") -> dict[str, Any]:
    """The same message with the header that SQS has beside it."""
    event["Records"][0]["attributes"]["AWSTraceHeader"] = header
    return event


def test_each_line_of_a_copy_names_the_trace_of_its_wake(site: Site, repository: str, log: Log) -> None:
    made = site.make.image(repository, "v1")
    site.sync_registry.mark(repository, Reference.tag("v1"), Mark(expects=made.digest))
    assert handle(traced(sample("sync-live.json", repository=repository))) == DONE
    lines = log()
    assert "reference_synced" in {line["message"] for line in lines}
    assert {line.get("wake_trace_id") for line in lines} == {TRACE}


def test_the_next_repository_of_a_worker_has_another_trace(site: Site, repository: str, log: Log) -> None:
    for name in (repository, f"{repository}/next"):
        made = site.make.image(name, "v1")
        site.sync_registry.mark(name, Reference.tag("v1"), Mark(expects=made.digest))
        site.sync_registry.tell(name)
    assert handle(traced(wake(repository))) == DONE
    synced = {line["repository"]: line.get("wake_trace_id") for line in log() if line["message"] == "reference_synced"}
    assert synced == {repository: TRACE, f"{repository}/next": None}


def test_the_next_wake_of_the_same_process_has_no_trace_of_the_former(site: Site, repository: str, log: Log) -> None:
    for tag, give in (("v1", traced), ("v2", dict[str, Any]), ("v3", lambda event: traced(event, "<script>"))):
        made = site.make.image(repository, tag)
        site.sync_registry.mark(repository, Reference.tag(tag), Mark(expects=made.digest))
        assert handle(give(sample("sync-live.json", repository=repository))) == DONE
    synced = {line["reference"]: line.get("wake_trace_id") for line in log() if line["message"] == "reference_synced"}
    assert list(synced.values()) == [TRACE, None, None]

"""With Tracing=on a push has one trace from its notification, through SNS and two queues, to its copy that was seen."""

from __future__ import annotations

import os
import uuid
from collections import defaultdict
from typing import Any

import pytest
from tests.e2e.parts import Site, eventually
from tests.e2e.registries import maker

PUSHES = 5
"""The wake of one may come from the sweep of a minute, which has a trace of its own."""


@pytest.fixture(autouse=True)
def _traces(primary: Site) -> None:
    """Skip on a stack without tracing: `make up` deploys none, and these tests may run on it (conftest.py)."""
    function = primary.about["functions"]["notifications"]
    found = primary.client("lambda").get_function_configuration(FunctionName=function)
    if "GEOSYNC_E2E_STATE" in os.environ and found["TracingConfig"]["Mode"] != "Active":
        pytest.skip("this stack does not trace")


def test_every_function_of_a_site_is_deployed_to_trace(sites: list[Site]) -> None:
    for site in sites:
        for name in site.about["functions"].values():
            found = site.client("lambda").get_function_configuration(FunctionName=name)
            assert found["TracingConfig"] == {"Mode": "Active"}, name


def test_the_trace_of_a_notification_is_that_of_the_copies_it_causes(primary: Site, secondaries: list[Site]) -> None:
    repositories = [f"e2e/traced/{uuid.uuid4().hex[:10]}" for _ in range(PUSHES)]
    with maker(primary) as make:
        for repository in repositories:
            make.image(repository, "v1", layers=1)
    copies = {site.name: _copies(site, repositories) for site in secondaries}
    traces: dict[str, set[str]] = defaultdict(set)  # several, where a busy registry sent its notification again
    for line in primary.log("notifications"):
        for correlation_id in line.get("correlation_ids", ()):
            traces[correlation_id].add(line["xray_trace_id"])
    for site, synced in copies.items():
        woken = [line for line in synced if "wake_trace_id" in line and "correlation_id" in line]
        assert woken, f"no copy at {site} belongs to a wake's trace"
        for line in woken:
            assert line["wake_trace_id"] in traces[line["correlation_id"]], (site, line)
        # The invocation itself has a trace of its own, as Lambda begins one for what it takes from a queue.
        assert {line["xray_trace_id"] for line in synced}.isdisjoint(line["wake_trace_id"] for line in woken)


def _copies(site: Site, repositories: list[str]) -> list[dict[str, Any]]:
    """Wait until the images of all repositories were seen at a site; its log's lines of that."""

    def synced() -> list[dict[str, Any]]:
        lines = [line for line in site.log("sync") if line.get("message") == "reference_synced"]
        found = [line for line in lines if line["repository"] in repositories and line["reference"] == "tag#v1"]
        return found if {line["repository"] for line in found} == set(repositories) else []

    return eventually(synced, what=f"the copies at {site.name}")

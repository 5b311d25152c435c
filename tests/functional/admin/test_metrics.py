"""`GET /metrics`: Prometheus reads each site's status, and no sample of an unknown value."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain
from tests.functional.admin.parts import ROOT, A, Ask, Site

from geosync.admin.resources.metrics import GAUGES
from geosync.clock import SYSTEM_CLOCK
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.site.history import Observed, bin_name
from geosync.sync_registry.table.changes import Update

pytestmark = pytest.mark.usefixtures("site")
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
PUSHES = Observed(
    counts={
        bin_name(0): 2,
        bin_name(20): 1,
        "late": 1,
        "lost": 1,
        "lag_ms": 2000,
        "synced": 4,
        "bytes": 70,
        "requests": 9,
    }
)
GRAFANA = ROOT / "docs" / "grafana" / "geosync.json"


def samples(text: str) -> dict[tuple[str, str], float]:
    """The samples by name and site, as the client library's own parser reads them."""
    return {(one.name, one.labels["site"]): one.value for family in plain(text) for one in family.samples}


def test_every_number_is_the_one_of_the_status(ask: Ask, site: Site) -> None:
    site.synced("team/app", v1=A)
    site.failed("team/other", "v1", "v2", parked=True)
    said = ask("GET", "/api/v4/geo_sites/status").json
    found = samples(ask("GET", "/metrics").text)
    later = ask("GET", "/api/v4/geo_sites/status").json
    for status, after in zip(said, later, strict=True):
        for gauge in GAUGES:
            key = (gauge.name, status["name"])
            if isinstance(gauge.of, str) and gauge.name.endswith("_seconds") and status[gauge.of] is not None:
                assert status[gauge.of] <= found[key] <= after[gauge.of], key  # time passes between the requests
            elif isinstance(gauge.of, str):
                assert found.get(key) == status[gauge.of], key
    assert found["geo_container_repositories_synced", "berlin"] == 1
    assert found["geo_container_repositories_failed", "berlin"] == 1
    assert found["geosync_references_parked", "berlin"] == 2
    assert found["geosync_replication_enabled", "berlin"] == 1


def test_an_unknown_value_has_no_sample(ask: Ask) -> None:
    found = samples(ask("GET", "/metrics").text)
    for name in ("geosync_recovery_point_timestamp_seconds", "geosync_recovery_point_age_seconds", "geo_last_event_id"):
        assert (name, "berlin") not in found
    assert ("geosync_health_level", "berlin") in found


def test_the_recovery_point_is_a_moment_and_its_age_the_one_of_now(ask: Ask, site: Site) -> None:
    walk = {"started_at": 1_700_000_000_000, "touched_at": 0, "proved_at": 1_700_000_000_000}
    site.store.write(Update(key=catalogue_item.KEY, set=walk))
    before_s = time.time()
    found = samples(ask("GET", "/metrics").text)
    assert found["geosync_recovery_point_timestamp_seconds", "berlin"] == 1_700_000_000
    age_s = found["geosync_recovery_point_age_seconds", "berlin"]
    assert before_s - 1_700_000_001 <= age_s <= time.time() - 1_700_000_000


def test_the_format_is_openmetrics_on_request(ask: Ask) -> None:
    answer = ask("GET", "/metrics", headers={"Accept": f"{OPEN_METRICS},text/plain;version=0.0.4;q=0.5"})
    assert answer.headers["content-type"].startswith(OPEN_METRICS)
    names = {family.name for family in open_metrics(answer.text)}  # type: ignore[no-untyped-call]
    assert {"geosync_site", "geosync_health_level", "geo_container_repositories_synced"} <= names
    assert ask("GET", "/metrics").headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("token", [None, "x" * 48])
def test_nobody_reads_it_without_the_read_token(ask: Ask, token: str | None) -> None:
    assert ask("GET", "/metrics", token=token).status == 401


def test_the_role_and_the_version_of_a_site_are_labels(ask: Ask) -> None:
    (info,) = [one for family in plain(ask("GET", "/metrics").text) for one in family.samples if "_info" in one.name]
    assert info.labels["role"] == "secondary"
    assert info.labels["version"]


def expressions() -> Iterator[str]:
    """Each query of the Grafana dashboard."""
    for panel in json.loads(GRAFANA.read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def test_each_query_of_the_grafana_dashboard_reads_what_is_there(ask: Ask, site: Site) -> None:
    site.sync_registry.history.record(PUSHES, now_ms=SYSTEM_CLOCK.now_ms())
    families = list(plain(ask("GET", "/metrics").text))
    there = {family.name for family in families} | {one.name for family in families for one in family.samples}
    named = [name for text in expressions() for name in re.findall(r"\bgeo(?:sync)?_\w+", text)]
    assert len(named) >= 20
    assert set(named) <= there
    counters = {one.name for family in families if family.type != "gauge" for one in family.samples}
    rated = {name for text in expressions() for name in re.findall(r"(?:rate|increase)\((\w+)", text)}
    assert rated
    assert rated <= counters, "only what never falls has a rate"
    assert set(named) & counters == rated, "and what never falls is nothing without one"


def test_lags_are_a_histogram_and_what_was_moved_are_counters(ask: Ask, site: Site) -> None:
    before: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for _ in range(3):
        site.sync_registry.history.record(PUSHES, now_ms=SYSTEM_CLOCK.now_ms())
        families = {one.name: one for one in plain(ask("GET", "/metrics").text)}
        rising = [one for one in families.values() if one.type in ("counter", "histogram")]
        found = {(one.name, tuple(one.labels.items())): one.value for family in rising for one in family.samples}
        assert all(found[key] >= value for key, value in before.items())
        before = found
    lags = [one for one in families["geosync_lag_seconds"].samples if one.name.endswith("_bucket")]
    assert [one.value for one in lags] == sorted(one.value for one in lags)
    assert (lags[0].labels["le"], lags[0].value, lags[-1].labels["le"], lags[-1].value) == ("0.1", 6, "+Inf", 9)
    named = {one.name: one.value for family in rising for one in family.samples}
    assert named["geosync_lag_seconds_sum"] == 6
    assert named["geosync_replicated_bytes_total"] == 210
    assert named["geosync_registry_requests_total"] == 27
    assert named["geosync_references_synced_total"] == 12
    assert named["geosync_pushes_missed_target_total"] == 6


def test_the_service_level_and_a_site_without_a_history(ask: Ask, site: Site) -> None:
    found = samples(ask("GET", "/metrics").text)
    assert ("geosync_service_level_percent", "berlin") not in found
    assert ("geosync_replicated_bytes_total", "berlin") not in found
    assert found["geosync_service_level_target_percent", "berlin"] == 99.9
    site.sync_registry.history.record(PUSHES, now_ms=SYSTEM_CLOCK.now_ms())
    found = samples(ask("GET", "/metrics").text)
    assert found["geosync_service_level_percent", "berlin"] == 50
    assert found["geosync_error_budget_left_percent", "berlin"] == pytest.approx(-49_900)


def test_the_histogram_is_openmetrics_too(ask: Ask, site: Site) -> None:
    site.sync_registry.history.record(PUSHES, now_ms=SYSTEM_CLOCK.now_ms())
    text = ask("GET", "/metrics", headers={"Accept": OPEN_METRICS}).text
    kinds = {family.name: family.type for family in open_metrics(text)}  # type: ignore[no-untyped-call]
    assert (kinds["geosync_lag_seconds"], kinds["geosync_registry_requests"]) == ("histogram", "counter")

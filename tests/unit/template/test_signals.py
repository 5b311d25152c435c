"""Alarms and the dashboard: each metric is one that somebody puts, each alarm has its entry in the runbook."""

import ast
import json
import re
from typing import Any

import pytest
from tests.unit.template.parts import FUNCTIONS, RESOURCES, ROOT, of_type, refers_to

ALARMS = of_type("AWS::CloudWatch::Alarm")
RUNBOOK = (ROOT / "docs" / "signals.md").read_text().split("\n## When an alarm rings", 1)[1].split("\n## ", 1)[0]
SOURCES = [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers" / "geosync").rglob("*.py")]


def metrics_put() -> set[str]:
    """The names in the code that look like a metric's: keys of a dictionary, in capitals and small letters."""
    keys = (
        key.value
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    )
    return {key for key in keys if re.fullmatch(r"([A-Z][a-z]+)+", key)}


def widgets() -> list[dict[str, Any]]:
    """The dashboard's widgets: of a part that is there under a condition nothing is left."""
    body, parts = of_type("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    for part in parts:
        body = body.replace(f"${{{part}}}", "")
    shown: list[dict[str, Any]] = json.loads(re.sub(r"\$\{[^}]+\}", "x", body))["widgets"]
    return shown


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_has_its_entry_in_the_runbook_and_tells_who_wants_to_know(name: str) -> None:
    assert f"| `{name}` |" in RUNBOOK
    alarm = ALARMS[name]
    assert alarm["AlarmDescription"]
    assert alarm["AlarmActions"] == alarm["OKActions"] == {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], []]}
    # The role decides nothing, so that a promotion makes nothing.
    assert RESOURCES[name].get("Condition") == ("HasReads" if name == "PullThrottledAlarm" else None)


def test_the_runbook_knows_no_alarm_that_is_not_there() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", RUNBOOK, re.MULTILINE)) == set(ALARMS)


def test_metrics_of_our_own_in_alarms_and_on_the_dashboard_are_put_by_somebody() -> None:
    alarmed = {alarm["MetricName"] for alarm in ALARMS.values() if alarm["Namespace"] == "Geosync"}
    shown = {
        metric[1]
        for widget in widgets()
        for metric in widget["properties"].get("metrics", [])
        if metric[0] == "Geosync"
    }
    assert alarmed | shown <= metrics_put()
    assert "RecoveryPointAge" in alarmed & shown


def test_a_site_that_stops_altogether_is_not_silent() -> None:
    breaching = {name for name, alarm in ALARMS.items() if alarm["TreatMissingData"] == "breaching"}
    assert breaching == {"MinuteAlarm"}


def test_the_dashboard_shows_every_alarm_and_no_two_widgets_in_one_place() -> None:
    body, parts = of_type("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    under = {part: value["Fn::If"] for part, value in parts.items()}
    for name in ALARMS:
        if "Condition" not in RESOURCES[name]:
            assert f"${{{name}.Arn}}" in body, name
            continue
        (part,) = [part for part, (condition, *_) in under.items() if condition == RESOURCES[name]["Condition"]]
        assert under[part][1:] == [{"Fn::Sub": f', "${{{name}.Arn}}"'}, ""]
        assert f'.Arn}}"${{{part}}},' in body, "in the list of alarms, behind one"
    places = {
        (one["x"] + dx, one["y"] + dy) for one in widgets() for dx in range(one["width"]) for dy in range(one["height"])
    }
    assert len(places) == sum(one["width"] * one["height"] for one in widgets())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_an_alarm_on_its_throttles_while_it_is_there(name: str) -> None:
    (alarm,) = [
        alarm
        for alarm, about in ALARMS.items()
        if about["MetricName"] == "Throttles"
        and about["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": name}}]
    ]
    assert RESOURCES[alarm].get("Condition") == RESOURCES[name].get("Condition")


def test_no_alarm_needs_metric_math() -> None:
    """One metric each: an alarm that anybody can read, and that the local stack takes, too."""
    assert all({"MetricName", "Statistic"} <= set(alarm) and "Metrics" not in alarm for alarm in ALARMS.values())


def test_alarms_watch_the_resources_of_this_stack() -> None:
    for name in ("DeadLetterQueueAlarm", "OldestEventAlarm"):
        (dimension,) = ALARMS[name]["Dimensions"]
        assert any(refers_to(dimension["Value"], queue) for queue in ("DeadLetterQueue", "EventsQueue"))

"""docs/costs.md reckons right: each line from quantity and price, the sums, the counts from calls and template."""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod
from typing import Any

import pytest
from tests.support.aws_calls import PAGE, on_the_page
from tests.unit.template.parts import PARAMETERS, RESOURCES, of_type

from geosync.operating import costs, prices
from geosync.operating.costs import Settings, of_scenario, total_usd
from geosync.operating.costs import lines as parts_of

TEXT = PAGE.read_text()
SUMS = {"primary": "an idle month of a primary", "secondary": "an idle month of a secondary"} | {
    "push": "1,000 pushes, one secondary",
    "pull": "1,000,000 pulls by tag at a site",
    "GB": "a GB from region to region, one secondary",
}


def lines(table: str) -> list[list[str]]:
    """The cells of a table whose head begins with `table`."""
    body = TEXT.split(f"| {table} | how many | price | USD |\n", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body]


def number(text: str) -> float:
    return float(text.replace(",", ""))


def quantity(text: str) -> float:
    """Read `43,200 x 2 + 2,880 x 2`."""
    return sum(prod(number(factor) for factor in term.split("x")) for term in text.split("+"))


def cost(line: list[str]) -> float:
    price, per = line[2].split("/")
    return quantity(line[1]) * number(price) / number(per)


@pytest.mark.parametrize("table", SUMS)
def test_each_line_is_its_quantity_times_its_price_and_the_sum_is_at_the_top(table: str) -> None:
    found = lines(table)
    for line in found:
        assert line[3] == f"{cost(line):.2f}", line[0]
    (total,) = re.findall(rf"^\| {re.escape(SUMS[table])} \| ([\d.]+) \|$", TEXT, re.MULTILINE)
    assert total == f"{sum(map(cost, found)):.2f}"


@pytest.mark.parametrize(
    ("table", "what", "row", "name", "factor"),
    [
        ("secondary", "DynamoDB, read", "minute of a secondary", "items read", "43,200 x {}"),
        ("secondary", "DynamoDB, written", "minute of a secondary", "items written", "43,200 x {} + 43,200 x 1"),
        ("secondary", "SNS", "minute of a secondary", "sns:Subscribe", "43,200"),
        ("secondary", "SQS, the", "minute of a secondary", "sqs:GetQueueAttributes", "43,200 x 2 + 43,200 x {}"),
        ("primary", "DynamoDB, written", "minute of a primary", "items written", "43,200 x {}"),
        ("primary", "Secrets Manager, calls", "minute of a primary", "secretsmanager:GetSecretValue", "43,200 x {} +"),
        ("push", "DynamoDB, read", "sync of a push", "items read", "1,000 x {}"),
        ("push", "DynamoDB, written", "sync of a push", "items written", "1,000 x {} x 4"),
        ("push", "DynamoDB, read", "intake of a push", "items read", "1,000 x 16 + 1,000 x {}"),
        ("push", "DynamoDB, written", "intake of a push", "items written", "1,000 x 13 x 4 + 1,000 x {} x 4"),
        ("pull", "DynamoDB, read", "pull of a manifest by tag", "items read", "1,000,000 x {}"),
        ("push", "DynamoDB, the event log", "notification of a push", "items written", "1,000 x {} x 2"),
    ],
)
def test_quantities_are_those_that_were_counted(table: str, what: str, row: str, name: str, factor: str) -> None:
    (line,) = [line for line in lines(table) if line[0].startswith(what)]
    assert line[1].startswith(factor.format(on_the_page(row)[name]))


@pytest.mark.parametrize("table", ["primary", "secondary"])
def test_what_the_template_makes_is_counted(table: str) -> None:
    many = {line[0]: quantity(line[1]) for line in lines(table)}
    alarms = of_type("AWS::CloudWatch::Alarm").keys()
    assert many["CloudWatch, alarms"] == len([name for name in alarms if "Condition" not in RESOURCES[name]])
    assert many["CloudWatch, dashboard"] == len(of_type("AWS::CloudWatch::Dashboard"))
    (secrets,) = [name for name in many if name.startswith("Secrets Manager, secrets")]
    assert many[secrets] == len(of_type("AWS::SecretsManager::Secret")) + (
        2 if "two of the registries" in secrets else 0
    )
    queues = [one for one in of_type("AWS::SQS::Queue").values() if one.get("ReceiveMessageWaitTimeSeconds")]
    assert {one["ReceiveMessageWaitTimeSeconds"] for one in queues} == {20}
    assert many["SQS, polls"] == 43_200 * len(queues) * 5 * 60 / 20


def test_every_price_is_one_of_the_module_s() -> None:
    known = {round(price, 15) for price in vars(prices).values() if isinstance(price, float)}
    for table in SUMS:
        for line in lines(table):
            price, per = line[2].split("/")
            assert round(number(price) / number(per), 15) in known, line[0]
    assert f"listed in\n{prices.LISTED}" in TEXT


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_the_months_by_number_of_repositories_are_what_the_module_makes(role: str) -> None:
    columns = (10, 1_000, 100_000)
    scenario = [of_scenario(role, repositories=n, tags=10, pushes=30, copied_bytes=30 * 50_000_000) for n in columns]
    months = [parts_of(month) for month in scenario]
    rows = [(row[0].what, *(one.usd for one in row)) for row in zip(*months, strict=True)]
    expected = [*rows, ("in all", *map(total_usd, months))]
    table = TEXT.split(f"| {role}, USD | 10 | 1,000 | 100,000 |\n", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    assert table == [f"| {what} | {' | '.join(f'{usd:,.2f}' for usd in month)} |" for what, *month in expected]


def test_the_module_reckons_with_the_counts_of_the_page() -> None:
    for role in costs.IDLE_USD:
        (total,) = re.findall(rf"^\| {re.escape(SUMS[role])} \| ([\d.]+) \|$", TEXT, re.MULTILINE)
        assert costs.IDLE_USD[role] == float(total)
    intake, sync = on_the_page("intake of a push"), on_the_page("sync of a push")
    assert intake["items read"] + sync["items read"] == costs.PUSH_READS
    assert 4 * (intake["items written"] + sync["items written"]) == costs.PUSH_UNITS
    assert 2 * on_the_page("notification of a push")["items written"] == costs.EVENT_LOG_UNITS
    (polled,) = [line[1] for line in lines("push") if line[0].startswith("SQS")]
    assert quantity(polled) == pytest.approx(1_000 * costs.PUSH_SQS)


def test_an_unknown_quantity_of_a_month_makes_its_sum_unknown() -> None:
    found = {part.what: part.usd for part in parts_of(costs.SiteMonth(role="secondary", pushes=0, copied_bytes=0))}
    assert found["pushes"] == 0
    assert found["comparisons"] is None
    assert found["storage of the tables"] is None
    assert total_usd(parts_of(costs.SiteMonth(role="secondary"))) is None


def test_settings_are_by_default_those_of_the_template() -> None:
    names = ("Architecture", "SyncMemory", "ComparisonSeconds", "VerificationSeconds")
    architecture, memory_mb, comparison_s, verification_s = (PARAMETERS[name]["Default"] for name in names)
    sync_gb = round(memory_mb / 1024, 2)
    said = Settings(
        architecture=architecture, sync_gb=sync_gb, comparison_s=comparison_s, verification_s=verification_s
    )
    assert said == Settings()


def usd(role: str = "secondary", **settings: Any) -> dict[str, float | None]:
    """The parts of a month of 100 repositories."""
    month = of_scenario(role, repositories=100, tags=10, pushes=30, copied_bytes=costs.GB)
    return {part.what: part.usd for part in parts_of(replace(month, settings=Settings(**settings)))}


def test_comparisons_and_verifications_are_as_many_as_the_parameters_say() -> None:
    day, hour, none = usd(), usd(comparison_s=3_600, verification_s=86_400), usd(comparison_s=0, verification_s=0)
    assert hour["comparisons"] == pytest.approx(24 * (day["comparisons"] or 0))
    assert hour["verifications"] == pytest.approx(7 * (day["verifications"] or 0))
    assert (none["comparisons"], none["verifications"]) == (0, 0)
    assert usd(comparison_s=1) == usd(comparison_s=60), "a minute begins no more than one"


def test_a_site_that_never_compares_pays_nothing_for_it_however_many_repositories_there_are() -> None:
    month = costs.SiteMonth(role="secondary", settings=Settings(comparison_s=0, verification_s=0))
    found = {part.what: part.usd for part in parts_of(month)}
    assert (found["comparisons"], found["verifications"], found["recount of the rows"]) == (0, 0, None)


def test_memory_and_architecture_are_in_the_price_of_lambda() -> None:
    (plain, double), x86_64 = (usd(sync_gb=gb) for gb in (1.73, 2 * 1.73)), usd(architecture="x86_64")
    copied = "bytes: time of functions/sync"
    assert double[copied] == pytest.approx(2 * (plain[copied] or 0))
    dearer = prices.LAMBDA_X86_64_GB_S / prices.LAMBDA_GB_S
    assert x86_64[copied] == pytest.approx(dearer * (plain[copied] or 0))
    for part in ("pushes", "comparisons", "verifications"):
        assert (double[part] or 0) > (plain[part] or 0)
        assert (x86_64[part] or 0) > (plain[part] or 0)


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_an_idle_month_on_x86_64_has_its_gb_seconds_at_their_price(role: str) -> None:
    (line,) = [line for line in lines(role) if line[0].startswith("Lambda, GB-seconds")]
    assert quantity(line[1]) == costs.IDLE_GB_S[role]
    more = (usd(role, architecture="x86_64")["idle"] or 0) - costs.IDLE_USD[role]
    assert more == pytest.approx(costs.IDLE_GB_S[role] * (prices.LAMBDA_X86_64_GB_S - prices.LAMBDA_GB_S))


def test_recovery_is_charged_for_less_than_is_stored() -> None:
    month = costs.SiteMonth(role="primary", pushes=0, table_bytes=30 * costs.GB, recovery_bytes=10 * costs.GB)
    found = {part.what: part.usd for part in parts_of(month)}
    assert found["storage of the tables"] == pytest.approx(30 * prices.DYNAMODB_GB_MONTH)
    assert found["their point-in-time recovery"] == pytest.approx(10 * prices.DYNAMODB_PITR_GB_MONTH)

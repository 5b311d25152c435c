import json
import re
from typing import Any

import pytest
from release.package import ARCHITECTURES
from tests.unit.template.parts import FUNCTIONS, PARAMETERS, RESOURCES, ROOT, TEMPLATE, of_type

from geosync.admin.gate import REPORT
from geosync.admin.settings import AdminSettings
from geosync.intake.settings import IntakeSettings
from geosync.minute.settings import ReconcileSettings
from geosync.notifications.formats import ecr
from geosync.notifications.settings import NotificationSettings
from geosync.pair.settings import SyncSettings
from geosync.reading.settings import PullSettings
from geosync.settings import keys

SETTINGS: dict[str, type[Any]] = {
    "AdminFunction": AdminSettings,
    "LogCursorFunction": IntakeSettings,
    "NotificationsFunction": NotificationSettings,
    "PullFunction": PullSettings,
    "ReconcileFunction": ReconcileSettings,
    "SyncFunction": SyncSettings,
}
SHARED = TEMPLATE["Globals"]["Function"]
# Read by the logger itself.
LOGGERS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL"}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_gets_the_environment_that_its_settings_read_no_more_and_no_less(name: str) -> None:
    given = {**SHARED["Environment"]["Variables"], **FUNCTIONS[name]["Environment"]["Variables"]}
    assert set(given) == keys(SETTINGS[name]) | LOGGERS


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_s_lines_name_it(name: str) -> None:
    variables = FUNCTIONS[name]["Environment"]["Variables"]
    service = FUNCTIONS[name]["CodeUri"].removeprefix("functions/").replace("_", "-")
    assert variables["POWERTOOLS_SERVICE_NAME"] == f"geosync-{service}"
    assert FUNCTIONS[name]["FunctionName"] == {"Fn::Sub": f"geosync-${{SiteName}}-{service}"}


def test_each_function_has_its_folder_and_its_timeout() -> None:
    folders = {properties["CodeUri"] for properties in FUNCTIONS.values()}
    assert folders == {
        f"functions/{name}" for name in ("notifications", "log_cursor", "sync", "reconcile", "admin", "pull")
    }
    timeouts = {name: properties["Timeout"] for name, properties in FUNCTIONS.items()}
    # A registry waits 0.5 s and sends again; 900 s is Lambda's longest; a minute later the next reconcile is due; API
    # Gateway waits 29 s for an answer. An event that its function died over comes back soon after 120 s.
    assert timeouts == {
        "NotificationsFunction": 10,
        "LogCursorFunction": 120,
        "SyncFunction": 900,
        "ReconcileFunction": 60,
        "AdminFunction": 29,
        "PullFunction": 29,
    }
    assert FUNCTIONS["ReconcileFunction"]["Events"]["EveryMinute"]["Properties"]["Schedule"] == "rate(1 minute)"


def test_the_share_of_a_processor_that_the_comments_name_follows_from_the_memory() -> None:
    text = (ROOT / "template.yaml").read_text()
    for memory, share in re.findall(r"(\d+)/1769 = (0\.\d+)", text):
        assert round(int(memory) / 1769, 2) == float(share)
        assert f"MemorySize: {memory} " in text
    assert FUNCTIONS["SyncFunction"]["MemorySize"] == {"Ref": "SyncMemory"}
    assert PARAMETERS["SyncMemory"]["Default"] == 1769


def test_only_the_functions_that_reach_a_registry_are_in_the_vpc() -> None:
    inside = [name for name, properties in FUNCTIONS.items() if "VpcConfig" in properties]
    assert inside == ["SyncFunction", "PullFunction"]
    assert all(FUNCTIONS[name]["VpcConfig"]["Fn::If"][0] == "HasSubnets" for name in inside)


def test_the_endpoint_has_the_path_that_gitlab_documents() -> None:
    api = of_type("AWS::Serverless::Api")["NotificationsApi"]
    event = FUNCTIONS["NotificationsFunction"]["Events"]["Notification"]["Properties"]
    assert f"/{api['StageName']}{event['Path']}" == "/api/v4/container_registry_event/events"
    assert event["Method"] == "POST"
    assert api["EndpointConfiguration"] == {"Type": "REGIONAL"}


def test_the_endpoint_is_throttled() -> None:
    settings, _ = of_type("AWS::Serverless::Api")["NotificationsApi"]["MethodSettings"]
    assert settings["ResourcePath"] == "/*"
    assert settings["ThrottlingRateLimit"] == {"Ref": "NotificationRate"}
    assert settings["ThrottlingBurstLimit"] == {"Ref": "NotificationBurst"}


@pytest.mark.parametrize("api", ["NotificationsApi", "AdminApi", "PullApi"])
def test_access_logs_hold_nothing_that_a_client_put_into_a_header_or_a_body(api: str) -> None:
    log = of_type("AWS::Serverless::Api")[api]["AccessLogSetting"]["Fn::If"][1]
    variables = set(re.findall(r"\$(\w+(?:\.\w+)*)", log["Format"]))
    assert variables == {
        "context.error.responseType",
        "context.httpMethod",
        "context.identity.sourceIp",
        "context.integrationLatency",
        "context.path",
        "context.requestId",
        "context.requestTimeEpoch",
        "context.responseLatency",
        "context.responseLength",
        "context.status",
    }


@pytest.mark.parametrize("secret", sorted(of_type("AWS::SecretsManager::Secret")))
def test_a_token_is_made_here_of_letters_and_digits_alone(secret: str) -> None:
    made = RESOURCES[secret]["Properties"]["GenerateSecretString"]
    printable = {chr(code) for code in range(33, 127)}
    left = printable - set(made["ExcludeCharacters"])
    assert left == {character for character in printable if character.isalnum()}
    assert made["PasswordLength"] == 48


@pytest.mark.parametrize("table", sorted(of_type("AWS::DynamoDB::Table")))
def test_tables_outlive_the_stack_and_forget_by_themselves(table: str) -> None:
    resource = RESOURCES[table]
    # Of a deployment that fails at once nothing is left that nobody knows of.
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    properties = resource["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expire_at", "Enabled": True}
    # A name of ours would collide with the table that an earlier stack left.
    assert "TableName" not in properties


def test_only_functions_admin_loads_what_only_it_needs() -> None:
    loading = [name for name, properties in FUNCTIONS.items() if {"Ref": "AdminLayer"} in properties.get("Layers", [])]
    assert loading == ["AdminFunction"]
    assert SHARED["Layers"] == [{"Ref": "GeosyncLayer"}, {"Ref": "DependenciesLayer"}]


def test_the_admin_api_has_an_address_and_source_ranges_of_its_own() -> None:
    api = of_type("AWS::Serverless::Api")["AdminApi"]
    events = [event["Properties"] for event in FUNCTIONS["AdminFunction"]["Events"].values()]
    assert {event["RestApiId"]["Ref"] for event in events} == {"AdminApi"}
    ranges, _, report = api["Auth"]["ResourcePolicy"]["CustomStatements"]
    condition, restricted, anywhere = ranges["Fn::If"]
    assert condition == "HasAdminSourceRanges"
    assert restricted.pop("Condition") == {"IpAddress": {"aws:SourceIp": {"Ref": "AdminSourceRanges"}}}
    assert restricted == anywhere
    # What the sites report themselves is the one thing that comes from anywhere, and the path is the function's own.
    assert report["Resource"] == f"execute-api:/{api['StageName']}/POST{REPORT}"
    assert {"Path": REPORT, "Method": "POST", "RestApiId": {"Ref": "AdminApi"}} in events


def test_layers_are_built_for_the_processor_and_runtime_that_the_functions_have() -> None:
    makefile = "".join((ROOT / "layers" / name).read_text() for name in ("packages.mk", "bytecode.mk"))
    root = (ROOT / "Makefile").read_text()
    for name in ("ARCHITECTURE", "RUNTIME"):
        default = PARAMETERS[name.title()]["Default"]
        assert f"{name} ?= {default}\n" in makefile
    assert f"RUNTIME ?= {PARAMETERS['Runtime']['Default']}\n" in root
    assert sorted(ARCHITECTURES) == sorted(PARAMETERS["Architecture"]["AllowedValues"])


def test_the_code_runs_on_every_runtime_that_can_be_chosen() -> None:
    assert PARAMETERS["Runtime"]["AllowedValues"] == [f"python3.{minor}" for minor in (11, 12, 13, 14)]
    assert PARAMETERS["Runtime"]["Default"] == PARAMETERS["Runtime"]["AllowedValues"][-1]
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()


def _matches(ways: list[dict[str, list[str]]], detail: dict[str, str]) -> bool:
    """As EventBridge reads `$or`: one of the ways, all of its fields."""
    return any(all(detail.get(key) in allowed for key, allowed in way.items()) for way in ways)


def test_events_of_ecr_reach_the_function_only_where_they_are_asked_for() -> None:
    for name in ("EcrEvents", "EcrEventsInvokeNotifications"):
        assert RESOURCES[name]["Condition"] == "TakesEcrEvents"
    assert TEMPLATE["Conditions"]["TakesEcrEvents"] == {"Fn::Equals": [{"Ref": "NotificationSource"}, "ecr"]}
    rule = RESOURCES["EcrEvents"]["Properties"]
    pattern = rule["EventPattern"]
    assert pattern["source"] == [ecr.SOURCE]
    assert set(pattern["detail-type"]) == ecr.DETAIL_TYPES
    restored = {"result": "SUCCESS", "action-type": "UPDATE_STORAGE_CLASS", "target-storage-class": "STANDARD"}
    for name in ("push", "delete"):
        sample = json.loads((ROOT / "events" / "functions" / f"notifications-ecr-{name}.json").read_text())
        assert sample["detail-type"] in pattern["detail-type"]
        assert _matches(pattern["detail"]["$or"], sample["detail"])
    assert _matches(pattern["detail"]["$or"], {"result": "SUCCESS", "action-type": "REPLICATE"})
    assert _matches(pattern["detail"]["$or"], {"sync-status": "SUCCESS"})
    assert _matches(pattern["detail"]["$or"], restored)
    assert not _matches(pattern["detail"]["$or"], restored | {"target-storage-class": "ARCHIVE"})
    assert not _matches(pattern["detail"]["$or"], {"result": "FAILED", "action-type": "REPLICATE"})
    permission = RESOURCES["EcrEventsInvokeNotifications"]["Properties"]
    assert permission["SourceArn"] == {"Fn::GetAtt": ["EcrEvents", "Arn"]}


def test_executions_are_reserved_for_the_endpoint_only_where_they_are_asked_for() -> None:
    reserved = FUNCTIONS["NotificationsFunction"]["ReservedConcurrentExecutions"]
    condition, number, none = reserved["Fn::If"]
    assert TEMPLATE["Conditions"][condition] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "NotificationsReservedConcurrency"}, 0]}]
    }
    assert (number, none) == ({"Ref": "NotificationsReservedConcurrency"}, {"Ref": "AWS::NoValue"})
    assert PARAMETERS["NotificationsReservedConcurrency"]["Default"] == 0


def test_the_first_four_pushes_never_wait_for_each_other() -> None:
    defaults = {name: PARAMETERS[f"{name}Concurrency"]["Default"] for name in ("Events", "Live", "Work")}
    assert defaults["Live"] > 4
    text = (ROOT / "template.yaml").read_text()
    assert f"{' + '.join(map(str, defaults.values()))} = {sum(defaults.values())}" in text


def test_the_function_that_marks_reads_no_secret_and_is_in_no_vpc() -> None:
    marking = FUNCTIONS["LogCursorFunction"]
    assert "VpcConfig" not in marking
    assert not [name for name in marking["Environment"]["Variables"] if "SECRET" in name]


def test_reads_are_off_unless_somebody_wants_them_and_nothing_of_them_is_there_then() -> None:
    assert PARAMETERS["Reads"]["Default"] == "off"
    of_reads = {name for name in RESOURCES if name.startswith("Pull")}
    conditions = {RESOURCES[name]["Condition"] for name in of_reads}
    assert conditions == {"HasReads", "HasReadsDomain", "HasReadsAccessLogs"}
    for condition in conditions - {"HasReads"}:
        assert TEMPLATE["Conditions"][condition]["Fn::And"][0] == {"Condition": "HasReads"}


def test_a_client_learns_where_to_get_a_token_from_api_gateway_s_own_answer_and_no_verdict_is_kept() -> None:
    api = of_type("AWS::Serverless::Api")["PullApi"]
    (authorizer,) = api["Auth"]["Authorizers"].values()
    assert authorizer["FunctionArn"] == {"Fn::GetAtt": ["PullFunction", "Arn"]}
    assert authorizer["Identity"] == {"ReauthorizeEvery": 0}
    denied = api["GatewayResponses"]["ACCESS_DENIED"]
    assert denied["StatusCode"] == 401
    condition, token, password = denied["ResponseParameters"]["Headers"]["WWW-Authenticate"]["Fn::If"]
    assert condition == "HasReadsTokenUrl"
    assert token["Fn::Sub"] == """'Bearer realm="${ReadsTokenUrl}",service="${ReadsTokenService}"'"""
    assert password == """'Basic realm="registry"'"""
    shown = TEMPLATE["Outputs"]["ReadsChallenge"]["Value"]["Fn::If"]
    assert [condition, f"'{shown[1]['Fn::Sub']}'", f"'{shown[2]}'"] == [condition, token["Fn::Sub"], password]
    assert json.loads(denied["ResponseTemplates"]["application/json"])["errors"][0]["code"] == "UNAUTHORIZED"


def test_a_registry_s_api_is_at_the_root_of_its_domain() -> None:
    assert "BasePath" not in RESOURCES["PullDomainMapping"]["Properties"]
    paths = {event["Properties"]["Path"] for event in FUNCTIONS["PullFunction"]["Events"].values()}
    assert paths == {"/{proxy+}"}

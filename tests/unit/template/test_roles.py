"""Who may do what: a role per function, the least that it needs, and nothing that depends on the site's role."""

from typing import Any

import pytest
from tests.unit.template.parts import (
    FUNCTIONS,
    LINES,
    RESOURCES,
    TEMPLATE,
    actions,
    as_list,
    of_type,
    refers_to,
    statements,
    walk,
)

from geosync.copying.s3 import showing
from geosync.sync_registry.items import SITE
from geosync.sync_registry.shared_blobs import PREFIX
from geosync.sync_registry.site.outbox import OUTBOX

OWN_ARN = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:geosync-${SiteName}-sync"
ADMIN_TOKENS = ("AdminReadToken", "AdminActToken")
ROLES = {name: properties["Role"]["Fn::GetAtt"][0] for name, properties in FUNCTIONS.items()}


def test_each_function_has_a_role_of_its_own_that_only_lambda_takes() -> None:
    assert len(set(ROLES.values())) == len(FUNCTIONS) == 6
    for role in ROLES.values():
        trust = RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust == [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]


def test_no_function_has_a_managed_policy_or_one_made_by_sam() -> None:
    for name, role in ROLES.items():
        assert "ManagedPolicyArns" not in RESOURCES[role]["Properties"]
        assert "Policies" not in FUNCTIONS[name]


@pytest.mark.parametrize("role", sorted(ROLES.values()))
def test_no_action_is_a_pattern(role: str) -> None:
    for statement in statements(role):
        for action in actions(statement):
            assert "*" not in action, statement["Sid"]


def test_only_an_action_without_narrower_resources_is_allowed_on_all_and_says_why() -> None:
    everywhere = [
        statement for role in ROLES.values() for statement in statements(role) if "*" in as_list(statement["Resource"])
    ]
    assert {statement["Sid"] for statement in everywhere} == {
        "KeepItsNetworkInterface",
        "LeaveItToLambda",
        "GetEcrTokens",
        "SendTraces",
    }
    for statement in everywhere:
        line = next(number for number, text in enumerate(LINES) if f"Sid: {statement['Sid']}" in text)
        assert LINES[line - 1].strip().startswith("#")
        assert "resource" in LINES[line - 1]


@pytest.mark.parametrize("role", sorted(ROLES.values()))
def test_each_statement_has_its_reason_beside_it(role: str) -> None:
    for statement in statements(role):
        line = next(number for number, text in enumerate(LINES) if f"Sid: {statement['Sid']}" in text)
        # Writing the function's own log is its own reason.
        assert LINES[line - 1].strip().startswith("#") or statement["Sid"] == "WriteItsLog", statement["Sid"]


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_writes_its_own_log_group_and_no_other(name: str) -> None:
    group = FUNCTIONS[name]["LoggingConfig"]["LogGroup"]["Ref"]
    writes = [
        statement
        for statement in statements(ROLES[name])
        if any(action.startswith("logs:") for action in actions(statement))
    ]
    assert [statement["Resource"] for statement in writes] == [{"Fn::GetAtt": [group, "Arn"]}]
    assert RESOURCES[group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_only_the_sync_function_may_read_the_registries_secrets() -> None:
    readers = {
        role
        for role in ROLES.values()
        for _, node in walk(statements(role))
        if refers_to(node, "LocalRegistrySecretArn") or refers_to(node, "PrimaryRegistrySecretArn")
    }
    assert readers == {ROLES["SyncFunction"]}


def test_the_function_that_clients_reach_reads_no_secret_and_deletes_nothing() -> None:
    allowed = {action for statement in statements(ROLES["PullFunction"]) for action in actions(statement)}
    assert not [action for action in allowed if "secretsmanager" in action or "Delete" in action.partition("ec2:")[0]]
    assert not [name for name in FUNCTIONS["PullFunction"]["Environment"]["Variables"] if "SECRET" in name]


def test_the_admin_function_reads_its_own_tokens_and_no_other_secret() -> None:
    (reading,) = [
        statement
        for statement in statements(ROLES["AdminFunction"])
        if any("secretsmanager" in action for action in as_list(statement["Action"]))
    ]
    assert reading["Resource"] == [{"Fn::GetAtt": ["AdminReadToken", "Id"]}, {"Fn::GetAtt": ["AdminActToken", "Id"]}]
    others = {role for role in ROLES.values() if role != ROLES["AdminFunction"]}
    for role in others:
        assert not any(refers_to(node, name) for name in ADMIN_TOKENS for _, node in walk(statements(role)))


def test_the_admin_function_changes_no_event_and_deletes_nothing_of_a_repository() -> None:
    by_name = {statement["Sid"]: statement for statement in statements(ROLES["AdminFunction"])}
    assert by_name["WriteTheAuditLog"]["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["audit#*"]}
    }
    assert by_name["DeleteItemsOfTheSite"]["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [SITE, "#rows-of#*"]}
    }
    deleting = [name for name, one in by_name.items() if "dynamodb:DeleteItem" in as_list(one["Action"])]
    assert deleting == ["DeleteItemsOfTheSite"]


def test_the_function_that_writes_events_cannot_overwrite_the_audit_log() -> None:
    (writing,) = [one for one in statements(ROLES["NotificationsFunction"]) if one["Sid"] == "WriteTheEventLog"]
    assert writing["Condition"] == {"ForAllValues:StringNotLike": {"dynamodb:LeadingKeys": ["audit#*", "audit-*"]}}


def test_the_sync_functions_batches_write_only_blob_hints_and_the_outbox() -> None:
    batches = [one for one in statements(ROLES["SyncFunction"]) if "dynamodb:BatchWriteItem" in actions(one)]
    assert [one["Condition"] for one in batches] == [
        {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{prefix}*"]}} for prefix in (PREFIX, OUTBOX)
    ]
    assert not any("dynamodb:PutItem" in actions(one) for one in statements(ROLES["SyncFunction"]))


def test_no_function_may_read_a_secret_that_it_is_not_told_of() -> None:
    for name, role in ROLES.items():
        variables = str(FUNCTIONS[name]["Environment"]["Variables"])
        for statement in statements(role):
            if "secretsmanager:GetSecretValue" in actions(statement):
                for resource in as_list(statement["Resource"]):
                    secret = resource["Fn::If"][1] if "Fn::If" in resource else resource
                    assert str(secret) in variables


@pytest.mark.parametrize("parameter", ["SiteRole", "PrimaryTopicArn", "PrimaryAdminUrl"])
def test_nothing_but_environment_values_depends_on_the_role(parameter: str) -> None:
    places = [
        path
        for section in ("Globals", "Conditions", "Resources", "Outputs")
        for path, node in walk(TEMPLATE[section], (section,))
        if refers_to(node, parameter)
    ]
    assert places
    for path in places:
        assert path[-3:-1] == ("Environment", "Variables"), path


def test_the_topic_of_any_site_can_be_followed_without_a_change_of_policy() -> None:
    follow = next(s for s in statements(ROLES["ReconcileFunction"]) if s["Sid"] == "FollowThePrimary")
    assert follow["Resource"] == {"Fn::Sub": "arn:${AWS::Partition}:sns:*:*:geosync-*"}
    assert of_type("AWS::SNS::Topic")["Topic"]["TopicName"] == {"Fn::Sub": "geosync-${SiteName}"}


def test_ecr_is_for_who_asks_for_it_and_for_the_registries_accounts_and_regions_only() -> None:
    assert RESOURCES["EcrPolicy"]["Condition"] == "UsesEcr"
    of_ecr = [one for one in statements(ROLES["SyncFunction"]) if actions(one)[0].startswith(("ecr:", "sts:"))]
    scoped = [one for one in of_ecr if one["Sid"] not in ("GetEcrTokens", "AssumeEcrRoles")]
    assert {one["Sid"] for one in scoped} == {"ManageEcr", "PushToEcr", "ListEcr", "PullFromEcr"}
    for statement in scoped:
        text, names = statement["Resource"]["Fn::Sub"]
        assert text.startswith("arn:${AWS::Partition}:ecr:${Region}:${Account}:repository/")
        url = "LocalRegistryUrl" if statement["Sid"] in ("ManageEcr", "PushToEcr") else "PrimaryRegistryUrl"
        assert names["Account"] == split(url)
        assert f"${{{url}}}." in str(names["Region"])  # test_ecr_addresses.py: what comes of it
    writing = {action for one in of_ecr if one["Sid"] in ("ListEcr", "PullFromEcr") for action in actions(one)}
    assert not {action for action in writing if "Put" in action or "Upload" in action or "Create" in action}


def test_buckets_are_for_who_names_both_and_for_the_keys_of_layers_only() -> None:
    assert RESOURCES["S3Policy"]["Condition"] == "CopiesInsideS3"
    both = {"PrimaryRegistryBucket", "LocalRegistryBucket"}
    conditions = TEMPLATE["Conditions"]["CopiesInsideS3"]["Fn::And"]
    assert conditions == [{"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]} for name in sorted(both, reverse=True)]
    layer, link = "docker/registry/v2/blobs/sha256/*/data", "_layers/sha256/*/link"
    found = {}
    for statement in statements(ROLES["SyncFunction"]):
        if actions(statement)[0].startswith("s3:"):
            text = statement["Resource"]["Fn::Sub"]
            found[statement["Sid"]] = (actions(statement), text if isinstance(text, str) else text[0])
    arn = "arn:${AWS::Partition}:s3:::"
    repository = f"{arn}${{LocalRegistryBucket}}/docker/registry/v2/repositories"
    assert found == {
        "ReadThePrimarysLayers": (["s3:GetObject"], f"{arn}${{PrimaryRegistryBucket}}/{layer}"),
        "PutLayers": (["s3:PutObject", "s3:AbortMultipartUpload"], f"{arn}${{LocalRegistryBucket}}/{layer}"),
        "LinkLayers": (["s3:PutObject"], f"{repository}/${{Names}}/{link}"),
        "UnlinkTheProbe": (["s3:DeleteObject"], f"{repository}/${{Name}}/{link}"),
    }


def test_the_keys_of_the_buckets_are_used_through_s3_only() -> None:
    by_name = {one["Sid"]: one for one in statements(ROLES["SyncFunction"])}
    for name in ("DecryptThePrimarysLayers", "EncryptLayers"):
        assert by_name[name]["Condition"] == {"StringLike": {"kms:ViaService": {"Fn::Sub": "s3.*.${AWS::URLSuffix}"}}}
    assert actions(by_name["DecryptThePrimarysLayers"]) == ["kms:Decrypt"]


def test_the_links_that_may_be_deleted_are_those_of_the_probe() -> None:
    unlink = next(one for one in statements(ROLES["SyncFunction"]) if one["Sid"] == "UnlinkTheProbe")
    condition, prefixed, plain = unlink["Resource"]["Fn::Sub"][1]["Name"]["Fn::If"]
    assert condition == "HasRepositoryPrefix"
    assert (prefixed, plain) == ({"Fn::Sub": f"${{RepositoryPrefix}}/{showing.REPOSITORY}"}, showing.REPOSITORY)


def split(url: str) -> dict[str, Any]:
    """The first label of a URL's host, as the template takes it."""
    host = {"Fn::Select": [1, {"Fn::Split": ["//", {"Ref": url}]}]}
    return {"Fn::Select": [0, {"Fn::Split": [".", host]}]}


def test_only_queues_follow_the_topic() -> None:
    allowing: list[dict[str, Any]] = [
        statement
        for statement in RESOURCES["TopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement.get("Effect") == "Allow"
    ]
    assert [statement["Action"] for statement in allowing] == ["sns:Subscribe"]
    condition = allowing[0]["Condition"]
    assert condition["StringEquals"] == {"sns:Protocol": "sqs"}
    assert condition["StringLike"]["sns:Endpoint"]["Fn::If"][2] == {"Fn::Sub": "arn:*:sqs:*:${AWS::AccountId}:*"}
    assert allowing[0]["Principal"]["AWS"]["Fn::If"][2] == {"Ref": "AWS::AccountId"}


def test_a_site_subscribes_its_own_queue_and_nothing_else() -> None:
    (following,) = [one for one in statements(ROLES["ReconcileFunction"]) if one["Sid"] == "FollowThePrimary"]
    own = {"Fn::GetAtt": ["EventsQueue", "Arn"]}
    assert following["Condition"] == {"StringEqualsIfExists": {"sns:Protocol": "sqs", "sns:Endpoint": own}}


def test_the_sync_function_in_the_vpc_may_not_use_lambdas_own_permissions() -> None:
    by_name = {one["Sid"]: one for one in statements(ROLES["SyncFunction"])}
    keeping, leaving = by_name["KeepItsNetworkInterface"], by_name["LeaveItToLambda"]
    assert (keeping["Effect"], leaving["Effect"]) == ("Allow", "Deny")
    assert leaving["Action"] == keeping["Action"]
    assert leaving["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": {"Fn::Sub": OWN_ARN}}}
    assert FUNCTIONS["SyncFunction"]["FunctionName"] == {"Fn::Sub": OWN_ARN.partition("function:")[2]}


def test_no_function_in_the_vpc_may_use_lambdas_own_permissions() -> None:
    by_name = {one["Sid"]: one for one in statements(ROLES["PullFunction"])}
    assert by_name["LeaveItToLambda"]["Action"] == by_name["KeepItsNetworkInterface"]["Action"]
    own = OWN_ARN.replace("-sync", "-pull")
    assert by_name["LeaveItToLambda"]["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": {"Fn::Sub": own}}}


def test_the_topic_and_each_queue_refuse_what_comes_without_tls() -> None:
    refusing = [
        statement
        for policy in (*of_type("AWS::SQS::QueuePolicy").values(), *of_type("AWS::SNS::TopicPolicy").values())
        for _, statement in walk(policy["PolicyDocument"])
        if isinstance(statement, dict) and statement.get("Sid") == "TlsOnly"
    ]
    for statement in refusing:
        assert statement["Effect"] == "Deny"
        assert statement["Principal"] == "*"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    resources = [str(resource) for statement in refusing for resource in as_list(statement["Resource"])]
    assert sorted(resources) == sorted(
        [
            str({"Ref": "ArrivalsTopic"}),
            str({"Ref": "Topic"}),
            *(
                str({"Fn::GetAtt": [queue, "Arn"]})
                for queue in ("EventsQueue", "LiveQueue", "WorkQueue", "DeadLetterQueue", "MeasurementsQueue")
            ),
        ]
    )
    assert TEMPLATE["Parameters"]["PlainTransport"]["Default"] == "deny"

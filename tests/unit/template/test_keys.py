"""One key of the operator's own: everything that is kept has it, and each role may use it through services alone."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.template.parts import FUNCTIONS, QUEUES, TEMPLATE, actions, of_type, statements

KEY = {"Ref": "KmsKeyArn"}
IF_GIVEN = {"Fn::If": ["HasKey", KEY, {"Ref": "AWS::NoValue"}]}
ROLES = {name: properties["Role"]["Fn::GetAtt"][0] for name, properties in FUNCTIONS.items()}
LOOSE = {"sns:Subscribe", "sqs:GetQueueAttributes"}
"""Actions that read nothing that is encrypted."""


@pytest.mark.parametrize("kind", ["AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"])
def test_each_secret_and_log_has_the_key(kind: str) -> None:
    assert {str(properties["KmsKeyId"]) for properties in of_type(kind).values()} == {str(IF_GIVEN)}


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_each_queue_has_the_key_or_sqs_s_own_which_lets_sns_in(name: str) -> None:
    assert QUEUES[name]["KmsMasterKeyId"] == IF_GIVEN
    assert QUEUES[name]["SqsManagedSseEnabled"] == {"Fn::If": ["HasKey", False, True]}


def test_each_table_has_the_key_or_dynamodb_s_own() -> None:
    for table in of_type("AWS::DynamoDB::Table").values():
        assert table["SSESpecification"] == {
            "Fn::If": [
                "HasKey",
                {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY},
                {"SSEEnabled": False},
            ]
        }


def test_the_topic_has_its_own_key_or_the_one_of_everything() -> None:
    own = {"Ref": "TopicKmsKeyArn"}
    assert of_type("AWS::SNS::Topic")["Topic"]["KmsMasterKeyId"] == {"Fn::If": ["HasTopicKey", own, IF_GIVEN]}


@pytest.mark.parametrize("function", sorted(ROLES))
def test_a_role_may_use_the_key_through_the_services_that_it_uses_and_no_other_way(function: str) -> None:
    (using,) = [one for one in statements(ROLES[function]) if one["Sid"] == "UseTheKey"]
    assert using["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert using["Resource"] == KEY
    used = {
        action.partition(":")[0]
        for statement in statements(ROLES[function])
        for action in actions(statement)
        if action not in LOOSE and statement["Sid"] != "PublishArrivals"  # UseTheKeyForArrivals: test_arrivals.py
    }
    services: list[dict[str, Any]] = using["Condition"]["StringEquals"]["kms:ViaService"]
    assert [one["Fn::Sub"] for one in services] == [
        f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}"
        for service in ("dynamodb", "secretsmanager", "sns", "sqs")
        if service in used
    ]


@pytest.mark.parametrize("function", sorted(ROLES))
def test_every_key_that_a_role_may_use_is_for_services_that_are_named(function: str) -> None:
    for one in statements(ROLES[function]):
        if not any(action.startswith("kms:") for action in actions(one)):
            continue
        condition = one["Condition"]
        services = (condition.get("StringEquals") or condition["StringLike"])["kms:ViaService"]
        for service in services if isinstance(services, list) else [services]:
            name, _, rest = service["Fn::Sub"].partition(".")
            assert name.isalnum(), one["Sid"]
            assert rest.endswith(".${AWS::URLSuffix}"), one["Sid"]


def test_without_a_key_nothing_changes() -> None:
    assert TEMPLATE["Parameters"]["KmsKeyArn"]["Default"] == ""

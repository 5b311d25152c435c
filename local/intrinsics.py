"""The functions of a transformed template (Ref, Fn::If, Fn::Sub, …), resolved for sample parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REGION, ACCOUNT = "eu-west-1", "111122223333"
_PSEUDO: Mapping[str, Any] = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "geosync-dublin",
    "AWS::NoValue": None,
}
SAMPLES: Mapping[str, Any] = {
    "SiteName": "dublin",
    "LocalRegistryUrl": f"https://{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
    "PrimaryRegistryUrl": f"https://{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com",
    "LocalRegistrySecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:local-AbCdEf",
    "PrimaryRegistrySecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:primary-AbCdEf",
    "EcrRoleArns": ["arn:aws:iam::444455556666:role/geosync"],
    "SiteAccountIds": ["444455556666"],
    "SiteStack": "geosync-of-a-sample",
    "WheelBucket": "a-bucket",
    "SubnetIds": ["subnet-0a", "subnet-0b"],
    "SecurityGroupIds": ["sg-0a", "sg-0b"],
    "RegistrySecretArns": [f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:primary-AbCdEf"],
    "PushSecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:canary-AbCdEf",
}
"""Parameters of a site that has everything, and of its drills; for a KMS key's ARN a sample is made."""
_ARNS: Mapping[str, str] = {
    "AWS::CodeBuild::Project": "codebuild:{0}:{1}:project/{2}",
    "AWS::DynamoDB::Table": "dynamodb:{0}:{1}:table/{2}",
    "AWS::Events::Rule": "events:{0}:{1}:rule/{2}",
    "AWS::Lambda::Function": "lambda:{0}:{1}:function:{2}",
    "AWS::Logs::LogGroup": "logs:{0}:{1}:log-group:{2}:*",
    "AWS::SecretsManager::Secret": "secretsmanager:{0}:{1}:secret:{2}-AbCdEf",
    "AWS::SNS::Topic": "sns:{0}:{1}:geosync-{2}",
    "AWS::SQS::Queue": "sqs:{0}:{1}:{2}",
}
_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


class Resolver:
    """Resolves the functions of a transformed template; each condition is as `met` says."""

    def __init__(self, template: Mapping[str, Any], *, met: bool) -> None:
        self._template = template
        self._met = met

    def value(self, node: Any) -> Any:
        """Return `node` without functions; raises KeyError for one that is not known here."""
        if isinstance(node, list):
            return [one for one in map(self.value, node) if one is not None]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (name, argument), *_ = node.items()
            if name == "Ref":
                return self._named(argument)
            if name.startswith("Fn::"):
                return self._called(name, argument)
        values = {key: self.value(one) for key, one in node.items()}
        return {key: one for key, one in values.items() if one is not None}

    def _called(self, name: str, argument: Any) -> Any:
        if name == "Fn::If":
            return self.value(argument[1 if self._met else 2])
        if name == "Fn::GetAtt":
            return self._named(".".join(argument))
        if name == "Fn::Sub":
            text, more = (argument[0], self.value(argument[1])) if isinstance(argument, list) else (argument, {})
            return re.sub(
                r"\$\{([^}]+)\}", lambda found: str(more[found[1]] if found[1] in more else self._named(found[1])), text
            )
        values = self.value(argument)
        calls = {
            "Fn::Join": lambda: values[0].join(values[1]),
            "Fn::Split": lambda: values[1].split(values[0]),
            "Fn::Select": lambda: values[1][int(values[0])],
        }
        return calls[name]()

    def _named(self, name: str) -> Any:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._template["Parameters"]:
            if name.endswith("KmsKeyArn"):
                return _KEY
            return SAMPLES.get(name, self._template["Parameters"][name].get("Default", "x"))
        logical = name.partition(".")[0]
        arn = _ARNS.get(self._template["Resources"][logical]["Type"])
        return f"arn:aws:{arn.format(REGION, ACCOUNT, logical)}" if arn else logical

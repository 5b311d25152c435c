"""Answers API Gateway, as its authorizer, whether a client may come in: the site's own registry decides.

API Gateway renames a function's own WWW-Authenticate, so a client could not learn where to get a token. The answer that
API Gateway makes itself when an authorizer denies may have one: the registry's challenge, which an operator gives
(parameters ReadsTokenUrl, ReadsTokenService). So the same function is asked first, as an authorizer of requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geosync.reading.own_registry import OwnRegistry
from geosync.reading.refusals import ReadRefusal
from geosync.reading.requested import authorization_of


def is_admission(event: Mapping[str, Any]) -> bool:
    """Tell whether API Gateway asks for its authorizer's verdict."""
    return event.get("type") == "REQUEST" and "methodArn" in event


def verdict(event: Mapping[str, Any], registry: OwnRegistry) -> dict[str, Any]:
    """Return the policy for one request: denied only where the site's registry answers `GET /v2/` with 401.

    What the client may do there is checked by the registry with the request itself; a registry that does not answer
    denies nobody.
    """
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    try:
        is_refused = registry.ask("GET", "/v2/", authorization_of(headers), reads=False).status == 401
    except ReadRefusal as refusal:
        is_refused = refusal.code == "UNAUTHORIZED"
    effect = "Deny" if is_refused else "Allow"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {"principalId": "client", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}

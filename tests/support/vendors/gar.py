"""Google Artifact Registry, with Google's token services before it.

Sources: "docker" is "Configure authentication to Artifact Registry for Docker" and "Push and pull images"; "oauth" is
"Using OAuth 2.0 for Server to Server Applications"; "sts" the Security Token Service's REST reference and "Configure
workload identity federation with AWS"; "credentials" the IAM Service Account Credentials API's reference.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.support.scripted import Reply, Request, ScriptedServer
from tests.support.vendors.tokens import TokenDouble, public_key, some_pair

EMAIL = "geosync@my-project.iam.gserviceaccount.com"
AUDIENCE = "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/aws/providers/aws"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
REGION = "eu-west-1"
IMPERSONATION = f"/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/sts/aws4_request, "
    r"SignedHeaders=(?P<headers>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


class GarDouble(TokenDouble):
    """One location. `made` holds the repositories (`project/repository`) that there are."""

    realm_path = "/v2/token"

    def __init__(self, registry: str, *, token_seconds: float = 300.0, access_seconds: float = 3600.0) -> None:
        self.made = {"my-project/geo"}
        self.access_seconds = access_seconds
        self.aws_key, self.aws_secret = "AKIAEXAMPLE", secrets.token_hex(20)
        self._pair = some_pair()
        self._access: dict[str, float] = {}
        self._federated: set[str] = set()
        self._google = ScriptedServer(self._of_google)
        super().__init__(registry, token_seconds=token_seconds)

    @property
    def key_file(self) -> dict[str, Any]:
        return {
            "type": "service_account",
            "project_id": "my-project",
            "private_key_id": "0123456789abcdef",
            "private_key": self._pair.private_key,
            "client_email": EMAIL,
            "client_id": "113774264463038321964",
            "token_uri": f"{self._google.url}/token",
            "universe_domain": "googleapis.com",
        }

    @property
    def secret(self) -> str:
        return json.dumps(self.key_file)

    @property
    def basic_secret(self) -> str:
        """docker, "Service account key": the user `_json_key_base64`, the password the file in base64."""
        password = base64.b64encode(json.dumps(self.key_file).encode()).decode()
        return json.dumps({"type": "basic", "username": "_json_key_base64", "password": password})

    @property
    def federated_secret(self) -> str:
        """What `gcloud iam workload-identity-pools create-cred-config --aws` writes."""
        source = {
            "environment_id": "aws1",
            "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
            "regional_cred_verification_url": (
                "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
            ),
        }
        return json.dumps(
            {
                "type": "external_account",
                "audience": AUDIENCE,
                "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
                "token_url": f"{self._google.url}/v1/token",
                "credential_source": source,
                "service_account_impersonation_url": f"{self._google.url}{IMPERSONATION}",
            }
        )

    def close(self) -> None:
        super().close()
        self._google.close()

    def expire_tokens(self) -> None:
        super().expire_tokens()
        with self._state:
            self._access = dict.fromkeys(self._access, 0.0)

    # ------------------------------------------------------------------------------------------------ Google's services

    def _of_google(self, request: Request) -> Reply:
        services = {"/token": self._oauth, "/v1/token": self._sts, IMPERSONATION: self._credentials}
        if request.method != "POST" or request.path not in services:
            self.break_rule(f"no token service of Google's: {request.method} {request.path}")
            return Reply(status=404)
        return services[request.path](request)

    def _new_access(self) -> str:
        token = f"ya29.{secrets.token_hex(24)}"
        with self._state:
            self._access[token] = time.time() + self.access_seconds
        return token

    def _oauth(self, request: Request) -> Reply:
        # oauth, "Preparing to make an authorized API call": the claims of the assertion.
        form = {key: values[0] for key, values in self.form(request).items()}
        self.asked.append("jwt-bearer")
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            self.break_rule(f"the grant is {form.get('grant_type')}")
        assertion = form.get("assertion", "")
        try:
            key = public_key(self._pair)
            audience = f"{self._google.url}/token"
            claims = jwt.decode(assertion, key, algorithms=["RS256"], audience=audience, issuer=EMAIL)
        except jwt.InvalidTokenError:
            return _grant_error("Invalid JWT Signature.")
        if claims["exp"] - claims["iat"] > 3600 or claims.get("scope") != SCOPE:
            self.break_rule("an assertion lives an hour at most, and says its scope")
        if jwt.get_unverified_header(assertion).get("kid") != "0123456789abcdef":
            self.break_rule("the assertion names the key's id")
        answer = {"access_token": self._new_access(), "expires_in": int(self.access_seconds), "token_type": "Bearer"}
        return self.document(answer)

    def _sts(self, request: Request) -> Reply:
        form = {key: values[0] for key, values in self.form(request).items()}
        self.asked.append("token-exchange")
        if "authorization" in request.headers:
            self.break_rule("sts: do not send the Authorization header")
        expected = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": AUDIENCE,
            "scope": SCOPE,
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        }
        wrong = {key for key, value in expected.items() if form.get(key) != value}
        if wrong:
            self.break_rule(f"a token exchange with another {', '.join(sorted(wrong))}")
        reason = self._judge(json.loads(unquote(form.get("subject_token", "{}"))))
        if reason is not None:
            return _grant_error(reason)
        token = f"ya29.d.{secrets.token_hex(24)}"
        with self._state:
            self._federated.add(token)
        return self.document({"access_token": token, "token_type": "Bearer", "expires_in": 3599})

    def _judge(self, signed: dict[str, Any]) -> str | None:
        """What is wrong with a signed GetCallerIdentity request, as AWS STS would say when Google sends it."""
        headers = {one["key"].lower(): one["value"] for one in signed["headers"]}
        url = urlsplit(signed["url"])
        if signed["method"] != "POST" or "Action=GetCallerIdentity" not in url.query:
            self.break_rule("sts: the request is POST GetCallerIdentity")
        if headers.get("host") != url.hostname or url.hostname != f"sts.{REGION}.amazonaws.com":
            self.break_rule("sts: the host is that of AWS STS, and among the headers")
        if headers.get("x-goog-cloud-target-resource") != AUDIENCE:
            self.break_rule("sts: x-goog-cloud-target-resource is the audience")
        shown = _SIGNED.fullmatch(headers.get("authorization", ""))
        if shown is None or not {"host", "x-amz-date", "x-goog-cloud-target-resource"} <= set(
            shown["headers"].split(";")
        ):
            self.break_rule("sts: host, x-amz-date and x-goog-cloud-target-resource are signed")
            return "the signature is missing"
        covered = {name: headers[name] for name in shown["headers"].split(";")}
        request = AWSRequest(method="POST", url=signed["url"], headers=covered)
        request.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(Credentials(self.aws_key, self.aws_secret), "sts", shown["region"])
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        is_right = shown["key"] == self.aws_key and expected == shown["signature"]
        return None if is_right else "the AWS signature does not match"

    def _credentials(self, request: Request) -> Reply:
        asked = json.loads(request.body)
        self.asked.append("generateAccessToken")
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._federated:
            return Reply(status=403, body=json.dumps({"error": {"code": 403, "status": "PERMISSION_DENIED"}}).encode())
        if asked.get("scope") != [SCOPE] or asked.get("lifetime") != "3600s":
            self.break_rule(f"credentials: scope is a list, lifetime seconds with an s: {asked}")
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.access_seconds))
        return self.document({"accessToken": self._new_access(), "expireTime": ends})

    # ----------------------------------------------------------------------------------------------------- the registry

    def token(self, request: Request) -> Reply:
        user, password = self.basic(request) or ("", "")
        is_access = user == "oauth2accesstoken" and time.time() < self._access.get(password, 0.0)
        is_key = user == "_json_key_base64" and json.loads(base64.b64decode(password or "e30=")) == self.key_file
        self.asked.append(user or "anonymous")
        if not is_access and not is_key:
            return self.error(401, "UNAUTHORIZED", "authentication failed")
        granted = self.scopes(self.query(request).get("scope", []))
        return self.document({"token": self.give(granted), "expires_in": int(self.token_seconds)})

    def let_in(self, request: Request) -> Reply:
        name = self.repository_of(request)
        if name is not None and "/".join(name.split("/")[:2]) not in self.made:
            return self.error(404, "NAME_UNKNOWN", f'Repository "{name.split("/")[1]}" not found')
        if request.method == "PATCH":
            self.break_rule("docker: chunked uploads are not supported")
            return self.error(405, "UNSUPPORTED")
        found = _MANIFEST.fullmatch(request.path)
        if request.method == "DELETE" and found is not None:
            return self._delete(found["name"], found["reference"], request)
        return super().let_in(request)

    def _delete(self, name: str, reference: str, request: Request) -> Reply:
        digests = self.digests(name)
        if reference in digests:
            self.untag(name, reference)
            return Reply(status=202)
        if reference in digests.values():
            return self.error(400, "GOOGLE_MANIFEST_DANGLING_TAG", f"Manifest is still referenced by tag: {reference}")
        return self.forward(request)

    def tags(self, name: str, request: Request) -> Reply:
        digests = self.digests(name)
        manifests: dict[str, Any] = {}
        for tag, digest in digests.items():
            manifests.setdefault(digest, {"tag": [], "mediaType": "", "imageSizeBytes": "0"})["tag"].append(tag)
        for digest in self.without_tags(name):
            manifests[digest] = {"tag": [], "mediaType": "", "imageSizeBytes": "0"}
        names, link = self.page_of(name, request, f"/v2/{name}/tags/list")
        return self.document({"name": name, "tags": names, "manifest": manifests, "child": []}, *link)


def _grant_error(description: str) -> Reply:
    body = json.dumps({"error": "invalid_grant", "error_description": description}).encode()
    return Reply(status=400, headers=[("Content-Type", "application/json")], body=body)

"""Requests and answers of API Gateway's REST proxy, as far as the routes do not deal with them."""

from __future__ import annotations

import base64
import json
from typing import Any

JSON = "application/json"
MOST_BODY = 64 * 1024
"""Characters of a body: the largest useful one names 500 digests, in 37 KiB."""
MOST_PATH = 512
"""Characters of a path: the longest route has 80."""


class HttpRefusal(Exception):
    """A request that is refused. `status` is the answer's; the text says why, and what would be right."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def header(event: dict[str, Any], name: str) -> str | None:
    """The value of a header, whose name is given in lower case; None when it was not sent."""
    headers: dict[str, str] = event.get("headers") or {}
    return next((value for key, value in headers.items() if key.lower() == name), None)


def action(event: dict[str, Any]) -> str:
    """Method and path, as logs name a request. A long path is cut; ? stands for what UTF-8 cannot hold."""
    path = str(event.get("path"))[:MOST_PATH].encode("utf-8", "replace").decode()
    return f"{event.get('httpMethod')} {path}"


def source(event: dict[str, Any]) -> str:
    """The address that a request came from, as API Gateway saw it."""
    return str(((event.get("requestContext") or {}).get("identity") or {}).get("sourceIp") or "")


def base(event: dict[str, Any]) -> str:
    """The address under which API Gateway serves the API, such as `https://id.execute-api.eu-west-1.amazonaws.com/geo`.

    "" where the request does not say: a link that begins with it then leads to the same host.
    """
    context, path = event.get("requestContext") or {}, str(event.get("path") or "")
    whole, domain = str(context.get("path") or ""), str(context.get("domainName") or "")
    if not domain or not path or not whole.endswith(path):
        return ""
    return f"https://{domain}{whole.removesuffix(path)}"


def with_text(event: dict[str, Any]) -> dict[str, Any]:
    """The request with its body as text.

    Raises HttpRefusal: 414 for a path that is longer than any of ours, 413 for a body that is too large, 415 for
    another media type, 400 for a body that is not JSON.
    """
    if len(str(event.get("path"))) > MOST_PATH:
        raise HttpRefusal(414, f"a path has at most {MOST_PATH} characters")
    body = event.get("body") or ""
    if len(body) > MOST_BODY:
        raise HttpRefusal(413, f"a body has at most {MOST_BODY} characters")
    media_type = (header(event, "content-type") or "").partition(";")[0].strip().lower()
    if event.get("httpMethod") != "GET" and body and media_type != JSON:
        raise HttpRefusal(415, f"a body must be {JSON}")
    text = _json_text(body, encoded=event.get("isBase64Encoded") is True)
    return {**event, "body": text or None, "isBase64Encoded": False}


def _json_text(body: str, *, encoded: bool) -> str:
    """The body as text, decoded if it is base64 (`encoded`). Raises HttpRefusal (400) when that is not JSON."""
    try:
        text = base64.b64decode(body, validate=True).decode() if encoded else body
    except ValueError:
        raise HttpRefusal(400, "the body is not text in UTF-8") from None
    try:
        json.loads(text or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise HttpRefusal(400, "the body is not JSON, or nested too deeply") from None
    return text


def _refuse_constant(name: str) -> None:
    """Refuse NaN, Infinity and -Infinity, which Python reads and JSON does not have."""
    raise ValueError(name)


def answer(status: int, message: str) -> dict[str, Any]:
    """The response for API Gateway, with a JSON body in GitLab's form."""
    return {"statusCode": status, "headers": {"Content-Type": JSON}, "body": json.dumps({"message": message})}

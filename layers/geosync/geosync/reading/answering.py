"""Answers of functions/pull, as API Gateway's proxy integration takes them, with the recovery point on each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from geosync.clock import moment
from geosync.reading.own_registry import Answered
from geosync.reading.refusals import JSON, ReadRefusal

MOST_BODY = 5_500_000
"""Bytes of a body as it is written in JSON: Lambda hands over 6,291,556 bytes at most, headers and names included."""
NOT_KNOWN = "not known"
_API = {"Docker-Distribution-Api-Version": "registry/2.0"}


def _made(status: int, headers: Mapping[str, str], body: str = "") -> dict[str, Any]:
    return {"statusCode": status, "headers": {**_API, **headers}, "body": body, "isBase64Encoded": False}


def point_headers(point_ms: int | None, now_ms: int) -> dict[str, str]:
    """Return the headers with the moment to which an answer belongs, and how many seconds ago that was."""
    if point_ms is None:
        return {"X-Geosync-Recovery-Point": NOT_KNOWN, "X-Geosync-Lag": NOT_KNOWN}
    lag_s = max(now_ms - point_ms, 0) // 1000
    return {"X-Geosync-Recovery-Point": moment(point_ms), "X-Geosync-Lag": str(lag_s)}


def refused(refusal: ReadRefusal, about: Mapping[str, str]) -> dict[str, Any]:
    """Return a refusal, in the form of a registry's error."""
    return _made(refusal.status, {"Content-Type": JSON, **refusal.headers, **about}, refusal.body)


def passed_on(answer: Answered, own_url: str, about: Mapping[str, str]) -> dict[str, Any]:
    """Return what the registry answered, or a redirect to it at `own_url` where API Gateway cannot carry the body."""
    headers = {**answer.headers, **about}
    if answer.link is not None:
        headers["Link"] = answer.link
    text = _text(answer.body)
    return _made(answer.status, headers, text) if text is not None else redirected(own_url, about)


def redirected(url: str, about: Mapping[str, str]) -> dict[str, Any]:
    """Return a redirect."""
    return _made(307, {"Location": url, **about})


def _text(body: bytes) -> str | None:
    """Return a body as the text that API Gateway passes on byte for byte; None where it cannot."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if len(json.dumps(text)) <= MOST_BODY else None

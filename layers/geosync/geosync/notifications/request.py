"""Requests and answers of API Gateway (REST and HTTP APIs alike), and EventBridge's events.

Sizes, media types and JSON are judged here, each with a text that says what was wrong. The sender's configuration is
then at fault, and its registry tries again until it is mended.
"""

from __future__ import annotations

import base64
import json
from functools import cached_property
from typing import Any

from geosync.oci.media_types import essence

MAX_BODY_BYTES = 1024 * 1024
HEARTBEAT_WAY = "/v4/container_registry_event/heartbeat"
"""The path that takes heartbeats only, as the template names it."""
MEDIA_TYPES = (
    "application/vnd.docker.distribution.events.v1+json",
    "application/vnd.docker.distribution.events.v2+json",
    "application/json",
    "application/cloudevents+json",
)


class Refusal(Exception):
    """The request cannot be taken: `status` is the answer's, the text says why and never repeats the body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Delivery:
    """One request as it was sent: headers, raw body, decoded body. Each is read when it is first asked for."""

    def __init__(self, event: dict[str, Any]) -> None:
        self._event = event

    def header(self, name: str) -> str | None:
        """Return the value of a header, whose name is given in lower case; None when it was not sent."""
        headers: dict[str, str] = self._event.get("headers") or {}
        return next((value for key, value in headers.items() if key.lower() == name), None)

    @property
    def is_for_heartbeats(self) -> bool:
        """True for a request to the path that is open to all addresses, and only for the site's own heartbeats."""
        return any(str(self._event.get(key) or "").endswith(HEARTBEAT_WAY) for key in ("resource", "path"))

    @cached_property
    def body(self) -> bytes:
        """The body's bytes, as a signature over them wants them.

        Raises Refusal: 413 for a body over 1 MiB, 400 for one that is not the base64 that it is said to be.
        """
        return _body(self._event)

    @cached_property
    def document(self) -> object:
        """The decoded JSON of the body.

        Raises Refusal: 415 for a media type that is no JSON of notifications (parameters are ignored: JSON says itself
        how it is encoded), 413 for a body over 1 MiB, 400 for one that is not JSON.
        """
        media_type = essence(self.header("content-type"))
        if media_type and media_type not in MEDIA_TYPES:
            raise Refusal(415, f"the media type is none of {', '.join(MEDIA_TYPES)}")
        if not self.body:
            raise Refusal(400, "the body is empty")
        try:
            return json.loads(self.body)
        except RecursionError:
            raise Refusal(400, "the body is nested too deeply") from None
        except ValueError:
            raise Refusal(400, "the body is not JSON") from None


class EventBridgeEvent(Delivery):
    """An event that EventBridge invoked the function with: the document is the event itself, decoded and bounded."""

    @cached_property
    def document(self) -> object:
        """The event."""
        return self._event


def is_from_eventbridge(event: object) -> bool:
    """Return whether the function was invoked with an event of EventBridge, and not with a request of API Gateway."""
    return isinstance(event, dict) and "detail-type" in event and "requestContext" not in event


def answer(status: int, message: str, **more: object) -> dict[str, Any]:
    """Return the response for API Gateway, with a JSON body as GitLab gives."""
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"message": message, **more}),
    }


def _body(event: dict[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    is_base64 = event.get("isBase64Encoded") is True
    # 4 characters of base64 are 3 bytes, one of text at least 1: what is longer needs no decoding to be refused.
    if len(body) > (MAX_BODY_BYTES * 4 // 3 + 4 if is_base64 else MAX_BODY_BYTES):
        raise _too_large()
    try:
        content = base64.b64decode(body, validate=True) if is_base64 else body.encode("utf-8", "surrogatepass")
    except ValueError:
        raise Refusal(400, "the body is not the base64 that it is said to be") from None
    if len(content) > MAX_BODY_BYTES:
        raise _too_large()
    return content


def _too_large() -> Refusal:
    return Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")

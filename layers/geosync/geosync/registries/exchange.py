"""Vendors' token services, which give a token for a secret or another token (OAuth 2.0, RFC 6749; RFC 8693).

Their addresses are in the secret or the vendor's module, never in an answer; no redirect is followed. No error holds
anything that was sent or received.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from geosync.errors import ConfigurationError, Denied, RegistryError, RegistryUnavailable, TooLarge, Unauthorized
from geosync.oci.answers import Errors, broken, classify, read_bounded, redact, retry_after
from geosync.oci.deadline import Deadline
from geosync.oci.token_service import seconds_of
from geosync.oci.transport import Broken, HttpAnswer, HttpRequest, Timeouts, Transport

MAX_ANSWER_BYTES = 64 * 1024
#: A loan is renewed so long before it ends, or after half of its life where that is later.
EARLY_S = 300.0
#: No loan is used for longer, whatever an answer says.
MAX_LIFETIME_S = 7 * 86_400.0

_TIMEOUTS = Timeouts(connect_s=5, send_s=10, answer_s=10, read_s=10)


class Exchange:
    """Calls token services for one registry, whose `name` is in the errors."""

    def __init__(self, name: str, *, deadline: Deadline, ca_bundle: str | None) -> None:
        self._name = name
        self._deadline = deadline
        self._transport = Transport(ca_bundle=ca_bundle, connections=1, clock=deadline.clock)

    def now_s(self) -> float:
        """Return the seconds since the epoch."""
        return self._deadline.clock.now_ms() / 1000

    def form(self, url: str, fields: Mapping[str, str], *, advice: str) -> dict[str, Any]:
        """POST a form, and return the JSON object of the answer. `advice` is for the text of a refusal.

        Raises Unauthorized, RegistryUnavailable, OutOfTime.
        """
        return self._post(url, urlencode(fields).encode(), "application/x-www-form-urlencoded", {}, advice)

    def document(self, url: str, content: object, *, bearer: str, advice: str) -> dict[str, Any]:
        """POST a JSON document with a token, else as `form`."""
        headers = {"Authorization": f"Bearer {bearer}"}
        return self._post(url, json.dumps(content).encode(), "application/json", headers, advice)

    def close(self) -> None:
        """Close the idle connections."""
        self._transport.close()

    def missing(self, url: str, what: str) -> Unauthorized:
        """Return the error for an answer that lacks `what` was requested."""
        return Unauthorized(self._name, _label(url), status=200, detail=f"the answer has no {what}")

    def _post(self, url: str, body: bytes, media_type: str, headers: Mapping[str, str], advice: str) -> dict[str, Any]:
        label = _label(url)
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": media_type, **headers}
        request = HttpRequest(method="POST", url=url, headers=sent, body=body, repeatable=True)
        try:
            answer = self._transport.send(request, timeouts=_TIMEOUTS, left=self._deadline.left_s)
            content = read_bounded(answer, MAX_ANSWER_BYTES, self._deadline, "a token service's answer")
        except Broken as error:
            self._deadline.check()
            raise broken(self._name, label, error, write=False) from error
        except TooLarge:
            raise Unauthorized(self._name, label, detail="the answer is too large") from None
        document = _object(content)
        if answer.status == 200 and document is not None:
            return document
        raise self._refusal(label, answer, document or {}, advice)

    def _refusal(self, label: str, answer: HttpAnswer, document: Mapping[str, Any], advice: str) -> RegistryError:
        """Return the error for an answer without a usable document."""
        seconds = retry_after(answer.header("Retry-After"), self._deadline.clock)
        found = classify(self._name, label, answer.status, Errors(detail=advice), seconds)
        if isinstance(found, RegistryUnavailable):
            return found
        message = redact(" ".join(text for text in _texts(document) if isinstance(text, str)))
        kind = Denied if answer.status == 403 else Unauthorized
        return kind(self._name, label, status=answer.status, detail=f"{message}: {advice}" if message else advice)


def checked_url(url: str, key: str, registry_url: str) -> str:
    """Return `url` if a secret's credentials may go there; raises ConfigurationError, naming the secret's `key`.

    https alone, unless the registry itself is reached without it.
    """
    parts = urlsplit(url)
    schemes = {"https"} | ({"http"} if urlsplit(registry_url).scheme == "http" else set())
    if parts.scheme not in schemes or not parts.hostname or parts.username is not None:
        raise ConfigurationError(f"the registry's secret: {key} must be an https URL of a host")
    return url


def renewal_s(begun_s: float, ends_s: float) -> float:
    """Return when to renew a loan that was requested at `begun_s` and ends at `ends_s` (seconds since the epoch)."""
    return max(ends_s - EARLY_S, begun_s + (ends_s - begun_s) / 2)


def lifetime_s(document: Mapping[str, Any], default_s: float) -> float:
    """Return the seconds of an answer's `expires_in`, `default_s` where it has no usable one."""
    seconds = seconds_of(document.get("expires_in"), MAX_LIFETIME_S)
    return seconds if seconds is not None else default_s


def _label(url: str) -> str:
    parts = urlsplit(url)
    return f"POST {parts.hostname}{parts.path}"


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _texts(document: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the texts of a refusal: OAuth's `error` with its description, or those in Google's object."""
    error = document.get("error")
    if isinstance(error, dict):
        return (error.get("status"), error.get("message"))
    return (error, document.get("error_description"))

"""Logs and metrics of every function: JSON lines with an event name and keys, and nothing secret in them.

A log line's message is the name of what happened (`notification_accepted`), the rest are keys (`extra={...}`). Headers,
tokens and keys are never handed to a logger; the redaction here is the last line of defence, for what libraries put
into the text of their exceptions.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from geosync.clock import SYSTEM_CLOCK, Clock

NAMESPACE = "Geosync"
REDACTED = "[redacted]"
Unit: TypeAlias = Literal["Count", "Milliseconds", "Seconds", "Bytes"]

# Where a word begins, also behind the escaped line break of a JSON text.
_START = r"(?:(?<![\w-])|(?<=\\[nrt]))"
# Each replaces its last group. Values end at a quote, a backslash (an escaped quote: JSON inside of JSON), a separator.
_SECRETS = (
    # a JWT: two or three parts of base64url, the first one a JSON object
    re.compile(_START + r"()(eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?)"),
    # the query of a presigned URL (AWS, Google, Azure) or of a token
    re.compile(
        rf"(?i)({_START}(?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|Signature|sig|(?:\w+_)?token)=)"
        r"([^&\s\"'\\<>]+)"
    ),
    # a header, or a field of an object, in the writing of HTTP, JSON or Python ("invalid token: expired" is no field)
    re.compile(
        r"(?i)((?:authorization[\"'\\]*+|[\"'](?:password|secret|private_key|(?:\w+_)?token)\\?[\"'])\s*+:[\s\[\"'\\]*+"
        r"(?:b\\?['\"])?(?:(?:basic|bearer)\s++)?)([^\"'\\\],\s}]+)"
    ),
    # credentials after their scheme; what has neither capital, digit nor `=` in it is a word ("Basic authentication")
    re.compile(
        rf"({_START}[Bb](?:asic|earer)\s+)"
        r"((?=[\w.~+/=-]*[A-Z0-9=])[\w.~+/-]{8,}=*)"
    ),
    # user and password in a URL
    re.compile(r"(https?://)([^/\s\"'\\@]+)(?=@)"),
    re.compile(r"()(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))", re.DOTALL),
)


def redact(text: str) -> str:
    """Replace what looks like a token, a credential, a private key or a presigned signature."""
    for secret in _SECRETS:
        text = secret.sub(rf"\1{REDACTED}", text)
    return text


def logger() -> Logger:
    """Make the function's logger; its service is POWERTOOLS_SERVICE_NAME, its level POWERTOOLS_LOG_LEVEL."""
    return Logger(json_serializer=_serialize, use_rfc3339=True, utc=True)


class Metrics:
    """Metrics of one site: lines in CloudWatch's embedded metric format, so that no call is made.

    Namespace Geosync, one dimension, `site`. They do not depend on the log level. Powertools makes the document; the
    line is written here, at once, as several threads may write: Powertools' own `flush_metrics` writes it in two parts.
    """

    def __init__(self, site: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._site = site
        self._clock = clock

    def put(self, values: Mapping[str, float], unit: Unit = "Count") -> None:
        """Print counts: the values that are not 0; nothing when there is none."""
        present = {name: value for name, value in values.items() if value}
        if present:
            self.gauge(present, unit)

    def gauge(self, values: Mapping[str, float], unit: Unit = "Count") -> None:
        """Print a state: every value, 0 too, as silence would not say it."""
        # Without a service of its own it would take POWERTOOLS_SERVICE_NAME, and make a dimension of it.
        metrics = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="", dimension_set={"site": self._site})
        metrics.timestamp = self._clock.now_ms()
        for name, value in values.items():
            metrics.add_metric(name, unit, value)
        sys.stdout.write(json.dumps(metrics.serialize_metric_set(), separators=(",", ":")) + "\n")
        sys.stdout.flush()


def _serialize(line: dict[str, Any]) -> str:
    """Return one line of JSON, redacted as a whole: message, keys, exception and stack trace alike."""
    return redact(json.dumps(line, separators=(",", ":"), default=str))

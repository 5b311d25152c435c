"""The trace that a message of a queue belongs to: AWS X-Ray's header, which SQS keeps beside it as AWSTraceHeader.

https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html, and its tracing header in xray-concepts.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

ATTRIBUTE: Final = "AWSTraceHeader"
MOST_CHARACTERS = 512
"""Of a header that is passed on. One with all fields that AWS names has some 150."""
_FIELD = r"[A-Za-z]{1,32}=[\w.:,|?%-]*"
_HEADER = re.compile(rf"{_FIELD}(?:;{_FIELD})*;?", re.ASCII)
_ROOT = re.compile(r"(?:^|;)Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(?=;|$)")


def trace_header(record: Mapping[str, Any]) -> str | None:
    """Return the header of a record of an SQS event; None where it has none that SQS would take again."""
    header = record.get("attributes", {}).get(ATTRIBUTE)
    if not isinstance(header, str) or len(header) > MOST_CHARACTERS or trace_id(header) is None:
        return None
    return header


def trace_id(header: str | None) -> str | None:
    """Return the id of the trace that a header names, as Powertools logs it (`xray_trace_id`)."""
    if header is None or _HEADER.fullmatch(header) is None:
        return None
    found = _ROOT.search(header)
    return found[1] if found is not None else None


def representative(headers: Iterable[str | None]) -> str | None:
    """Return the header for what several messages caused together: the first whose trace is recorded, or the first."""
    known = [one for one in headers if one is not None]
    return next((one for one in known if "Sampled=1" in one.split(";")), known[0] if known else None)

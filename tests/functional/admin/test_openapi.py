"""The API against its own description, by a property-based tester: whatever is sent is answered as it is described."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import pytest
import schemathesis
from functions.admin import app
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from tests.functional.admin.parts import ACT, CONTEXT, A, Ask, Site

TRIES = 3
"""Requests made up for each operation."""


class Wsgi:
    """The handler as a WSGI application: what API Gateway does with a request, as far as the tester's go."""

    def __init__(self, ask: Ask) -> None:
        self._sample = ask.request

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        if environ.get("CONTENT_TYPE"):
            headers["CONTENT-TYPE"] = environ["CONTENT_TYPE"]
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        body = environ.get("wsgi.input", io.BytesIO()).read(int(environ.get("CONTENT_LENGTH") or 0))
        event = {
            **self._sample,
            "httpMethod": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
            "body": body.decode("utf-8", "replace") or None,
        }
        answer = app.handler(event, CONTEXT)
        pairs = [(name, value) for name, values in answer["multiValueHeaders"].items() for value in values]
        start(f"{answer['statusCode']} answered", pairs)
        return [answer["body"].encode()]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.name.lower())
def test_whatever_is_sent_is_answered_as_it_is_described(
    site: Site, ask: Ask, mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.api()._site.events, "retention_ms", 3 * 3_600_000)  # each hour that is kept is a query
    site.synced("group/app", v1=A)
    site.failed("group/broken", "v1")
    document = app.api().openapi | {"servers": [{"url": "/"}]}
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document)))
    schema.app = Wsgi(ask)
    statuses: list[int] = []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=TRIES,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Any) -> None:
            answer = case.call_and_validate(
                headers={"Authorization": f"Bearer {ACT}"},
                checks=[
                    schemathesis.checks.not_a_server_error,
                    schemathesis.checks.status_code_conformance,
                    schemathesis.checks.content_type_conformance,
                    schemathesis.checks.response_schema_conformance,
                ],
            )
            statuses.append(answer.status_code)

        check()
    # What fits the description is understood, what does not is refused: the tester and the models mean the same.
    understood = sum(status in (200, 202) for status in statuses)
    assert len(statuses) > 40
    assert understood > len(statuses) / 3 if mode is GenerationMode.POSITIVE else 400 in statuses

"""The admin API put together: gate, audit log, routes, errors, headers; and its own description (OpenAPI).

A request passes the bound of its size, the gate, the audit log if it is an action, and then its route. Powertools finds
the route and checks the input against its models. Every answer that is not a success is `{"message": …}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
    ResponseValidationError,
)
from aws_lambda_powertools.event_handler.openapi.models import APIKey, APIKeyIn, HTTPBearer, Server
from botocore.exceptions import BotoCoreError, ClientError

from geosync import __version__
from geosync.admin import http
from geosync.admin.current import CurrentRequest
from geosync.admin.gate import Gate, GateRefusal
from geosync.admin.http import JSON, HttpRefusal, answer
from geosync.admin.pages import Pages
from geosync.admin.rights import Caller
from geosync.admin.routes import FAULT_TEXT, OPENAPI, register
from geosync.admin.site import AdminSite
from geosync.aws.errors import reason
from geosync.errors import GeosyncError
from geosync.operating.audit import AuditEntry
from geosync.operating.audit_words import expected_site_id, repository_id

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.utilities.typing import LambdaContext

NO_ROUTE = f"there is no such route: GET {OPENAPI} describes them"
_MOST_NAMED, _NAME_LENGTH = 3, 64
"""Parameters that a refusal names at most, and the characters of each name."""
FAULT = "a fault of this API's: its log says which"
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer, unless it sets its own (a page has its own policy). No CORS: no other origin may read."""


class AdminApi:
    """Answers the requests to one site."""

    def __init__(self, site: AdminSite, gate: Gate, pages: Pages, logger: Logger) -> None:
        self._site = site
        self._gate = gate
        self._pages = pages
        self._logger = logger
        self._current = CurrentRequest()
        self._app = self._assemble()

    def respond(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one request of API Gateway's proxy integration. Raises nothing."""
        action, source = http.action(event), http.source(event)
        try:
            event = http.with_text(event)
            caller = self._gate.admit(event)
            self._current.begin(event, caller)
            found = self._page(event, caller) or self._route(event, caller, context)
        except GateRefusal as refused:
            found = self._refuse(refused, action, source)
        except HttpRefusal as refusal:
            found = answer(refusal.status, str(refusal))
        except (BotoCoreError, ClientError) as error:
            self._logger.error("admin_failed", extra={"action": action, "reason": reason(error)})
            found = answer(503, "AWS did not answer, or refused: nothing is half done, ask again")
        except Exception:
            self._logger.exception("admin_failed", extra={"action": action})
            found = answer(500, FAULT)
        return _with_headers(found)

    def describe(self) -> dict[str, Any]:
        """Answer with the description of the API."""
        return self.openapi

    @cached_property
    def openapi(self) -> dict[str, Any]:
        """The description of the API, made from the routes and their models. It takes some 0.2 s, and is made once."""
        text = self._app.get_openapi_json_schema(
            title="Geosync",
            version=__version__,
            servers=[Server(url="../..")],  # seen from where this description is
            description="See and steer a Geo site. Looks need the right to read, actions the right to act.",
            security_schemes={
                "token": HTTPBearer(description="The read or the act token of the site, or a named one."),
                "session": APIKey.model_validate({"name": self._gate.cookie, "in": APIKeyIn.cookie}),
            },
            security=[{"token": []}, {"session": []}],
        )
        document: dict[str, Any] = json.loads(text)
        problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
        for operations in document["paths"].values():
            for operation in operations.values():
                # Powertools documents answers of its own for these; here they are problems like all others (_assemble).
                operation["responses"].pop("422", None)
                operation["responses"]["500"] = {"description": FAULT_TEXT, "content": {JSON: problem}}
        for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
            document["components"]["schemas"].pop(name, None)
        return document

    # ------------------------------------------------------------------------------------------------- one request

    def _page(self, event: dict[str, Any], caller: Caller | None) -> dict[str, Any] | None:
        """A file of the dashboard, None where there is none at this path."""
        return self._pages.respond(event) if caller is None and event.get("httpMethod") == "GET" else None

    def _route(self, event: dict[str, Any], caller: Caller | None, context: LambdaContext) -> dict[str, Any]:
        """The answer of the API. The audit log has a caller's action before it begins, and again when it has ended."""
        is_get = event.get("httpMethod") == "GET"
        if caller is None and is_get:
            # Only files need no caller, and there is none at this path. Strangers have no path matched with the routes.
            return answer(404, NO_ROUTE)
        if caller is None or is_get:
            return self._app.resolve(event, context)
        entry = self._site.audit.begin(
            caller.name,
            self._current.action,
            source=self._current.source,
            detail=str(event.get("body") or ""),
            about=self._about(self._current.action),
        )
        status = 500
        try:
            found = self._app.resolve(event, context)
            status = found["statusCode"]
            return found
        finally:
            self._end(entry, status)

    def _end(self, entry: AuditEntry, status: int) -> None:
        """Write down the end of an action, which has been taken also where the audit log does not take its end."""
        try:
            self._site.audit.end(entry, status=status)
        except (BotoCoreError, ClientError) as error:
            self._logger.error("audit_without_end", extra={"action": entry.action, "reason": reason(error)})

    def _refuse(self, refused: GateRefusal, action: str, source: str) -> dict[str, Any]:
        """The answer to what is refused. It is refused as well if the audit log does not take it."""
        if not action.startswith("GET "):
            who = refused.caller.name if refused.caller is not None else None
            about = self._about(action) if who is not None else {}  # an unknown caller causes no read
            try:
                self._site.audit.refused(
                    who, action, status=refused.status, source=source, reason=refused.reason, about=about
                )
            except (BotoCoreError, ClientError) as error:
                self._logger.error("audit_without_refusal", extra={"action": action, "reason": reason(error)})
        return answer(refused.status, str(refused))

    def _about(self, action: str) -> dict[str, str]:
        """The name of what an action names by its id, which may be gone when somebody reads the audit log.

        Empty where the table cannot be read: the action is then written down without a name.
        """
        number, site, sync_registry = repository_id(action), expected_site_id(action), self._site.sync_registry
        try:
            name = sync_registry.listing.name_of(number) if number is not None else None
            sites = [one.name for one in sync_registry.sites.all() if one.id == site] if site is not None else []
        except (BotoCoreError, ClientError, GeosyncError) as error:
            self._logger.warning("audit_without_name", extra={"action": action, "reason": reason(error)})
            return {}
        return ({"repository": name} if name is not None else {}) | ({"site_name": sites[0]} if sites else {})

    # ---------------------------------------------------------------------------------------------- put together

    def _assemble(self) -> APIGatewayRestResolver:
        app = APIGatewayRestResolver(enable_validation=True, response_validation_error_http_code=500)
        app.exception_handler(HttpRefusal)(_on_refusal)
        app.exception_handler(GateRefusal)(self._on_gate_refusal)
        app.exception_handler(RequestValidationError)(_on_invalid_request)
        app.exception_handler(ResponseValidationError)(self._on_invalid_response)
        app.exception_handler(RequestUnsupportedContentType)(_on_other_content_type)
        app.exception_handler(GeosyncError)(self._on_error)
        app.not_found(_on_unknown_route)
        app.use([_refuse_unknown_parameters])
        register(app, self._site, self._gate, self._current, self.describe)
        return app

    def _on_gate_refusal(self, refused: GateRefusal) -> Response[Any]:
        """Answer what the gate let through and the route refuses: a wrong token to sign in or to report with."""
        found = self._refuse(refused, self._current.action, self._current.source)
        return _problem(found["statusCode"], str(refused))

    def _on_invalid_response(self, error: ResponseValidationError) -> Response[Any]:
        self._logger.error("admin_failed", extra={"error": type(error).__name__, "reason": str(error.errors())})
        return _problem(500, FAULT)

    def _on_error(self, error: GeosyncError) -> Response[Any]:
        self._logger.error("admin_failed", extra={"error": type(error).__name__, "reason": str(error)})
        return _problem(503 if error.retryable else 500, str(error))


def _refuse_unknown_parameters(app: APIGatewayRestResolver, respond: Callable[..., Response[Any]]) -> Response[Any]:
    """Refuse a query parameter that the route does not have, so that a misspelt filter is not left out unnoticed."""
    known = sorted(field.alias for field in app.context["_route"].dependant.query_params)
    unknown = sorted(set(app.current_event.resolved_query_string_parameters) - set(known))
    if unknown:
        named = ", ".join(name[:_NAME_LENGTH] for name in unknown[:_MOST_NAMED])
        raise HttpRefusal(400, f"no such parameter: {named}; there are {', '.join(known) or 'none'}")
    return respond(app)


def _problem(status: int, message: str) -> Response[Any]:
    return Response(status_code=status, content_type=JSON, body=json.dumps({"message": message}))


def _on_refusal(refusal: HttpRefusal) -> Response[Any]:
    return _problem(refusal.status, str(refusal))


def _on_invalid_request(error: RequestValidationError) -> Response[Any]:
    """Name each field that is wrong and say what it must be. The values that were sent are not repeated."""
    texts = []
    for one in error.errors()[:10]:
        place = [str(part) for part in one.get("loc", ()) if part not in ("body", "query", "path")]
        texts.append(f"{'.'.join(place) or 'the body'}: {one.get('msg', 'is wrong')}")
    return _problem(400, "; ".join(texts) or "not understood")


def _on_other_content_type(_error: RequestUnsupportedContentType) -> Response[Any]:
    return _problem(415, f"a body must be {JSON}")


def _on_unknown_route(_error: NotFoundError) -> Response[Any]:
    return _problem(404, NO_ROUTE)


def _with_headers(found: dict[str, Any]) -> dict[str, Any]:
    """Add HEADERS; `found` has its own as `headers` or `multiValueHeaders`."""
    own = {name: [value] for name, value in (found.pop("headers", None) or {}).items()}
    own |= found.pop("multiValueHeaders", None) or {}
    return {**found, "multiValueHeaders": {**{name: [value] for name, value in HEADERS.items()}, **own}}

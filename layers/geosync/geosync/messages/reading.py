"""Reads a message of any of the queues, told apart by `kind`."""

from __future__ import annotations

import json

from geosync.messages.geo_event import GeoEvent, Heartbeat, parse_message
from geosync.messages.work import CATALOGUE_KIND, KIND, VERIFY_KIND, CatalogueMessage, VerifyMessage, WorkMessage

AnyMessage = GeoEvent | Heartbeat | WorkMessage | CatalogueMessage | VerifyMessage


def read_message(body: str) -> AnyMessage:
    """Read a message. Raises MessageError, saying what was wrong."""
    try:
        kind = json.loads(body).get("kind")
    except (ValueError, AttributeError, RecursionError):
        kind = None
    if kind == CATALOGUE_KIND:
        return CatalogueMessage.from_json(body)
    if kind == VERIFY_KIND:
        return VerifyMessage.from_json(body)
    return WorkMessage.from_json(body) if kind == KIND else parse_message(body)

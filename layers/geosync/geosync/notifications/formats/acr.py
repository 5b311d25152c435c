"""Azure Container Registry's webhook: one event by itself, with the fields of Distribution's.

Follows "Azure Container Registry webhook reference". Its secret is a custom header of the webhook (`Authorization:
<token>`): the service signs nothing. A tag that is only removed (untagged) sends nothing; comparison finds it.
"""

from __future__ import annotations

from dataclasses import replace

from geosync.errors import MalformedMessage
from geosync.messages.geo_event import GeoEvent
from geosync.notifications.formats import distribution
from geosync.notifications.formats.claims import Received
from geosync.notifications.outcomes import Dropped, Outcome, Unusable
from geosync.notifications.request import Delivery

_OTHER_ACTIONS = frozenset({"chart_push", "chart_delete", "quarantine"})


def parse(delivery: Delivery, received: Received) -> list[Outcome]:
    """Return what becomes of the one event. Raises MalformedMessage when it is no event of Azure's."""
    event = delivery.document
    if not isinstance(event, dict) or not isinstance(event.get("action"), str):
        raise MalformedMessage('the body is not a webhook event of Azure Container Registry: {"action": …, …}')
    if event["action"] == "ping":
        return [Dropped(reason="ping")]
    if event["action"] in _OTHER_ACTIONS:
        return [Dropped(reason="other_event")]
    if not isinstance(event.get("target"), dict):
        raise MalformedMessage("the event has no target")
    (outcome,) = distribution.parse({"events": [event]}, site=received.site, received_at=received.received_at)
    return [replace(outcome, source=received.source) if isinstance(outcome, GeoEvent | Unusable) else outcome]

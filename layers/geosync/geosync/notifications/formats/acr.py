"""Azure Container Registry's webhook: one event by itself, with the fields of Distribution's.

Follows "Azure Container Registry webhook reference". Its secret is a custom header of the webhook (`Authorization:
<token>`): the service signs nothing. A tag that is only removed (untagged) sends nothing; comparison finds it.
"""

from __future__ import annotations

from geosync.errors import MalformedMessage
from geosync.notifications.formats import distribution
from geosync.notifications.formats.claims import Claim, NoClaim
from geosync.notifications.request import Delivery

_OTHER_ACTIONS = frozenset({"chart_push", "chart_delete", "quarantine"})


def parse(delivery: Delivery) -> list[Claim]:
    """Return the claim of the one event. Raises MalformedMessage when it is no event of Azure's."""
    event = delivery.document
    if not isinstance(event, dict) or not isinstance(event.get("action"), str):
        raise MalformedMessage('the body is not a webhook event of Azure Container Registry: {"action": …, …}')
    if event["action"] == "ping":
        return [NoClaim(reason="ping")]
    if event["action"] in _OTHER_ACTIONS:
        return [NoClaim(reason="other_event")]
    if not isinstance(event.get("target"), dict):
        raise MalformedMessage("the event has no target")
    return [distribution.claim_of(event)]

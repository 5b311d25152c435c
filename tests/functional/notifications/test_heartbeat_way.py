"""The way of the endpoint that is open to all addresses takes the site's own heartbeats, and nothing else."""

from __future__ import annotations

import json

import pytest
from tests.functional.notifications.parts import Post, Site, sample

from geosync.notifications.formats import heartbeat
from geosync.notifications.request import HEARTBEAT_WAY

OPEN = {"resource": HEARTBEAT_WAY, "path": HEARTBEAT_WAY}
BEAT = heartbeat.envelope(1_795_499_108_000).decode()


def test_the_way_that_is_open_to_all_addresses_takes_heartbeats_and_nothing_else(aws: Site, post: Post) -> None:
    """Whoever has the token, but none of the registry's addresses, cannot have anything looked at."""
    push = sample("distribution-push-tag.json")
    assert post(push, **OPEN)[0] == 400
    assert post(push, *json.loads(BEAT)["events"], **OPEN)[0] == 400
    assert post(push, resource=OPEN["resource"], path="/behind/a/domain")[0] == 400
    assert (aws.messages(), aws.items()) == ([], [])
    assert post(body=BEAT, **OPEN)[0] == 200
    assert [one["kind"] for one in aws.messages()] == ["heartbeat"]
    assert post(push)[0] == 200
    assert len(aws.messages()) == 1


@pytest.mark.parametrize("token", [None, "a-wrong-one"])
def test_a_heartbeat_without_the_token_is_refused_there_too(aws: Site, post: Post, token: str | None) -> None:
    assert post(token=token, body=BEAT, **OPEN)[0] == 401
    assert aws.messages() == []

"""What `geosync check` says about notifications that are refused."""

from __future__ import annotations

import pytest

from geosync.cli.checks.endpoint import way_out
from geosync.notifications.sources import SOURCES


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("distribution", "headers: {Authorization: [<token>]}"),
        ("None", "headers: {Authorization: [<token>]}"),  # a line that an older version logged
        ("acr", "az acr webhook update"),
        ("gar", "NotificationAudience and NotificationSender"),
        ("ghcr", "the webhook's secret on GitHub"),
        ("harbor", "Auth Header"),
        ("quay", "https://geosync:<token>@"),
        ("zot", "the sink's credentials"),
    ],
)
def test_the_advice_depends_on_the_sending_registry(source: str, said: str) -> None:
    assert said in way_out(source)


def test_gitlabs_token_setting_is_named_only_for_gitlabs_registry() -> None:
    plain = way_out("distribution")
    assert [source for source in SOURCES if way_out(source) == plain] == ["distribution", "ecr"]

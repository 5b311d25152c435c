"""What a comparison is told of the site's settings."""

from __future__ import annotations

from typing import Any

import pytest
from tests.functional.sync.parts import DONE, Site, handle, push

from geosync.comparing.context import ComparisonContext
from geosync.syncing import holder


@pytest.mark.parametrize(("seconds", "verifies"), [("0", False), ("600", True)])
def test_a_comparison_is_told_whether_rolling_verification_is_on(
    site: Site, repository: str, aws: pytest.MonkeyPatch, seconds: str, verifies: bool
) -> None:
    told: list[bool] = []

    def context(**given: Any) -> ComparisonContext:
        told.append(given["verifies"])
        return ComparisonContext(**given)

    aws.setattr(holder, "ComparisonContext", context)
    aws.setenv("VERIFICATION_SECONDS", seconds)
    made = site.make.image(repository, "v1")
    assert handle(push(made)) == DONE
    assert told == [verifies]

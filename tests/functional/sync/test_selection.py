"""functions/sync with a selection: its environment decides about tags that left it."""

from __future__ import annotations

import pytest
from functions.sync import app
from tests.functional.sync.parts import DONE, Log, Site, handle, push, sample


@pytest.fixture
def copied(site: Site, repository: str) -> dict[str, str]:
    """Two tags that the function copied, with their digests."""
    images = {tag: site.make.image(repository, tag, layers=1) for tag in ("v1", "dev")}
    for made in images.values():
        assert handle(push(made)) == DONE
    return {tag: made.digest for tag, made in images.items()}


def compare(repository: str) -> None:
    assert handle(sample("sync-work.json", repository=repository, reason="resync", references=["*"])) == DONE


def deploy(aws: pytest.MonkeyPatch, **environment: str) -> None:
    for name, value in environment.items():
        aws.setenv(name, value)
    app.site.cache_clear()


def here(site: Site, repository: str, copied: dict[str, str]) -> list[str]:
    return [tag for tag, digest in copied.items() if site.digest(repository, tag) == digest]


def test_what_left_the_selection_is_removed_where_the_environment_says_so(
    site: Site, aws: pytest.MonkeyPatch, repository: str, copied: dict[str, str], log: Log
) -> None:
    deploy(aws, INCLUDE_TAGS="v*", OUTSIDE_SELECTION="remove", DELETES="keep", BREAKER_SHARE="60")

    compare(repository)
    assert here(site, repository, copied) == ["v1", "dev"]
    site.sync_registry.breaker.resume()
    compare(repository)

    assert here(site, repository, copied) == ["v1"]
    (line,) = [line for line in log() if line["message"] == "tag_outside_the_selection_removed"]
    assert (line["repository"], line["reference"]) == (repository, "tag#dev")
    assert site.owed(repository) == []


def test_by_default_it_stays(site: Site, aws: pytest.MonkeyPatch, repository: str, copied: dict[str, str]) -> None:
    deploy(aws, INCLUDE_TAGS="v*")
    for _ in range(2):
        compare(repository)
        site.sync_registry.breaker.resume()
    assert here(site, repository, copied) == ["v1", "dev"]
    assert (repository, "tag#dev") not in site.items()


@pytest.mark.parametrize(
    "environment",
    [{"INCLUDE_TAGS": "v[z-a]"}, {"INCLUDE_TAGS": "v*", "SITE_ROLE": "primary"}],
    ids=["unreadable", "primary"],
)
def test_a_selection_that_cannot_be_read_and_a_primary_remove_nothing(
    site: Site, aws: pytest.MonkeyPatch, repository: str, copied: dict[str, str], environment: dict[str, str]
) -> None:
    deploy(aws, INCLUDE_TAGS="v*", OUTSIDE_SELECTION="remove")
    compare(repository)
    site.sync_registry.breaker.resume()
    deploy(aws, **environment)

    for _ in range(2):
        compare(repository)

    assert here(site, repository, copied) == ["v1", "dev"]
    assert (repository, "tag#dev") in site.items()

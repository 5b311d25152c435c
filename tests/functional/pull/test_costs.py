"""What a pull costs in functions/pull: the calls that docs/costs.md reckons with."""

from __future__ import annotations

from tests.functional.pull.parts import Site, invoke, pull, sample
from tests.support.aws_calls import counted, on_the_page


def test_a_pull_by_tag_makes_the_calls_that_the_page_says(site: Site, repository: str) -> None:
    site.account()
    site.synced(repository)
    with counted() as calls:
        assert pull(repository, "v1")["statusCode"] == 200
    assert dict(+calls) == on_the_page("pull of a manifest by tag")


def test_a_blob_makes_the_calls_that_the_page_says(site: Site, repository: str) -> None:
    site.account()
    made = site.synced(repository)
    path = f"/v2/{repository}/blobs/{made.blobs[0]}"
    with counted() as calls:
        assert invoke(sample("pull-manifest.json", path=path))["statusCode"] == 307
    assert dict(+calls) == on_the_page("pull of a blob, or a list")


def test_to_be_let_in_makes_no_call(site: Site) -> None:
    invoke(sample("pull-admission.json"))
    with counted() as calls:
        invoke(sample("pull-admission.json"))
    assert dict(+calls) == {}

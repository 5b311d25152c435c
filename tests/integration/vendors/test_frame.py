"""The base of every vendor: repositories made on demand, refusals that mean success, listings with digests."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator

import pytest
import requests
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, pushed
from tests.integration.vendors.world import wait_for
from tests.support.scripted import Reply, Request
from tests.support.vendors.double import VendorDouble

from geosync.errors import NotFound, Refused
from geosync.messages.work import WorkMessage
from geosync.oci import media_types
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.listings import ListedTag
from geosync.oci.manifests import Manifest
from geosync.oci.scopes import pull
from geosync.registries.registry import Registry
from geosync.sync_registry.items import Reference

EMPTY = b"{}"
EMPTY_DIGEST = f"sha256:{hashlib.sha256(EMPTY).hexdigest()}"
PAGE = 4


class WithoutRepositories(VendorDouble):
    """A registry that has only repositories that were made."""

    made: set[str]

    def answer(self, request: Request) -> Reply:
        if self.repository_of(request) not in self.made:
            return self.error(404, "NAME_UNKNOWN")
        return self.forward(request)


class Making(Registry):
    NAME = "making"
    double: WithoutRepositories
    calls = 0

    def make_repository(self, repository: str) -> bool:
        self.calls += 1
        self.double.made.add(repository)
        return True


class Listing(VendorDouble):
    """Lists tags with their digests, at a path of its own."""

    def answer(self, request: Request) -> Reply:
        if not request.path.startswith("/own/"):
            return self.forward(request)
        repository = request.path.removeprefix("/own/")
        upstream = f"http://{self._upstream[0]}:{self._upstream[1]}/v2/{repository}"
        tags = sorted(requests.get(f"{upstream}/tags/list", timeout=60).json().get("tags") or [])
        last = request.target.partition("last=")[2]
        page = [tag for tag in tags if tag > last][:PAGE]
        accept = {"Accept": media_types.ACCEPT}
        listed = [
            {
                "name": tag,
                "digest": requests.head(f"{upstream}/manifests/{tag}", headers=accept, timeout=60).headers[
                    "Docker-Content-Digest"
                ],
            }
            for tag in page
        ]
        links = [("Link", f'</own/{repository}?last={page[-1]}>; rel="next"')] if page and page[-1] != tags[-1] else []
        return self.document({"tags": listed}, *links)


class ListingRegistry(Registry):
    lists_digests = True

    def tags_with_digests(self, repository: str, *, last: str | None = None) -> Iterator[list[ListedTag]]:
        for page in self.documents(f"/own/{repository}?last={last or ''}", (pull(repository),)):
            yield [ListedTag(one["name"], one["digest"]) for one in page["tags"]]


def empty_image(annotation: str = "") -> Manifest:
    empty = {"mediaType": media_types.OCI_EMPTY, "digest": EMPTY_DIGEST, "size": len(EMPTY)}
    document = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": empty, "layers": [empty]}
    return Manifest.read(
        json.dumps(document | {"annotations": {"a": annotation}}).encode(),
        document["mediaType"],  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("first", ["blob", "manifest"])
def test_a_repository_is_made_when_the_first_push_misses_it_and_only_then(
    second_registry: Place, repository: str, first: str
) -> None:
    with WithoutRepositories(second_registry.url) as double:
        double.made = {f"{repository}-there"}
        registry = Making(double.url, Anonymous(), deadline=Deadline(), writes=True)
        registry.double = double
        plain = Registry(second_registry.url, Anonymous(), deadline=Deadline(), writes=True)
        for name in (f"{repository}-there", repository, repository):
            if first == "manifest":
                plain.put_small_blob(name, EMPTY_DIGEST, EMPTY)
                registry.put_manifest(name, "v1", empty_image())
            else:
                registry.put_small_blob(name, EMPTY_DIGEST, EMPTY)
        assert registry.calls == 1
        registry.close()
        plain.close()


def test_where_repositories_are_not_ours_to_make_the_registrys_answer_stands(
    second_registry: Place, repository: str
) -> None:
    with WithoutRepositories(second_registry.url) as double:
        double.made = set()
        registry = Registry(double.url, Anonymous(), deadline=Deadline(), writes=True)
        with pytest.raises(NotFound, match="NAME_UNKNOWN"):
            registry.put_small_blob(repository, EMPTY_DIGEST, EMPTY)
        registry.close()


def test_what_a_vendor_does_not_take_is_refused_without_a_request(second_registry: Place, repository: str) -> None:
    class Picky(Registry):
        def unsupported(self, manifest: Manifest) -> str | None:
            return "it takes no image, push something else"

    with VendorDouble(second_registry.url) as double:
        registry = Picky(double.url, Anonymous(), deadline=Deadline(), writes=True)
        with pytest.raises(Refused, match="push something else"):
            registry.put_manifest(repository, "v1", empty_image())
        assert double.requests == []
        registry.close()


def test_a_refusal_may_mean_that_it_is_there_already(second_registry: Place, repository: str) -> None:
    class Immutable(Registry):
        def refused(self, repository: str, reference: str, manifest: Manifest, error: Refused) -> Refused | None:
            there = self.head_manifest(repository, reference)
            if there is not None and there.digest == manifest.digest:
                return None
            return Refused(self.name, error.request, detail="the tag is immutable")

    class Refusing(VendorDouble):
        def answer(self, request: Request) -> Reply:
            if request.method == "PUT" and "/manifests/" in request.path:
                return self.error(400, "TAG_INVALID")
            return self.forward(request)

    plain = Registry(second_registry.url, Anonymous(), deadline=Deadline(), writes=True)
    plain.put_small_blob(repository, EMPTY_DIGEST, EMPTY)
    plain.put_manifest(repository, "v1", empty_image())
    plain.close()
    with Refusing(second_registry.url) as double:
        registry = Immutable(double.url, Anonymous(), deadline=Deadline(), writes=True)
        registry.put_manifest(repository, "v1", empty_image())
        with pytest.raises(Refused, match="the tag is immutable"):
            registry.put_manifest(repository, "v1", empty_image("another"))
        registry.close()


@pytest.fixture
def listed(start_registry: StartRegistry, plain_registry: Place, second_registry: Place) -> Iterator[Secondary]:
    """A secondary between two registries whose listings have digests."""
    with Listing(plain_registry.url) as primary, Listing(second_registry.url) as there:
        one = Secondary(primary, there, vendors=(ListingRegistry, ListingRegistry))
        yield one
        one.close()


def compare(secondary: Secondary, repository: str) -> Counter[str]:
    """Have the whole repository compared; returns the requests to either registry, by method and kind."""
    secondary.reset()
    message = WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),))
    secondary.receive(message.to_json())
    secondary.sweep_until(lambda: not secondary.owed(repository))
    counted: Counter[str] = Counter()
    for proxy in (secondary.primary_proxy, secondary.secondary_proxy):
        for (method, kind), number in proxy.counts().items():
            counted[f"{method} {kind}"] += number
    return counted


def test_with_digests_in_both_listings_a_comparison_costs_pages_and_no_look_at_a_tag(
    listed: Secondary, plain_registry: Place, second_registry: Place, repository: str
) -> None:
    tags = 10
    with plain_registry.maker() as make:
        listed.receive(*(pushed(make.image(repository, f"v{number}", layers=1)) for number in range(tags)))
        wait_for(listed, repository)

        pages = {"GET other": 2 * -(-tags // PAGE)}
        assert compare(listed, repository) == pages | {"GET referrers": 1}, "it finds out that there is no such API"
        assert compare(listed, repository) == pages

        moved = make.image(repository, "v3", layers=1)
        with second_registry.maker(seed=7) as vandal:
            vandal.image(repository, "v5", layers=1)
        counted = compare(listed, repository)

    assert listed.digest(repository, "v3") == moved.digest
    assert listed.digest(repository, "v5") == listed_digest(plain_registry, repository, "v5")
    # Looks at the two that differ: at the primary (HEAD, then GET to copy), at the secondary before and after.
    assert counted["HEAD tag"] <= 8


def listed_digest(place: Place, repository: str, tag: str) -> str | None:
    registry = Registry(place.url, Anonymous(), deadline=Deadline())
    found = registry.head_manifest(repository, tag)
    registry.close()
    return found.digest if found else None


def test_what_was_written_here_since_the_listing_began_is_looked_at(
    listed: Secondary, plain_registry: Place, repository: str
) -> None:
    """Its entry in the listing is older than what is known of it."""
    with plain_registry.maker() as make:
        made = make.image(repository, "v1", layers=1)
        listed.receive(pushed(made))
        wait_for(listed, repository)
    reference = Reference.tag("v1")
    seen = listed.sync_registry.seen(repository, [reference])[reference]
    future = seen.seen_at + 3_600_000
    key = next(key for key in listed.store.table if key.item == reference.seen_key and key.repository == repository)
    listed.store.table[key] = {**listed.store.table[key], "looked_at": future, "seen_at": future}

    assert compare(listed, repository)["HEAD tag"] == 2

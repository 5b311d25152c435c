"""What the product is for, on the deployed stack: pushed to the primary with any client, seen at both secondaries.

Every notification here is the primary registry's own; nothing is handed in. `arrive` has each secondary sweep while it
waits, as the schedule does every minute.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from local.demo.images import MIB, Layout
from local.demo.skopeo import Skopeo, location
from tests.e2e.command import Geosync, undone
from tests.e2e.parts import PATIENCE_S, Site, envelope, eventually, hurried, push_event
from tests.e2e.registries import assert_same, digest, kill_workers, maker, proxied, stopped
from tests.support.images import ImageMaker, Made
from tests.support.proxy import CountingProxy, Exchange, Slow, Status

if TYPE_CHECKING:
    pass

SYNCED = "2"
REPUSHES = 30
CRASHES = 5

Arrive = Callable[..., None]


@pytest.fixture(scope="module")
def make(primary: Site) -> Iterator[ImageMaker]:
    """What pushes to the primary."""
    with maker(primary) as one:
        yield one


@pytest.fixture(scope="module")
def readers(secondaries: list[Site]) -> Iterator[dict[str, ImageMaker]]:
    """What reads the secondaries' registries, by site."""
    made = {site.name: maker(site) for site in secondaries}
    yield made
    for one in made.values():
        one.close()


@pytest.fixture
def skopeo(sites: list[Site], tmp_path: Path) -> Skopeo:
    return Skopeo(tmp_path, [site.about for site in sites])


@pytest.fixture
def repository() -> str:
    return f"e2e/replication/{uuid.uuid4().hex[:10]}"


@pytest.fixture
def arrive(make: ImageMaker, readers: dict[str, ImageMaker], secondaries: list[Site]) -> Arrive:
    """Wait until a repository and its `references` are synced at the secondaries; compare those byte for byte."""

    def wait(repository: str, *references: str, sites: list[Site] | None = None, seconds: float = PATIENCE_S) -> None:
        pushed = {reference: digest(make, repository, reference) for reference in references}
        assert None not in pushed.values()
        for site in sites or secondaries:
            reader = readers[site.name]

            def is_there(site: Site = site, reader: ImageMaker = reader) -> bool:
                # The row may be synced while the last notification is on its way.
                return is_synced(site, repository) and pushed == {
                    reference: digest(reader, repository, reference) for reference in references
                }

            eventually(hurried([site], is_there), seconds=seconds, what=f"{repository} at {site.name}")
            for reference in references:
                assert_same(make, reader, repository, reference)

    return wait


@pytest.fixture(autouse=True)
def _no_dead_letters(secondaries: list[Site]) -> Iterator[None]:
    """Fail if a push of this file ended in a DLQ."""
    before = [site.messages("dlq_url") for site in secondaries]
    yield
    assert [site.messages("dlq_url") for site in secondaries] == before


def is_synced(site: Site, repository: str) -> bool:
    """Tell whether the row is synced with nothing owed and no lease."""
    found = site.items_of(repository)
    row = found.get("row", {})
    return row.get("state") == SYNCED and "lease_token" not in row and not owed(found)


def owed(found: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name in found if name.startswith("owed#")]


# ── what is pushed arrives ──


def test_an_image_pushed_with_skopeo_arrives_byte_for_byte(
    sites: list[Site], skopeo: Skopeo, arrive: Arrive, repository: str, tmp_path: Path
) -> None:
    primary, *secondaries = sites
    layout = Layout(tmp_path / "image")
    image = layout.tagged(layout.image([MIB, MIB]), "1.0", "an image")
    skopeo.copy(image.location, location(primary.about, repository, "1.0"))
    arrive(repository, "1.0")
    for site in secondaries:
        where = location(site.about, repository, "1.0")
        assert skopeo.raw_digest(where) == image.digest
        # skopeo checks each blob against its digest.
        skopeo.copy(where, f"oci:{tmp_path / site.name}:1.0")


def test_a_multi_arch_image_pushed_with_skopeo_arrives_with_all_its_platforms(
    primary: Site, skopeo: Skopeo, arrive: Arrive, repository: str, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "index")
    base = [layout.layer("base", MIB)]
    platforms = [layout.image([100_000], architecture, shared=base) for architecture in ("amd64", "arm64", "s390x")]
    index = layout.tagged(layout.index(platforms), "1.0", "three platforms")
    skopeo.copy(index.location, location(primary.about, repository, "1.0"))
    arrive(repository, "1.0")


def test_layers_that_another_repository_has_are_mounted_from_there(
    make: ImageMaker, secondaries: list[Site], arrive: Arrive, repository: str
) -> None:
    """The function may write who has a blob, and reads it; everything else of a hint is in tests/integration."""
    site = secondaries[0]
    first, second = (f"{repository}/{name}" for name in ("a", "b"))
    image = make.image(first, "v1", layers=3)
    arrive(first, "v1")
    for blob in image.blobs:
        eventually(lambda: first in holders(site, blob), what=f"who has {blob}")  # noqa: B023
        content = make.send("GET", f"/v2/{first}/blobs/{blob}", first).content
        make.blob(second, content, "application/octet-stream")
    with proxied(site, "LOCAL_REGISTRY_URL", site.about["registry"]) as proxy:
        make.retag(replace(image, repository=second), "v1")
        arrive(second, "v1")
    mounts = [
        one for one in list(proxy.exchanges) if one.kind == "uploads" and any(b in one.target for b in image.blobs)
    ]
    assert [one.status for one in mounts] == [201] * 4
    for blob in image.blobs:
        eventually(lambda: second in holders(site, blob), what=f"who has {blob} now")  # noqa: B023


def holders(site: Site, blob: str) -> list[str]:
    """The repositories that a site says have a blob, without their prefix at the site."""
    item = site.item(f"blob#{blob}", "blob") or {}
    return [name[name.index("e2e/") :] for name in item.get("repositories", [])]


def push_nested(make: ImageMaker, repository: str) -> list[Made]:
    return [make.nested_index(repository, "nested")]


def push_docker(make: ImageMaker, repository: str) -> list[Made]:
    return [make.image(repository, "docker", docker=True), make.index(repository, "list", docker=True)]


def push_cache(make: ImageMaker, repository: str) -> list[Made]:
    return [make.buildkit_cache(repository, f"cache-{form}".lower(), form=form) for form in "AB"]


def push_artifact(make: ImageMaker, repository: str) -> list[Made]:
    image = make.image(repository, "1.0")
    sbom = make.artifact(repository, "sbom", subject=image)
    return [image, sbom, make.fallback_tag(repository, image, [sbom]), make.cosign_signature(repository, image)]


@pytest.mark.parametrize("push", [push_nested, push_docker, push_cache, push_artifact])
def test_every_kind_of_content_arrives_byte_for_byte(
    make: ImageMaker, arrive: Arrive, repository: str, push: Callable[[ImageMaker, str], list[Made]]
) -> None:
    made = push(make, repository)
    for one in made:
        eventually(lambda: digest(make, repository, one.reference) == one.digest, what="the push")  # noqa: B023
    arrive(repository, *(one.reference for one in made))


def test_a_retag_and_a_push_by_digest_alone_arrive(make: ImageMaker, arrive: Arrive, repository: str) -> None:
    image = make.image(repository, "1.0")
    arrive(repository, "1.0")
    make.retag(image, "latest")
    untagged = make.image(repository)
    arrive(repository, "latest", untagged.digest)


# ── what is deleted goes ──


def test_what_is_deleted_at_the_primary_goes_at_the_secondaries_and_takes_nothing_along(
    secondaries: list[Site], make: ImageMaker, readers: dict[str, ImageMaker], arrive: Arrive, repository: str
) -> None:
    gone = make.image(repository, "gone")
    stays = make.image(repository, "stays")
    arrive(repository, "gone", "stays")
    make.delete(gone)
    for site in secondaries:
        reader = readers[site.name]

        def is_gone(site: Site = site, reader: ImageMaker = reader) -> bool:
            return is_synced(site, repository) and digest(reader, repository, "gone") is None

        eventually(hurried([site], is_gone), what=f"the removal at {site.name}")
        assert digest(reader, repository, "stays") == stays.digest
        assert "tag#gone" not in site.items_of(repository)


# ── what is wrong leaves a trace, and nothing else ──


def test_a_wrong_token_and_a_malformed_body_leave_a_trace_and_nothing_written(primary: Site, repository: str) -> None:
    body = envelope(push_event(repository, "v1", f"sha256:{'0' * 64}"))
    assert primary.notify(body, "x" * 48)[0] == 401
    for malformed in (b"{", b'{"events": 7}', b"[]"):
        code, text = primary.notify(malformed, primary.token())
        assert code == 400
        assert json.loads(text)
    statuses = [line["status"] for line in primary.log("notifications") if line.get("status", 200) != 200]
    assert statuses[-4:] == [401, 400, 400, 400]
    assert not published(primary, repository)


# ── what fails heals by itself ──


def test_a_secondary_whose_registry_was_stopped_catches_up_and_nothing_is_lost(
    state: Path, secondaries: list[Site], make: ImageMaker, arrive: Arrive, repository: str
) -> None:
    stopped_site, other = secondaries
    make.image(repository, "before")
    arrive(repository, "before")
    with stopped(state, stopped_site):
        for number in range(5):
            make.image(repository, f"v{number}")
        make.image(f"{repository}/other", "v1")
        arrive(repository, sites=[other])
        eventually(
            lambda: [item for item in stopped_site.items() if item["item"].startswith("hold#")],
            what="the hold of the registry that is down",
        )
        eventually(lambda: len(owed(stopped_site.items_of(repository))) == 5, what="five owed tags")
        assert {item["state"] for name, item in stopped_site.items_of(repository).items() if name == "row"} == {"0"}
    arrive(repository, *(f"v{number}" for number in range(5)))
    arrive(f"{repository}/other", "v1")


def test_a_tag_that_is_pushed_again_and_again_ends_on_the_last_digest_and_every_digest_arrives(
    state: Path,
    sites: list[Site],
    make: ImageMaker,
    readers: dict[str, ImageMaker],
    arrive: Arrive,
    repository: str,
) -> None:
    """One site syncs all the while, the other one is paused until all events are marked: there they cost one copy."""
    primary, syncing, late = sites
    before = {site.name: site.messages("queue_url") for site in (syncing, late)}  # what a crash left in flight
    layer = make.layer(repository, 2000)
    sync_registry = Geosync(state).deployed(late).sync_registry
    sync_registry.pause("a tag is pushed again and again")
    with undone(sync_registry.resume):
        made = [make.image(repository, "latest", layers=0, reuse=[layer]) for _ in range(REPUSHES)]
        assert digest(make, repository, "latest") == made[-1].digest
        eventually(
            lambda: digest(readers[syncing.name], repository, "latest") == made[-1].digest, what="the newest there"
        )
        eventually(lambda: len(published(primary, repository)) == REPUSHES, what="all notifications")
        for site in (syncing, late):

            def has_taken_all(site: Site = site) -> bool:
                return site.messages("queue_url") <= before[site.name]

            eventually(has_taken_all, what=f"{site.name} to take all events")
    arrive(repository, "latest", *(one.digest for one in made), seconds=2 * PATIENCE_S)

    def copies() -> list[dict[str, Any]]:
        lines = [line for line in late.log("sync") if line.get("repository") == repository and "manifests_put" in line]
        return [line for line in lines if line["reference"] == "tag#latest"]

    found = eventually(copies, what="the log of an invocation that has ended")
    assert len(found) < REPUSHES / 2, "an event is a hint: many for one tag cost a few copies of it"


def published(site: Site, repository: str) -> list[dict[str, Any]]:
    """The events of a repository in a primary's log."""
    return [item for item in site.items("events_table") if item.get("repository") == repository]


def test_an_invocation_that_is_killed_five_times_uploads_nothing_again_that_was_there(
    state: Path, secondaries: list[Site], make: ImageMaker, arrive: Arrive, repository: str
) -> None:
    """Each crash comes when one more layer is at the secondary, and in the middle of all the others.

    As if the registry missed every layer, each holder has to ask it for each of them.
    """
    site = secondaries[0]
    layers = [make.layer(repository, 8 * MIB) for _ in range(CRASHES + 1)]
    tokens: set[str] = set()

    def holder() -> str | None:
        return held_anew(site, repository, tokens)

    with proxied(site, "LOCAL_REGISTRY_URL", site.about["registry"]) as proxy:
        proxy.faults[:] = [misses("large", layers), *map(trickle, layers[1:])]
        make.image(repository, "large", layers=0, reuse=layers)
        for number, layer in enumerate(layers[:CRASHES], start=1):
            tokens.add(eventually(holder, what=f"holder {number}") or "")
            eventually(lambda: accepted(proxy, layer), what=f"layer {number}")  # noqa: B023
            proxy.faults[:] = [misses("large", layers), *map(trickle, layers[number + 1 :])]  # for the next holder
            assert kill_workers(state, site, "sync")
            end_claims(site, repository, layers)
        arrive(repository, "large", sites=[site])
    cut = 0
    for layer in layers:
        first, *_ = accepted(proxy, layer)
        cut += len(uploads(proxy, layer)) - len(accepted(proxy, layer))
        later = [one for one in uploads(proxy, layer) if one.started > first.started + first.seconds]
        assert not later, "it was complete, and was sent again"
    assert cut >= CRASHES, "they were not killed in the middle of a copy"


def end_claims(site: Site, repository: str, layers: Sequence[dict[str, Any]]) -> None:
    """End the lease and the claims of a killed holder now, so that the next holder need not wait."""
    client = site.client("dynamodb")
    blobs = [(f"blob#{layer['digest']}", "blob", "copied_until") for layer in layers]
    for partition, item, until in ((repository, "row", "lease_expires"), *blobs):
        with suppress(client.exceptions.ConditionalCheckFailedException):
            client.update_item(
                TableName=site.about["table"],
                Key={"repository": {"S": partition}, "item": {"S": item}},
                UpdateExpression=f"SET {until} = :past",
                ConditionExpression=f"attribute_exists({until})",
                ExpressionAttributeValues={":past": {"N": "1"}},
            )


def trickle(layer: dict[str, Any]) -> Slow:
    """Slow the upload of the layer so that it lasts longer than the test looks at it."""
    return Slow(method="PUT", kind="upload", target=re.compile(hexadecimal(layer)), times=99, rate=100_000)


def misses(tag: str, layers: Sequence[dict[str, Any]]) -> Status:
    """Refuse the manifest once, and name all of `layers`, those too that are there."""
    errors = [{"code": "MANIFEST_BLOB_UNKNOWN", "detail": {"Digest": layer["digest"]}} for layer in layers]
    body = json.dumps({"errors": errors}).encode()
    return Status(method="PUT", target=re.compile(f"/manifests/{tag}$"), status=400, body=body)


def uploads(proxy: CountingProxy, layer: dict[str, Any]) -> list[Exchange]:
    """The requests that sent the layer, with any outcome."""
    return [one for one in list(proxy.exchanges) if one.method == "PUT" and hexadecimal(layer) in one.target]


def accepted(proxy: CountingProxy, layer: dict[str, Any]) -> list[Exchange]:
    return [one for one in uploads(proxy, layer) if one.status == 201]


def hexadecimal(layer: dict[str, Any]) -> str:
    return str(layer["digest"]).partition(":")[2]


def held_anew(site: Site, repository: str, known: set[str]) -> str | None:
    """The lease of a holder that is not among `known`; without one, run the site's minute."""
    row = site.item(repository, "row") or {}
    token: str | None = row.get("lease_token")
    if token is not None and token not in known:
        return token
    if known and row.get("lease_expires", 0) < time.time() * 1000:
        site.invoke("reconcile")
    return None

"""The two registries around a copy inside S3: the requests to them, and the answers that forbid the copy."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.integration.copying.s3_images import PROOF, SIZE, assert_same, layer_bytes, reasons, sync
from tests.integration.copying.s3_site import LOCAL, S3Site
from tests.integration.secondary import Secondary, pushed
from tests.support.images import Made
from tests.support.proxy import Cut, Fault, Status

from geosync.copying.s3 import copier
from geosync.copying.s3.layout import Bucket


def test_what_the_primary_s_repository_does_not_serve_is_not_copied_from_its_bucket(
    s3_site: S3Site, s3_secondary: Secondary, push: Callable[..., tuple[Made, list[str]]]
) -> None:
    """Another repository of the primary's may have the layer, which lies in the same bucket."""
    made, (layer,) = push()
    s3_secondary.primary_proxy.add(Status(status=404, kind="blob", target=re.compile(layer), times=100))

    with s3_site.double.watched() as asked:
        s3_secondary.receive(pushed(made))

    assert asked == []
    assert s3_secondary.digest(made.repository, "v1") is None


def test_no_layer_goes_where_the_registry_does_not_find_it(
    s3_site: S3Site,
    s3_secondaries: Callable[..., Secondary],
    push: Callable[..., tuple[Made, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(copier, "REST_S", 0.0)
    elsewhere = Bucket(LOCAL.name, "nowhere")
    secondary = s3_secondaries(destination=elsewhere)
    first, layers = push(layers=3)
    second, others = push(layers=3, tag="v2")

    with s3_site.double.watched() as asked:
        sync(secondary, first)
        sync(secondary, second)

    assert asked == PROOF
    assert layer_bytes(secondary) == 2 * 6 * SIZE
    assert [layer for layer in layers + others if s3_site.bytes_of(layer, elsewhere)] == []
    assert "does not show" in reasons(caplog)[0]


def test_a_registry_that_is_read_only_is_never_written_behind(
    s3_site: S3Site, s3_secondary: Secondary, push: Callable[..., tuple[Made, list[str]]]
) -> None:
    made, _ = push()
    s3_secondary.secondary_proxy.add(
        Status(status=405, method="POST", kind="uploads", times=100, body=b'{"errors":[{"code":"UNSUPPORTED"}]}')
    )

    with s3_site.double.watched() as asked:
        s3_secondary.receive(pushed(made))

    assert asked == []
    assert s3_secondary.digest(made.repository, "v1") is None


def test_a_registry_that_becomes_read_only_during_a_copy_gets_no_link(
    s3_site: S3Site, s3_secondary: Secondary, push: Callable[..., tuple[Made, list[str]]]
) -> None:
    """Its garbage collection may sweep what nothing links yet."""
    made, (layer,) = push()
    body = b'{"errors":[{"code":"UNSUPPORTED"}]}'
    read_only = Status(status=405, method="POST", kind="uploads", times=100, body=body)
    s3_site.double.fail("complete_multipart_upload", lambda: s3_secondary.secondary_proxy.add(read_only))

    s3_secondary.receive(pushed(made))

    assert s3_site.bytes_of(layer) is not None
    assert not s3_site.is_linked(made.repository, layer)
    assert s3_secondary.digest(made.repository, "v1") is None


def test_gitlab_s_metadata_database_is_refused(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    header = {"Gitlab-Container-Registry-Database-Enabled": "true"}
    s3_secondary.secondary_proxy.add(
        Status(status=200, method="GET", kind="ping", times=100, headers=header, body=b"{}")
    )
    first, _ = push()
    second, _ = push(tag="v2")

    with s3_site.double.watched() as asked:
        sync(s3_secondary, first)
        sync(s3_secondary, second)

    assert asked == []
    assert layer_bytes(s3_secondary) == 2 * 2 * SIZE
    (reason,) = reasons(caplog)
    assert "metadata database" in reason


ACCIDENTS: dict[str, Callable[[re.Pattern[str]], Fault]] = {
    "the connection breaks at the first POST": lambda layer: Cut(method="POST", target=layer, times=2),
    "the session of the second POST is lost": lambda _: Status(
        status=404, method="POST", target=re.compile("uploads/$"), body=b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}'
    ),
    "the connection breaks at the look": lambda layer: Cut(method="HEAD", target=layer, times=2),
}


@pytest.mark.parametrize("what", ACCIDENTS)
def test_an_accident_at_the_registry_is_made_good_as_in_a_stream(
    s3_site: S3Site, s3_secondary: Secondary, push: Callable[..., tuple[Made, list[str]]], what: str
) -> None:
    made, (layer,) = push()
    s3_secondary.secondary_proxy.add(ACCIDENTS[what](re.compile(layer)))

    sync(s3_secondary, made)

    assert_same(s3_site, made)


def test_a_registry_that_wants_a_scope_for_each_request_refuses_none(
    s3_site: S3Site, s3_tokens: Secondary, push: Callable[..., tuple[Made, list[str]]]
) -> None:
    """Distribution wants the action `delete` for each DELETE, also for that of an upload, and Geosync sends none."""
    first, _ = push(layers=3)
    sync(s3_tokens, first)  # the first request asks what the registry wants
    s3_tokens.secondary_proxy.exchanges.clear()
    second, _ = push(layers=3, tag="v2")

    sync(s3_tokens, second)

    assert layer_bytes(s3_tokens) == 0
    assert [(one.method, one.kind) for one in s3_tokens.secondary_proxy.exchanges if one.status == 401] == []

"""The client's verbs on real registries: on files and on S3, open, with Basic, with tokens, with TLS."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from local.certificates import KeyPair, signing_pair
from local.token_service import TokenService
from tests.integration.conftest import ISSUER, SERVICE, Place
from tests.support.images import digest_of
from tests.support.proxy import CountingProxy

from geosync.errors import BlobsUnknown, ConfigurationError, NotFound, Refused, RegistryUnavailable, Unauthorized
from geosync.oci import media_types
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous, Basic, RegistryKey
from geosync.oci.manifests import Descriptor, Manifest

Connect = Callable[..., RegistryClient]
Proxied = Callable[[Place], CountingProxy]

PLACES = ["plain", "basic", "token", "s3", "s3_direct", "tls"]


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    found = request.getfixturevalue(f"{request.param}_registry")
    assert isinstance(found, Place)
    return found


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_every_verb(place: Place, connect: Connect, repository: str) -> None:
    client = connect(place, writes=True)
    client.ping()
    layer = random.Random(repository).randbytes(700_000)  # noqa: S311
    config = b'{"architecture":"amd64","os":"linux"}'
    described = [
        Descriptor(media_type=media_types.OCI_CONFIG, digest=digest_of(config), size=len(config)),
        Descriptor(media_type=media_types.OCI_LAYER_GZIP, digest=digest_of(layer), size=len(layer)),
    ]
    manifest = _manifest(described)
    assert client.head_manifest(repository, "v1") is None
    assert client.get_manifest(repository, "v1") is None
    with pytest.raises(NotFound):
        list(client.tags(repository))

    with pytest.raises(BlobsUnknown) as missing:
        client.put_manifest(repository, "v1", manifest)
    assert set(missing.value.missing) == {one.digest for one in described}

    assert client.head_blob(repository, described[1].digest) is None
    upload = client.begin_upload(repository, mount=described[1].digest)
    assert upload is not None
    client.put_blob(upload, described[1].digest, _Body(layer))
    assert client.begin_upload(repository, mount=described[1].digest) is None, "mounted from itself: it is there"
    assert client.head_blob(repository, described[1].digest) == len(layer)
    client.put_small_blob(repository, described[0].digest, config)
    client.put_small_blob(repository, described[0].digest, config)

    client.put_manifest(repository, "v1", manifest)
    client.put_manifest(repository, manifest.digest, manifest)
    assert client.get_manifest(repository, "v1") == manifest
    assert client.get_manifest(repository, manifest.digest) == manifest
    seen = client.head_manifest(repository, "v1")
    assert seen is not None
    assert (seen.digest, seen.size, seen.media_type) == (manifest.digest, len(manifest.content), manifest.media_type)
    with client.open_blob(repository, manifest.blobs[1]) as reader:
        assert len(reader) == len(layer)
        assert b"".join(iter(lambda: reader.read(65536), b"")) == layer
    assert list(client.tags(repository)) == [["v1"]]
    assert repository in [name for page in client.repositories() for name in page]
    assert client.referrers(repository, manifest.digest) is None, "2.8 has no referrers API"

    elsewhere = f"{repository}-mounted"
    assert client.begin_upload(elsewhere, mount=described[1].digest, mount_from=repository) is None

    with pytest.raises(Refused):
        client.delete_manifest(repository, "v1")
    client.delete_manifest(repository, manifest.digest)
    client.delete_manifest(repository, manifest.digest)
    assert client.get_manifest(repository, "v1") is None


def test_a_registry_on_s3_sends_readers_to_the_bucket_and_the_client_follows(
    s3_registry: Place, s3_direct_registry: Place, connect: Connect, proxied: Proxied, repository: str
) -> None:
    for place, statuses in ((s3_registry, {307}), (s3_direct_registry, {200})):
        with place.maker(seed=1) as make:
            image = make.image(repository, "v1", layers=1, size=300_000)
        proxy = proxied(place)
        client = connect(place, url=proxy.url)
        manifest = client.get_manifest(repository, "v1")
        assert manifest is not None
        assert manifest.digest == image.digest
        for blob in manifest.blobs:
            assert client.head_blob(repository, blob.digest) == blob.size
            with client.open_blob(repository, blob) as reader:
                assert len(b"".join(iter(lambda: reader.read(65536), b""))) == blob.size
        assert {one.status for one in proxy.exchanges if one.kind == "blob"} == statuses


def test_a_warm_client_sends_no_token_request_and_no_ping(
    token_registry: Place, token_service: TokenService, connect: Connect, proxied: Proxied, repository: str
) -> None:
    proxy = proxied(token_registry)
    client = connect(token_registry, url=proxy.url, writes=True)
    client.head_manifest(repository, "v1")
    proxy.reset()
    token_service.requests.clear()
    for _ in range(3):
        client.head_manifest(repository, "v1")
        client.put_small_blob(repository, digest_of(b"{}"), b"{}")
    assert list(token_service.requests) == []
    assert [one.status for one in proxy.exchanges if one.status == 401] == []
    assert proxy.counts()["GET", "ping"] == 0
    assert proxy.connections == 0, "the connection of the first request is still used"


@pytest.mark.parametrize("with_certificate", [False, True], ids=["kid", "x5c"])
def test_a_token_of_our_own_opens_the_registry_at_the_first_request(  # noqa: PLR0913, PLR0917 - fixtures
    token_registry: Place,
    token_service: TokenService,
    registry_key: RegistryKey,
    signing: KeyPair,
    connect: Connect,
    proxied: Proxied,
    repository: str,
    with_certificate: bool,
) -> None:
    with token_registry.maker(seed=4) as make:
        image = make.image(repository, "v1")
    credentials = RegistryKey(
        private_key=registry_key.private_key,
        issuer=ISSUER,
        service=SERVICE,
        certificate=signing.certificate if with_certificate else None,
    )
    token_service.requests.clear()
    proxy = proxied(token_registry)
    client = connect(token_registry, url=proxy.url, credentials=credentials)
    manifest = client.get_manifest(repository, "v1")
    assert manifest is not None
    assert manifest.digest == image.digest
    client.put_small_blob(repository, digest_of(b"other"), b"other")
    client.delete_manifest(repository, manifest.digest)
    assert [one.status for one in proxy.exchanges if one.status == 401] == []
    assert list(token_service.requests) == []


def test_a_key_that_the_registry_does_not_trust_is_named_in_the_error(
    token_registry: Place, registry_key: RegistryKey, connect: Connect, repository: str
) -> None:
    strange = RegistryKey(private_key=signing_pair().private_key, issuer=ISSUER, service=SERVICE)
    with pytest.raises(Unauthorized, match="does the registry trust"):
        connect(token_registry, credentials=strange).head_manifest(repository, "v1")
    issuer = RegistryKey(private_key=registry_key.private_key, issuer="somebody-else", service=SERVICE)
    with pytest.raises(Unauthorized, match="somebody-else"):
        connect(token_registry, credentials=issuer).ping()


def test_a_token_of_our_own_allows_only_what_was_asked(
    token_registry: Place, registry_key: RegistryKey, connect: Connect, proxied: Proxied, repository: str
) -> None:
    """A pull token must not open an upload: the registry itself says so, to a request made by hand."""
    from tests.support.images import ImageMaker

    from geosync.oci.signing import Signer

    token = Signer(registry_key).sign([{"type": "repository", "name": repository, "actions": ["pull"]}])
    with ImageMaker(token_registry.url) as plain:
        plain._tokens[repository] = f"Bearer {token}"
        assert plain.send("GET", f"/v2/{repository}/tags/list", repository).status_code == 404
        assert plain.send("POST", f"/v2/{repository}/blobs/uploads/", repository).status_code == 401


@pytest.mark.parametrize(
    ("credentials", "error"),
    [
        (Anonymous(), "401"),
        (Basic(username="geo", password="wrong"), "401"),
        (Basic(username="nobody", password="s3cret-token"), "401"),
    ],
    ids=["anonymous", "password", "user"],
)
def test_wrong_credentials_are_told_apart_from_a_missing_image(
    token_registry: Place, connect: Connect, repository: str, credentials: Basic, error: str
) -> None:
    with pytest.raises(Unauthorized, match=error) as caught:
        connect(token_registry, credentials=credentials).get_manifest(repository, "v1")
    assert caught.value.retryable


def test_a_reader_may_read_and_not_write(token_registry: Place, connect: Connect, repository: str) -> None:
    with token_registry.maker(seed=5) as make:
        image = make.image(repository, "v1")
    reader = connect(token_registry, credentials=Basic(username="reader", password="s3cret-reader"))
    manifest = reader.get_manifest(repository, "v1")
    assert manifest is not None
    assert manifest.digest == image.digest
    with pytest.raises(Unauthorized):
        reader.begin_upload(repository)
    with pytest.raises(Unauthorized):
        reader.get_manifest("other/app", "v1")


def test_a_client_that_writes_can_still_read_where_the_account_may_only_read(
    token_registry: Place, connect: Connect, repository: str
) -> None:
    with token_registry.maker(seed=6) as make:
        make.image(repository, "v1")
    reader = Basic(username="reader", password="s3cret-reader")
    assert connect(token_registry, credentials=reader, writes=True).get_manifest(repository, "v1") is not None


def test_a_mount_from_where_the_account_may_not_read_becomes_an_upload(
    token_registry: Place, connect: Connect, repository: str, token_service: TokenService
) -> None:
    from dataclasses import replace

    from local.token_service import Account

    accounts = dict(token_service.rules.accounts)
    token_service.rules = replace(
        token_service.rules,
        accounts=accounts | {"narrow": Account(password="s3cret-narrow", allowed={repository: ["pull", "push"]})},
    )
    narrow = Basic(username="narrow", password="s3cret-narrow")
    client = connect(token_registry, credentials=narrow, writes=True)
    assert client.begin_upload(repository, mount=digest_of(b"x"), mount_from="secret/app") is not None


def test_a_certificate_of_an_unknown_authority_is_refused_and_of_a_known_one_taken(
    tls_registry: Place, connect: Connect, tmp_path: Path
) -> None:
    with pytest.raises(RegistryUnavailable, match="TLS"):
        connect(tls_registry, ca_bundle=None).ping()
    assert tls_registry.ca_bundle is not None
    connect(tls_registry, ca_bundle=Path(tls_registry.ca_bundle).read_text()).ping()
    named = tls_registry.url.replace("127.0.0.1", "localhost")
    with pytest.raises(RegistryUnavailable, match="TLS"):
        connect(tls_registry, url=named).ping()
    nothing = tmp_path / "empty.crt"
    nothing.write_text("no certificate")
    for bundle in (str(nothing), str(tmp_path / "missing.crt"), "-----BEGIN CERTIFICATE-----\nx"):
        with pytest.raises(ConfigurationError, match="CA"):
            connect(tls_registry, ca_bundle=bundle)


def test_an_image_of_skopeo_is_read_and_one_of_ours_is_read_by_skopeo(
    token_registry: Place, plain_registry: Place, connect: Connect, repository: str, tmp_path: Path
) -> None:
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        pytest.fail("skopeo is missing: apt-get install skopeo")
    with plain_registry.maker(seed=11) as make:
        index = make.index(repository, "v1", children=2, docker=True)
    _run(
        tmp_path,
        *[skopeo, "--insecure-policy", "copy", "-q", "-a", "--src-tls-verify=false", "--dest-tls-verify=false"],
        *["--dest-creds", "geo:s3cret-token"],
        f"docker://{plain_registry.host}/{repository}:v1",
        f"docker://{token_registry.host}/{repository}:v1",
    )
    copied = connect(token_registry).get_manifest(repository, "v1")
    assert copied is not None
    assert copied.digest == index.digest
    inspected = _run(
        tmp_path,
        *[skopeo, "inspect", "--raw", "--tls-verify=false", "--creds", "reader:s3cret-reader"],
        f"docker://{token_registry.host}/{repository}:v1",
    )
    assert "sha256:" + hashlib.sha256(inspected).hexdigest() == index.digest


def _run(home: Path, *command: str) -> bytes:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _manifest(described: list[Descriptor]) -> Manifest:
    config, *layers = [{"mediaType": one.media_type, "digest": one.digest, "size": one.size} for one in described]
    document = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": config, "layers": layers}
    return Manifest.read(json.dumps(document).encode(), media_types.OCI_MANIFEST)


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def __len__(self) -> int:
        return len(self._content)

    def read(self, size: int, /) -> bytes:
        part = self._content[self._at : self._at + size]
        self._at += len(part)
        return part

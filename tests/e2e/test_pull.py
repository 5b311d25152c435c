"""Pulls at a site by skopeo and by plain HTTP, through API Gateway, functions/pull and its role, as deployed."""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from local.demo.skopeo import Skopeo, SkopeoError, location
from local.processes import plain_environment
from local.wiring import READS_STRICTLY
from tests.e2e.command import Geosync, undone
from tests.e2e.parts import PATIENCE_S, Site, eventually
from tests.e2e.registries import ACCEPT, digest, maker
from tests.support.images import ImageMaker, Made
from tests.unit.template.parts import ROOT

PAGE = ROOT / "docs" / "operations" / "reads.md"
PUSHES = 10
MAX_STALENESS_S = 300
"""The template's default."""
SOON_S = 0.1
"""From a push to its pull: the notification is on its way, or just marked."""


@pytest.fixture
def repository() -> str:
    return f"e2e/pulled/{uuid.uuid4().hex[:10]}"


def skopeo(folder: Path, site: Site, username: str | None = None, password: str | None = None) -> Skopeo:
    """skopeo that knows a site's pull address, with an account there."""
    return Skopeo(folder, [_front(site) | {"username": username, "password": password}], seconds=PATIENCE_S)


def _front(site: Site) -> dict[str, str | None]:
    return {"registry": site.about["pull_url"]}


def pulled(site: Site, repository: str, reference: str, method: str = "GET") -> requests.Response:
    url = f"{site.about['pull_url']}/v2/{repository}/manifests/{reference}"
    return requests.request(method, url, headers={"Accept": ACCEPT}, timeout=PATIENCE_S)


def test_skopeo_pulls_what_was_pushed_just_now_from_a_registry_on_s3(
    on_s3: Site, make: ImageMaker, repository: str, tmp_path: Path
) -> None:
    made = make.index(repository, "v1", children=2)
    client = skopeo(tmp_path, on_s3)

    def is_pulled() -> bool:
        """Tell whether a pull succeeds: a busy machine may copy the tag later than one pull waits."""
        try:
            client.copy(location(_front(on_s3), repository, "v1"), f"dir:{tmp_path / 'image'}")
        except SkopeoError:
            return False
        return True

    eventually(is_pulled, what=f"{repository}:v1")
    assert (tmp_path / "image" / "manifest.json").read_bytes() == made.content
    for blob in made.blobs:
        assert (tmp_path / "image" / blob.removeprefix("sha256:")).exists()


MIRROR = re.findall(r"^```toml\n(\[\[registry\]\]\n.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)[0]
"""The page's snippet for CRI-O, Podman and skopeo."""


def mirrored(folder: Path, primary: Site, site: Site, reference: str) -> str:
    """The digest that skopeo reads under the primary's name, with the page's mirror; on this machine without TLS."""
    hosts = {
        "registry.dublin.example.com": primary.about["registry"],
        "pull.oregon.example.com": site.about["pull_url"],
    }
    text = MIRROR
    for example, url in hosts.items():
        assert example in text
        text = text.replace(f'"{example}"', f'"{url.partition("://")[2]}"')
    text = re.sub(r"^(location = .*)$", r"\1\ninsecure = true", text, flags=re.MULTILINE)
    (folder / "registries.conf").write_text(text)
    if not (folder / "auth.json").exists():
        Skopeo(folder, [primary.about])  # writes it
    host = primary.about["registry"].partition("://")[2]
    line = ["skopeo", "--registries-conf", str(folder / "registries.conf"), "inspect", "--raw", "--authfile"]
    done = subprocess.run(
        [*line, str(folder / "auth.json"), f"docker://{host}/{reference}"],
        env=plain_environment(TMPDIR=str(folder), HOME=str(folder)),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return f"sha256:{hashlib.sha256(done.stdout).hexdigest()}"


def test_skopeo_takes_the_site_for_a_mirror_as_the_page_has_it_and_goes_on_to_the_primary(
    state: Path, on_s3: Site, primary: Site, make: ImageMaker, repository: str, tmp_path: Path
) -> None:
    with maker(on_s3) as at_the_site:
        there = at_the_site.image(repository, None, layers=1)  # only the site has it
    assert mirrored(tmp_path, primary, on_s3, f"{repository}@{there.digest}") == there.digest
    held = Geosync(state).deployed(on_s3).sync_registry
    held.pause("the site has nothing new")
    with undone(held.resume):
        here = make.image(repository, "v1", layers=1)  # only the primary has it
        assert mirrored(tmp_path, primary, on_s3, f"{repository}:v1") == here.digest


def served(site: Site, repository: str, tag: str) -> requests.Response | None:
    """The answer to a pull; None where the tag is not there in time."""
    answer = pulled(site, repository, tag)
    assert answer.status_code in (200, 404), answer.text
    return answer if answer.status_code == 200 else None


def test_a_tag_is_served_as_it_was_at_the_moment_that_the_answer_names_or_later(
    on_s3: Site, make: ImageMaker, repository: str
) -> None:
    """A push whose event is not marked yet, as on a busy machine, is not known: the moment is before that push then."""
    before = ""
    for _ in range(PUSHES):
        made = make.image(repository, "v1", layers=1)
        pushed_at = datetime.now(UTC)
        time.sleep(SOON_S)

        def is_new(made: Made = made, pushed_at: datetime = pushed_at, before: str = before) -> bool:
            answer = served(on_s3, repository, "v1")
            if answer is None:
                return False
            assert 0 <= int(answer.headers["X-Geosync-Lag"]) <= MAX_STALENESS_S
            point = datetime.fromisoformat(answer.headers["X-Geosync-Recovery-Point"])
            digest = answer.headers["Docker-Content-Digest"]
            assert digest == made.digest or (digest == before and point < pushed_at)
            return digest == made.digest

        eventually(is_new, what=f"{repository}:v1")
        before = made.digest


def test_a_site_that_allows_no_age_serves_what_was_pushed_before_the_pull(
    secondaries: list[Site], make: ImageMaker, repository: str
) -> None:
    """Or nothing, where a busy machine brings it later than a pull waits; never what the tag was before."""
    strict = next(site for site in secondaries if site.name == READS_STRICTLY)
    for _ in range(PUSHES):
        made = make.image(repository, "v1", layers=1)
        time.sleep(SOON_S)

        def is_new(made: Made = made) -> bool:
            answer = served(strict, repository, "v1")
            assert answer is None or answer.headers["Docker-Content-Digest"] == made.digest
            return answer is not None

        eventually(is_new, what=f"{repository}:v1")


def test_a_head_and_a_digest_and_what_is_not_there(on_s3: Site, make: ImageMaker, repository: str) -> None:
    made = make.image(repository, "v1", layers=1)
    eventually(lambda: served(on_s3, repository, "v1"), what=f"{repository}:v1")
    assert pulled(on_s3, repository, "v1", "HEAD").status_code == 405
    blob = requests.head(f"{on_s3.about['pull_url']}/v2/{repository}/blobs/{made.blobs[0]}", timeout=PATIENCE_S)
    assert blob.status_code == 307
    assert pulled(on_s3, repository, made.digest).content == made.content
    for absent in ("v9", f"sha256:{'0' * 64}"):
        answer = pulled(on_s3, repository, absent)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/app/manifests/v1", 416, "UNSUPPORTED"),  # a range of it
        ("PUT", "/v2/app/manifests/v1", 405, "UNSUPPORTED"),
        ("POST", "/v2/app/blobs/uploads/", 405, "UNSUPPORTED"),
        ("DELETE", "/v2/app/manifests/v1", 405, "UNSUPPORTED"),
        ("GET", f"/v2/{'a' * 300}/manifests/v1", 400, "NAME_INVALID"),
        ("GET", "/v2/_catalog", 404, "UNSUPPORTED"),
    ],
)
def test_what_is_no_read_is_refused_as_a_registry_refuses(
    on_s3: Site, method: str, path: str, status: int, code: str
) -> None:
    headers = {"Range": "bytes=0-9"}
    answer = requests.request(method, on_s3.about["pull_url"] + path, data=b"{}", headers=headers, timeout=PATIENCE_S)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_a_client_gets_a_token_of_the_registry_s_own_realm_and_only_with_its_account(
    primary: Site, make: ImageMaker, repository: str, tmp_path: Path
) -> None:
    made = make.image(repository, "v1", layers=1)
    place = location(_front(primary), repository, "v1")
    for name, password in (("nobody", None), ("other", "of another registry")):
        (folder := tmp_path / name).mkdir()
        with pytest.raises(SkopeoError):
            skopeo(folder, primary, "geosync" if password else None, password).raw_digest(place)
    known = skopeo(tmp_path, primary, primary.about["username"], primary.about["password"])
    assert known.raw_digest(place) == made.digest == digest(make, repository, "v1")
    for account in (None, ("geosync", "of another registry")):
        refused = requests.get(f"{primary.about['pull_url']}/v2/", auth=account, timeout=PATIENCE_S)
        direct = requests.get(f"{primary.about['registry']}/v2/", auth=account, timeout=PATIENCE_S)
        assert refused.status_code == direct.status_code == 401
        assert refused.headers["WWW-Authenticate"] == direct.headers["WWW-Authenticate"]
        (error,), (of_the_registry,) = refused.json()["errors"], direct.json()["errors"]
        assert (error["code"], error.keys()) == ("UNAUTHORIZED", of_the_registry.keys())

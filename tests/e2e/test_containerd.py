"""containerd pulls through a site as docs/operations/reads.md has it: the page's own hosts.toml, and a real containerd.

Likewise the image of the page's pod, with the account of its secret, as a node has it fetched. On this machine there is
no TLS, so the page's two hosts become the stack's addresses. Nothing else is changed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.command import Geosync, undone
from tests.e2e.parts import Site
from tests.e2e.registries import maker
from tests.support.containerd import Containerd, is_here, running
from tests.support.images import ImageMaker, Made
from tests.unit.template.parts import ROOT

pytestmark = pytest.mark.skipif(not is_here(), reason="containerd is not here: make setup says why")
PAGE = (ROOT / "docs" / "operations" / "reads.md").read_text()
SERVER, MIRROR = "registry.dublin.example.com", "pull.oregon.example.com"
BELOW_A_PATH = "a1b2c3d4e5.execute-api.us-west-2.amazonaws.com/pull/v2/mirror"
OF_A_HOST, WITH_A_PATH = re.findall(r"^```toml\n(server = .*?)^```", PAGE, re.DOTALL | re.MULTILINE)
"""The page's two files."""
(IMAGE,) = re.findall(r'image: "(.*?)"', PAGE)
"""The page's pod."""


@pytest.fixture
def containerd() -> Iterator[Containerd]:
    """A running containerd; a socket's path has a hundred characters at most."""
    folder = Path(tempfile.mkdtemp(prefix="ctr-"))
    try:
        with running(folder) as one:
            yield one
    finally:
        shutil.rmtree(folder)


def configured(folder: Path, text: str, primary: Site, site: Site) -> Path:
    """The folder with the page's file, in the place that the page names."""
    assert f"`/etc/containerd/certs.d/{SERVER}/hosts.toml`" in PAGE
    hosts = {
        f"https://{SERVER}": primary.about["registry"],
        f"https://{MIRROR}": site.about["pull_url"],
        f"https://{BELOW_A_PATH}": f"{site.about['pull_url']}/v2",
    }
    known = [example for example in hosts if f'"{example}"' in text]
    assert len(known) == 2  # a server, and a mirror before it
    for example in known:
        text = text.replace(f'"{example}"', f'"{hosts[example]}"')
    (folder / SERVER).mkdir(parents=True)
    (folder / SERVER / "hosts.toml").write_text(text)
    return folder


def fetch(containerd: Containerd, image: str, hosts: Path, account: str) -> None:
    """Fetch an image."""
    done = containerd.fetch(image, hosts, account=account)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Puller:
    """containerd, with the page's file and a client's account at the primary, and a repository of a test's own."""

    containerd: Containerd
    hosts: Path
    account: str
    repository: str

    def fetch(self, reference: str) -> None:
        """Fetch an image that is named after the primary."""
        fetch(self.containerd, self._name(reference), self.hosts, self.account)

    def digest(self, tag: str) -> str:
        """The digest that was fetched last under a tag."""
        return self.containerd.digest(self._name(f":{tag}"))

    def has(self, made: Made) -> bool:
        """Tell whether all of an image was fetched: containerd keeps what it has hashed."""
        return self.containerd.content(made.digest) == made.content and all(map(self.containerd.content, made.blobs))

    def _name(self, reference: str) -> str:
        return f"{SERVER}/{self.repository}{reference}"


@pytest.fixture(params=[OF_A_HOST, WITH_A_PATH], ids=["of a host", "with a path"])
def puller(
    request: pytest.FixtureRequest, containerd: Containerd, primary: Site, on_s3: Site, tmp_path: Path
) -> Puller:
    return Puller(
        containerd=containerd,
        hosts=configured(tmp_path / "certs.d", request.param, primary, on_s3),
        account=f"{primary.about['username']}:{primary.about['password']}",
        repository=f"e2e/ctr/{uuid.uuid4().hex[:10]}",
    )


def test_what_only_the_site_has_comes_from_there(on_s3: Site, puller: Puller) -> None:
    with maker(on_s3) as at_the_site:
        there = at_the_site.image(puller.repository, None, layers=2)
    puller.fetch(f"@{there.digest}")
    assert puller.has(there)


def test_what_was_pushed_to_the_primary_just_now_is_fetched(make: ImageMaker, puller: Puller) -> None:
    """By way of the site, which is asked first; or from the primary, where the site does not have it in time."""
    new = make.image(puller.repository, "v1", layers=2)
    puller.fetch(":v1")
    assert puller.digest("v1") == new.digest
    assert puller.has(new)


def test_what_the_site_does_not_have_in_time_comes_from_the_primary(
    state: Path, on_s3: Site, make: ImageMaker, puller: Puller
) -> None:
    held = Geosync(state).deployed(on_s3).sync_registry
    held.pause("the site has nothing new")
    with undone(held.resume):
        here = make.image(puller.repository, "v1", layers=2)
        puller.fetch(":v1")
    assert puller.digest("v1") == here.digest
    assert puller.has(here)


def test_the_image_of_a_pod_is_fetched_with_the_account_of_its_secret_and_not_without(
    primary: Site, containerd: Containerd, make: ImageMaker, tmp_path: Path
) -> None:
    """By the pull address itself, where the registry behind it asks for an account."""
    made = make.image(f"e2e/ctr/{uuid.uuid4().hex[:10]}", "v1", layers=1)
    host = str(primary.about["pull_url"]).partition("://")[2]
    image = IMAGE.replace(MIRROR, host).replace("group/app", made.repository)
    assert image == f"{host}/{made.repository}:v1"
    assert containerd.fetch(image, tmp_path).returncode != 0
    fetch(containerd, image, tmp_path, f"{primary.about['username']}:{primary.about['password']}")
    assert containerd.digest(image) == made.digest

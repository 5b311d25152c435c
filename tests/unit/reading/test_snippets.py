"""The files for clients in docs/operations/reads.md have keys that the clients' documentation has, and agree.

Tests of the deployed stack run those of containerd (tests/e2e/test_containerd.py) and skopeo (tests/e2e/test_pull.py).
"""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import Any

import pytest
import yaml
from tests.unit.template.parts import ROOT

PAGE = (ROOT / "docs" / "operations" / "reads.md").read_text()
PULL, PRIMARY = "pull.oregon.example.com", "registry.dublin.example.com"
HOST_KEYS = {"capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout"}
"""https://github.com/containerd/containerd/blob/main/docs/hosts.md"""
CAPABILITIES = {"pull", "resolve", "push"}
REGISTRY_KEYS = {"prefix", "location", "insecure", "blocked", "mirror", "mirror-by-digest-only"}
MIRROR_KEYS = {"location", "insecure", "pull-from-mirror"}
"""containers-registries.conf(5)"""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def hosts() -> list[dict[str, Any]]:
    return [read for text in blocks("toml") if "server" in (read := tomllib.loads(text))]


def test_there_is_a_file_with_and_one_without_a_path() -> None:
    assert [any("override_path" in host for host in one["host"].values()) for one in hosts()] == [False, True]


@pytest.mark.parametrize("file", hosts(), ids=lambda file: next(iter(file["host"])))
def test_containerd_knows_the_keys_and_asks_the_primary_last(file: dict[str, Any]) -> None:
    assert file.keys() == {"server", "host"}
    assert file["server"] == f"https://{PRIMARY}"
    for address, host in file["host"].items():
        assert address.startswith("https://")
        assert host.keys() <= HOST_KEYS
        assert set(host["capabilities"]) <= CAPABILITIES - {"push"}  # the site refuses it
        assert {"pull", "resolve"} <= set(host["capabilities"])
        # Without it /v2 is put behind the path.
        assert host.get("override_path", False) is ("/" in address.removeprefix("https://"))


def test_cri_o_and_podman_know_the_keys_and_ask_the_site_first() -> None:
    (file,) = [read for text in blocks("toml") if "registry" in (read := tomllib.loads(text))]
    (registry,) = file["registry"]
    assert registry.keys() <= REGISTRY_KEYS
    assert registry["prefix"] == registry["location"] == PRIMARY
    (mirror,) = registry["mirror"]
    assert mirror.keys() <= MIRROR_KEYS
    assert mirror["location"] == PULL


def test_docker_logs_in_where_it_pulls() -> None:
    (text,) = blocks("sh needs-docker")
    login, pull = (shlex.split(line) for line in text.splitlines())
    assert login[:2] == ["docker", "login"]
    assert pull[:2] == ["docker", "pull"]
    assert pull[2].partition("/")[0] == login[2] == PULL


def test_a_pod_names_the_secret_that_is_made_and_the_host_that_it_is_for() -> None:
    (text,) = blocks("sh needs-kubernetes")
    words = shlex.split(text.replace("\\\n", " "))
    assert words[:4] == ["kubectl", "create", "secret", "docker-registry"]
    given = dict(word.removeprefix("--").split("=", 1) for word in words[5:])
    assert given.keys() == {"docker-server", "docker-username", "docker-password"}
    (pod,) = [read for text in blocks("yaml") if "spec" in (read := yaml.safe_load(text))]
    assert pod["spec"]["imagePullSecrets"] == [{"name": words[4]}]
    (container,) = pod["spec"]["containers"]
    assert container["image"].partition("/")[0] == given["docker-server"] == PULL

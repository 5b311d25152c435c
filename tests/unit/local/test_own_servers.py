"""The local stack's own servers are reached whatever proxy and AWS settings the shell has; downloads use the proxy."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any, cast

import botocore.utils
import pytest
import requests.utils
from local import emulator, stack
from local.demo import __main__ as demo

from geosync.cli.local_stack import local_session, reach_this_machine_directly
from geosync.cli.site import local_site

OWN, OTHER, PROXY = "http://127.0.0.1:8080/v2/", "http://registry.example/v2/", "http://proxy.example:3128"
HERE = "127.0.0.1,localhost"


@pytest.fixture(autouse=True)
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, PROXY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def bypassed(url: str) -> list[bool]:
    """Whether urllib, requests and botocore, in this order, ask no proxy for a URL."""
    host = url.split("/")[2]
    return [
        bool(urllib.request.proxy_bypass(host)),
        requests.utils.get_environ_proxies(url) == {},
        botocore.utils.get_environ_proxies(url) == {},
    ]


@pytest.mark.parametrize("former", [{}, {"no_proxy": "corp.example"}, {"NO_PROXY": "corp.example , 10.0.0.1"}])
def test_own_servers_are_asked_without_the_proxy(former: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, hosts in former.items():
        monkeypatch.setenv(name, hosts)
    assert bypassed(OWN) == [False, False, False]
    reach_this_machine_directly()
    assert bypassed(OWN) == bypassed("http://localhost:80/") == [True, True, True]
    assert bypassed(OTHER) == [False, False, False]
    assert bypassed("http://corp.example/") == [bool(former)] * 3


@pytest.mark.parametrize(
    ("lower", "upper", "then"),
    [
        ("", "", (HERE, HERE)),
        ("*", "*", ("*", "*")),
        ("a.example", "b.example", (f"a.example,{HERE}", f"b.example,{HERE}")),
        ("localhost,127.0.0.1", "", ("localhost,127.0.0.1", "localhost,127.0.0.1")),
    ],
)
def test_what_the_shell_had_stays(
    lower: str, upper: str, then: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", lower)
    monkeypatch.setenv("NO_PROXY", upper)
    reach_this_machine_directly()
    reach_this_machine_directly()
    assert (os.environ["no_proxy"], os.environ["NO_PROXY"]) == then


def test_each_program_of_the_local_stack_reaches_its_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stack.main(["--state", str(tmp_path), "status"]) == 1
    assert bypassed(OWN) == [True, True, True]
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY")
    assert demo.main(["--state", str(tmp_path)]) == 1
    assert bypassed(OWN) == [True, True, True]


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion = mars\nuse_fips_endpoint = true\n[broken\n")
    settings = {"AWS_PROFILE": "nowhere", "AWS_DEFAULT_REGION": "mars", "AWS_CONFIG_FILE": str(tmp_path / "config")}
    for name, value in (settings | {"AWS_ACCESS_KEY_ID": "none", "AWS_ENDPOINT_URL": OTHER}).items():
        monkeypatch.setenv(name, value)


def of_the_root(client: Any) -> tuple[str, str, str]:
    return client.meta.endpoint_url, client.meta.region_name, client._request_signer._credentials.access_key


@pytest.mark.usefixtures("strange")
def test_the_emulator_s_clients_take_none_of_the_shell_s_aws_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "_session", local_session)  # the kept one may be older than the settings
    running = emulator.RunningEmulator(url="http://127.0.0.1:9", pid=1, folder=Path("none"))
    for service in ("s3", "sqs"):
        assert of_the_root(running.client(service, "eu-west-1")) == ("http://127.0.0.1:9", "eu-west-1", "test")


@pytest.mark.usefixtures("strange")
def test_the_command_s_clients_of_a_local_site_take_none_either(tmp_path: Path) -> None:
    site = {"name": "oregon", "stack": "geosync-oregon", "region": "us-west-2"}
    (tmp_path / "stack.json").write_text(json.dumps({"sites": [site], "aws_endpoint_url": "http://127.0.0.1:9"}))
    chosen = local_site("oregon", tmp_path)
    assert of_the_root(cast("Any", chosen.access.client("sqs"))) == ("http://127.0.0.1:9", "us-west-2", "test")
    assert bypassed(OWN) == [True, True, True]

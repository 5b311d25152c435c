"""A real docker-registry posts to the handler: its pushes and deletes become events, and a refusal loses none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from functions.notifications import app
from local.registries import Notifications, RegistrySpec, start
from tests.functional.notifications.parts import CONTEXT, Site
from tests.functional.notifications.stub_aws import TOKEN
from tests.support.images import ImageMaker


class Gateway(BaseHTTPRequestHandler):
    """Takes the place of API Gateway; `answers` keeps each request's status, `dropped` the number of dropped events."""

    answers: list[int]
    dropped: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        event = {"headers": dict(self.headers), "body": body, "isBase64Encoded": False, "requestContext": {}}
        answer = app.handler(event, CONTEXT)
        self.answers.append(answer["statusCode"])
        content = answer["body"].encode()
        self.dropped.append(json.loads(content).get("dropped", 0))
        with suppress(BrokenPipeError):  # the registry waits 0.5 s, and sends it again
            self.send_response(answer["statusCode"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def gateway() -> Iterator[tuple[str, list[int], list[int]]]:
    answers: list[int] = []
    dropped: list[int] = []
    handler = type("GatewayOfOneTest", (Gateway,), {"answers": answers, "dropped": dropped})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/v4/container_registry_event/events", answers, dropped
        server.shutdown()


@contextmanager
def registry(folder: Path, url: str, *, token: str = TOKEN, ignore: bool = True) -> Iterator[ImageMaker]:
    notifications = Notifications(url=url, headers={"Authorization": token}, ignore=ignore, backoff=0.1)
    running = start(RegistrySpec(name="primary", notifications=notifications), folder)
    try:
        with ImageMaker(running.url) as maker:
            yield maker
    finally:
        running.stop()


def eventually(check: Callable[[], bool]) -> None:
    """Wait until the registry's queue has brought what the check asks for; the bound only ends a test that hangs."""
    deadline = time.monotonic() + 120
    while not check():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.05)


def references(messages: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(message["event_name"], message.get("tag") or message["digest"]) for message in messages}


@pytest.mark.parametrize("ignore", [True, False])
def test_what_is_pushed_and_deleted_arrives_and_nothing_else(aws: Site, tmp_path: Path, ignore: bool) -> None:
    with gateway() as (url, answers, dropped), registry(tmp_path, url, ignore=ignore) as maker:
        image = maker.image("group/app", "v1")
        index = maker.index("group/app", "multi")
        maker.delete(image)
        expected = {
            ("created", "v1"),
            ("created", "multi"),
            *(("created", child) for child in index.children),
            ("deleted", "v1"),
            ("deleted", image.digest),
        }
        arrived: set[tuple[str, str]] = set()

        def all_arrived() -> bool:
            arrived.update(references(aws.messages()))
            return arrived >= expected

        eventually(all_arrived)
        assert arrived == expected
        assert {item["outcome"] for item in aws.items()} == {"accepted"}
        assert set(answers) == {200}
        assert any(dropped) != ignore  # blobs are posted too, and dropped here


def test_what_was_refused_is_sent_again_and_is_one_event(aws: Site, tmp_path: Path) -> None:
    with gateway() as (url, answers, _), registry(tmp_path, url) as maker:
        aws.table.delete()
        maker.image("group/app", "v1")
        eventually(lambda: answers.count(503) >= 3)
        assert set(answers) == {503}
        aws.create_table()
        eventually(lambda: answers[-1] == 200)
        maker.image("group/app", "v2")
        eventually(lambda: len(aws.items()) == 2)
    assert references(aws.messages()) == {("created", "v1"), ("created", "v2")}


def test_a_registry_with_a_wrong_token_is_heard_once_it_is_right(aws: Site, tmp_path: Path) -> None:
    with gateway() as (url, answers, _), registry(tmp_path, url, token="rotated-token") as maker:
        maker.image("group/app", "v1")
        eventually(lambda: len(answers) >= 3)
        assert set(answers) == {401}
        assert (aws.items(), aws.messages()) == ([], [])
        aws.secrets.put_secret_value(SecretId=aws.secret_arn, SecretString="rotated-token")
        app.endpoint.cache_clear()  # a minute later
        eventually(lambda: answers[-1] == 200)
    assert references(aws.messages()) == {("created", "v1")}

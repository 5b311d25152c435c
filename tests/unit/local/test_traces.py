"""The emulator keeps the trace header of each message of a batch, as AWS does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from local.emulator_process import hand_traces_on

URL = "http://localhost/1/work"


class Emulator:
    """The emulator's SQS, as far as traces go: it drops what a batch's entries have beside their bodies."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, Any]] = []
        self._HANDLERS = {"SendMessage": self._act_send_message, "SendMessageBatch": self._send_batch}
        self._ensure_msg_fields = lambda _: None

    def _act_send_message(self, data: dict[str, Any], _: str) -> dict[str, Any]:
        self.kept.append((data["MessageBody"], data.get("MessageSystemAttributes")))
        return {}

    def _send_batch(self, data: dict[str, Any], url: str) -> dict[str, Any]:
        for one in data["Entries"]:
            self._act_send_message({"MessageBody": one["MessageBody"]}, url)
        return {}


@pytest.fixture
def sqs() -> Any:
    found = Emulator()
    hand_traces_on(SimpleNamespace(handle_request=None), found)
    return found


def test_entries_with_one_body_keep_each_its_own_header(sqs: Any) -> None:
    entries = [
        {"Id": "0", "MessageBody": "same", "MessageSystemAttributes": "first"},
        {"Id": "1", "MessageBody": "same", "MessageSystemAttributes": "second"},
        {"Id": "2", "MessageBody": "same"},
    ]
    sqs._HANDLERS["SendMessageBatch"]({"Entries": entries}, URL)
    assert sqs.kept == [("same", "first"), ("same", "second"), ("same", None)]


def test_a_message_by_itself_keeps_its_own_after_a_batch(sqs: Any) -> None:
    sqs._HANDLERS["SendMessageBatch"]({"Entries": [{"MessageBody": "a", "MessageSystemAttributes": "first"}]}, URL)
    sqs._HANDLERS["SendMessage"]({"MessageBody": "a", "MessageSystemAttributes": "alone"}, URL)
    sqs._HANDLERS["SendMessage"]({"MessageBody": "a"}, URL)
    assert sqs.kept == [("a", "first"), ("a", "alone"), ("a", None)]

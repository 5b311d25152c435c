"""An HTTP server that answers as Secrets Manager, DynamoDB and SNS do, late or badly if it is told to.

It runs in a process of its own, so that the time measured is the caller's, and knows nothing of our code: real requests
come in over real connections. The first line that it prints is its port. `POST /_behaviour` replaces the behaviour (see
Behaviour), `GET /_counts` returns the requests since then per operation. It ends when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

TOKEN = "stub-token"


@dataclass(kw_only=True)
class Behaviour:
    """Seconds before each answer, and what goes wrong.

    An operation named in `failing` answers 500 each time, one in `hanging` not before the next behaviour. That many
    `unprocessed` batch writes leave their last item, that many `refused` batch publishes refuse one message. The first
    `together` requests are answered only once all of them are there.
    """

    seconds: float = 0.0
    failing: tuple[str, ...] = ()
    hanging: tuple[str, ...] = ()
    unprocessed: int = 0
    refused: int = 0
    together: int = 0


class Stub:
    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.counts: Counter[str] = Counter()
        self.connections = 0
        self.there = asyncio.Event()
        self.replaced = asyncio.Event()
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                request, *lines = head.split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status, content = await self.answer(request.split()[1], headers, body)
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if path == "/_behaviour":
            self.replaced.set()  # what hangs would be open in the tests that follow
            self.behaviour, self.counts = Behaviour(**json.loads(body)), Counter()
            self.there, self.replaced = asyncio.Event(), asyncio.Event()
            return 200, b""
        if path == "/_counts":
            return 200, json.dumps(self.counts | {"connections": self.connections}).encode()
        target = headers.get("x-amz-target", "")
        form = {} if target else {name: values[0] for name, values in parse_qs(body.decode()).items()}
        operation = target.rpartition(".")[2] or form["Action"]
        self.counts[operation] += 1
        self.open += 1
        self.counts["most_at_once"] = max(self.counts["most_at_once"], self.open)
        try:
            return await self.answer_call(operation, form, body)
        finally:
            self.open -= 1

    async def answer_call(self, operation: str, form: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self.open >= self.behaviour.together:
            self.there.set()
        await self.there.wait()
        if operation in self.behaviour.hanging:
            await self.replaced.wait()
            return 500, b"{}"
        await asyncio.sleep(self.behaviour.seconds)
        if operation in self.behaviour.failing:
            return 500, b"{}"
        document = self.publish(form) if form else json.dumps(self.reply(operation, json.loads(body))).encode()
        return 200, document

    def reply(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation == "GetSecretValue":
            return {"SecretString": TOKEN, "Name": "token", "ARN": parameters["SecretId"]}
        ((table, requests),) = parameters["RequestItems"].items()
        self.counts["items"] += len(requests)
        if self.behaviour.unprocessed > 0:
            self.behaviour.unprocessed -= 1
            return {"UnprocessedItems": {table: requests[-1:]}}
        return {"UnprocessedItems": {}}

    def publish(self, form: dict[str, str]) -> bytes:
        ids = [value for name, value in form.items() if name.startswith("PublishBatch") and name.endswith(".Id")]
        self.counts["messages"] += len(ids)
        failed = ""
        if self.behaviour.refused > 0:
            self.behaviour.refused -= 1
            refused = ids.pop()
            failed = f"<member><Id>{refused}</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member>"
        taken = "".join(f"<member><Id>{one}</Id><MessageId>m-{one}</MessageId></member>" for one in ids)
        return (
            '<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult>'
            f"<Successful>{taken}</Successful><Failed>{failed}</Failed></PublishBatchResult>"
            "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishBatchResponse>"
        ).encode()


async def main() -> None:
    server = await asyncio.start_server(Stub().serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())

"""The emulator: what workers have in common is read once, and it does some things as AWS does them.

A layer is unpacked once, and the workers of all functions share it. Each worker of the emulator's own unpacks all
layers of its function for itself: 47 MB for half a second of processor time. On AWS no function can write to a layer
either. Differs: shared-layers.

A worker is forked from a process that has read the modules of its layers (`worker_template.py`).
Differs: forked-workers.

A worker marks the end of its log before it answers. By itself the emulator waits 50 ms for the log of an invocation
that logs nothing, and takes what comes late for the next one's.

`as_aws` bridges what the emulator does otherwise than AWS where it takes a template, and asks for permissions.

It does not read the same text again and again: policies and expressions are parsed once. This changes no answer.

Run by the emulator's own interpreter, in place of `-m ministack`; so it uses nothing else of this project.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import queue
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache, wraps
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

SMALL_BYTES = 1 << 20
"""What is smaller is a function's own code, which it may change."""
TEMPLATE = Path(__file__).with_name("worker_template.py")
END_OF_LOG = "\x03"
"""What a worker writes to its standard error before each answer, at the end of a line."""
GONE_S = 0.25
"""For the last lines of a worker that is gone and has not answered."""
LATEST = "$LATEST"
"""The version of a function that is changed, and of which the stack's functions have no other."""
ENDED = -1
"""For how a worker ended, which only its parent could know."""
BATCHES = {
    "sns:PublishBatch": "sns:Publish",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
}
"""The permissions that the emulator asks for, and the one that AWS asks for in each one's place."""
TRACE_HEADER = "x-amzn-trace-id"
RULE_FUNCTIONS = ("Contains", "EachMemberEquals", "EachMemberIn", "RefAll", "ValueOf", "ValueOfAll")
_ADDRESS = re.compile(r"https://([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com/")
REMEMBERED = 4096
"""Texts whose parsed form is kept: a policy or an expression of the template's functions has a few hundred."""
PUBLISHED = 30_000.0
"""Messages that SNS takes in a second, in the largest regions."""
COLLECTED_AFTER = (50_000, 20, 50)
"""How rarely Python looks for cycles, which few of the emulator's objects are in. It would each few requests."""
_unpacking = threading.Lock()
_unpacked: dict[str, Path] = {}
_forking = threading.Lock()
_templates: dict[tuple[str, ...], tuple[socket.socket, subprocess.Popen[bytes]]] = {}


class SharedArchive(zipfile.ZipFile):
    """An archive whose content is unpacked once in the life of this process; to unpack it again makes a link."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        content = Path(file).read_bytes()
        self._digest = hashlib.sha256(content).hexdigest() if len(content) >= SMALL_BYTES else None

    def namelist(self) -> list[str]:
        """Return the names that somebody has to look at: none once they were looked at."""
        return [] if self._digest in _unpacked else super().namelist()

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Unpack into the empty folder `path`, or make it a link to where the same was unpacked before."""
        if self._digest is None:
            super().extractall(path, members, pwd)
            return
        with _unpacking:
            if self._digest not in _unpacked:
                folder = Path(tempfile.mkdtemp(prefix="layer-"))
                super().extractall(folder, members, pwd)
                _unpacked[self._digest] = folder
        Path(path).rmdir()
        Path(path).symlink_to(_unpacked[self._digest])


class ForkedWorker:
    """A worker as the emulator uses it: what it needs of a `subprocess.Popen`."""

    def __init__(self, command: list[str], *, cwd: str, env: dict[str, str], **_: Any) -> None:
        """Have a worker forked that runs `command` (interpreter and program); `_`: three pipes of text, as ever."""
        layers = tuple(str(Path(one).resolve()) for one in env.get("_LAMBDA_LAYERS_DIRS", "").split(os.pathsep) if one)
        about = {"program": command[1], "cwd": cwd, "environment": env, "layers": layers, "end_of_log": END_OF_LOG}
        asked = json.dumps(about).encode()
        pipes = [os.pipe() for _ in range(3)]
        (its_stdin, mine_in), (mine_out, its_stdout), (mine_err, its_stderr) = pipes
        self._life, its_life = socket.socketpair()
        with its_life, _forking:
            socket.send_fds(_template(layers), [asked], [its_stdin, its_stdout, its_stderr, its_life.fileno()])
        for one in (its_stdin, its_stdout, its_stderr):
            os.close(one)
        self.stdin: TextIO = os.fdopen(mine_in, "w", buffering=1)
        self.stdout: TextIO = os.fdopen(mine_out)
        self.stderr: TextIO = os.fdopen(mine_err)
        self.pid = int(self._life.recv(32) or 0)

    def poll(self) -> int | None:
        """None while it lives."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended. Raises TimeoutExpired after `timeout` seconds."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(["worker", str(self.pid)], timeout or 0)
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _ended(self, seconds: float | None) -> int | None:
        """Whether the end of the socket that the worker holds is closed by now; it never writes more than its id.

        Not by `select.select`, which takes no descriptor above 1023: the emulator has more of them at times.
        """
        life = select.poll()
        life.register(self._life, select.POLLIN)
        return ENDED if life.poll(None if seconds is None else 1000 * seconds) else None


def _template(layers: tuple[str, ...]) -> socket.socket:
    """Return the way to the process from which workers with these layers are forked; start it the first time."""
    if layers not in _templates:
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # By the folder on its command line it is found and ended, should it outlive the emulator (`emulator.py`).
        command = [sys.executable, "-P", "-X", f"folder={tempfile.gettempdir()}/", str(TEMPLATE)]
        with its:
            _templates[layers] = mine, subprocess.Popen(command, stdin=its.fileno())
    return _templates[layers][0]


def as_aws(port: str) -> None:
    """Have the emulator, which answers at `port`, deploy a template as AWS does."""
    _ask_for_single_messages(import_module("ministack.core.iam_evaluator"))
    _take_rules(import_module("ministack.services.cloudformation.engine"))
    _number_bounds(import_module("ministack.services.cloudformation.provisioners"))
    for name in ("engine", "stacks"):
        _put_addresses(import_module(f"ministack.services.cloudformation.{name}"), port)
    _tell_quotas(import_module("ministack.app"), import_module("ministack.core.router"))
    _take_tracing_policies(import_module("ministack.services.cloudformation.provisioners"))
    hand_traces_on(import_module("ministack.services.sns"), import_module("ministack.services.sqs"))


def _ask_for_single_messages(evaluator: Any) -> None:
    """Ask for the permission for one message where there are several.

    On AWS that is the permission for a batch; the emulator asks for one that AWS has not. Differs: batch-permissions.
    """
    enforce = evaluator.enforce

    def enforced(key: str, action: str, *given: Any, **named: Any) -> Any:
        return enforce(key, BATCHES.get(action, action), *given, **named)

    evaluator.enforce = enforced


def _take_rules(engine: Any) -> None:
    """Read the functions of rules in their short forms, as AWS does. Differs: rule-functions."""
    for name in RULE_FUNCTIONS:
        engine.CfnLoader.add_constructor(f"!{name}", engine._construct_cfn_tag(f"Fn::{name}"))


def _number_bounds(provisioners: Any) -> None:
    """Make a number of the bound of an event source.

    The emulator takes a number that comes through a template's parameter for text, and its poller then compares it with
    a number and gives up. AWS converts it. Differs: event-source-bounds.
    """
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = handlers["create"], handlers["update"]

    def numbered(properties: dict[str, Any]) -> dict[str, Any]:
        scaling = properties.get("ScalingConfig")
        if not scaling:
            return properties
        return {**properties, "ScalingConfig": {name: int(value) for name, value in scaling.items()}}

    handlers["create"] = lambda id_, properties, stack: create(id_, numbered(properties), stack)
    handlers["update"] = lambda id_, old, new, stack: update(id_, numbered(old), numbered(new), stack)


def _put_addresses(module: Any, port: str) -> None:
    """Put the path at which the emulator answers for an API in the place of the API's host.

    On AWS that host name resolves; here it does not. Differs: addresses.
    """
    resolve: Callable[..., Any] = module._resolve_refs

    def resolved(value: Any, *given: Any) -> Any:
        found = resolve(value, *given)
        if isinstance(found, str) and found.startswith("https://"):
            return _ADDRESS.sub(rf"http://127.0.0.1:{port}/_aws/execute-api/\1/", found)
        return found

    module._resolve_refs = resolved


def _tell_quotas(app: Any, router: Any) -> None:
    """Answer for Service Quotas, which the emulator does not have, as AWS does for an account that asked for nothing.

    The only quota is that of the messages that SNS takes in a second. Differs: service-quotas.
    """
    router.SERVICE_PATTERNS["servicequotas"] = {"target_prefixes": ["ServiceQuotasV20190624"]}

    async def answer(_: str, __: str, headers: dict[str, str], *___: Any) -> tuple[int, dict[str, str], bytes]:
        asks_for_the_default = headers.get("x-amz-target", "").endswith("GetAWSDefaultServiceQuota")
        found = {"Quota": {"Value": PUBLISHED}} if asks_for_the_default else {"__type": "NoSuchResourceException"}
        code = 200 if asks_for_the_default else 400
        return code, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(found).encode()

    app.SERVICE_HANDLERS["servicequotas"] = answer


def _take_tracing_policies(provisioners: Any) -> None:
    """Take a resource policy of X-Ray, which is not there: a template that has one can be deployed. Differs: traces."""
    provisioners._RESOURCE_HANDLERS["AWS::XRay::ResourcePolicy"] = {
        "create": lambda _id, properties, _stack: (properties["PolicyName"], {}),
        "update": lambda physical_id, _old, _new, _stack: (physical_id, {}),
        "delete": lambda _physical_id, _properties: None,
    }


def hand_traces_on(sns: Any, sqs: Any) -> None:
    """Put a publication's trace header beside the messages that queues get by it, and an entry's beside its own.

    By AWS's documents SNS gives a queue the header of the request, and SQS keeps the AWSTraceHeader of each entry of a
    batch. The emulator keeps that of a single message alone. It sends the entries of a batch one by one, in their
    order. Differs: traces.
    """
    published: ContextVar[str | None] = ContextVar("published", default=None)
    batch: ContextVar[Iterator[Mapping[str, Any]] | None] = ContextVar("batch", default=None)
    handle, complete, send_batch = sns.handle_request, sqs._ensure_msg_fields, sqs._HANDLERS["SendMessageBatch"]
    send = sqs._act_send_message

    async def handled(method: str, path: str, headers: Mapping[str, str], *rest: Any) -> Any:
        found = next((value for name, value in headers.items() if name.lower() == TRACE_HEADER), None)
        token = published.set(found)
        try:
            return await handle(method, path, headers, *rest)
        finally:
            published.reset(token)

    def completed(message: dict[str, Any]) -> None:
        complete(message)
        if trace := published.get():
            message["sys"].setdefault("AWSTraceHeader", trace)

    def sent_batch(data: dict[str, Any], url: str) -> Any:
        token = batch.set(iter(data.get("Entries", [])))
        try:
            return send_batch(data, url)
        finally:
            batch.reset(token)

    def sent(data: dict[str, Any], url: str) -> Any:
        given = next(batch.get() or iter(()), data)  # the entry, if this is one
        return send({**data, "MessageSystemAttributes": given.get("MessageSystemAttributes")}, url)

    sns.handle_request, sqs._ensure_msg_fields = handled, completed
    sqs._act_send_message = sqs._HANDLERS["SendMessage"] = sent
    sqs._HANDLERS["SendMessageBatch"] = sent_batch


def let_invocations_end(runtime: Any, service: Any) -> None:
    """Have what a function is doing go on to its end, with its former configuration, when the function is changed.

    AWS lets it. The emulator kills every worker of the function, those too that are in the middle of an invocation,
    which then ends in a FunctionError. Differs: changed-functions.
    """
    kill, invalidate, release = runtime.kill_workers, runtime.invalidate_worker, runtime.release_worker
    changing = threading.local()

    def killed(workers: Iterable[Any]) -> None:
        found = [one for one in workers if one is not None]
        with runtime._lock:
            busy = [one for one in found if one.in_use] if getattr(changing, "is_so", False) else []
            for one in busy:
                one.ends_with_its_invocation = True
        kill([one for one in found if one not in busy])

    def invalidated(name: str, qualifier: str | None = None, **more: Any) -> None:
        changing.is_so = qualifier == LATEST  # without one, the function is deleted
        try:
            invalidate(name, qualifier, **more)
        finally:
            changing.is_so = False

    def released(worker: Any) -> None:
        release(worker)
        if getattr(worker, "ends_with_its_invocation", False):
            kill([worker])

    runtime.kill_workers = killed
    runtime.invalidate_worker = service.invalidate_worker = invalidated
    runtime.release_worker = service.release_worker = released


def close_with_the_client(server: Any) -> None:
    """Have a connection closed when its client has closed it.

    By itself the server keeps it, with a descriptor, until nothing has come on it for 75 s: over a thousand at times.
    """
    read = server._read_data

    async def read_to_the_end(connection: Any) -> None:
        try:
            await read(connection)
        finally:
            await connection.idle_task.stop()

    server._read_data = read_to_the_end


def log_of(worker: Any) -> str:
    """Take what a worker of the emulator's logged in the invocation that it has just answered, up to the mark."""
    lines: list[str] = []
    while not (lines and lines[-1].endswith(END_OF_LOG)):
        try:
            lines.append(worker._stderr_queue.get(timeout=GONE_S))
        except queue.Empty:
            if worker._proc is None or worker._proc.poll() is not None:
                break
    return "\n".join(lines).removesuffix(END_OF_LOG).removesuffix("\n")


def _remember(module: Any, name: str) -> None:
    """Have a pure function, whose results nobody changes, remember them; not for what cannot be a key."""
    function = getattr(module, name)
    remembered = lru_cache(maxsize=REMEMBERED)(function)

    @wraps(function)
    def answer(*arguments: Any) -> Any:
        return remembered(*arguments) if all(isinstance(one, str) for one in arguments) else function(*arguments)

    setattr(module, name, answer)


def main() -> None:
    """Run the emulator."""
    app, lambda_runtime = import_module("ministack.app"), import_module("ministack.core.lambda_runtime")
    namespace: Any = lambda_runtime
    namespace.zipfile = SimpleNamespace(**vars(zipfile) | {"ZipFile": SharedArchive})
    namespace.subprocess = SimpleNamespace(**vars(subprocess) | {"Popen": ForkedWorker})
    as_aws(os.environ["GATEWAY_PORT"])
    namespace.Worker._drain_stderr_bounded = log_of
    let_invocations_end(namespace, import_module("ministack.services.lambda_svc"))
    close_with_the_client(import_module("hypercorn.asyncio.tcp_server").TCPServer)
    dynamodb, iam = import_module("ministack.services.dynamodb"), import_module("ministack.core.iam_evaluator")
    _remember(iam, "parse_policy_document")
    _remember(dynamodb, "_tokenize")
    _remember(dynamodb, "_condition_syntax_error")
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)
    app.main()


if __name__ == "__main__":
    main()

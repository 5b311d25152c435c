"""The local stack: three real registries and three Geo sites, deployed from the template to an AWS emulator.

    python -m local.stack up | down | status

`up` writes `.local/stack.json` (what a client needs) and `.local/stack/` (what the processes write); `down` ends
every process and removes both. Nothing is kept anywhere else, and every port is the operating system's choice, so
checkouts side by side do not meet.

    dublin     primary, eu-west-1        token authentication, notifications to its own site's endpoint
    frankfurt  secondary, eu-central-1   storage on the file system; reads the primary with tokens that it signs itself
    oregon     secondary, us-west-2      storage on S3; reads the primary with a read-only account
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from geosync.cli.local_stack import reach_this_machine_directly
from local import fronts, wiring
from local.certificates import signing_pair
from local.deploy import Site, admin_url, build, deploy, previous_parameters, sources_digest
from local.emulator import ROOT, RunningEmulator, start_emulator
from local.inventory import Inventory, Started, write_private
from local.processes import StartError, free_port
from local.roles import in_current_roles, with_current_roles

PRIMARY = Site(name="dublin", role="primary", region="eu-west-1")
SECONDARIES = (
    Site(name="frankfurt", role="secondary", region="eu-central-1"),
    Site(name="oregon", role="secondary", region="us-west-2"),
)
SITES = (PRIMARY, *SECONDARIES)
STATE = ROOT / ".local"

_Started = TypeVar("_Started", bound=Started)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack that is up, as `stack.json` describes it."""

    emulator: RunningEmulator
    description: dict[str, Any]

    def site(self, name: str) -> dict[str, Any]:
        """Return the description of one site."""
        found: dict[str, Any] = next(site for site in self.description["sites"] if site["name"] == name)
        return found


@dataclass(frozen=True, slots=True)
class Places:
    """Where the stack of one state folder keeps its things."""

    state: Path

    @property
    def description(self) -> Path:
        """What a client needs to use the stack."""
        return self.state / "stack.json"

    @property
    def work(self) -> Path:
        """What the processes write: configuration, data, logs, temporary files."""
        return self.state / "stack"

    @property
    def inventory(self) -> Inventory:
        """The processes."""
        return Inventory(self.work / "processes.json")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let one `up` or `down` at a time work on this stack."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "stack.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def up(
    state: Path = STATE, say: Any = print, *, built: Path | None = None, pace: Mapping[str, str] | None = None
) -> Stack:
    """Bring the stack up, or see that it is up; what is half up or crashed is taken down first. Raises StartError.

    A stack that runs from older sources is deployed anew, on the registries and the data that it has. What is deployed
    is in the folder `built`, which another stack may have filled; by default it is one of the stack's own. `pace`: the
    template's parameters of a new stack that differ from `wiring.PACE`.
    """
    places = Places(state)
    with places.locked():
        running = _running(places)
        if running is not None and running.description["sources"] == sources_digest():
            say(f"The stack is up: {places.description}")
            return running
        if running is None and _down(places):
            say("A stack that was not whole is taken down.")
        steps = _Steps(say)
        try:
            built = built or places.work
            return _redeploy(places, running, built, steps) if running else _start(places, built, steps, pace or {})
        except BaseException:
            # The logs stay until the next up or down.
            places.inventory.stop_all()
            places.description.unlink(missing_ok=True)
            raise


def down(state: Path = STATE) -> list[str]:
    """End and remove the stack; return the names of the processes that were running."""
    places = Places(state)
    with places.locked():
        return _down(places)


def running(state: Path = STATE) -> Stack | None:
    """Return the stack if all of it runs, with the roles that its sites have now."""
    return _running(Places(state))


def running_or_say(state: Path) -> Stack | None:
    """Return the stack as `running`; where it is not up, standard error says how to have it."""
    stack = running(state)
    if stack is None:
        print("The stack is not up: make up", file=sys.stderr)
    return stack


def _running(places: Places) -> Stack | None:
    processes = places.inventory.read()
    if not places.description.exists() or not processes or not all(process.is_running for process in processes):
        return None
    description = json.loads(places.description.read_text())
    pid = next(process.pid for process in processes if process.name == "emulator")
    emulator = RunningEmulator(url=description["aws_endpoint_url"], pid=pid, folder=places.work / "emulator")
    if not emulator.is_healthy():
        return None
    return Stack(emulator=emulator, description=with_current_roles(emulator, description))


def _down(places: Places) -> list[str]:
    stopped = places.inventory.stop_all()
    shutil.rmtree(places.work, ignore_errors=True)
    places.description.unlink(missing_ok=True)
    return stopped


def _start(places: Places, built: Path, steps: _Steps, pace: Mapping[str, str]) -> Stack:
    work, inventory = places.work, places.inventory
    work.mkdir(parents=True, exist_ok=True)
    digest = sources_digest()
    accounts = wiring.Accounts(pair=signing_pair())
    with ThreadPoolExecutor(4) as pool:
        # Each process is on the list as soon as it answers; the pool ends before anything is cleaned up.
        def begin(name: str, start: Callable[..., _Started], *given: Any) -> Future[_Started]:
            return pool.submit(lambda: inventory.note(name, start(*given)))

        emulating = begin("emulator", start_emulator, work / "emulator")
        storing = begin("s3", wiring.start_s3_store, work / "s3")
        building = pool.submit(build, built)
        serving = begin("token service", wiring.start_token_service, accounts, work / "token_service")
        emulator, s3, token_service = emulating.result(), storing.result(), serving.result()
        steps.done("emulators, token service")
        template = building.result()
        steps.done("package")
        ports = {site: free_port() for site in SITES}
        urls = {site: f"http://127.0.0.1:{port}" for site, port in ports.items()}
        parameters = wiring.parameters(emulator, urls, PRIMARY, accounts, token_service.realm)
        parameters = {site: {**values, **pace} for site, values in parameters.items()}
        outputs = deploy(emulator, template, {PRIMARY: parameters[PRIMARY]})
        # Secondaries that are made with it need no update (`connect`).
        told = {"PrimaryAdminUrl": admin_url(emulator, PRIMARY)}
        outputs |= deploy(emulator, template, {site: {**parameters[site], **told} for site in SECONDARIES})
        steps.done(f"sam package, {len(SITES)} stacks")
        outputs = wiring.connect(emulator, outputs)
        pull_ports = {site: free_port() for site in SITES}
        fronting = begin("pull front", fronts.start_pull_front, emulator, pull_ports, work / "pull_front")
        steps.done("addresses")
        # Each posts to its own site, whose role decides what becomes of it: so a promotion changes no registry.
        tokens = {site: wiring.notification_token(emulator, site, outputs[site]) for site in SITES}
        starting = {}
        for site in SITES:
            notifications = wiring.notifications(outputs[site]["NotificationsUrl"], tokens[site])
            if site == PRIMARY:
                auth = wiring.primary_auth(token_service, accounts)
                specification = wiring.primary_registry(site, ports[site], auth=auth, notifications=notifications)
            else:
                specification = wiring.secondary_registry(site, ports[site], s3, notifications)
            starting[site] = begin(f"registry {site.name}", wiring.start_registry, specification, work)
        registries = {site: one.result() for site, one in starting.items()}
        front = fronting.result()
        steps.done("registries")
    wiring.make_ready(emulator, outputs)
    steps.done("subscriptions made, functions warm")
    description = {
        "aws_endpoint_url": emulator.url,
        "notification_token": tokens[PRIMARY],
        "sites": [
            wiring.describe(emulator, site, outputs[site], registries[site], accounts) | {"pull_url": front.urls[site]}
            for site in SITES
        ],
        "sources": digest,
        "processes": {process.name: process.pid for process in inventory.read()},
    }
    write_private(places.description, description)
    return Stack(emulator=emulator, description=description)


def _redeploy(places: Places, stack: Stack, built: Path, steps: _Steps) -> Stack:
    digest = sources_digest()
    sites = in_current_roles(stack.emulator, SITES)
    primaries = [site.name for site in sites if site.role == "primary"]
    if len(primaries) != 1:
        names = ", ".join(primaries) or "no site"
        raise StartError(f"a stack has one primary, and this one has {names}: geosync follow, or make down and make up")
    template = build(built)
    steps.done("package")
    parameters = {site: previous_parameters(stack.emulator, site) for site in sites}
    outputs = deploy(stack.emulator, template, parameters)
    outputs = wiring.connect(stack.emulator, outputs)
    steps.done("sam package, 3 stacks")
    if any(outputs[site]["NotificationsUrl"] != stack.site(site.name)["notifications_url"] for site in sites):
        raise StartError("the endpoint's address has changed, and the registry knows the old one: down, then up")
    pull_ports = {site: int(stack.site(site.name)["pull_url"].rpartition(":")[2]) for site in sites}
    fronts.write_targets(stack.emulator, pull_ports, places.work / "pull_front")
    wiring.make_ready(stack.emulator, outputs)
    steps.done("functions warm")
    description = {**stack.description, "sources": digest}
    write_private(places.description, description)
    return Stack(emulator=stack.emulator, description=description)


class _Steps:
    """Says how long each step took."""

    def __init__(self, say: Any) -> None:
        self._say = say
        self._since = time.monotonic()

    def done(self, step: str) -> None:
        now = time.monotonic()
        self._say(f"{now - self._since:5.1f} s  {step}")
        self._since = now


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what it says (status: when the stack is up)."""
    parser = argparse.ArgumentParser(prog="python -m local.stack", description="The local stack")
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--state", type=Path, default=STATE, help="the folder of its files (default: .local)")
    options = parser.parse_args(arguments)
    reach_this_machine_directly()
    state = options.state.resolve()
    if options.command == "down":
        print("Stopped: " + (", ".join(down(state)) or "nothing was running"))
        return 0
    try:
        stack = up(state) if options.command == "up" else running(state)
    except StartError as error:
        print(f"{error}\nThe stack did not come up; its logs are in {Places(state).work}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; what was started is ended again.", file=sys.stderr)
        return 130
    if stack is None:
        print("The stack is not up: make up")
        return 1
    for site in stack.description["sites"]:
        print(f"{site['name']:10} {site['role']:9} {site['region']:12} {site['registry']}")
        print(f"{'':33} {site['admin_url']}/")
    print(f"{'AWS':33} {stack.description['aws_endpoint_url']}\nEverything else: {Places(state).description}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

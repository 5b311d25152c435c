"""Push real images to the primary and see that every secondary has them.

    python -m local.demo [--within SECONDS]

The stack has to be up (`make up`; `make demo` does that first), and is up afterwards. Ends with 0 only when skopeo has
read from every secondary what it had pushed to the primary.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature

from geosync.cli.local_stack import reach_this_machine_directly
from local.demo import images
from local.demo.images import MIB, Image, Images
from local.demo.looks import STATES, SiteLooks
from local.demo.report import Report, amount, name, table
from local.demo.skopeo import Skopeo, SkopeoError, location
from local.demo.watch import Reference, Watch
from local.stack import STATE, Places, Stack, running_or_say


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The means of one run, whose repositories have `prefix` before their names."""

    primary: Mapping[str, Any]
    secondaries: Sequence[Mapping[str, Any]]
    skopeo: Skopeo
    watch: Watch
    report: Report
    prefix: str
    folder: Path

    def repository(self, short: str) -> str:
        """Return the whole name of a repository."""
        return f"{self.prefix}/{short}"

    def push(self, image: Image, short: str) -> None:
        """Push an image from its layout."""
        self._copy(image.location, self.reference(short, image.name, image.digest, image.what, image.size))

    def retag(self, image: Image, short: str, tag: str) -> None:
        """Give an image that is at the primary another tag."""
        source = location(self.primary, self.repository(short), image.name)
        self._copy(source, self.reference(short, tag, image.digest, "another tag"))

    def delete(self, short: str, tag: str) -> None:
        """Delete a tag at the primary."""
        gone = self.reference(short, tag, None, "deleted")
        self.skopeo.delete(location(self.primary, gone.repository, tag))
        self.watch.expect(gone.over())
        self.report.say(f"deleted {name(gone)} at {self.primary['name']}")

    def reference(self, short: str, tag: str, digest: str | None, what: str, moved: int = 0) -> Reference:
        """Begin a push or a delete."""
        return Reference(repository=self.repository(short), tag=tag, digest=digest, what=what, moved=moved)

    def _copy(self, source: str, pushed: Reference) -> None:
        self.skopeo.copy(source, location(self.primary, pushed.repository, pushed.tag))
        self.watch.expect(pushed.over())
        how = f"{amount(pushed.moved)} in {pushed.took:.1f} s" if pushed.moved else "nothing to move"
        self.report.say(f"pushed {name(pushed)} to {self.primary['name']} ({pushed.what}, {how})")


def run(demo: Demo, made: Images, within: float) -> bool:
    """Push, retag and delete; whether everything was so at every secondary in time. Raises SkopeoError."""
    watch = demo.watch
    demo.push(made.short_lived, "trial")
    demo.push(made.multi_arch, "web")
    demo.push(made.signed, "api")
    demo.push(made.signature, "api")
    demo.push(made.large, "model")
    demo.retag(made.multi_arch, "web", "latest")
    until = time.monotonic() + within
    # A delete shows something only where the tag has been; after that, its place is empty.
    (trial,) = (one for one in watch.references if one.repository == demo.repository("trial"))
    if not watch.wait(until, lambda: len(trial.arrived) == len(watch.sites)):
        return False
    demo.delete("trial", made.short_lived.name)
    return watch.wait(until, lambda: not watch.missing() and not watch.unsynced())


def prove(demo: Demo, made: Images) -> list[str]:
    """Read everything with skopeo, at all sites; return what is not as it was pushed."""
    places = [demo.primary, *demo.secondaries]
    deleted = {(one.repository, one.tag) for one in demo.watch.references if one.digest is None}
    checks = [
        (site, one)
        for one in demo.watch.references
        for site in places
        if one.digest is None or (one.repository, one.tag) not in deleted
    ]
    with ThreadPoolExecutor(2) as pool:
        wrong = [text for text in pool.map(lambda check: _compare(demo, *check), checks) if text]
        # skopeo checks the digest of each blob that it pulls; the layouts that it leaves are looked at below.
        pulls = [
            (site, one)
            for site in demo.secondaries
            for one in demo.watch.references
            if (one.repository, one.tag) not in deleted and one.moved
        ]
        if not wrong:
            wrong = [text for text in pool.map(lambda pull: _pull(demo, *pull), pulls) if text]
    if wrong:
        return wrong
    for site in demo.secondaries:
        layout = demo.folder / str(site["name"]) / made.signature.name
        try:
            if not images.verify_signature(layout, made.signed.digest, made.key.public_key()):
                wrong.append(f"{site['name']}: the signature is about another digest")
        except InvalidSignature:
            wrong.append(f"{site['name']}: the signature does not verify")
    if not wrong:
        pulled = sum(one.moved for _, one in pulls) / MIB
        demo.report.say(f"skopeo read {len(checks)} manifests at {len(places)} sites: the digests are those pushed")
        demo.report.say(f"skopeo pulled {pulled:.0f} MiB from the secondaries: complete; the signature verifies there")
    return wrong


def _compare(demo: Demo, site: Mapping[str, Any], one: Reference) -> str | None:
    where = location(site, one.repository, one.tag)
    try:
        found = demo.skopeo.raw_digest(where)
    except SkopeoError as error:
        return None if one.digest is None and "manifest unknown" in str(error) else f"{site['name']}: {error}"
    return None if found == one.digest else f"{site['name']}: {name(one)} is {found}, not {one.digest or 'gone'}"


def _pull(demo: Demo, site: Mapping[str, Any], one: Reference) -> str | None:
    folder = demo.folder / str(site["name"]) / (one.tag if one.tag.endswith(".sig") else f"{one.repository}-{one.tag}")
    folder.mkdir(parents=True)
    try:
        demo.skopeo.copy(location(site, one.repository, one.tag), f"oci:{folder}:pulled")
    except SkopeoError as error:
        return f"{site['name']}: {error}"
    finally:
        # Only the signature is looked at again; the rest would fill a small /tmp.
        if not one.tag.endswith(".sig"):
            shutil.rmtree(folder)
    return None


def explain(demo: Demo, looks: Sequence[SiteLooks], work: Path) -> None:
    """Say what is missing where, why as far as it is known, and where to look."""
    say = demo.report.tell
    for one_site in looks:
        if not one_site.answers():
            say(f"the registry of {one_site.name} does not answer: {one_site.site['registry']}", "red")
    for one, site in demo.watch.missing():
        waited = time.monotonic() - one.pushed
        if one.digest is None:
            say(f"{site} still has {name(one)}, {waited:.0f} s after it was deleted", "red")
        else:
            say(f"{site} does not serve {name(one)} ({one.digest}), {waited:.0f} s after its push", "red")
    for site, repository in demo.watch.unsynced():
        state = demo.watch.states[site, repository]
        say(f"{site}: the row of {repository} says {STATES.get(state or '', 'nothing')}, not synced", "red")
    for one_site in looks:
        for repository in sorted({one.repository for one in demo.watch.references}):
            for owed in one_site.owed(repository):
                why = owed.get("failure") or "no attempt has failed"
                say(f"{one_site.name} owes {repository} {owed['item']}: {why}")
        queues = {queue: one_site.waiting(f"{queue}_url") for queue in ("queue", "work_queue", "dlq")}
        say(f"{one_site.name}: messages waiting: " + ", ".join(f"{queue} {count}" for queue, count in queues.items()))
    say("Where to look:")
    say(f"  what the functions and the queues did  {work / 'emulator' / 'emulator.log'}")
    say(f"  the registries                         {work / 'registries'}/<site>/registry.log")
    command = f".venv/bin/geosync --local-state {work.parent} --local <site>"
    say(f"  what a site owes, and why              {command} status")
    say(f"  whether it is set up right             {command} check")


@contextmanager
def _all_looks(stack: Stack, sites: Sequence[Mapping[str, Any]]) -> Iterator[list[SiteLooks]]:
    looks = [SiteLooks(stack.emulator, site) for site in sites]
    try:
        yield looks
    finally:
        for one in looks:
            one.close()


def show(stack: Stack, work: Path, *, within: float, large_layer: int) -> int:
    """Run the whole of it against a stack; 0 when everything is proved. Raises SkopeoError when a push fails."""
    sites = stack.description["sites"]
    primary = next(site for site in sites if site["role"] == "primary")
    secondaries = [site for site in sites if site["role"] == "secondary"]
    # A name of its own for each run: what is pushed is new to every registry, also the second time.
    prefix = f"demo/{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.urandom(2).hex()}"
    report = Report()
    with tempfile.TemporaryDirectory(prefix="geosync-demo-") as temporary, _all_looks(stack, secondaries) as looks:
        folder = Path(temporary)
        made = images.make(folder / "images", lambda short: f"{prefix}/{short}", large_layer=large_layer)
        report.say(f"made the images; they go to {primary['registry']}, repositories {prefix}/…")
        watch = Watch(looks, report.arrived)
        demo = Demo(
            primary=primary,
            secondaries=secondaries,
            skopeo=Skopeo(folder, sites),
            watch=watch,
            report=report,
            prefix=prefix,
            folder=folder / "pulled",
        )
        with watch, report.follow(watch):
            is_there = run(demo, made, within)
        report.console.print(table(watch, report.console.width))
        wrong = prove(demo, made) if is_there else ["Not everything arrived in time:"]
        for text in wrong:
            report.tell(text, "red")
        if wrong:
            explain(demo, looks, work)
            return 1
    report.tell("Everything that was pushed is at every site, byte for byte.", style="bold green")
    report.tell("The stack stays up: make demo again, push your own to the primary, or end it with make down.")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration on the stack that is up."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--state", type=Path, default=STATE, help="the folder of the stack's files (default: .local)")
    parser.add_argument("--within", type=float, default=120.0, help="seconds from the last push on (default: 120)")
    parser.add_argument("--large-layer", type=int, default=100, help="MiB in each of three layers (default: 100)")
    options = parser.parse_args(arguments)
    reach_this_machine_directly()
    state = options.state.resolve()
    stack = running_or_say(state)
    if stack is None:
        return 1
    work = Places(state).work
    # As an interrupt: the folder with the passwords and the images is removed on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return show(stack, work, within=options.within, large_layer=options.large_layer * MIB)
    except SkopeoError as error:
        print(f"{error}\nThe logs of the registries are in {work / 'registries'}/<site>/registry.log", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the stack stays up.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())

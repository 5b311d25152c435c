"""Runs the steps of docs/failover.md on the deployed stack: each command line as the page has it.

The page's hosts and ARN stand for those of the stack, and the AWS of the environment is the emulator. Nothing else is
changed.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.demo.skopeo import Skopeo
from local.processes import plain_environment
from tests.e2e.command import Ended, run_preloaded
from tests.e2e.parts import PATIENCE_S, Site, eventually, hurried
from tests.support.runbook import Step, steps

NOTHING_BUT_DONE = frozenset({0})
KEY = "test"
"""The key that the emulator takes for its account's root."""


def standing_for(sites: Mapping[str, Site]) -> dict[str, str]:
    """The stack's values for the page's examples; read before any site's role changes."""
    oregon = sites["oregon"]
    (stack,) = oregon.client("cloudformation").describe_stacks(StackName=oregon.about["stack"])["Stacks"]
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    hosts = {f"registry.{name}.example.com": _host(sites[name]) for name in ("dublin", "frankfurt")}
    secret = "arn:aws:secretsmanager:us-west-2:111122223333:secret:geosync/dublin-registry-AbCdEf"
    return {**hosts, secret: parameters["PrimaryRegistrySecretArn"]}


def _host(site: Site) -> str:
    return str(site.about["registry"]).partition("://")[2]


@dataclass(slots=True)
class Runbook:
    """The runbook at one stack; `folder` takes skopeo's files."""

    sites: Mapping[str, Site]
    folder: Path
    values: Mapping[str, str]
    used: set[str] = field(default_factory=set)
    """The example values that were replaced so far."""

    def run(self, title: str, **may_end: set[int]) -> dict[str, Ended]:
        """Run a procedure's steps in order; how each command line, as on the page, has ended.

        `may_end`: by the command's name, with what else than 0.
        """
        return {
            line: self._run(step, line, may_end)
            for step in steps(title)
            if not step.is_by_hand
            for line in step.commands
        }

    def _run(self, step: Step, line: str, may_end: Mapping[str, set[int]]) -> Ended:
        words = [self._replaced(word) for word in shlex.split(line)]
        if words[0] == "skopeo":
            return self._skopeo(words)
        assert words[0] == "geosync"
        chosen = next(site for site in self.sites.values() if site.about["stack"] == words[words.index("--stack") + 1])
        if step.is_repeated:
            looks: list[Ended] = []

            def is_done() -> bool:
                looks[:] = [self._geosync(chosen, words)]
                return looks[0].code == 0

            eventually(hurried(self.sites.values(), is_done), seconds=3 * PATIENCE_S, what=line)
            return looks[0]
        ended = self._geosync(chosen, words)
        codes = next((codes for name, codes in may_end.items() if name in words), NOTHING_BUT_DONE)
        assert ended.code in codes, f"{line}: {ended}"
        return ended

    def _replaced(self, word: str) -> str:
        for example, value in self.values.items():
            if example in word:
                self.used.add(example)
                word = word.replace(example, value)
        assert "example.com" not in word
        assert "111122223333" not in word
        return word

    def _geosync(self, site: Site, words: list[str]) -> Ended:
        """Run a command, and type the site's name where it asks for it."""
        aws = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_ENDPOINT_URL": site.stack.emulator.url}
        return run_preloaded(words[1:], typed=f"{site.name}\n", environment={**os.environ, **aws})

    def _skopeo(self, words: list[str]) -> Ended:
        """Run skopeo, whose configuration knows the accounts, and that the stack's registries have no TLS."""
        home = self.folder / "home"
        files = home / ".config" / "containers"
        if not files.exists():
            files.mkdir(parents=True)
            Skopeo(files, [site.about for site in self.sites.values()])  # writes auth.json
            hosts = [json.dumps(_host(site)) for site in self.sites.values()]
            known = [f"[[registry]]\nlocation = {host}\ninsecure = true\n" for host in hosts]
            (files / "registries.conf").write_text("\n".join(known))
            (files / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        environment = plain_environment(
            TMPDIR=str(self.folder), HOME=str(home), REGISTRY_AUTH_FILE=str(files / "auth.json")
        )
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False, input=""
        )
        assert done.returncode == 0, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

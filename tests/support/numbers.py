"""The number by which a plugin disturbs a run of tests: chosen by chance or given again, one for all workers."""

from __future__ import annotations

import random
from typing import Any

import pytest

NUMBERS = 10_000


class RunNumber:
    """Has pytest take `--<name> NUMBER`, or choose one."""

    def __init__(self, name: str) -> None:
        self._name = name

    def of(self, config: pytest.Config) -> int:
        """Return the number of this run, once `choose` was called."""
        number: int = config.getoption(self._name)
        return number

    def choose(self, config: pytest.Config) -> None:
        """Choose the number once: the workers of a parallel run get it from the controller."""
        given = getattr(config, "workerinput", {}).get(self._name, config.getoption(self._name))
        number = random.SystemRandom().randrange(NUMBERS) if given is None else given
        setattr(config.option, self._name, number)

    def tell(self, node: Any) -> None:
        """Tell a worker the number, before it starts."""
        node.workerinput[self._name] = self.of(node.config)

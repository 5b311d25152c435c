"""Undo each mend of mends.py in a copy of the project, and run its test, which has to fail.

    python -m tests.hostile.undo [WORD …]     only those in whose attack, file or test a word occurs

Ends with 1 where a test passes without its mend, or does not pass with it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.hostile.mends import MENDS, Mend

ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 600
"""A test that runs for so long is stopped. It has failed: what an attack may take is bounded."""
_PASSED, _FAILED = 0, 1


def main(words: Sequence[str]) -> int:
    """Undo the mends one after the other, and print the outcome of each test."""
    chosen = [one for one in MENDS if not words or any(word in f"{one.attack} {one.file} {one.test}" for word in words)]
    holding = 0
    with tempfile.TemporaryDirectory(prefix="geosync-mends-") as folder:
        copy = Path(folder)
        _copy_project(copy)
        for test in sorted({one.test for one in chosen}):
            if (status := _run(copy, test)) != _PASSED:
                print(f"does not pass with its mend (pytest: {status}): {test}")
                return 1
        for one in chosen:
            status = _run_without(copy, one)
            fails = status in (_FAILED, None)
            holding += fails
            word = "fails without it" if fails else f"DOES NOT FAIL without it (pytest: {status})"
            print(f"{one.item:3} {one.attack}: {one.file}: {word}", flush=True)
    print(f"{holding} of {len(chosen)} mends are held by their tests")
    return 0 if chosen and holding == len(chosen) else 1


def _copy_project(copy: Path) -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    for environment in (".venv", ".local"):
        (copy / environment).symlink_to(ROOT / environment)


def _run_without(copy: Path, mend: Mend) -> int | None:
    file = copy / mend.file
    whole = file.read_text()
    file.write_text(whole.replace(mend.is_now, mend.without))
    try:
        return _run(copy, mend.test)
    finally:
        file.write_text(whole)


def _run(copy: Path, test: str) -> int | None:
    """Run a test: pytest's exit code (1: it failed), None where it was stopped."""
    # No bytecode: a file that was changed and changed back within a second would be taken for the former.
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    try:
        return subprocess.run(command, cwd=copy, capture_output=True, timeout=LONGEST_S, check=False).returncode
    except subprocess.TimeoutExpired:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

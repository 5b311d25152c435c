"""What `make package` and `make help` run is there on macOS and any Linux: POSIX programs and options, make 3.81.

macOS has BSD's programs and make 3.81. The lists below are what POSIX says of each program that is used
(https://pubs.opengroup.org/onlinepubs/9799919799/idx/utilities.html), or what BSD's and GNU's both have.
"""

from __future__ import annotations

import ast
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from release import ROOT

OPTIONS = {
    "awk": {"-F"},
    "cat": set(),
    "cksum": set(),
    "cp": {"-R"},
    "dirname": set(),
    "find": {"-name", "-path", "-type", "-prune", "-exec", "-o"},
    "git": {"log", "-1", "--format=%ct"},  # it is the same program everywhere
    "id": {"-u"},
    "make": set(),
    "mkdir": {"-p"},
    "mv": set(),
    "mktemp": set(),  # no POSIX: BSD's without a template makes a file, too
    "rm": {"-f", "-rf"},
    "sh": set(),
    "tail": {"-n"},
}
"""The programs of the system, and the options that they may be given."""
BUILT_IN = {
    *(
        "cd",
        "set",
        "shift",
        "export",
        "exit",
        "return",
        "continue",
        "command",
        "printf",
        "echo",
        "test",
        "[",
        ":",
        "true",
    ),
    *("say", "fail", "apt", "apt_get", "has", "programs", "browser", "fits", "find_python", "stamp", "is_current"),
    *("find_root", "unpack_containerd", "fetch_containerd"),
    *("make_uv", "environment"),
}
"""The shell's own, and the functions of bootstrap.sh."""
OURS = re.compile(r"\.local/|\"?\$|uv$|python")
"""Programs that were installed here, by a lock."""
ONLY_WITH_APT = {"apt-get", "dpkg-deb", "tar", "sudo", "env", "systemctl"}
OPENING = {"if", "elif", "then", "else", "do", "while", "until", "!", "{", "(", "|", "||", "&&", ";", ";;", "&"}
ENDING = {"fi", "done", "esac", "}", ")", "in", "for", "case"}
NO_COMMAND = (
    (r"\$\{[^}]*\}", "$x"),
    (r"\d?[<>]+&?\s*[^\s;)]+", ""),
    (r"\\[()]|\{\}", ""),  # the groups of find, and what it found
    (r"-exec\b", "-exec ;"),  # a command of its own
    (r"^\s*[^\s()]+(?: \| [^\s()]+)*\)(?!\s*[&|;)])", ""),  # a pattern of `case`
    (r"\w+\(\)\s*\{", ""),  # a function's name
    (r"\bfor \w+ in [^;]*", ""),
)
"""What is no command, and what may stand in its place."""
TARGETS = ("help", "package", "keep", "release-notes")
"""Targets for every system."""
NEWER_MAKE = re.compile(
    r"^\s*(?:define\s+\w+\s*[:+?]?=|undefine\b|\.ONESHELL|\.SHELLFLAGS|[\w-]+\s*(?:::=|!=))|\$\((?:file|guile|let|intcmp)\b"
)
"""What make got after 3.81."""
LINUX_ONLY = {"sched_getaffinity", "memfd_create", "pidfd_open", "posix_fadvise", "sendfile", "setns", "unshare"}


def logical(text: str) -> Iterator[str]:
    """Lines with what they continue on, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        yield re.sub(r"(^|\s)#\s.*$", "", line)


def commands(line: str) -> Iterator[list[str]]:
    """The commands of a line of a shell, those in $(…) and behind -exec too, each with its words."""
    while found := re.search(r"\$\(([^()]*)\)", line):
        yield from commands(found[1])
        line = line[: found.start()] + "$x" + line[found.end() :]
    for pattern, instead in NO_COMMAND:
        line = re.sub(pattern, instead, line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, ";"]:
        if word in OPENING | ENDING or set(word) <= set("();|&"):
            yield command
            command = []
        else:
            command.append(word)


def recipes() -> Iterator[str]:
    """The lines that the shell gets from the makefiles of a package, and for the help."""
    texts = [
        recipe
        for target in TARGETS
        for recipe in re.findall(rf"^{target}:\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    ]
    assert len(texts) == len(TARGETS)
    for path in (ROOT / "layers").rglob("*.mk"):
        texts += re.findall(r"^define \w+\n(.*?)^endef", path.read_text(), re.MULTILINE | re.DOTALL)
    for path in (ROOT / "layers").glob("*/Makefile"):
        texts += re.findall(r"^\t.*$", path.read_text(), re.MULTILINE)
    assert len(texts) > 5
    for text in texts:
        for line in logical(text):
            shell = re.sub(r"\$\(if [^\n]*\)", "", line.strip().lstrip("@").replace("$$", "\0"))
            while shell != (shorter := re.sub(r"\$\([\w:%=-]+(?: [^()]*)?\)", "$x", shell)):
                shell = shorter
            yield shell.replace("\0", "$")


def used() -> Iterator[tuple[str, list[str]]]:
    """Each program of the system that is run, with its words."""
    script = (ROOT / "local" / "bootstrap.sh").read_text()
    for line in [*logical(script), *recipes()]:
        for command in commands(line):
            words = list(itertools.dropwhile(re.compile(r"\w+=").match, command))  # without variables for this command
            if words and words[0] not in BUILT_IN and not OURS.match(words[0]):
                yield words[0], words[1:]


def test_programs_get_options_that_every_system_has() -> None:
    found = [(program, words) for program, words in used() if program not in ONLY_WITH_APT]
    assert {"awk", "find", "cp", "rm", "cksum", "mktemp"} <= {program for program, _ in found}
    for program, words in found:
        assert program in OPTIONS, (program, words)
        given = {word for word in words if word.startswith("-") or (program == "git" and word == "log")}
        assert given <= OPTIONS[program], (program, words)


@pytest.mark.parametrize(
    "line",
    ["sed -i s/a/b/ file", 'x=$(readlink -f "$0")', "find . -printf %p", "if date -d now; then cp --parents a b; fi"],
)
def test_options_that_only_gnu_has_are_found(line: str) -> None:
    wrong = [
        words
        for words in commands(line)
        if words and (words[0] not in OPTIONS or {one for one in words if one[0] == "-"} - OPTIONS[words[0]])
    ]
    assert any(words[0] in {"sed", "readlink", "find", "date", "cp"} for words in wrong)


def makefiles() -> list[Path]:
    return [ROOT / "Makefile", *(ROOT / "layers").rglob("*.mk"), *(ROOT / "layers").glob("*/Makefile")]


def test_the_makefiles_are_read_by_the_make_of_macos() -> None:
    for path in makefiles():
        newer = [line for line in path.read_text().splitlines() if NEWER_MAKE.search(line)]
        assert newer == [], path
    assert NEWER_MAKE.search("NAME != date")
    assert NEWER_MAKE.search("define packages =")


def test_the_code_of_a_release_uses_nothing_of_linux_alone() -> None:
    for path in sorted((ROOT / "release").glob("*.py")):
        tree = ast.parse(path.read_text())
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        texts = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not names & LINUX_ONLY, path
        assert not [text for text in texts if text.startswith("/proc")], path

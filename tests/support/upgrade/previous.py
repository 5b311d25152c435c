"""The previous release as it is kept (release/keep.py): its library, what it leaves, and a folder that deploys it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from local import deploy, short_forms
from release import ROOT, folder, template, zips
from release.keep import KEPT, LOCKS
from tests.support.images import Made
from tests.support.upgrade import former_table, former_upload, read_by_former

from geosync.oci.manifests import Descriptor


def about() -> dict[str, str]:
    """What is kept: its version, its commit, and the day of that."""
    found: dict[str, str] = json.loads((KEPT / "revision.json").read_text())
    return found


def library(folder: Path) -> Path:
    """Unpack its own layer into a folder; returns the folder `geosync` with its library."""
    (archive,) = KEPT.glob("layer-geosync-*.zip")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder / "python" / "geosync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the release leaves: the items of its table, letters of its DLQ, and geo events on their way."""

    items: list[dict[str, Any]]
    letters: list[str]
    events: list[str]


def left(library: Path, prefix: str, now_ms: int, images: Sequence[Made] = ()) -> Left:
    """What its own code writes, in a process that has nothing of today's (former_table.py).

    `images` were pushed: their events are on their way.
    """
    pushed = [
        {"repository": one.repository, "tag": one.reference, "digest": one.digest, "media_type": one.media_type}
        for one in images
    ]
    said = _run(library, former_table, {"prefix": prefix, "now_ms": now_ms, "images": pushed})
    return Left(items=_items(said["items"]), letters=said["letters"], events=said["events"])


def under_way(library: Path, url: str, repository: str, *, pushed: str, blob: Descriptor, chunk: Path) -> Any:
    """The items that its own code writes when it leaves a layer under way, of which a registry took the chunk."""
    layer = {"digest": blob.digest, "size": blob.size}
    asked = {"url": url, "repository": repository, "pushed": pushed, "layer": layer, "chunk": str(chunk)}
    return _items(_run(library, former_upload, asked))


def reads(
    library: Path, prefix: str, now_ms: int, items: Sequence[Mapping[str, Any]], messages: Sequence[str]
) -> dict[str, Any]:
    """What its own code makes of a table and of messages that another version wrote (read_by_former.py)."""
    asked = {"prefix": prefix, "now_ms": now_ms, "items": [former_table.plain(one) for one in items]}
    path = f"{library.parent}{os.pathsep}{ROOT}"
    said: dict[str, Any] = _run(library, read_by_former, {**asked, "messages": list(messages)}, path=path)
    return said


def _run(library: Path, module: ModuleType, asked: Mapping[str, Any], *, path: str | None = None) -> Any:
    done = subprocess.run(
        [sys.executable, str(module.__file__)],
        input=json.dumps(asked),
        env={"PYTHONPATH": path or str(library.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _items(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: _value(value) for name, value in item.items()} for item in said]


def package(built: Path, into: Path) -> Path:
    """Make a folder that deploys it on the local stack; returns its template.

    `built` is today's package. Of third-party packages it takes the layers where both releases have the same lock;
    otherwise they are built from the kept one.
    """
    into.mkdir()
    packed: dict[str, str] = {}
    for code, lock in LOCKS.items():
        name = code.rpartition("/")[2]
        if (KEPT / lock).read_text() == (ROOT / "requirements" / lock).read_text():
            (archive,) = built.glob(f"layer-{name}-*.zip")
            packed[code] = archive.name
            shutil.copyfile(archive, into / archive.name)
        else:
            layer = into / "layers" / name
            folder.layer(name, layer, deploy.target(), lock=KEPT / lock)
            packed[code] = zips.pack_named(into, layer, code)
    for archive in KEPT.glob("*.zip"):
        shutil.copyfile(archive, into / archive.name)
    written = into / "template.yaml"
    written.write_text(template.with_zips_beside((KEPT / "template.yaml").read_text(), packed))
    _packaged(written)
    return written


def _packaged(written: Path) -> None:
    """Put beside it what `sam package` would make of it (local/deploy.py): the code has its names already.

    The tool takes as much of a processor as the update that is rehearsed; today's package goes through it.
    """
    folder = written.parent / "packaged"
    folder.mkdir()
    text = json.dumps(short_forms.load(written))
    for archive in written.parent.glob("*.zip"):
        os.link(archive, folder / archive.name)
        text = text.replace(f'"{archive.name}"', f'"s3://{deploy.BUCKET}/{archive.name}"')
    (folder / "template.json").write_text(text)


def _value(value: Any) -> Any:
    return frozenset(value["set"]) if isinstance(value, dict) and set(value) == {"set"} else value

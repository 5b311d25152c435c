"""The emulator, with one difference: a layer is unpacked once, and the workers of all functions share it.

Each worker unpacks all layers of its function for itself: 47 MB for half a second of processor time, some 60 times in a
run of the end-to-end tests. On AWS no function can write to a layer either. Differs: shared-layers.

Run by the emulator's own interpreter, in place of `-m ministack`; so it uses nothing else of this project.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import zipfile
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SMALL_BYTES = 1 << 20
"""What is smaller is a function's own code, which it may change."""
_unpacking = threading.Lock()
_unpacked: dict[str, Path] = {}


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


def main() -> None:
    """Run the emulator."""
    app, lambda_runtime = import_module("ministack.app"), import_module("ministack.core.lambda_runtime")
    namespace: Any = lambda_runtime
    namespace.zipfile = SimpleNamespace(**vars(zipfile) | {"ZipFile": SharedArchive})
    app.main()


if __name__ == "__main__":
    main()

"""A blob that is opened at the source while its upload begins at the destination: one round instead of two."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from geosync.copying.beside import LayerReader
from geosync.threads import Threads


class Opening:
    """The source's answer for one blob, awaited in a thread of its own; a context manager that closes what came.

    `threads` None: it is asked for only when the reader is wanted.
    """

    def __init__(self, open_blob: Callable[[], LayerReader], threads: Threads | None) -> None:
        self._open = open_blob
        self._reader: LayerReader | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        if threads is not None:
            self._thread = threads.start(self._run, name="opening")

    def reader(self) -> LayerReader:
        """Return the reader, waited for. Raises what the source's answer is."""
        if self._thread is not None:
            self._thread.join()
        else:
            self._run()
        if self._error is not None:
            raise self._error
        assert self._reader is not None  # noqa: S101 - one of the two was set
        return self._reader

    def __enter__(self) -> Opening:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.join()
        if self._reader is not None:
            self._reader.close()

    def _run(self) -> None:
        try:
            self._reader = self._open()
        except BaseException as error:  # noqa: BLE001 - a thread's edge: who wants the reader raises it
            self._error = error

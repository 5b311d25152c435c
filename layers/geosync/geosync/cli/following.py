"""Repeated looks at a site by a live command: the pause between two looks, and a look that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnected

from geosync.aws.errors import THROTTLED
from geosync.cli.output import NOTHING_OWED
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import GeosyncError

POLL_SECONDS = 2.0
MOST_SECONDS = 30.0
"""Between two looks when one after the other fails."""
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class FailedLook:
    """A look that failed and is repeated; `why` is the error's text."""

    why: str


@contextmanager
def until_left(*, follow: bool) -> Iterator[None]:
    """Exit with 0 (SystemExit) when Ctrl-C ends a command that follows."""
    try:
        yield
    except KeyboardInterrupt:
        if not follow:
            raise
        raise SystemExit(NOTHING_OWED) from None


def look_again(
    look: Callable[[], Found],
    *,
    until: Callable[[Found], bool],
    show: Callable[[Found | FailedLook], None],
    clock: Clock = SYSTEM_CLOCK,
) -> Found:
    """Show each look's outcome, up to the first for which `until` is true, and return that one.

    A look that fails is shown as FailedLook and made again. Raises the error that no further look mends: a missing
    permission, a table that is gone.
    """
    seconds = POLL_SECONDS
    while True:
        found = look_once(look)
        show(found)
        if isinstance(found, FailedLook):
            seconds = min(2 * seconds, MOST_SECONDS)
        elif until(found):
            return found
        else:
            seconds = POLL_SECONDS
        clock.sleep(seconds)


def look_once(look: Callable[[], Found]) -> Found | FailedLook:
    """Look; FailedLook where another look may succeed. Raises the error that no further look mends."""
    try:
        return look()
    except (GeosyncError, BotoCoreError, ClientError) as error:
        if not is_temporary(error):
            raise
        return FailedLook(str(error))


def is_temporary(error: GeosyncError | BotoCoreError | ClientError) -> bool:
    """True when the same request may succeed in a while: AWS is slow, throttles, or is not reached."""
    if isinstance(error, GeosyncError):
        return error.retryable
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return status >= 500 or error.response["Error"]["Code"] in THROTTLED
    return isinstance(error, NotConnected | HTTPClientError)

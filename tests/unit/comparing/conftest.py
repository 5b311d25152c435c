"""The fixtures of the copier's tests."""

from tests.unit.copying.conftest import no_thread_is_left, site

__all__ = ["no_thread_is_left", "site"]

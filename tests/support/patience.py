"""The longest wait for another thread or process: it ends a test that hangs, and decides no verdict."""

from __future__ import annotations

PATIENCE_S = 300.0

"""The longest wait for what comes as soon as this machine gets to it: it ends a test that hangs, decides nothing."""

from __future__ import annotations

PATIENCE_S = 300.0

"""GitLab's words for the states of a row."""

from __future__ import annotations

STATES = {"pending": "0", "started": "1", "synced": "2", "failed": "3"}
VERIFICATION_STATES = {"pending": "0", "started": "1", "succeeded": "2", "failed": "3", "disabled": "4"}
STATE_NAMES = {number: name for name, number in STATES.items()}
VERIFICATION_NAMES = {number: name for name, number in VERIFICATION_STATES.items()}

"""Reads at the secondary: what a client that pulls at this site may be given (functions/pull).

A client's request is judged (`requested.py`) and the site's own registry is asked in its name (`own_registry.py`). What
that answers is given out if it is not older than the site allows (`freshness.py`, `manifest_pull.py`). What is not here
yet goes first in line (`line.py`).
"""

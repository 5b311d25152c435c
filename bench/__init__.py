"""Measurements of Geosync: `python -m bench.copy` for a copy; `make bench` for all of them."""

import sys
from pathlib import Path

# The library is a Lambda layer of its own folder; a measurement runs from the checkout without anything installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "layers" / "geosync"))

from geosync.cli.local_stack import reach_this_machine_directly

reach_this_machine_directly()

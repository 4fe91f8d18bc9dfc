"""How long a campaign runs: `make test-long` sets CARNET_LONG and runs the same code for longer."""

from __future__ import annotations

import os

LONG = bool(os.environ.get("CARNET_LONG"))

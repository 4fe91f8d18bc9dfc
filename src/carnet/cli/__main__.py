"""`python -m carnet.cli`: the same command, for places where no script is installed."""

from __future__ import annotations

import sys

from carnet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

"""What `carnet key` does with signing keys and root keys; compatibility keys are in `commands/key.py`."""

from __future__ import annotations

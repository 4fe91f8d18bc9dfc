"""Proof of what happened: the audit's chain, the log over what was issued, checkpoints, and checking all of it."""

from __future__ import annotations

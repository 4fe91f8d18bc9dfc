"""Statistics: what is counted beside the facts, buffered, and alerts about what looks odd (R-25)."""

from __future__ import annotations

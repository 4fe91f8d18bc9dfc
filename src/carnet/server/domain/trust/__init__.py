"""Trust: what clients need to verify what this installation signs."""

from __future__ import annotations

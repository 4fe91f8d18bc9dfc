"""Products: what is sold."""

from __future__ import annotations

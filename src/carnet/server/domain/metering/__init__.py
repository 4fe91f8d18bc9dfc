"""Metered use of licenses: counting events, and reading what was counted (R-29)."""

from __future__ import annotations

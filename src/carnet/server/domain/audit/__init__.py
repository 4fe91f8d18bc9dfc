"""The audit: what was changed, by whom, when."""

from __future__ import annotations

"""The database's history: one script per schema change, run forward only (Alembic)."""

from __future__ import annotations

"""Many licenses at once: change, import, export."""

from __future__ import annotations

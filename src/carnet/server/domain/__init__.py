"""The services: each command decided by `core`, written in one transaction, then signed. No HTTP, no SQL."""

from __future__ import annotations

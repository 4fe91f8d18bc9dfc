"""The outbox: handing events out to destinations, delivering them, and what the vendor sees of it (REL-09)."""

from __future__ import annotations

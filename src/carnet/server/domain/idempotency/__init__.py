"""Idempotency keys: a request that is sent again has the effect and the answer of the first (REL-02)."""

from __future__ import annotations

"""Artifacts that the vendor hands out: signed license keys, offline tokens, tokens for clients of others."""

from __future__ import annotations

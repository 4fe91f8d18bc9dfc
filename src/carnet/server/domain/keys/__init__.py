"""Compatibility keys: one public key per product, for clients that cannot follow a root."""

from __future__ import annotations

"""Policies: the rules that licenses of a product follow."""

from __future__ import annotations

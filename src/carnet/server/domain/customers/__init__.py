"""Customers: who holds licenses."""

from __future__ import annotations

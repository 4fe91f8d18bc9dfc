"""Floating leases: claim, renew, release, force; and the terms of pools."""

from __future__ import annotations

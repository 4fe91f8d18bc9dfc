"""Admin tokens: who may call the admin API."""

from __future__ import annotations

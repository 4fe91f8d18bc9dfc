"""Rate limits: how often an address, a license key or a product may ask (SEC-35)."""

from __future__ import annotations

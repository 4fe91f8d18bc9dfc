"""The compromise drill: what a lost signing key signed is made anew, and what it forged is found (SEC-24)."""

from __future__ import annotations

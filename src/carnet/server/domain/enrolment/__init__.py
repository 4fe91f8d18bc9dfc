"""Enrolment tokens: one secret that many machines may use to activate (users-ask 14)."""

from __future__ import annotations

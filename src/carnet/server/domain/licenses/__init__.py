"""Licenses: issuing, changing and ending them, and keeping their keys."""

from __future__ import annotations

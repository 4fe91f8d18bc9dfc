"""Backups: one sealed file that holds everything the database knows (specs/backup.md)."""

from __future__ import annotations

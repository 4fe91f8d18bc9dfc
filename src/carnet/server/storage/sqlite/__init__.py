"""The embedded database: one file, one writer, readers in process."""

from __future__ import annotations

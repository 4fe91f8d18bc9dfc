"""What nobody's request tells: terms that end, floating seats that run out. Looked at by jobs, told as events."""

from __future__ import annotations

"""Status list indices: where each license and activation has its bit."""

from __future__ import annotations

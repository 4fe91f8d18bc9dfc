"""Activations: seats on devices, and the artifacts that are signed for them."""

from __future__ import annotations

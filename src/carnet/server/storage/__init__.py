"""Storage: the tables, their migrations, and the drivers that implement `ports.Storage`."""

from __future__ import annotations

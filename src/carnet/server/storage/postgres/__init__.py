"""PostgreSQL: any number of processes, hot statements straight on the driver."""

from __future__ import annotations

"""
What runs beside requests (design.md §9): one runner, inside `carnet serve` or as `carnet worker`; at any moment one
runner does a job, across processes and machines.
"""

from __future__ import annotations

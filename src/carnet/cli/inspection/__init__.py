"""
What `carnet inspect` says of an artifact: one line for each thing in it, with what it means.

Reads what nobody has verified and decides nothing. One rule above all: no license key leaves here with more than its
last four characters (SEC-33), whatever artifact it stands in.
"""

from __future__ import annotations

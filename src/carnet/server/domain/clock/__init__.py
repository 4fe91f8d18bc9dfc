"""The guard of the server's clock: nothing is signed with a time that is doubtful (SEC-31)."""

from __future__ import annotations

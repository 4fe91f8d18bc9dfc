"""Where private keys live: sealed files now, behind the interface that tokens and cloud services will have too."""

from __future__ import annotations

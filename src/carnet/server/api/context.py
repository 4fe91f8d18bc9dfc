"""What belongs to one request and is wanted everywhere: its id, and the problem code it ends with."""

from __future__ import annotations

import secrets
from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("carnet_request_id", default="")
"""The id of the request being answered; echoed as `X-Request-Id`, named by problems and log lines."""

NOTED_CODE: ContextVar[str] = ContextVar("carnet_noted_code", default="")
"""The code of the problem this request is answered with, for metrics and log lines; empty when all is well."""

CALLER_ADDRESS: ContextVar[str] = ContextVar("carnet_caller_address", default="")
"""Where the request being answered comes from, as the edge believes it. Compared, never stored (R-67)."""

_MAX_ID = 64
_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def choose_request_id(offered: bytes | None) -> str:
    """
    The caller's own id where it is harmless, a new one otherwise.

    Args:
        offered: The `X-Request-Id` header as received. Kept when it is 1 … 64 of ``A-Z a-z 0-9 - _ .`` so that nothing
            odd reaches logs (SEC-39), replaced silently when it is not.
    """
    if offered is not None and 0 < len(offered) <= _MAX_ID:
        text = offered.decode("latin-1")
        if _ALLOWED.issuperset(text):
            return text
    return secrets.token_hex(12)

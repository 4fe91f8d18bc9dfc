"""What can be asked of admin tokens."""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.server.records import ApiKey

Scope = Literal["admin", "read"]
SCOPES: tuple[Scope, ...] = ("admin", "read")


class CreateApiKey(Struct):
    """
    Make an admin token.

    Attributes:
        name: For people; 1 to 100 printable characters.
        scopes: `admin` may do everything, `read` may only look.
        expires_at: First second it no longer works; None for no end.
    """

    name: str
    scopes: tuple[Scope, ...] = ("admin",)
    expires_at: Instant | None = None


class CreatedApiKey(Struct):
    """A new admin token. It is shown here and nowhere else, ever."""

    api_key: ApiKey
    token: str

    def __repr__(self) -> str:
        return f"CreatedApiKey(api_key={self.api_key!r})"

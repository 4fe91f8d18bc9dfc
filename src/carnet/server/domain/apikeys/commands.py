"""What can be asked of admin tokens."""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.server.records import ApiKey

Scope = Literal["admin", "read", "issue", "support", "keys"]
SCOPES: tuple[Scope, ...] = ("admin", "read", "issue", "support", "keys")


class CreateApiKey(Struct):
    """
    Make an admin token.

    Attributes:
        name: For people; 1 to 100 printable characters.
        scopes: What it may do; the least that does the job. `admin` may do everything. `read` may look, `issue` may
            make and renew licenses and their customers (a shop), `support` may suspend, reinstate and free seats (a
            help desk), `keys` may see license keys again. None of these includes another.
        expires_at: First second it no longer works; None for no end.
        products: The only ones that it may touch, 1 to 100 that exist; None: all, and what belongs to none.
    """

    name: str
    scopes: tuple[Scope, ...] = ("admin",)
    expires_at: Instant | None = None
    products: tuple[str, ...] | None = None


class CreatedApiKey(Struct):
    """A new admin token. It is shown here and nowhere else, ever."""

    api_key: ApiKey
    token: str

    def __repr__(self) -> str:
        return f"CreatedApiKey(api_key={self.api_key!r})"

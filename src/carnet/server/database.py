"""
Where an installation's database is: a file of ours, or a PostgreSQL server by its address.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from carnet.core._base import Struct
from carnet.core.errors import UsageError

_SCHEMES = frozenset(("postgresql", "postgres"))


class PostgresAddress(Struct):
    """
    A PostgreSQL database. The address usually holds a password: it is handed to the driver and to nobody else.

    Attributes:
        url: As libpq takes it: ``postgresql://user:password@host:port/database?sslmode=verify-full``.
    """

    url: str

    def __repr__(self) -> str:
        return f"PostgresAddress({self.shown!r})"

    def __str__(self) -> str:
        return self.shown

    @property
    def shown(self) -> str:
        """The address without password and parameters: what messages and logs may say (design.md §2 rule 10)."""
        parts = urlsplit(self.url)
        user = f"{parts.username}@" if parts.username else ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        return f"postgresql://{user}{host}{port}{parts.path}"


Database: TypeAlias = Path | PostgresAddress
"""The embedded database's file, or a PostgreSQL database."""


def postgres_address(text: str, *, name: str = "CARNET_DATABASE_URL") -> PostgresAddress:
    """
    The address that *text* is.

    Args:
        text: The address.
        name: The setting that it is from, for messages.

    Raises:
        UsageError: ``bad_setting``: it is none, or names no database. The message never repeats it.
    """
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in _SCHEMES and text.isprintable() and " " not in text
        _ = parts.port  # raises for what is no number
    except ValueError:
        is_address = False
    if not is_address or not unquote(parts.path).strip("/"):
        raise UsageError(
            "bad_setting",
            f"{name} is not the address of a PostgreSQL database.",
            "Write postgresql://user:password@host:5432/carnet, or unset it: then carnet.db in the data directory"
            " holds everything.",
        )
    return PostgresAddress(url=text)

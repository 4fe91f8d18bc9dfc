"""What `carnet key list` shows of signing keys and root keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnet.cli.keys.words import signing_key_json
from carnet.cli.output import table, when
from carnet.core._base import Struct
from carnet.formats.root import Root, read_root

if TYPE_CHECKING:
    from carnet.server.records import CompatibilityKey, Page, SigningKey


class KeysListed(Struct):
    """Every signing key, the newest root file, and a page of compatibility keys."""

    signing: tuple[SigningKey, ...]
    root: str
    compatibility: Page[CompatibilityKey]


def keys_json(listed: KeysListed) -> dict[str, Any]:
    """The members beside the compatibility keys."""
    root = read_root(listed.root)
    return {
        "signing_keys": [signing_key_json(key) for key in listed.signing],
        "root": {
            "version": root.version,
            "expires_at": str(root.expires_at),
            "threshold": _threshold(root),
            "kids": [key.kid for key in root.role_keys("root")],
        },
    }


def signing_rows(listed: KeysListed) -> str:
    """The signing keys for people, newest last."""
    rows = [
        [key.kid, key.state, ", ".join(key.roles), when(key.announced_at), when(key.activated_at, "-"), key.location]
        for key in listed.signing
    ]
    columns = ["SIGNING KEY", "STATE", "SIGNS", "ANNOUNCED", "SIGNS SINCE", "LOCATION"]
    return table(columns, rows, "No signing keys.")


def root_rows(listed: KeysListed) -> str:
    """The root keys for people; where they are, only their holders know."""
    root = read_root(listed.root)
    keys = root.role_keys("root")
    rows = [[key.kid, root.version, f"{_threshold(root)} of {len(keys)} must sign"] for key in keys]
    return table(["ROOT KEY", "ROOT", "THRESHOLD"], rows, "No root keys.")


def _threshold(root: Root) -> int:
    role = root.role("root")
    return 1 if role is None else role.threshold

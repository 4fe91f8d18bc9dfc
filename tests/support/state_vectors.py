"""Runs a vector of specs/state.md §11 through the SDK."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from carnet.client.fingerprint.values import Anchor
from carnet.client.state import COPIES, StateStore
from carnet.client.state_file import state_from_json
from carnet.client.state_sealing import seal_copy, state_to_json
from carnet.formats.encoding import b64url_decode, b64url_encode


def run_vector(vector: dict[str, Any]) -> dict[str, Any]:
    """What `expect` should say."""
    given = vector["input"]
    if "copies_b64u" in given:
        return _read(given)
    return {"outcome": "ok", "value": _write(given)}


def _anchors(given: dict[str, Any]) -> tuple[Anchor, ...]:
    return tuple(Anchor(kind=kind, value=value, strength="strong") for kind, value in given["anchors"])


def _read(given: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        for name, encoded in zip(COPIES, given["copies_b64u"], strict=True):
            if encoded is not None:
                (Path(folder) / name).write_bytes(b64url_decode(encoded, "The copy"))
        loaded = StateStore(folder, given["product"]).load(_anchors(given))
    if loaded.condition == "open":
        content = state_to_json(loaded.state)
        return {"outcome": "ok", "value": {name: value for name, value in content.items() if value not in (None, [])}}
    return {
        "outcome": "does_not_open" if loaded.condition == "foreign" else "malformed",
        "code": loaded.condition,
    }


def _write(given: dict[str, Any]) -> str:
    return b64url_encode(
        seal_copy(
            state_from_json(given["write"]),
            product=given["product"],
            sequence=given["sequence"],
            key=bytes.fromhex(given["state_key_hex"]),
            anchors=_anchors(given),
            kept=(),
            entropy=bytes.fromhex(given["entropy_hex"]),
        )
    )

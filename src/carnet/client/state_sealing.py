"""
One copy of the state, written to bytes: the strict opposite of `state_file.py` (specs/state.md §2 to §4). Pure.
"""

from __future__ import annotations

from typing import Any

from carnet.client.fingerprint.values import Anchor
from carnet.client.state_file import (
    BODY_LABEL,
    MAGIC,
    MAX_SLOTS,
    SALT_BYTES,
    SLOT_LABEL,
    VERSION,
    DeviceState,
    Slot,
    cipher_for,
    read_content,
    state_from_json,
)
from carnet.core.errors import CarnetError, UsageError
from carnet.formats.encoding import b64url_encode, sha256
from carnet.formats.primitives import hkdf_sha256
from carnet.formats.strict_json import dump_json

_SALT = b"carnet/v1/state-salt\0"


def seal_copy(
    state: DeviceState,
    *,
    product: str,
    sequence: int,
    key: bytes,
    anchors: tuple[Anchor, ...],
    kept: tuple[Slot, ...],
    entropy: bytes,
) -> bytes:
    """
    Write a copy: the strict opposite of `peek` and `open_copy`.

    Args:
        state: The content.
        product: The product id.
        sequence: Higher than that of any copy it replaces.
        key: The state key, 32 bytes; new for a new state, else the one that `open_copy` gave.
        anchors: This device's anchors, at least one; each gets a new slot.
        kept: The slots of the copy it replaces; those of anchors that cannot be read just now stay as they are.
        entropy: 32 fresh random bytes. A random source that repeats itself (a cloned machine) does not repeat a nonce
            under one key: the body's digest is mixed in, as SEC-15 asks of machine files.

    Raises:
        UsageError: ``bad_state``: the reader would refuse it; nothing may be written that cannot be read again.
    """
    body = dump_json(state_to_json(state))
    if not _is_readable(body, state):
        raise UsageError("bad_state", "This cannot be written as a state.", "Report this as a fault of Carnet.")
    salt = hkdf_sha256(key, salt=entropy, info=_SALT + sha256(body), length=SALT_BYTES)
    here = tuple(_wrap(key, product, anchor, salt) for anchor in anchors)
    kinds = {slot.anchor for slot in here}
    slots = (*here, *(slot for slot in kept if slot.anchor not in kinds))[:MAX_SLOTS]
    header = {
        "product": product,
        "sequence": sequence,
        "salt": b64url_encode(salt),
        "slots": [
            {"anchor": slot.anchor, "salt": b64url_encode(slot.salt), "key": b64url_encode(slot.key)} for slot in slots
        ],
    }
    head = MAGIC + VERSION + b"\n" + dump_json(header) + b"\n"
    cipher, nonce = cipher_for(key, salt, BODY_LABEL + product.encode())
    payload = head + cipher.encrypt(nonce, body, head)
    return payload + sha256(payload)


def _wrap(key: bytes, product: str, anchor: Anchor, salt: bytes) -> Slot:
    # The slot's salt is new with every write, as the body's is, and differs from slot to slot by its label.
    slot_salt = hkdf_sha256(key, salt=salt, info=_SALT + anchor.kind.encode(), length=SALT_BYTES)
    cipher, nonce = cipher_for(anchor.value.encode(), slot_salt, SLOT_LABEL + product.encode())
    return Slot(anchor=anchor.kind, salt=slot_salt, key=cipher.encrypt(nonce, key, SLOT_LABEL + anchor.kind.encode()))


def state_to_json(state: DeviceState) -> dict[str, Any]:
    """The content's members (specs/state.md §4)."""
    clock = state.clock
    members: dict[str, Any] = {
        **dict(state.others),
        "license_key": state.license_key,
        "fingerprint": state.fingerprint,
        "device_seed": None if state.device_seed is None else b64url_encode(state.device_seed),
        "device_seed_in": state.device_seed_in,
        "token": state.token,
        "machine_file": state.machine_file,
        "roots": list(state.roots),
        "refusals": list(state.refusals),
        "server_time": state.server_time,
        "contacts": state.contacts,
        "prepared_until": state.prepared_until,
        "clock": {
            "trusted_at": clock.trusted_at,
            "boot": clock.boot,
            "uptime_seconds": clock.uptime_seconds,
            "behind_since": clock.behind_since,
            "signed_by": clock.signed_by,
            "falls": clock.falls,
        },
    }
    if state.status_lists:  # most devices have none, and their state stays as small as it was
        members["status_lists"] = list(state.status_lists)
    if state.stamp is not None:
        members["stamp"] = state.stamp
    return members


def _is_readable(body: bytes, state: DeviceState) -> bool:
    try:
        return state_from_json(read_content(body)) == state
    except (CarnetError, TypeError):
        return False

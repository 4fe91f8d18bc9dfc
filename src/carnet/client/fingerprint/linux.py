"""
Linux: machine-id(5), then the firmware's UUID where it may be read. No sub-process (users-ask 38).

machine-id comes first because everyone may read it: the same program run as root and as a user is the same device.
The firmware UUID (root only) is a second anchor, which keeps the state readable after a reinstallation of the system.
Sizes, counts, network cards and host names are never identity (users-ask 28 to 31).
"""

from __future__ import annotations

import os

from carnet.client.fingerprint.values import (
    Anchor,
    Found,
    Missing,
    canonical_machine_id,
    canonical_uuid,
    read_text,
)

MACHINE_ID_FILES = ("etc/machine-id", "var/lib/dbus/machine-id")
PRODUCT_UUID_FILE = "sys/class/dmi/id/product_uuid"


def anchors(root: str, container: str | None) -> Found:
    """
    The anchors of a Linux machine, strongest claim first.

    Args:
        root: Where the file system starts; ``/`` but in tests.
        container: How a container was recognised, or None. Inside one, machine-id is the image's and the firmware
            is the host's, so the first is weak and the second is not used.
    """
    found: list[Anchor] = []
    missing: list[Missing] = []
    machine_id, reason = _machine_id(root)
    if machine_id is None:
        missing.append(Missing(kind="linux-machine-id", reason=reason))
    else:
        found.append(
            Anchor(kind="linux-machine-id", value=machine_id, strength="strong" if container is None else "weak")
        )
    if container is None:
        _add_product_uuid(root, found, missing)
    else:
        missing.append(
            Missing(kind="linux-product-uuid", reason=f"In a container ({container}) it describes the host.")
        )
    return Found(anchors=tuple(found), missing=tuple(missing))


def _machine_id(root: str) -> tuple[str | None, str]:
    reason = "No machine-id file exists."
    for name in MACHINE_ID_FILES:
        try:
            text = read_text(os.path.join(root, name))
        except FileNotFoundError:
            continue
        except OSError as error:
            reason = f"/{name} cannot be read: {error.strerror}."
            continue
        machine_id = canonical_machine_id(text)
        if machine_id is not None:
            return machine_id, ""
        reason = f"/{name} holds no machine id, or a placeholder."
    return None, reason


def _add_product_uuid(root: str, found: list[Anchor], missing: list[Missing]) -> None:
    kind = "linux-product-uuid"
    try:
        text = read_text(os.path.join(root, PRODUCT_UUID_FILE))
    except OSError as error:
        missing.append(Missing(kind=kind, reason=f"/{PRODUCT_UUID_FILE} cannot be read: {error.strerror}."))
        return
    uuid = canonical_uuid(text)
    if uuid is None:
        missing.append(Missing(kind=kind, reason=f"/{PRODUCT_UUID_FILE} holds a placeholder that many machines share."))
    else:
        found.append(Anchor(kind=kind, value=uuid, strength="strong"))

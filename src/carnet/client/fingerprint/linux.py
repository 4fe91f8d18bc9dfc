"""
Linux: the cloud's id of an instance, machine-id(5), then the firmware's UUID where it may be read. No sub-process
(users-ask 38), and no metadata service is asked (that is the app's own decision: `cloud.py`).

machine-id comes first of what a computer has because everyone may read it: the same program run as root and as a user
is the same device. The firmware UUID (root only) is a second anchor, which keeps the state readable after a
reinstallation of the system. Sizes, counts, network cards and host names are never identity (users-ask 28 to 31).
"""

from __future__ import annotations

from carnet.client.fingerprint.machine import Machine
from carnet.client.fingerprint.values import (
    Anchor,
    Found,
    Missing,
    canonical_machine_id,
    canonical_uuid,
    is_monotonous,
)

MACHINE_ID_FILES = ("etc/machine-id", "var/lib/dbus/machine-id")
CLOUD_INSTANCE_FILE = "var/lib/cloud/data/instance-id"
PRODUCT_UUID_FILE = "sys/class/dmi/id/product_uuid"

_HEX = frozenset("0123456789abcdef")


def anchors(machine: Machine, container: str | None) -> Found:
    """
    The anchors of a Linux machine, strongest claim first.

    Args:
        machine: The computer.
        container: How a container was recognised, or None. Inside one, machine-id is the image's and the firmware
            is the host's, so the first is weak and the second is not used.
    """
    found: list[Anchor] = []
    missing: list[Missing] = []
    if container is None:
        _add_cloud_instance(machine, found)
    machine_id, reason = _machine_id(machine)
    if machine_id is None:
        missing.append(Missing(kind="linux-machine-id", reason=reason))
    else:
        found.append(
            Anchor(kind="linux-machine-id", value=machine_id, strength="strong" if container is None else "weak")
        )
    if container is None:
        _add_product_uuid(machine, found, missing)
    else:
        missing.append(
            Missing(kind="linux-product-uuid", reason=f"In a container ({container}) it describes the host.")
        )
    return Found(anchors=tuple(found), missing=tuple(missing))


def _add_cloud_instance(machine: Machine, found: list[Anchor]) -> None:
    """
    The id that the cloud gave this instance, where cloud-init wrote it down: machines made from one image share their
    machine-id if nobody cleared it, and never this. Without it nothing is missing: most computers are no clouds.
    """
    try:
        text = machine.read(CLOUD_INSTANCE_FILE).strip().lower()
    except OSError:
        return
    # What clouds give out: i-… of 17 digits (AWS), a UUID (Azure, OpenStack), a long number (Google). Anything else
    # may be the text of a tutorial, such as iid-local01, which whole offices share.
    is_aws = text.startswith("i-") and len(text) == 19 and _HEX.issuperset(text[2:]) and not is_monotonous(text[2:])
    is_google = text.isdecimal() and text.isascii() and 15 <= len(text) <= 20 and not is_monotonous(text)
    value = text if is_aws or is_google else canonical_uuid(text)
    if value is not None:
        found.append(Anchor(kind="cloud-instance-id", value=value, strength="strong"))


def _machine_id(machine: Machine) -> tuple[str | None, str]:
    reason = "No machine-id file exists."
    for name in MACHINE_ID_FILES:
        try:
            text = machine.read(name)
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


def _add_product_uuid(machine: Machine, found: list[Anchor], missing: list[Missing]) -> None:
    kind = "linux-product-uuid"
    try:
        text = machine.read(PRODUCT_UUID_FILE)
    except OSError as error:
        missing.append(Missing(kind=kind, reason=f"/{PRODUCT_UUID_FILE} cannot be read: {error.strerror}."))
        return
    uuid = canonical_uuid(text)
    if uuid is None:
        missing.append(Missing(kind=kind, reason=f"/{PRODUCT_UUID_FILE} holds a placeholder that many machines share."))
    else:
        found.append(Anchor(kind=kind, value=uuid, strength="strong"))

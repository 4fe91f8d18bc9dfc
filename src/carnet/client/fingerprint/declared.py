"""
Identity by declaration: an id the operator gives, or, where nothing else exists, one kept on the state volume.

A declared id comes first of all sources (users-ask 16, 33, 34): the same id is the same seat, always, on any host.
The volume id is the last resort. It is weak by nature: whoever copies the state directory copies it too, and a volume
that is thrown away takes it along. Both limits are in docs/decisions/0021.
"""

from __future__ import annotations

import os

from carnet.client.fingerprint.machine import Machine
from carnet.client.fingerprint.values import (
    Anchor,
    Found,
    Missing,
    canonical_machine_id,
    read_text,
)
from carnet.core.errors import StateError, UsageError

DEVICE_ID_VARIABLE = "CARNET_DEVICE_ID"
DEVICE_ID_FILE = "etc/carnet/device-id"
VOLUME_ID_FILE = "volume-id"

MAX_FILE_BYTES = 1024 * 1024
"""
Of the file. Any length is taken and hashed to a fixed size (users-ask 35); the bound only keeps reading finite, and
what is longer is refused, because its beginning alone could be another device's.
"""

_VOLUME_ID_BYTES = 16


def declared_anchor(given: str | None, machine: Machine) -> Found:
    """
    The declared id: the argument, else ``CARNET_DEVICE_ID``, else the file ``/etc/carnet/device-id``.

    An empty or blank declaration counts as none, with the reason: an unset variable in a deployment file must not
    make all its containers one device (users-ask 32).

    Raises:
        UsageError: ``bad_device_id``: control characters, or a file of more than 1 MiB.
    """
    missing: list[Missing] = []
    for source, text in (("device_id=", given), (DEVICE_ID_VARIABLE, machine.environ.get(DEVICE_ID_VARIABLE))):
        if text is not None:
            value = _checked(text, source)
            if value:
                return Found(anchors=(Anchor(kind="declared", value=value, strength="declared"),))
            missing.append(Missing(kind="declared", reason=f"{source} is set but empty."))
    try:
        value = _from_file(machine)
    except FileNotFoundError:
        value = ""
    except OSError as error:
        value = ""
        missing.append(Missing(kind="declared", reason=f"/{DEVICE_ID_FILE} cannot be read: {error.strerror}."))
    if value:
        return Found(anchors=(Anchor(kind="declared", value=value, strength="declared"),))
    return Found(missing=tuple(missing))


def _from_file(machine: Machine) -> str:
    source = f"/{DEVICE_ID_FILE}"
    text = machine.read(DEVICE_ID_FILE, MAX_FILE_BYTES + 1)
    if len(text.encode("utf-8", "surrogateescape")) > MAX_FILE_BYTES:
        raise _refusal(source, f"larger than {MAX_FILE_BYTES} bytes")
    return _checked(text, source)


def _checked(text: str, source: str) -> str:
    value = text.removeprefix("\ufeff").strip()
    if not value.isprintable():
        raise _refusal(source, "not printable text")
    return value


def _refusal(source: str, what: str) -> UsageError:
    return UsageError(
        "bad_device_id",
        f"The device id from {source} is {what}.",
        "Give a short text that stays the same for this device, for example its name in your deployment.",
    )


def volume_anchor(state_directory: str) -> Found:
    """The id kept on the state volume, if `create_volume_id` made one. Reads one file, writes nothing."""
    try:
        text = read_text(os.path.join(state_directory, VOLUME_ID_FILE))
    except FileNotFoundError:
        return Found(missing=(Missing(kind="volume-id", reason="None was made yet; activation makes one."),))
    except OSError as error:
        return Found(missing=(Missing(kind="volume-id", reason=f"It cannot be read: {error.strerror}."),))
    value = canonical_machine_id(text)
    if value is None:
        return Found(missing=(Missing(kind="volume-id", reason="The file is damaged; activation makes a new one."),))
    return Found(anchors=(Anchor(kind="volume-id", value=value, strength="weak"),))


def create_volume_id(state_directory: str) -> Anchor:
    """
    Make the volume id, or take the one that another process made meanwhile.

    Args:
        state_directory: The state root, shared by the products of this device; made owner-only if it is not there.

    Raises:
        StateError: ``state_not_writable``.
    """
    path = os.path.join(state_directory, VOLUME_ID_FILE)
    draft = f"{path}.{os.urandom(8).hex()}"
    value = os.urandom(_VOLUME_ID_BYTES).hex()
    try:
        os.makedirs(state_directory, mode=0o700, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, f"{value}\n".encode("ascii"))
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            os.link(draft, path)  # unlike a rename, this never replaces the id that another process made meanwhile
            os.unlink(draft)
        except OSError:
            current = volume_anchor(state_directory)
            if current.anchors:
                os.unlink(draft)
                return current.anchors[0]
            os.replace(draft, path)  # a damaged file stood there, or this file system knows no links
    except OSError as error:
        raise StateError(
            "state_not_writable",
            f"The state directory {state_directory} cannot be written: {error.strerror}.",
            "Give this user write access to it, or set CARNET_STATE to a directory that has it.",
        ) from error
    return volume_anchor(state_directory).anchors[0]

"""
How this device is told from others: who it is, why we think so, and what to do where nothing tells it.

A chain of sources, the first that answers wins (users-ask 33): a declared id, then the operating system's own
anchors, then an id kept on the state volume. There is always a result: anchors, or the reasons why there are none.
Nothing here opens a socket, starts a process, or sends anything; the raw values stay in this process (SEC-19).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from carnet.client.fingerprint.declared import create_volume_id, declared_anchor, volume_anchor
from carnet.client.fingerprint.machine import Machine, ThisMachine
from carnet.client.fingerprint.values import Anchor, Found, Missing
from carnet.core._base import Struct

__all__ = ["Anchor", "Identity", "Missing", "identify", "with_volume_id"]

_ADVICE = {
    "container": (
        "In a container the machine id comes from the image, so all containers of that image are one device. "
        "Set CARNET_DEVICE_ID, or mount /etc/carnet/device-id, to tell them apart."
    ),
    "volume": (
        "This device has no identity of its own, so an id on the state volume stands for it. "
        "Set CARNET_DEVICE_ID, or mount /etc/carnet/device-id, to bind the license to the device itself."
    ),
    "none": (
        "Nothing here identifies the device yet. Set CARNET_DEVICE_ID, or mount /etc/carnet/device-id, "
        "with a text that stays the same for this device."
    ),
}


class Identity(Struct):
    """
    Who this device is.

    Attributes:
        anchors: The first one is the device's identity; the state can be opened by any of them.
        missing: The sources that gave none, and why.
        container: The container engine that was recognised, or None.
        advice: What would make the identity better; empty when it is strong or declared.
    """

    anchors: tuple[Anchor, ...] = ()
    missing: tuple[Missing, ...] = ()
    container: str | None = None
    advice: str = ""


def identify(
    *,
    declared: str | None = None,
    state_directory: str | None = None,
    system: str = sys.platform,
    root: str = "/",
    environ: Mapping[str, str] | None = None,
    machine: Machine | None = None,
) -> Identity:
    """
    Ask the sources in their order. Reads a few small files; writes nothing.

    Args:
        declared: An id given by the application; comes before the environment and the mounted file.
        state_directory: Where a volume id may be kept; None where there is no such place.
        system: As `sys.platform`; other values ask that system's sources.
        root: Where the file system starts; for tests and chroots.
        environ: The environment; the process's own when not given.
        machine: The computer itself, in place of the three before; for recordings.

    Raises:
        UsageError: ``bad_device_id``: the declared id is not printable text.
    """
    machine = machine or ThisMachine(system, root, os.environ if environ is None else environ)
    by_declaration = declared_anchor(declared, machine)
    if by_declaration.anchors:
        return Identity(anchors=by_declaration.anchors)
    container: str | None = None
    if machine.system == "win32":
        from carnet.client.fingerprint import windows

        own = windows.anchors(machine)
    elif machine.system == "darwin":
        from carnet.client.fingerprint import macos

        own = macos.anchors(machine)
    else:
        from carnet.client.fingerprint import linux
        from carnet.client.fingerprint.container import detect_container

        container = detect_container(machine)
        own = linux.anchors(machine, container)
    missing = by_declaration.missing + own.missing
    if own.anchors:
        advice = _ADVICE["container"] if own.anchors[0].strength == "weak" else ""
        return Identity(anchors=own.anchors, missing=missing, container=container, advice=advice)
    on_volume = Found() if state_directory is None else volume_anchor(state_directory)
    return Identity(
        anchors=on_volume.anchors,
        missing=missing + on_volume.missing,
        container=container,
        advice=_ADVICE["volume" if on_volume.anchors else "none"],
    )


def with_volume_id(identity: Identity, state_directory: str) -> Identity:
    """
    *identity*, with a volume id made for it if it has no anchor at all; called when a device is being activated.

    Raises:
        StateError: ``state_not_writable``.
    """
    if identity.anchors:
        return identity
    return Identity(
        anchors=(create_volume_id(state_directory),),
        missing=identity.missing,
        container=identity.container,
        advice=_ADVICE["volume"],
    )

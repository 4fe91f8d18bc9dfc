"""
The parts of this device: what a server may recognise it by when its fingerprint has changed (SEC-19, R-38, R-86).

Read only when the device asks the server for something, never for a check. What is read here stays in this process;
what is sent are digests under the license key (`formats.fingerprint.component_digest`), and `core.devices` says what
they weigh. Left out on purpose: sizes, counts, names of users and hosts, addresses of virtual, bonded or locally
administered network cards (users-ask 28 to 31).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from carnet.client.fingerprint import Identity
from carnet.client.fingerprint.machine import Machine
from carnet.core._base import Struct

MAX_OF_A_KIND = 6
"""A server with dozens of disks says no more about itself than a workstation: those that come first by their value."""

_DMI = "sys/class/dmi/id/"
_BIOS = r"HARDWARE\DESCRIPTION\System\BIOS"
_FIRST_DISK = r"HARDWARE\DEVICEMAP\Scsi\Scsi Port 0\Scsi Bus 0\Target Id 0\Logical Unit Id 0"
_NOT_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "nbd", "fd", "zd")
_EMULATED = ("qemu", "drive-scsi", "virtual disk")
"""Emulated disks have serial numbers such as QM00001, the same on every machine."""

_LOCALLY_ADMINISTERED = 0b10


class Part(Struct):
    """One part of this device. Its raw value stays in this process (SEC-19): print it and you see its kind."""

    kind: str
    value: str

    def __repr__(self) -> str:
        return f"Part(kind={self.kind!r})"


def parts_of(identity: Identity, machine: Machine) -> tuple[Part, ...]:
    """
    The parts by which the device may be recognised later.

    Args:
        identity: Who the device is.
        machine: The computer.

    Returns:
        For a device of its own: its anchors and the hardware that supports them, sorted, each once. For a declared
        identity or one that is shared by clones, only that, under the kind ``declared`` or ``shared``: the computer
        around it is not the device, and the server may want to know it.
    """
    if not identity.anchors:
        return ()
    first = identity.anchors[0]
    if first.strength != "strong":
        return (Part(kind="declared" if first.strength == "declared" else "shared", value=first.value),)
    found = {(anchor.kind, anchor.value) for anchor in identity.anchors if anchor.strength == "strong"}
    readers = {"linux": _linux, "win32": _windows, "darwin": _mac}
    reader = readers.get(machine.system)
    if reader is not None:
        found |= {(kind, value) for kind, value in reader(machine) if is_usable(value)}
    kinds = {kind: sorted(value for its, value in found if its == kind)[:MAX_OF_A_KIND] for kind, _ in found}
    return tuple(Part(kind=kind, value=value) for kind in sorted(kinds) for value in kinds[kind])


def is_usable(value: str) -> bool:
    """Whether *value* says anything: printable, and no placeholder that many machines share (SEC-16)."""
    from carnet.formats.fingerprint import is_placeholder

    return value.isprintable() and not is_placeholder(value) and len(set(value)) > 1


def digests(parts: tuple[Part, ...], product: str, license_key: str) -> list[dict[str, str]]:
    """What is sent of *parts*: ``components`` of the device in a request (specs/http-api.md)."""
    from carnet.formats.fingerprint import component_digest
    from carnet.formats.license_key import canonical_license_key

    key = canonical_license_key(license_key) or license_key.strip()
    return [{"kind": part.kind, "digest": component_digest(product, key, part.kind, part.value)} for part in parts]


def _asked(read: Callable[..., str | None], *arguments: str) -> str:
    """What *read* gives for *arguments*, without blanks; nothing where it cannot be read."""
    try:
        return (read(*arguments) or "").strip()
    except OSError:
        return ""


# ── Linux ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _linux(machine: Machine) -> Iterator[tuple[str, str]]:
    yield "board-serial", _asked(machine.read, f"{_DMI}board_serial")
    names = ("sys_vendor", "product_name", "board_name")
    yield "model", _joined(*(_asked(machine.read, _DMI + name) for name in names))
    for disk in _names(machine, "sys/block"):
        if not disk.startswith(_NOT_DISKS):
            yield "disk-serial", _disk_serial(machine, f"sys/block/{disk}")
    for card in _names(machine, "sys/class/net"):
        yield "network-card", _permanent_address(machine, f"sys/class/net/{card}")


def _joined(*texts: str) -> str:
    """Vendor and model as one text; nothing where a part of it is missing or a placeholder."""
    return " / ".join(texts) if all(map(is_usable, texts)) else ""


def _names(machine: Machine, path: str) -> list[str]:
    try:
        return machine.names(path)
    except OSError:
        return []


def _disk_serial(machine: Machine, disk: str) -> str:
    """A built-in disk's serial number or world-wide name; a stick moves between machines and is none of their parts."""
    if _asked(machine.read, f"{disk}/removable") == "1" or "/usb" in (machine.where(disk) or ""):
        return ""
    for name in ("device/serial", "wwid", "device/wwid"):
        text = _asked(machine.read, f"{disk}/{name}")
        if text:
            return "" if any(word in text.lower() for word in _EMULATED) else " ".join(text.split())
    return ""


def _permanent_address(machine: Machine, card: str) -> str:
    """The address a network card was made with (users-ask 29); nothing for what only behaves like a card."""
    is_hardware = machine.where(f"{card}/device") is not None and machine.where(f"{card}/master") is None
    if not is_hardware or _asked(machine.read, f"{card}/addr_assign_type") != "0":
        return ""
    address = _asked(machine.read, f"{card}/address").lower()
    try:
        octets = bytes.fromhex(address.replace(":", ""))
    except ValueError:
        return ""
    return "" if len(octets) != 6 or octets[0] & _LOCALLY_ADMINISTERED else address


# ── Windows, macOS ───────────────────────────────────────────────────────────────────────────────────────────────────


def _windows(machine: Machine) -> Iterator[tuple[str, str]]:
    from carnet.client.fingerprint.windows import smbios_board_serial

    yield "board-serial", _asked(lambda: smbios_board_serial(machine.firmware()))
    names = ("SystemManufacturer", "SystemProductName", "BaseBoardProduct")
    yield "model", _joined(*(_asked(machine.registry, _BIOS, name) for name in names))
    yield "disk-serial", _asked(machine.registry, _FIRST_DISK, "SerialNumber")


def _mac(machine: Machine) -> Iterator[tuple[str, str]]:
    yield "board-serial", _asked(machine.platform, "IOPlatformSerialNumber")

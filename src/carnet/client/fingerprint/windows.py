"""
Windows: MachineGuid from the registry, then the firmware's UUID from the SMBIOS table. No sub-process (users-ask 38).

MachineGuid comes first, as machine-id does on Linux: it survives a new board, and the firmware UUID, the second
anchor, survives a reinstallation of the system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from carnet.client.fingerprint.machine import Machine
from carnet.client.fingerprint.values import Anchor, Found, Missing, canonical_uuid

CRYPTOGRAPHY = r"SOFTWARE\Microsoft\Cryptography"

_RSMB = 0x52534D42
"""'RSMB', the raw SMBIOS firmware table provider (GetSystemFirmwareTable)."""

_TABLE_HEADER_BYTES = 8
_SYSTEM_INFORMATION = 1
_BASE_BOARD = 2
_END_OF_TABLE = 127
_UUID_AT = 8
_SERIAL_AT = 7
_UUID_BYTES = 16


def anchors(machine: Machine) -> Found:
    """The anchors of a Windows machine, strongest claim first."""
    found: list[Anchor] = []
    missing: list[Missing] = []
    readers: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("windows-machine-guid", lambda: machine.registry(CRYPTOGRAPHY, "MachineGuid")),
        ("windows-smbios-uuid", lambda: smbios_uuid(machine.firmware())),
    )
    for kind, read in readers:
        try:
            text = read()
        except OSError as error:
            missing.append(Missing(kind=kind, reason=f"It cannot be read: {error}."))
            continue
        uuid = None if text is None else canonical_uuid(text)
        if uuid is None:
            missing.append(Missing(kind=kind, reason="It is not set, or is a placeholder that many machines share."))
        else:
            found.append(Anchor(kind=kind, value=uuid, strength="strong"))
    return Found(anchors=tuple(found), missing=tuple(missing))


def smbios_uuid(table: bytes) -> str | None:
    """
    The system UUID in a raw SMBIOS table, or None where it is absent or cut off.

    Args:
        table: As `GetSystemFirmwareTable('RSMB')` gives it: 8 bytes of header (version at 1 and 2, length at 4),
            then structures, each with a formatted part and strings that end with two zero bytes (DMTF DSP0134 §6.1).

    The first three groups are little-endian since SMBIOS 2.6 (DSP0134 §7.2.1).
    """
    for kind, structure, version, _ in _structures(table):
        if kind == _SYSTEM_INFORMATION and len(structure) >= _UUID_AT + _UUID_BYTES:
            raw = structure[_UUID_AT : _UUID_AT + _UUID_BYTES]
            if version >= (2, 6):
                raw = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
            return raw.hex()
    return None


def smbios_board_serial(table: bytes) -> str | None:
    """The serial number of the base board (DSP0134 §7.3), or None where it is absent or cut off."""
    for kind, structure, _, texts in _structures(table):
        if kind == _BASE_BOARD and len(structure) > _SERIAL_AT and 0 < structure[_SERIAL_AT] <= len(texts):
            return texts[structure[_SERIAL_AT] - 1].decode("utf-8", "replace").strip()
    return None


def _structures(table: bytes) -> Iterator[tuple[int, bytes, tuple[int, int], list[bytes]]]:
    """Kind, formatted part, version of the table, and texts of each structure that is there as a whole."""
    if len(table) < _TABLE_HEADER_BYTES:
        return
    version = (table[1], table[2])
    end = min(len(table), _TABLE_HEADER_BYTES + int.from_bytes(table[4:8], "little"))
    at = _TABLE_HEADER_BYTES
    while at + 4 <= end:
        kind, length = table[at], table[at + 1]
        if length < 4 or kind == _END_OF_TABLE or at + length > end:
            return
        after = table.find(b"\0\0", at + length, end)
        texts = table[at + length : after].split(b"\0") if after > at + length else []
        yield kind, table[at : at + length], version, texts
        if after < 0:
            return
        at = after + 2


def read_registry(key: str, name: str) -> str:
    """
    A text of the registry below HKEY_LOCAL_MACHINE.

    Raises:
        OSError: There is none.
        ImportError: This is not Windows.
    """
    import winreg

    # KEY_WOW64_64KEY: a 32-bit Python must not read the redirected copy.
    access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY  # type: ignore[attr-defined,unused-ignore]
    with winreg.OpenKey(  # type: ignore[attr-defined,unused-ignore]
        winreg.HKEY_LOCAL_MACHINE,  # type: ignore[attr-defined,unused-ignore]
        key,
        0,
        access,
    ) as opened:
        return str(winreg.QueryValueEx(opened, name)[0])  # type: ignore[attr-defined,unused-ignore]


def read_firmware() -> bytes:
    """
    The raw SMBIOS table.

    Raises:
        OSError: There is none.
        AttributeError: This is not Windows.
    """
    import ctypes

    ask = ctypes.windll.kernel32.GetSystemFirmwareTable  # type: ignore[attr-defined,unused-ignore]
    ask.restype = ctypes.c_uint32
    ask.argtypes = [ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32]
    size = ask(_RSMB, 0, None, 0)
    if not size:
        raise OSError("GetSystemFirmwareTable gave nothing")
    buffer = ctypes.create_string_buffer(size)
    ask(_RSMB, 0, buffer, size)
    return buffer.raw

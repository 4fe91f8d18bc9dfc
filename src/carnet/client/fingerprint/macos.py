"""
macOS: the platform UUID from the I/O registry, asked through IOKit itself. No sub-process (users-ask 38).

The two frameworks are opened when a property is read, by a loader that tests replace with a recording.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carnet.client.fingerprint.machine import Machine
from carnet.client.fingerprint.values import Anchor, Found, Missing, canonical_uuid

IOKIT = "/System/Library/Frameworks/IOKit.framework/IOKit"
CORE_FOUNDATION = "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation"

_KIND = "mac-platform-uuid"
_UTF8 = 0x08000100  # kCFStringEncodingUTF8
_BUFFER_BYTES = 128


def anchors(machine: Machine) -> Found:
    """The anchors of a Mac."""
    try:
        text = machine.platform("IOPlatformUUID")
    except OSError as error:
        return Found(missing=(Missing(kind=_KIND, reason=f"IOKit could not be asked: {error}."),))
    if text is None:
        return Found(missing=(Missing(kind=_KIND, reason="The I/O registry holds no platform UUID."),))
    uuid = canonical_uuid(text)
    if uuid is None:
        return Found(missing=(Missing(kind=_KIND, reason="The platform UUID is a placeholder."),))
    return Found(anchors=(Anchor(kind=_KIND, value=uuid, strength="strong"),))


def load_framework(path: str) -> Any:
    """Open the framework at *path*; `OSError` where there is none."""
    import ctypes

    return ctypes.CDLL(path)


def read_platform_property(name: str, load: Callable[[str], Any]) -> str | None:
    """
    A text of ``IOPlatformExpertDevice``, as the registry spells it, or None where there is none.

    Args:
        name: A property that is a text: ``IOPlatformUUID`` or ``IOPlatformSerialNumber``.
        load: Opens a framework by its path.

    Raises:
        OSError: A framework cannot be opened.
        AttributeError: A framework lacks one of the functions.
    """
    import ctypes

    iokit, foundation = load(IOKIT), load(CORE_FOUNDATION)
    pointer, word = ctypes.c_void_p, ctypes.c_uint32
    _declare(iokit.IOServiceMatching, pointer, ctypes.c_char_p)
    _declare(iokit.IOServiceGetMatchingService, word, word, pointer)
    _declare(iokit.IORegistryEntryCreateCFProperty, pointer, word, pointer, pointer, word)
    _declare(iokit.IOObjectRelease, ctypes.c_int, word)
    _declare(foundation.CFStringCreateWithCString, pointer, pointer, ctypes.c_char_p, word)
    _declare(foundation.CFStringGetCString, ctypes.c_bool, pointer, ctypes.c_char_p, ctypes.c_long, word)
    _declare(foundation.CFRelease, None, pointer)

    # IOServiceGetMatchingService consumes the dictionary that IOServiceMatching made.
    service = iokit.IOServiceGetMatchingService(0, iokit.IOServiceMatching(b"IOPlatformExpertDevice"))
    if not service:
        return None
    key = foundation.CFStringCreateWithCString(None, name.encode("ascii"), _UTF8)
    try:
        value = iokit.IORegistryEntryCreateCFProperty(service, key, None, 0)
        if not value:
            return None
        try:
            buffer = ctypes.create_string_buffer(_BUFFER_BYTES)
            if not foundation.CFStringGetCString(value, buffer, _BUFFER_BYTES, _UTF8):
                return None
            return buffer.value.decode("utf-8", "replace")
        finally:
            foundation.CFRelease(value)
    finally:
        foundation.CFRelease(key)
        iokit.IOObjectRelease(service)


def _declare(function: Any, result: Any, *arguments: Any) -> None:
    # Without these, ctypes cuts 64-bit pointers to 32 bits.
    function.restype = result
    function.argtypes = list(arguments)

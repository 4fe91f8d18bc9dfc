"""
What the readers of identity may ask a computer: files, the Windows registry, firmware, the I/O registry of a Mac.

A small port, so that the code for every system runs in every test, on recordings (users-ask 38). `ThisMachine` is the
real one. It starts no process and opens no socket; what is not there is an `OSError`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from carnet.client.fingerprint.values import SMALL_FILE_BYTES, read_text


class Machine(Protocol):
    """A computer, as far as it identifies itself. Paths are those of its file system without the first slash."""

    @property
    def system(self) -> str:
        """As `sys.platform`."""
        ...

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of the process."""
        ...

    def read(self, path: str, most: int = SMALL_FILE_BYTES) -> str:
        """The text of a file, *most* bytes of it at most; `OSError` where there is none."""
        ...

    def names(self, path: str) -> list[str]:
        """What is in a directory; `OSError` where there is none."""
        ...

    def where(self, path: str) -> str | None:
        """Where a file or directory really is, links followed; None where there is none."""
        ...

    def registry(self, key: str, name: str) -> str:
        """A text below HKEY_LOCAL_MACHINE; `OSError` where there is none."""
        ...

    def firmware(self) -> bytes:
        """The raw SMBIOS table, as Windows gives it; `OSError` where there is none."""
        ...

    def platform(self, name: str) -> str | None:
        """A text of IOPlatformExpertDevice; None where it has none, `OSError` where it cannot be asked."""
        ...


class ThisMachine:
    """The computer that this process runs on, perhaps seen from another root directory."""

    def __init__(self, system: str, root: str, environ: Mapping[str, str]) -> None:
        """
        Args:
            system: As `sys.platform`.
            root: Where the file system starts; ``/`` but in tests and chroots.
            environ: The environment.
        """
        self.system = system
        self.environ = environ
        self._root = root

    def read(self, path: str, most: int = SMALL_FILE_BYTES) -> str:
        """As `Machine.read`."""
        return read_text(os.path.join(self._root, path), most)

    def names(self, path: str) -> list[str]:
        """As `Machine.names`, sorted."""
        return sorted(os.listdir(os.path.join(self._root, path)))

    def where(self, path: str) -> str | None:
        """As `Machine.where`."""
        full = os.path.join(self._root, path)
        return os.path.realpath(full) if os.path.exists(full) else None

    def registry(self, key: str, name: str) -> str:
        """As `Machine.registry`."""
        from carnet.client.fingerprint.windows import read_registry

        try:
            return read_registry(key, name)
        except (ImportError, AttributeError) as error:
            raise OSError(f"there is no registry ({error})") from error

    def firmware(self) -> bytes:
        """As `Machine.firmware`."""
        from carnet.client.fingerprint.windows import read_firmware

        try:
            return read_firmware()
        except (ImportError, AttributeError) as error:
            raise OSError(f"the firmware cannot be asked ({error})") from error

    def platform(self, name: str) -> str | None:
        """As `Machine.platform`."""
        from carnet.client.fingerprint.macos import load_framework, read_platform_property

        try:
            return read_platform_property(name, load_framework)
        except (ImportError, AttributeError) as error:
            raise OSError(str(error)) from error

"""Recorded computers: what Linux, macOS, Windows and containers answer when they are asked who they are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from carnet.client.fingerprint.values import SMALL_FILE_BYTES

RECORDINGS = Path(__file__).resolve().parents[1] / "unit" / "client" / "recorded_machines"

_IOREG = re.compile(r'"(\w+)" = "([^"]*)"')


class RecordedMachine:
    """
    A `carnet.client.fingerprint.machine.Machine` that answers from a recording.

    Attributes:
        files: Text by path. A path that ends with ``/`` is a directory by itself.
        links: Where a directory really is, for those that are links.
        texts: The registry's texts, by key and name with a backslash between.
        table: The raw SMBIOS table.
        ioreg: What `ioreg -rd1 -c IOPlatformExpertDevice` prints.
    """

    def __init__(
        self,
        system: str,
        *,
        files: Mapping[str, str] | None = None,
        links: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        texts: Mapping[str, str] | None = None,
        table: bytes | None = None,
        ioreg: str | None = None,
        platform: Callable[[str], str | None] | None = None,
    ) -> None:
        self.system = system
        self.files = dict(files or {})
        self.links = dict(links or {})
        self.environ = dict(environ or {})
        self.texts = dict(texts or {})
        self.table = table
        self.ioreg = ioreg
        self._platform = platform
        self.read_paths: list[str] = []

    def read(self, path: str, most: int = SMALL_FILE_BYTES) -> str:
        self.read_paths.append(path)
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        if self.files[path] == "Permission denied":
            raise PermissionError(13, "Permission denied", path)
        return self.files[path][:most]

    def names(self, path: str) -> list[str]:
        inside = {name[len(path) + 1 :].split("/")[0] for name in self.files if name.startswith(f"{path}/")}
        if not inside:
            raise FileNotFoundError(2, "No such file or directory", path)
        return sorted(inside)

    def where(self, path: str) -> str | None:
        if path in self.links:
            return self.links[path]
        is_there = any(name == path or name.startswith(f"{path}/") for name in self.files)
        return f"/{path}" if is_there else None

    def registry(self, key: str, name: str) -> str:
        try:
            return self.texts[f"{key}\\{name}"]
        except KeyError:
            raise FileNotFoundError(2, "The system cannot find the file specified") from None

    def firmware(self) -> bytes:
        if self.table is None:
            raise OSError("GetSystemFirmwareTable gave nothing")
        return self.table

    def platform(self, name: str) -> str | None:
        if self._platform is not None:
            return self._platform(name)
        if self.ioreg is None:
            raise OSError("there is no IOKit")
        return dict(_IOREG.findall(self.ioreg)).get(name)


def recorded(name: str, **changes: str | None) -> RecordedMachine:
    """The recording *name*; *changes* replace the text of files or registry values, None takes them away."""
    told: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    del told["recorded"]
    told.pop("parts", None)
    if "table" in told:
        told["table"] = bytes.fromhex("".join(told["table"]))
    if "ioreg" in told:
        told["ioreg"] = "\n".join(told["ioreg"])
    machine = RecordedMachine(**told)
    for path, text in changes.items():
        where = machine.files if path in machine.files or path not in machine.texts else machine.texts
        if text is None:
            where.pop(path, None)
        else:
            where[path] = text
    return machine


def recordings() -> list[str]:
    """The names of all recordings."""
    return sorted(path.stem for path in RECORDINGS.glob("*.json"))


def expected_parts(name: str) -> list[list[str]]:
    """The kinds and raw values that the recording's keeper read off the computer itself."""
    told = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return [list(each) for each in told["parts"]]

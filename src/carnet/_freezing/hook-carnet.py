"""
PyInstaller's hook for `carnet`: all that a device may need, and nothing of the server.

The modules of a device are named although each is imported by a plain statement somewhere, so that a build holds them
whichever system it is made on. `carnet.server`, `carnet.cli` and `carnet.testing` come along only where an app
imports them itself.
"""  # noqa: N999 - PyInstaller wants this name

from __future__ import annotations

import sys

from PyInstaller.utils.hooks import can_import_module, collect_submodules

from carnet.client.keychain import BACKENDS

hiddenimports = [
    name for room in ("core", "formats", "client") for name in collect_submodules(f"carnet.{room}", on_error="raise")
]
# The optional extra `keychain`: its backend is chosen by name, so that a frozen app finds it (docs/decisions/0069).
if sys.platform in BACKENDS and can_import_module("keyring"):
    hiddenimports.append(BACKENDS[sys.platform][0])

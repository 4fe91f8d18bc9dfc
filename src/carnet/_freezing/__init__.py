"""
What tools that freeze apps need to know of Carnet (R-90): a PyInstaller hook and a Nuitka configuration.

PyInstaller finds the hook by the entry point `pyinstaller40`; Nuitka is told the file that `nuitka_configuration()`
names. Both do little: the SDK has no data files, and its lazy imports are plain statements that freezers follow
(docs/decisions/0026). Used when an app is built, never when it runs.
"""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """Where PyInstaller finds `hook-carnet.py`."""
    return [os.path.dirname(__file__)]  # noqa: PTH120 - no pathlib for two lines


def nuitka_configuration() -> str:
    """The file for Nuitka's ``--user-package-configuration-file``."""
    return os.path.join(os.path.dirname(__file__), "carnet.nuitka-package.config.yml")  # noqa: PTH118, PTH120

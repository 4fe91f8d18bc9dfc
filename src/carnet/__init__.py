"""
Carnet: software licensing that keeps working offline.

    from carnet import Carnet

    decision = Carnet(product="hustl", server="https://license.example.com", root=ROOT).start()
    if decision.allows("export-pdf"):
        ...

Importing this package loads nothing but this file; each name is loaded when it is first used (design.md §3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carnet import errors
    from carnet._version import __version__
    from carnet.client.aio import AsyncCarnet
    from carnet.client.events import Event
    from carnet.client.info import Info
    from carnet.client.session import Carnet
    from carnet.core.decision import Decision
    from carnet.formats.license_key import Healing, heal_license_key

__all__ = [
    "AsyncCarnet",
    "Carnet",
    "Decision",
    "Event",
    "Healing",
    "Info",
    "__version__",
    "errors",
    "heal_license_key",
]


def __getattr__(name: str) -> object:
    # Plain import statements, so that PyInstaller and Nuitka see what an app needs (docs/decisions/0026).
    if name == "Carnet":
        from carnet.client.session import Carnet

        return Carnet
    if name == "AsyncCarnet":
        from carnet.client.aio import AsyncCarnet

        return AsyncCarnet
    if name == "Decision":
        from carnet.core.decision import Decision

        return Decision
    if name == "Event":
        from carnet.client.events import Event

        return Event
    if name == "Info":
        from carnet.client.info import Info

        return Info
    if name in {"Healing", "heal_license_key"}:
        from carnet.formats import license_key

        return getattr(license_key, name)
    if name == "errors":
        import carnet.errors

        return carnet.errors
    if name == "__version__":
        from carnet._version import __version__

        return __version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

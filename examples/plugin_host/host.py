"""
A host application: it loads the plug-ins of a folder and sends a signal through them. It knows nothing of licenses.

    python host.py plugins/

A plug-in is a Python package with `create(host: str) -> Plugin`.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Protocol

SIGNAL: tuple[float, ...] = (0.0, 0.5, 1.0, 0.5)


class Plugin(Protocol):
    """What the host asks of a plug-in."""

    name: str

    def process(self, samples: tuple[float, ...]) -> tuple[float, ...]:
        """Called on the audio thread: it must not wait for anything."""

    def message(self) -> str:
        """A line for the host's plug-in list; empty when there is nothing to say."""

    def activate(self, license_key: str) -> str:
        """What the plug-in's own window does with a license key; returns a line for the user."""

    def close(self) -> None:
        """The host is about to end, or the user takes the plug-in out."""


def load(folder: Path, host: str = "Example Host") -> list[Plugin]:
    """Load every plug-in below *folder*, each under a name of its own."""
    plugins: list[Plugin] = []
    for path in sorted(folder.glob("*/__init__.py")):
        name = f"plugin_{path.parent.name}"
        spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(path.parent)])
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        plugins.append(module.create(host))
    return plugins


def main(arguments: list[str]) -> int:
    """Load, process, say what the plug-ins say."""
    plugins = load(Path(arguments[0] if arguments else "plugins"))
    samples = SIGNAL
    for plugin in plugins:
        samples = plugin.process(samples)
        print(f"{plugin.name}: {plugin.message() or 'ready'}")
    print("out:", *samples)
    for plugin in plugins:
        plugin.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

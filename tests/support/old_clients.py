"""
A client as it was shipped: the SDK of some source tree in one file, with a root embedded; nothing changes it any more.

Runs as a process of its own, and imports nothing of Carnet but what is in the file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipapp
from pathlib import Path
from typing import Any, Final

_MAIN: Final = """
import json
import sys

import carnet
from carnet import Carnet

ROOT = {root!r}
assert carnet.__file__.startswith({archive!r}), carnet.__file__


def say(**members):
    print(json.dumps(members))


def main(what, *words):
    if what == "carnet":
        from carnet.cli.main import main

        return main(list(words))
    server, state, device = words
    with Carnet(product="hustl", server=server, root=ROOT, state=state, device_id=device, timeout_seconds=120) as app:
        if what == "activate":
            decision = app.activate(sys.stdin.readline().strip())
        elif what == "refresh":
            decision = app.refresh()
        else:
            decision = app.check()
        info = app.info()
        say(state=decision.state, access=decision.access, root_version=info.root_version)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
"""


class OldClient:
    """
    Builds the client into *folder*.

    Args:
        folder: For the file and its states.
        source: The `carnet` package to ship; what a device does not need is left out.
        root: Root file version 1, embedded.
    """

    def __init__(self, folder: Path, source: Path, root: str) -> None:
        self.folder = folder
        self._archive = folder / "old.pyz"
        tree = folder / "tree"
        shutil.copytree(source, tree / "carnet", ignore=shutil.ignore_patterns("server", "testing", "__pycache__"))
        (tree / "__main__.py").write_text(_MAIN.format(root=root, archive=str(self._archive)))
        zipapp.create_archive(tree, self._archive)
        shutil.rmtree(tree)

    def run(self, *words: str | Path, stdin: str = "") -> dict[str, Any]:
        """What the client answers to *words*, which must go well."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CARNET_", "PYTHON"))}
        done = subprocess.run(
            [sys.executable, str(self._archive), *(str(word) for word in words)],
            input=stdin,
            env={**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        assert isinstance(answer, dict)
        return answer

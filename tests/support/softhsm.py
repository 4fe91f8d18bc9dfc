"""PKCS#11 tokens in software (tools/prepare_softhsm.py): real tokens of SoftHSM, behind its module in this process."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

RECORD = Path(sys.prefix) / "softhsm" / "softhsm.json"
PREPARED: dict[str, Any] = (
    json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {"missing": "make test prepares SoftHSM"}
)
MISSING: str | None = PREPARED.get("missing")
"""Why there is no SoftHSM on this machine, or None."""

PIN = "a pin of a token, 4711"
_numbers = count(1)


@cache
def tokens() -> Path:
    """Where this process's tokens are. The module reads its settings once, so there is one place for all tests."""
    place = Path(tempfile.mkdtemp(prefix="carnet-tokens-"))
    folder = place / "tokens"
    folder.mkdir()
    settings = place / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    return folder


def lose_sessions() -> None:
    """Every session, login and object handle of this process is gone, as when the module's own client is cut off."""
    module = ctypes.CDLL(PREPARED["module"])
    module.C_Finalize(None)


class SoftToken:
    """A fresh token, until `drop`."""

    def __init__(self, label: str | None = None) -> None:
        folder = tokens()
        self.label = label or f"carnet test {next(_numbers)} of {os.getpid()}"
        before = set(folder.iterdir())
        subprocess.run(
            [
                *(PREPARED["program"], "--module", PREPARED["module"], "--init-token", "--free"),
                *("--label", self.label, "--pin", PIN, "--so-pin", "the so pin, 0815"),
            ],
            env={"SOFTHSM2_CONF": os.environ["SOFTHSM2_CONF"]},
            check=True,
            capture_output=True,
        )
        (self._place,) = set(folder.iterdir()) - before
        self._away = folder.parent / f"{self._place.name} is pulled out"

    def location(self, name: str = "key") -> str:
        """Where the key called *name* is."""
        return f"pkcs11:token={self.label.replace(' ', '%20')};object={name}"

    def environ(self, pin: str = PIN) -> dict[str, str]:
        """What opening its keys needs."""
        return {"CARNET_PKCS11_MODULE": PREPARED["module"], "CARNET_PKCS11_PIN": pin}

    def pull_out(self) -> None:
        """The token is not there any more."""
        self._place.rename(self._away)
        lose_sessions()

    def put_back(self) -> None:
        """It is there again."""
        self._away.rename(self._place)

    def serial(self) -> bytes:
        """Its number: the last part of what its directory is called."""
        return self._place.name.replace("-", "")[-16:].encode()

    def files(self) -> bytes:
        """Everything that the token keeps on disk."""
        return b"".join(path.read_bytes() for path in sorted(self._place.rglob("*")) if path.is_file())

    def drop(self) -> None:
        """Forget it."""
        for place in (self._place, self._away):
            shutil.rmtree(place, ignore_errors=True)

"""
Prepare a PKCS#11 token in software for the tests of signers: SoftHSM, a real module with real tokens.

Unpacked from the system's own packages below the environment, as the virtual display is: nothing is installed, nobody
is asked. Where it cannot be had, `softhsm.json` says why, the tests that need a token say so too, and all others run.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.debian_packages import Unavailable, prepare_once, unpack  # noqa: E402 - found on the path that is set above

VERSION = 1
"""Counts up when what is prepared changes."""

PACKAGES = ("softhsm2", "libsofthsm2")


def main(argv: list[str]) -> int:
    """Prepare ``argv[1]/softhsm``. Always 0: what is missing is said, here and by the tests."""
    place = Path(argv[1]).resolve() / "softhsm"
    doing = "preparing a PKCS#11 token in software for the tests of signers"
    return prepare_once(place, {"version": VERSION}, doing, lambda: _prepare(place))


def _prepare(place: Path) -> dict[str, object]:
    root = unpack(place, list(PACKAGES), PACKAGES, "SoftHSM")
    modules = sorted(root.glob("usr/lib/*/softhsm/libsofthsm2.so"))
    if not modules:
        raise Unavailable("the unpacked packages hold no PKCS#11 module.")
    ctypes.CDLL(str(modules[0]))  # its libraries are the system's, or this says which is not there
    return {"module": str(modules[0]), "program": str(root / "usr" / "bin" / "softhsm2-util")}


if __name__ == "__main__":
    sys.exit(main(sys.argv))

"""
Prepare what the tests of the TPM need: a software TPM, the TSS libraries, and the binding `tpm2_pytss`.

The first two are unpacked from the system's own packages below the environment, as for the virtual display. The
binding is published as source only, so a C compiler is needed; it is built against those libraries, finds them by its
own run path, and goes into the environment by `requirements-tpm.lock`. Where one of them is missing, `tpm.json` says
why, the tests that need a TPM say so too, and everything else runs.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.debian_packages import Unavailable, prepare_once, run, unpack  # noqa: E402 - found on the path that is set above

VERSION = 1
"""Counts up when what is prepared changes."""

PACKAGES = ("swtpm", "swtpm-libs", "libtpms0", "libtss2-dev", "libtss2-tcti-device0", "libtss2-tcti-swtpm0")
LOCK = ROOT / "requirements-tpm.lock"
BINDING = "tpm2-pytss"


def main(argv: list[str]) -> int:
    """Prepare ``argv[1]/tpm``. Always 0: what is missing is said, here and by the tests."""
    environment = Path(argv[1]).resolve()
    place = environment / "tpm"
    wanted: dict[str, object] = {"version": VERSION, "lock": hashlib.sha256(LOCK.read_bytes()).hexdigest()}
    doing = "preparing a software TPM for the tests (builds its binding: half a minute)"
    return prepare_once(place, wanted, doing, lambda: _prepare(place, environment))


def _prepare(place: Path, environment: Path) -> dict[str, object]:
    for program in ("cc", "pkg-config"):
        if shutil.which(program) is None:
            raise Unavailable(f"the binding to the TPM is built from source, and there is no {program}.")
    root = unpack(place, list(PACKAGES), PACKAGES, "a software TPM")
    found = sorted(root.glob("usr/lib/*-linux-gnu/libtss2-esys.so"))
    if not found:
        raise Unavailable("the unpacked packages hold no TSS libraries.")
    libraries = found[0].parent
    _install(place, environment, root, libraries)
    return {"program": str(root / "usr" / "bin" / "swtpm"), "libraries": [str(libraries), str(libraries / "swtpm")]}


def _install(place: Path, environment: Path, root: Path, libraries: Path) -> None:
    """Build and install the binding: first what building needs, then itself, both with hashes from the lock."""
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
    pip += ["--require-hashes", "--no-cache-dir"]  # a built wheel names where its libraries are: none from elsewhere
    tools = place / "tools.lock"
    tools.write_text(without(LOCK.read_text(encoding="utf-8"), BINDING), encoding="utf-8")
    run([*pip, "--requirement", str(tools)], place)
    run(
        [*pip, "--no-build-isolation", "--requirement", str(LOCK)],
        place,
        PKG_CONFIG_PATH=str(libraries / "pkgconfig"),
        PKG_CONFIG_SYSROOT_DIR=str(root),
        CFLAGS=f"-I{root / 'usr' / 'include'}",
        # The old kind of run path: it also holds for what the libraries load, the way to the TPM among it.
        LDFLAGS=f"-L{libraries} -Wl,-rpath,{libraries} -Wl,--disable-new-dtags",
        LD_LIBRARY_PATH=str(libraries),
    )


def without(lock: str, name: str) -> str:
    """A lock file without the one requirement *name*, whose continued lines are indented."""
    kept: list[str] = []
    is_kept = True
    for line in lock.splitlines(keepends=True):
        if not line.startswith(" "):
            is_kept = not line.startswith(f"{name}==")
        if is_kept:
            kept.append(line)
    return "".join(kept)


if __name__ == "__main__":
    sys.exit(main(sys.argv))

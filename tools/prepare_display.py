"""
Prepare what the tests of windows need and no package index has: a virtual X server, a font, libraries of Qt and Tk.

On Debian and its relatives they are fetched from the system's own package sources and unpacked below the environment.
Nothing is installed on the system and no right is needed. Elsewhere, and without a connection, `display.json` says why
they are missing; the tests of windows then say so too, and everything else runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.debian_packages import Unavailable, prepare_once, unpack

VERSION = 2
"""Counts up when what is prepared changes."""

ALWAYS = ("xvfb", "x11-xkb-utils", "xkb-data", "fonts-open-sans")
"""Brought along even where the system has them, so that every machine draws the same."""
LIBRARIES = (
    *("libxfont2", "libxkbfile1", "libxaw7", "libpixman-1-0", "libgl1", "libunwind8"),  # of the server
    *("libegl1", "libopengl0", "libglib2.0-0", "libdbus-1-3", "libfontconfig1", "libxkbcommon0", "libzstd1"),  # of Qt
    *("libtk8.6", "libxft2", "libxss1"),  # of Tk
)
_LIBRARIES = ("lib/*-linux-gnu/*.so*", "usr/lib/*-linux-gnu/*.so*", "usr/lib/*.so*")
_SYSTEM_PROGRAMS = b"/usr/bin\0"
_OWN_PROGRAMS = b"bin\0"


def main(argv: list[str]) -> int:
    """Prepare ``argv[1]/display``. Always 0: what is missing is said, here and by the tests."""
    place = Path(argv[1]).resolve() / "display"
    doing = "preparing a virtual display for the tests of windows"
    return prepare_once(place, {"version": VERSION}, doing, lambda: _prepare(place))


def _prepare(place: Path) -> dict[str, object]:
    wanted = [*ALWAYS, *LIBRARIES, *_packages_of_tkinter()]
    root = unpack(place, wanted, ALWAYS, "a virtual display")
    server = root / "usr" / "bin" / "Xvfb"
    _let_it_find_its_own_programs(server)
    fonts = place / "fonts.conf"
    fonts.write_text(_FONTS.format(fonts=root / "usr" / "share" / "fonts", cache=place / "fonts"), encoding="utf-8")
    libraries = sorted({str(path.parent) for pattern in _LIBRARIES for path in root.glob(pattern)})
    python = [str(path) for path in sorted(root.glob("usr/lib/python3*")) if (path / "tkinter").is_dir()]
    return {
        "server": str(server),
        "directory": str(root / "usr"),
        "keyboards": str(root / "usr" / "share" / "X11" / "xkb"),
        "libraries": libraries,
        "fonts": str(fonts),
        "scripts": {
            name: str(path)
            for name, what in (("TCL_LIBRARY", "tcl8.6/init.tcl"), ("TK_LIBRARY", "tk8.6/tk.tcl"))
            if (path := (root / "usr" / "share" / "tcltk" / what).parent).is_dir()
        },
        "python": [*python, *(str(Path(each) / "lib-dynload") for each in python)],
    }


def _packages_of_tkinter() -> list[str]:
    """Debian has tkinter in a package of its own; other Pythons bring it."""
    done = subprocess.run([sys.executable, "-c", "import _tkinter"], check=False, capture_output=True)
    is_debians = Path(os.path.realpath(sys.executable)).parent == Path("/usr/bin")
    return ["python3-tk", "blt"] if done.returncode and is_debians else []


def _let_it_find_its_own_programs(server: Path) -> None:
    """
    Make the unpacked server look for its keyboard compiler beside itself.

    The directory is built into it as a text, and no option changes it. A relative one is shorter, so the text is
    replaced in place; the server is started where ``bin`` is (tests/support/display.py).
    """
    program = server.read_bytes()
    if program.count(_SYSTEM_PROGRAMS) != 1:
        raise Unavailable("this build of Xvfb cannot be told where its keyboard compiler is.")
    server.write_bytes(program.replace(_SYSTEM_PROGRAMS, _OWN_PROGRAMS.ljust(len(_SYSTEM_PROGRAMS), b"\0")))


_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <match target="pattern">
    <edit name="family" mode="append" binding="strong"><string>Open Sans</string></edit>
  </match>
  <match target="font">
    <edit name="antialias" mode="assign"><bool>true</bool></edit>
    <edit name="hinting" mode="assign"><bool>true</bool></edit>
    <edit name="hintstyle" mode="assign"><const>hintslight</const></edit>
    <edit name="rgba" mode="assign"><const>none</const></edit>
  </match>
</fontconfig>
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv))

"""
A licensed command-line app: a flight log that prints for free and exports with a license.

    flightlog activate        asks for the license key on standard input
    flightlog status          says how the license stands
    flightlog print           works for everyone
    flightlog export          needs the feature `export-pdf`

It reads `CARNET_SERVER` and `CARNET_ROOT`, so that you can try it against any server; your app has both as constants.
Built with PyInstaller by the tests: `pyinstaller --onedir examples/cli/flightlog.py`.
"""

from __future__ import annotations

import sys

from carnet import Carnet, Decision

PRODUCT = "hustl"
SERVER = None  # your server, for example "https://license.example.com"
ROOT = None  # the text of your root.json

FLIGHTS = ("LIS-FRA 2026-11-02 2:55", "FRA-NRT 2026-11-03 11:40", "NRT-LIS 2026-11-19 16:05")


def tell(decision: Decision) -> None:
    """What the user should know, on standard error: nothing at all while everything is fine."""
    if decision.notice is not None:
        print(f"{decision.notice.title}\n  {decision.notice.text}", file=sys.stderr)


def activate(carnet: Carnet) -> int:
    """Activate this computer with the key on standard input."""
    decision = carnet.activate(sys.stdin.readline().strip(), device_name="flightlog")
    for reason in decision.reasons:
        print(f"{reason.message} {reason.fix}", file=sys.stderr)
    return 0 if decision else 5


def status(carnet: Carnet) -> int:
    """One line that a person understands."""
    decision = carnet.check()
    until = "" if decision.offline_until is None else f", offline until {decision.offline_until}"
    print(f"{decision.state}: {decision.access} access{until}")
    return 0 if decision else 5


def show(decision: Decision) -> int:
    """The free part."""
    tell(decision)
    print("\n".join(FLIGHTS))
    return 0


def export(decision: Decision) -> int:
    """The part that is sold. Whoever may not use it is told why, and what would help."""
    if decision.allows("export-pdf"):
        print("%PDF-1.7 " + " | ".join(FLIGHTS))
        return 0
    tell(decision)
    for reason in decision.reasons:
        print(f"{reason.message} {reason.fix}", file=sys.stderr)
    return 5


def main(arguments: list[str]) -> int:
    """Run one command; 0 when it worked, 5 when the license says no, 2 when there is no such command."""
    with Carnet(product=PRODUCT, server=SERVER, root=ROOT) as carnet:
        match arguments:
            case ["activate"]:
                return activate(carnet)
            case ["status"]:
                return status(carnet)
            case ["print"]:
                return show(carnet.start())
            case ["export"]:
                return export(carnet.start())
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

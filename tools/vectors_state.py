"""
Makes `specs/vectors/state/` (specs/state.md §11).

`python tools/vectors_state.py` writes them; `tests/unit/client/test_state_vectors.py` makes them again, compares, and
runs them. Everything is from fixed seeds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.client.fingerprint.values import Anchor  # noqa: E402
from carnet.client.state_file import CHECKSUM_BYTES, DeviceState  # noqa: E402
from carnet.client.state_sealing import seal_copy  # noqa: E402
from carnet.core.instant import Instant  # noqa: E402
from carnet.formats.encoding import b64url_encode, sha256  # noqa: E402
from support.state_vectors import run_vector  # noqa: E402

FOLDER = ROOT / "specs" / "vectors" / "state"

KEY = bytes(range(32))
ENTROPY = bytes(range(32, 64))
MACHINE = ("linux-machine-id", "9f4c1d6f0e7b4a0c8f5d2b3a1e6c7d88")
FIRMWARE = ("linux-product-uuid", "4c4c4544-0042-3510-8052-b3c04f4b4e32")
OTHER = ("linux-machine-id", "11112222333344445555666677778888")
DECLARED = ("declared", "line-4")
T = 1_900_000_000


def sealed(
    sequence: int = 3, *anchors: tuple[str, str], product: str = "hustl", contacts: int = 2, entropy: bytes = ENTROPY
) -> bytes:
    """A small copy."""
    return seal_copy(
        DeviceState(license_key="7CXSZ-8Q2MD-N4V6P-KH9T3-WBA5R", server_time=Instant(T), contacts=contacts),
        product=product,
        sequence=sequence,
        key=KEY,
        anchors=tuple(Anchor(kind=kind, value=value, strength="strong") for kind, value in anchors or (MACHINE,)),
        kept=(),
        entropy=entropy,
    )


def resealed(data: bytes) -> bytes:
    """*data* under a checksum that fits."""
    return data[:-CHECKSUM_BYTES] + sha256(data[:-CHECKSUM_BYTES])


def flipped(data: bytes, position: int) -> bytes:
    """*data* with the lowest bit of one byte changed."""
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def copies() -> Iterator[dict[str, Any]]:
    """Reading."""

    def read(
        name: str, section: str, catches: str, *given: bytes | None, product: str = "hustl", anchors: Any = (MACHINE,)
    ) -> dict[str, Any]:
        pair = [*given, None][:2]
        return {
            "id": f"state/{name}",
            "spec": f"state.md §{section}",
            "catches": catches,
            "input": {
                "copies_b64u": [None if data is None else b64url_encode(data) for data in pair],
                "product": product,
                "anchors": [list(anchor) for anchor in anchors],
            },
        }

    plain = sealed()
    body_at = plain.find(b"\n", 15) + 1
    head, body = plain[:body_at], plain[body_at:-CHECKSUM_BYTES]
    yield read("read-one-copy", "5", "Needing both copies.", plain)
    yield read("read-second-copy-only", "5", "Looking at the first copy only.", None, plain)
    yield read("read-higher-sequence", "5", "Taking the first copy that opens.", plain, sealed(4, contacts=9))
    yield read("read-any-slot", "3", "Trying the first slot only.", sealed(3, FIRMWARE, MACHINE))
    yield read("read-any-anchor", "3", "Trying the first anchor only.", plain, anchors=(FIRMWARE, OTHER, MACHINE))
    yield read("read-no-copy", "5", "Failing where there is no state yet.", None, None)
    yield read("read-damaged-first", "5", "Giving up after a damaged copy.", flipped(plain, -1), plain)
    yield read("read-damaged-newer", "5", "Choosing by an unverified sequence.", flipped(sealed(9), 400), plain)
    yield read("read-damaged-both", "5", "Reading on after a wrong checksum.", flipped(plain, 20), plain[:-1])
    yield read("read-foreign", "5", "Calling a foreign copy damaged.", plain, anchors=(OTHER,))
    yield read("read-foreign-kind", "3", "Trying a slot with an anchor of another kind.", plain, anchors=(FIRMWARE,))
    yield read("read-foreign-declared", "9", "Trying hardware where an id is declared.", plain, anchors=(DECLARED,))
    yield read("read-no-anchor", "5", "Opening without any anchor.", plain, anchors=())
    yield read(
        "read-foreign-and-damaged",
        "5",
        "Calling it damaged when one copy is foreign.",
        plain[:-1],
        plain,
        anchors=(OTHER,),
    )
    yield read("read-other-product", "5", "Reading another product's state.", plain, product="inkwell")
    moved = resealed(plain.replace(b'"product":"hustl"', b'"product":"fancy"'))
    yield read("read-renamed-product", "3", "Not binding slots to the product.", moved, product="fancy")
    newer = resealed(plain.replace(b"carnet-state 1", b"carnet-state 2"))
    yield read("read-too-new", "5", "Overwriting what a newer app wrote.", newer)
    yield read("read-not-a-state", "5", "Failing on any other file.", b"\x7fELF" + bytes(100))
    yield read("read-empty", "5", "Failing on an empty file.", b"")
    yield read("read-cut-in-header", "7", "Failing on a cut header.", plain[:40])
    yield read("read-cut-in-body", "7", "Accepting a body without its end.", resealed(plain[:-40] + bytes(32)))
    yield read("read-tail", "7", "Ignoring what follows.", plain + b"\n")
    yield read(
        "read-changed-sequence",
        "5",
        "Not authenticating the header.",
        resealed(plain.replace(b'"sequence":3', b'"sequence":8')),
    )
    yield read("read-changed-body", "5", "Not authenticating the body.", resealed(flipped(plain, -40)))
    other = sealed(3, entropy=bytes(32))
    swapped = other[: other.find(b"\n", 15) + 1] + body
    yield read("read-body-under-other-head", "5", "Not binding the body to its head.", resealed(swapped + bytes(32)))
    yield read(
        "read-header-not-strict", "5", "Reading the header leniently.", resealed(head[:-1] + b" \n" + body + bytes(32))
    )
    yield read(
        "read-header-name-twice",
        "5",
        "Reading the header leniently.",
        resealed(head.replace(b'{"product"', b'{"salt":"","product"') + body + bytes(32)),
    )
    yield read(
        "read-no-slots",
        "2",
        "Needing no slot.",
        resealed(b'carnet-state 1\n{"product":"hustl","salt":"","sequence":1,"slots":[]}\n' + body + bytes(32)),
    )


RECORDED_0_1 = (
    "Y2FybmV0LXN0YXRlIDEKeyJwcm9kdWN0IjoiaHVzdGwiLCJzYWx0IjoiY2xwWEJheGN1QmFFeUVYYWRYcEhGZDFoZjRXQWpTOTlr"
    "aGstN3RGYUE3OCIsInNlcXVlbmNlIjozLCJzbG90cyI6W3siYW5jaG9yIjoibGludXgtbWFjaGluZS1pZCIsImtleSI6Im5tZVpf"
    "ZzBLRVY5MmE3dTFYZGhMMlZjWXpybHlMS0U5YU9LSkM3RDc5MTkzT1hjX1pyRHktUjBtakItVFFYODkiLCJzYWx0Ijoicm9rcnBV"
    "d3NDMVEzWUNKYXJpRzVveXVMaFFjT3Jwdks5R3ZxWkVNTzhoTSJ9XX0K7lw8VDa8klxPEje2hELtjpZIRxPqCQctfP62SHBL5Vt-"
    "rC1zrsQ045ZPok564zjWDmPutOvzZCLJrG2DLpzy2Uh07rlv5M6GBb4jLnNT8Wv7RBwBYQaE3rb_OeOWnzBFnFsYxowqmYR8igD1"
    "HFwVzjeUCOlGTwfOW0XeG9b7GUbv5rT5bgTvF2TgLTfV3Xf9ebDVE06NRYc5lLvtUHU3ZEj_PbOFqrOU50OHkf-a4kZE4bT8aChU"
    "lTRbkK8PdHdVnBVzsdoygpMzbwtNlPJyS-LPWnL0boT87vcoRanFpf6nu7GHTdv9kS-mP3crW_En6LYL8i8u6oBAJ5LJQm7N465J"
    "ZwG0uLOGgISXgsqUumTK8RLADjLNHLxByQpjOjyBkgW1a8jJdYTQPzJe_XvPYnLB5yVT-UNOCLExobSufPa9dviy1_f4GutK"
)
"""A copy as version 0.1 wrote it, before `clock` had `signed_by` and `falls`. Recorded; never made again."""


def recorded() -> Iterator[dict[str, Any]]:
    """What earlier versions wrote."""
    yield {
        "id": "state/read-version-0-1",
        "spec": "state.md §10",
        "catches": "Asking for members that earlier versions did not write.",
        "input": {"copies_b64u": [RECORDED_0_1, None], "product": "hustl", "anchors": [list(MACHINE)]},
    }


def writes() -> Iterator[dict[str, Any]]:
    """Writing."""

    def write(name: str, catches: str, content: dict[str, Any], *anchors: tuple[str, str]) -> dict[str, Any]:
        return {
            "id": f"state/{name}",
            "spec": "state.md §3",
            "catches": catches,
            "input": {
                "write": content,
                "product": "hustl",
                "sequence": 7,
                "state_key_hex": KEY.hex(),
                "entropy_hex": ENTROPY.hex(),
                "anchors": [list(anchor) for anchor in anchors],
            },
        }

    yield write("write-empty", "Another derivation, label or order of salts.", {}, MACHINE)
    yield write("write-two-anchors", "One salt for all slots.", {"contacts": 1}, MACHINE, FIRMWARE)
    yield write("write-declared-unicode", "Anchors in another encoding.", {"license_key": "k"}, ("declared", "機械 4"))
    nothing = {"license_key": None, "roots": None, "contacts": None, "clock": None}
    yield write("write-nulls", "Telling null from an absent member.", nothing, MACHINE)
    yield write("write-unknown-member", "Dropping what a newer app wrote.", {"from_later": {"kept": [1]}}, MACHINE)


def made() -> dict[str, str]:
    """Every vector, by file name."""
    texts: dict[str, str] = {}
    for part in (copies, recorded, writes):
        for vector in part():
            vector["expect"] = run_vector(vector)
            name = vector["id"].removeprefix("state/") + ".json"
            assert name not in texts, name
            texts[name] = json.dumps(vector, indent=1, ensure_ascii=False) + "\n"
    return texts


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file_name, text in made().items():
        (FOLDER / file_name).write_text(text, encoding="utf-8")

"""
Makes `specs/vectors/license-key/` and `specs/vectors/fingerprint/` (specs/license-key.md §8, specs/fingerprint.md §6).

`python tools/vectors_license_key.py` writes them; `tests/unit/formats/test_sealed_vectors.py` makes them again,
compares, and runs them. The inputs are written here by hand; the outcomes are what `carnet.formats` says, and are
reviewed as text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.formats.encoding import sha256_hex  # noqa: E402 - found on the path that is set above
from support.sealed_vectors import Scenario, scenario, write  # noqa: E402

KEY = "01234-56789-ABCDE-FGHJK-DF2MM"
OTHER = "Y5NNE-9SGEE-ZSEJK-TZSVJ-EBPAG"


def license_keys() -> Iterator[Scenario]:
    """Every vector of license keys."""

    def made(name: str, catches: str, random_hex: str) -> Scenario:
        return scenario(f"license-key/{name}", "2", catches, {"random_hex": random_hex})

    def read(name: str, catches: str, text: object) -> Scenario:
        return scenario(f"license-key/{name}", "4", catches, {"read": text})

    def heal(name: str, catches: str, text: object) -> Scenario:
        return scenario(f"license-key/{name}", "5", catches, {"heal": text})

    # The symbols 0, 1, 2 … 19, the example of the page.
    yield made("made-example", "Parity of another field, polynomial or order.", "00443214c74254b635cf84653a")
    yield made("made-zero", "A key of zeros that is no codeword.", "00" * 13)
    yield made("made-ones", "Using other than the first 100 of the 104 bits.", "ff" * 13)
    yield made("made-low-bits", "Letting the four lowest bits into the key.", "00" * 12 + "0f")
    yield made("made-short", "Padding a random source that returned too little.", "00" * 12)

    yield read("read-canonical", "Refusing the canonical spelling.", KEY)
    yield read("read-lower-case", "Comparing letters by case.", KEY.lower())
    yield read("read-no-separators", "Needing the hyphens.", KEY.replace("-", ""))
    yield read("read-blanks", "Needing hyphens where people type blanks.", f"  {KEY.replace('-', ' ')}\r\n")
    yield read("read-dashes", "Knowing only the ASCII hyphen.", KEY.replace("-", "\u2013"))
    yield read("read-one-by-one", "Counting on groups of five.", ".".join(KEY.replace("-", "")))
    yield read("read-quoted", "Refusing what mail programs put around keys.", f"\ufeff\u201c{KEY}\u201d,")
    yield read("read-letter-o", "Not reading the letter O as zero.", KEY.replace("0", "O"))
    yield read("read-letters-i-l", "Not reading I and L as one.", "0i" + KEY[2:].replace("1", "L"))
    yield read("read-letter-u", "Reading U as V or as anything.", KEY.replace("D", "U"))
    yield read("read-one-wrong", "Taking a mistyped key for a key.", KEY.replace("9", "8"))
    yield read("read-foreign", "Touching a key of another form.", "KT4Q-9ZXW-22LM-7PRD")
    yield read("read-24-symbols", "Taking a key without its last symbol.", KEY[:-1])
    yield read("read-26-symbols", "Ignoring what follows 25 symbols.", KEY + "0")
    yield read("read-512-characters", "Refusing the longest text.", [KEY, {"repeat": " ", "times": 512 - len(KEY)}])
    yield read("read-513-characters", "Reading without a bound.", [KEY, {"repeat": " ", "times": 513 - len(KEY)}])

    yield heal("heal-exact", "Reporting changes where there are none.", KEY.lower())
    yield heal("heal-alias", "Reporting an alias as a change.", KEY.replace("0", "o").replace("1", "l"))
    yield heal("heal-one", "Not correcting one symbol.", KEY.replace("7", "Z"))
    yield heal("heal-first", "Not correcting the first symbol.", "Z" + KEY[1:])
    yield heal("heal-last", "Not correcting the last parity symbol.", KEY[:-1] + "N")
    yield heal("heal-two", "Not correcting two symbols.", KEY.replace("7", "Z").replace("E", "8"))
    yield heal("heal-two-neighbours", "Not correcting two symbols side by side.", KEY.replace("FG", "XX"))
    yield heal("heal-swap", "Not correcting a swap of neighbours.", KEY.replace("AB", "BA"))
    yield heal("heal-swap-across", "Not correcting a swap across a hyphen.", KEY.replace("4-5", "5-4"))
    yield heal("heal-swap-parity", "Not correcting a swap within the parity.", KEY.replace("DF", "FD"))
    yield heal("heal-three", "Turning three wrong symbols into some key.", "ZZ" + KEY[2:].replace("J", "Z"))
    yield heal("heal-three-parity", "Leaving parity out of the count.", KEY[:-5] + "00000")
    yield heal("heal-erasure", "Giving up on a character outside the alphabet.", KEY.replace("BCD", "BCU"))
    yield heal("heal-erasure-zero", "Not counting an erasure that hides a zero.", KEY.replace("0", "*"))
    yield heal("heal-two-erasures", "Not correcting two erasures.", KEY.replace("56", "??"))
    yield heal("heal-erasure-and-error", "Not correcting one erasure with one error.", KEY.replace("56", "?Z"))
    yield heal("heal-three-erasures", "Filling three erasures because they could be.", KEY.replace("567", "***"))
    yield heal("heal-two-erasures-and-error", "Counting erasures for half.", KEY.replace("567", "**Z"))
    yield heal("heal-three-erasures-of-zero", "Guessing erasures as zeros for free.", "***00-00000-00000-00000-00000")
    yield heal("heal-hyphen-for-symbol", "Dropping a hyphen typed in place of a symbol.", KEY.replace("B", "-"))
    yield heal("heal-two-blanks-for-symbols", "Dropping blanks typed in place.", KEY.replace("56", "  "))
    yield heal("heal-in-place-three", "Trying other readings after the outline fits.", "--" + KEY[2:].replace("J", "-"))
    doubled = KEY.replace("7", "").replace("-", "--", 1)
    yield heal("heal-in-place-only", "Trying another reading of a text that has the outline.", doubled)
    yield heal("heal-missing-first", "Not putting back the first symbol.", OTHER[1:])
    yield heal("heal-missing-inside", "Not putting back a symbol.", OTHER.replace("S", "", 1))
    yield heal("heal-missing-last", "Not putting back the last symbol.", OTHER[:-1])
    yield heal("heal-missing-ambiguous", "Guessing between two keys.", KEY[1:])
    yield heal("heal-missing-and-wrong", "Correcting a symbol where one is missing too.", OTHER[:-1].replace("Y", "Z"))
    yield heal(
        "heal-missing-and-erasure", "Filling an erasure where a symbol is missing.", OTHER[:-1].replace("Y", "*")
    )
    yield heal("heal-extra-doubled", "Not taking out a doubled symbol.", KEY.replace("7", "77"))
    yield heal("heal-extra-inside", "Not taking out an extra symbol.", KEY.replace("J", "JX"))
    yield heal("heal-extra-unreadable", "Not taking out an extra character that is no symbol.", KEY.replace("J", "J*"))
    yield heal(
        "heal-extra-and-wrong", "Correcting a symbol where one is extra too.", KEY.replace("J", "JX").replace("7", "8")
    )
    yield heal("heal-23-symbols", "Putting back two symbols.", OTHER[:-2])
    yield heal("heal-27-symbols", "Taking out two symbols.", KEY.replace("J", "JJJ"))
    yield heal("heal-foreign", "Touching a key of another form.", "KT4Q-9ZXW-22LM-7PRD")
    yield heal("heal-uuid", "Touching a key of another form.", "123e4567-e89b-12d3-a456-426614174000")
    yield heal("heal-empty", "Failing on an empty text.", "")
    yield heal("heal-513-characters", "Healing without a bound.", [KEY, {"repeat": " ", "times": 513 - len(KEY)}])


def fingerprints() -> Iterator[Scenario]:
    """Every vector of fingerprints."""
    anchor = "c0ffee00-1111-2222-3333-444455556666"

    def native(name: str, catches: str, product: str, of: object) -> Scenario:
        return scenario(f"fingerprint/{name}", "1", catches, {"product": product, "anchor": of})

    def placeholder(name: str, of: str) -> Scenario:
        catches = "Giving many devices one fingerprint."
        return scenario(f"fingerprint/{name}", "2", catches, {"product": "hustl", "anchor": of})

    def check(name: str, catches: str, fingerprint: str) -> Scenario:
        return scenario(f"fingerprint/{name}", "4", catches, {"fingerprint": fingerprint})

    def device(name: str, catches: str, identifier: object) -> Scenario:
        return scenario(f"fingerprint/{name}", "3", catches, {"device_identifier": identifier})

    yield native("native", "Swapping key and message, or another hash.", "hustl", anchor)
    yield native("native-other-product", "Giving two products the same fingerprint.", "inkwell", anchor)
    yield native("native-upper-case", "Folding the case of an anchor.", "hustl", anchor.upper())
    yield native("native-one-character", "Wanting anchors of some length.", "hustl", "7")
    yield native("native-long", "Cutting long anchors.", "hustl", {"repeat": "xy", "times": 5000})
    yield native("native-unicode", "Another encoding than UTF-8, or normalising.", "hustl", "Zoë\u0308 機械")
    yield native("native-long-product", "Not hashing a long HMAC key (RFC 2104 §2).", "x" * 100, anchor)
    yield native("no-product", "Computing a fingerprint for no product.", "", anchor)
    yield placeholder("anchor-empty", "")
    yield placeholder("anchor-blank", " \t")
    yield placeholder("anchor-punctuation", "--..--")
    yield placeholder("anchor-surrounded", f"{anchor}\n")
    yield placeholder("anchor-zero-uuid", "00000000-0000-0000-0000-000000000000")
    yield placeholder("anchor-f-uuid", "ffffffff-ffff-ffff-ffff-ffffffffffff")
    yield placeholder("anchor-board-uuid", "03000200-0400-0500-0006-000700080009")
    yield placeholder("anchor-oem", "To Be Filled By O.E.M.")
    yield placeholder("anchor-default-string", "default-STRING")
    yield placeholder("anchor-uninitialized", "uninitialized")
    yield placeholder("anchor-three-alike", "aaa")
    yield placeholder("anchor-four-alike", "aaaa")
    good = "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c74"
    yield check("check-good", "Refusing a fingerprint.", good)
    yield check("check-upper-case", "Two spellings of one fingerprint.", good.upper())
    yield check("check-63", "Fingerprints of another length.", good[:-1])
    yield check("check-65", "Fingerprints of another length.", good + "0")
    yield check("check-no-hex", "Other than hexadecimal digits.", "g" + good[1:])
    yield check("check-zeros", "A placeholder as fingerprint.", "0" * 64)
    yield check("check-counting", "A placeholder as fingerprint.", "0123456789abcdef" * 4)
    yield check("check-sha256-of-nothing", "The hash of nothing as fingerprint.", sha256_hex(b""))
    yield check("check-sha256-of-placeholder", "The hash of a placeholder.", sha256_hex(b"Default string"))

    def component(name: str, catches: str, **of: str) -> Scenario:
        given = {"product": "hustl", "license_key": KEY, "kind": "disk-serial", "value": "S6BMNG0R412345", **of}
        return scenario(f"fingerprint/component-{name}", "7.1", catches, given)

    yield component("disk", "Another order, separator or length.")
    yield component("other-kind", "Leaving the kind out.", kind="board-serial")
    yield component("other-product", "Leaving the product out.", product="inkwell")
    yield component("other-license", "Leaving the license key out.", license_key="KT4Q-9ZXW-22LM-7PRD")
    yield component("border", "Joining kind and value without a border.", kind="disk-seria", value="lS6BMNG0R412345")
    yield component("unicode", "Another encoding than UTF-8.", value="Zoë 機械")
    yield component("placeholder", "A placeholder as a part.", value="Default string")
    yield component("blanks", "Trimming what the caller did not.", value=" S6BMNG0R412345")
    yield device("device-good", "Refusing another vendor's identifier.", "fp-7c1e40aa9d3b")
    yield device("device-8-bytes", "Another lower bound.", "fp-7c1e4")
    yield device("device-7-bytes", "Another lower bound.", "fp-7c1e")
    yield device("device-255-bytes", "Another upper bound.", ["a", {"repeat": "é", "times": 127}])
    yield device("device-256-bytes", "Counting characters instead of bytes.", {"repeat": "é", "times": 128})
    yield device("device-control", "A line break in an identifier.", "fp-7c1e\n40aa9d3b")
    yield device("device-c1-control", "A C1 control character in an identifier.", "fp-7c1e\u008540aa9d3b")
    yield device("device-blank-edge", "Two spellings of one identifier.", " fp-7c1e40aa9d3b")
    yield device("device-placeholder", "A placeholder as identifier.", "Not Specified")


PARTS = (license_keys, fingerprints)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of license keys and fingerprints")

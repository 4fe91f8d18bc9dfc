"""
Makes `specs/vectors/signed-license-key/` (specs/signed-license-key.md §12), from fixed seeds.

`python tools/vectors_signed_key.py` writes them; `tests/unit/formats/test_signed_vectors.py` makes them again,
compares, and runs them. The inputs are written here by hand; the outcomes are what `carnet.formats` says, and are
reviewed as text and by a second reader.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.core._base import replace  # noqa: E402 - found on the path that is set above
from carnet.core.instant import DAY, Instant  # noqa: E402
from carnet.core.model import Entitlement, Grant, Policy  # noqa: E402
from carnet.formats.base32_groups import read_groups, write_groups  # noqa: E402
from carnet.formats.keys import Ed25519Signer  # noqa: E402
from carnet.formats.license_key import ALPHABET, generate_license_key  # noqa: E402
from carnet.formats.signed_key import issue_signed_key  # noqa: E402
from carnet.formats.signed_key_payload import write_payload  # noqa: E402
from support.sealed_vectors import grant_to_json, write  # noqa: E402
from support.signed_keys import (  # noqa: E402
    DEVICE,
    FACTS,
    ISSUED_AT,
    OTHER_SIGNER,
    RULES,
    SIGNER,
    key_grant,
    signed,
)
from support.signed_vectors import Scenario, scenario  # noqa: E402
from support.vector_keys import STATES, KeyRecord, record  # noqa: E402

SEED = bytes(range(32)).hex()
FEATURES = tuple(Entitlement(key=key) for key in ("export-pdf", "batch", "updates"))
YEAR = Instant(ISSUED_AT + 365 * DAY)
KEY = issue_signed_key(key_grant(), SIGNER)
FLAT = KEY.replace("-", "")
GROUPS = KEY.split("-")
HEAD = write_payload(key_grant(), SIGNER.kid)
ISSUED, PRODUCT, LICENSE = HEAD[2:6], HEAD[6:11], HEAD[11:]
LATER = bytes.fromhex("c0c69e0e")
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group that Ed25519 signs in (RFC 8032 §5.1)."""


def verify(
    name: str,
    section: str,
    catches: str,
    key: Any,
    *,
    keys: tuple[Ed25519Signer | KeyRecord, ...] = (SIGNER,),
    now: int | None = None,
    **given: Any,
) -> Scenario:
    """A key is verified; with *now*, seconds after its issue, also decided."""
    return scenario(
        f"signed-license-key/{name}",
        section,
        catches,
        {"function": "verify", "key": key, **given},
        role="license-key",
        keys=keys,
        now=None if now is None else str(Instant(ISSUED_AT + now)),
    )


def issue(name: str, catches: str, grant: Grant) -> Scenario:
    """A grant is issued with the test seed."""
    given = {"function": "issue", "grant": grant_to_json(grant), "seed_hex": SEED}
    return scenario(f"signed-license-key/{name}", "5", catches, given)


def locate(name: str, catches: str, key: str) -> Scenario:
    """Typing errors are located."""
    return scenario(f"signed-license-key/{name}", "4", catches, {"function": "locate", "key": key})


def issued() -> Iterator[Scenario]:
    """What is written, byte for byte."""
    yield issue("issue-perpetual", "Any byte or symbol that differs.", key_grant())
    yield issue("issue-year", "An end counted from another second.", key_grant(expires_at=YEAR))
    yield issue("issue-features", "Features written one by one.", key_grant(entitlements=FEATURES))
    typical = key_grant(entitlements=FEATURES, expires_at=YEAR, device=DEVICE)
    yield issue("issue-year-features-device", "A shortened device; fields out of order.", typical)
    yield issue("issue-rules", "Any field of times and policy in another form.", key_grant(**RULES))
    yield issue("issue-facts", "Any other field in another form.", key_grant(**FACTS))
    yield issue("issue-foreign-device", "Other vendors' identifiers as native ones.", key_grant(device="web-1x2y3z"))
    yield issue("issue-utf-8", "Texts beyond the packed characters.", key_grant(product="Zoë's", customer="C-17"))
    odd = {"product": "a", "license_id": "ab", "customer": "abcd", "policy": Policy(name="*._-9")}
    yield issue("issue-packed-lengths", "The last one or two characters of packed texts.", key_grant(**odd))
    first = key_grant(issued_at=Instant(1767225600), expires_at=Instant(1767225601))
    yield issue("issue-first-second", "Another epoch, or zero written in two bytes.", first)
    last = key_grant(issued_at=Instant(253402300798), expires_at=Instant(253402300799))
    yield issue("issue-last-second", "Times that overflow 32 bits.", last)
    longest = key_grant(customer="C" * 138)
    yield issue("issue-480-characters", "Refusing the longest key.", longest)
    yield issue("issue-481-characters", "Issuing a key that does not fit.", key_grant(customer="C" * 139))
    yield issue(
        "issue-offline-window", "Dropping an offline window silently.", replace(key_grant(), offline_until=YEAR)
    )
    yield issue("issue-seats", "Dropping a seat limit silently.", replace(key_grant(), policy=Policy(name="p")))
    yield issue("issue-before-2026", "Times that cannot be written.", key_grant(issued_at=Instant(1767225599)))
    yield issue("issue-end-at-issue", "A license that never begins.", key_grant(expires_at=ISSUED_AT))
    ten = Instant(ISSUED_AT + 315360000)
    yield issue("issue-ten-years", "Refusing exactly ten years.", key_grant(expires_at=ten))
    yield issue("issue-more-than-ten-years", "More than ten years.", key_grant(expires_at=Instant(ten + 1)))


def typed() -> Iterator[Scenario]:
    """What people do to a key."""
    yield verify("typed-canonical", "4", "Refusing the canonical spelling.", KEY)
    yield verify("typed-lower-case", "4", "Comparing letters by case.", KEY.lower())
    yield verify("typed-aliases", "4", "Not reading O as 0, I and L as 1.", KEY.replace("0", "o").replace("1", "L"))
    yield verify("typed-no-separators", "4", "Needing the hyphens.", FLAT)
    fours = " ".join(FLAT[start : start + 4] for start in range(0, len(FLAT), 4))
    yield verify("typed-groups-of-four", "4", "Taking groups from the separators.", f"\t{fours}\r\n")
    wrapped = "\r\n> ".join(KEY[start : start + 64] for start in range(0, len(KEY), 64))
    yield verify("typed-quoted-mail", "4", "Refusing what mail programs put between lines.", wrapped)
    dashes = "\u201c" + KEY.replace("-", "\u2013") + "\u201d\ufeff"
    yield verify("typed-dashes-and-quotes", "4", "Knowing only ASCII separators.", dashes)
    blanks = {"repeat": " ", "times": 512 - len(KEY)}
    yield verify("typed-512-characters", "4", "Refusing the longest text.", [KEY, blanks])
    yield verify("typed-513-characters", "4", "Reading without a bound.", [KEY, " ", blanks])
    yield verify("typed-wrong-symbol", "4", "Asking the signature about a typing error.", "4" + KEY[1:])
    yield verify("typed-letter-u", "4", "Reading U as V or as anything.", KEY[:30] + "U" + KEY[31:])
    yield verify("typed-swap", "4", "A check that swaps pass.", KEY[1] + KEY[0] + KEY[2:])
    yield verify(
        "typed-groups-swapped", "3.2", "Checks without the group's number.", _groups({0: GROUPS[1], 1: GROUPS[0]})
    )
    yield verify("typed-cut-off", "3.2", "A last group that is like any other.", "-".join(GROUPS[:-1]))
    yield verify("typed-117-symbols", "4", "Asking for a signature where none fits.", FLAT[:117])
    yield verify("typed-118-symbols", "4", "Another bound for what carries a signature.", FLAT[:118])
    short = generate_license_key(lambda size: bytes(range(size)))
    yield verify("typed-short-key", "4", "A key without a signature that grants something offline.", short)
    yield verify("typed-foreign-key", "4", "Taking another vendor's key for a signed one.", "KT4Q-9ZXW-22LM-7PRD")
    yield verify("typed-nothing", "4", "A crash on an empty text.", "")


def _groups(changed: dict[int, str]) -> str:
    return "-".join(changed.get(number, group) for number, group in enumerate(GROUPS))


def located() -> Iterator[Scenario]:
    """Which groups are named."""
    yield locate("locate-nothing", "Errors where there are none.", KEY.lower().replace("-", " "))
    yield locate("locate-wrong", "Naming another group.", _groups({3: "0" + GROUPS[3][1:]}))
    yield locate("locate-unreadable", "Losing a character that is no symbol.", _groups({9: "?" + GROUPS[9][1:]}))
    yield locate(
        "locate-symbol-missing", "Calling all groups after it wrong.", _groups({5: GROUPS[5][:3] + GROUPS[5][4:]})
    )
    yield locate(
        "locate-symbol-extra", "Calling all groups after it wrong.", _groups({5: GROUPS[5][:4] + "V" + GROUPS[5][4:]})
    )
    yield locate("locate-group-missing", "Not finding the place again.", "-".join(GROUPS[:7] + GROUPS[8:]))
    yield locate("locate-three-groups-missing", "Looking only one group ahead.", "-".join(GROUPS[:4] + GROUPS[7:]))
    yield locate("locate-group-twice", "Not finding the place again.", "-".join(GROUPS[:7] + GROUPS[6:]))
    yield locate("locate-groups-swapped", "Accepting groups in any order.", _groups({2: GROUPS[3], 3: GROUPS[2]}))
    yield locate("locate-end-missing", "Taking a key that was cut off for whole.", "-".join(GROUPS[:12]))
    several = _groups({1: "ZZZZZZZZ", 8: GROUPS[8][1:], 15: GROUPS[15][:2] + "V" + GROUPS[15][2:]})
    yield locate("locate-several", "Naming only the first.", several)


def bits() -> Iterator[Scenario]:
    """Between symbols and signature."""
    last = ALPHABET.index(GROUPS[-1][0])
    assert len(GROUPS[-1]) == 2
    assert last % 2 == 0
    spare = bytearray(random.Random(5).randbytes(92))  # noqa: S311 - the same in every run
    text = write_groups(bytes(spare)).replace("-", "")
    # 92 bytes are 736 bits in 148 symbols: four spare bits. Set the last and put the check right.
    symbols = [ALPHABET.index(letter) for letter in text]
    place = (len(symbols) - 1) % 8 - 1
    symbols[-2] ^= 1
    symbols[-1] ^= (2, 4, 8, 16, 5, 10, 20)[place]
    padded = "".join(ALPHABET[symbol] for symbol in symbols)
    yield verify("spare-bits", "6", "A second text for the same bytes.", padded)
    yield verify("version-0", "6", "Not looking at the version.", signed(b"\0" + HEAD[1:]))
    yield verify("version-2", "6", "Reading a newer key as an old one.", signed(bytes([HEAD[0] + 16]) + HEAD[1:]))
    yield verify("no-payload", "6", "A crash on a signature alone.", signed(b""))


def genuine() -> Iterator[Scenario]:
    """Whose signature, over what."""
    yield verify("unknown-key", "6", "Taking any valid signature.", KEY, keys=(OTHER_SIGNER,))
    for state, catches in STATES:
        yield verify(f"key-{state}", "6", catches, KEY, keys=(record(SIGNER, state),))
    yield verify("two-keys", "6", "Trying only the first key.", KEY, keys=(OTHER_SIGNER, SIGNER))
    wrong_role = verify("wrong-role", "6", "A key of another role.", KEY)
    wrong_role["keys"] = {"token": wrong_role["keys"]["license-key"]}
    wrong_role["expect"] = {"outcome": "not_genuine", "code": "unknown_key"}
    yield wrong_role
    twin = Ed25519Signer(bytes([7]) * 32, kid=SIGNER.kid[:2] + "-twin")
    yield verify("same-hint-first", "5.1", "Taking the hint for the id of the key.", KEY, keys=(twin, SIGNER))
    catches = "Giving up at a retired key where another one of the same hint verifies."
    yield verify("same-hint-retired", "5.1", catches, KEY, keys=(record(twin, "retired"), record(SIGNER)))
    of_twin = issue_signed_key(replace(key_grant(), issuer=twin.kid, kid=twin.kid), twin)
    yield verify("same-hint-second", "5.1", "Trying one key of each hint.", of_twin, keys=(SIGNER, twin))
    yield verify("same-hint-stranger", "5.1", "Trusting a hint.", of_twin)
    renamed = Ed25519Signer(bytes(range(32)), kid=SIGNER.kid[:2] + "-renamed")
    yield verify("other-key-id", "2", "Signing without the whole key id.", KEY, keys=(renamed,))
    short = Ed25519Signer(bytes(range(32)), kid="k")
    of_short = issue_signed_key(replace(key_grant(), issuer="k", kid="k"), short)
    yield verify("short-key-id", "5.1", "A crash on a key id of one character.", of_short, keys=(short,))
    for name, message in (
        ("prefix-missing", HEAD),
        ("prefix-without-key-id", b"carnet/v1/license-key\0" + HEAD),
        ("prefix-without-zero", b"carnet/v1/license-key" + SIGNER.kid.encode() + b"\0" + HEAD),
        ("prefix-of-machine-files", b"machine/" + HEAD),
    ):
        catches = "A signature that was made for something else."
        yield verify(name, "2", catches, write_groups(HEAD + SIGNER.sign(message)))
    data = read_groups(KEY)
    yield verify(
        "payload-changed", "6", "Decoding without verifying.", write_groups(data[:8] + bytes([data[8] ^ 1]) + data[9:])
    )
    yield verify("signature-zero", "6", "Accepting a signature of zeros.", write_groups(HEAD + bytes(64)))
    s = int.from_bytes(data[-32:], "little") + ORDER
    yield verify(
        "signature-s-too-high",
        "9",
        "A second signature for a key.",
        write_groups(data[:-32] + s.to_bytes(32, "little")),
    )


def wrongly_signed() -> Iterator[Scenario]:
    """What a genuine signer must not write."""

    def payload(name: str, catches: str, content: bytes) -> Scenario:
        return verify(f"payload-{name}", "5.3" if content.startswith(HEAD) else "5", catches, signed(content))

    def head(issued_: bytes = ISSUED, product: bytes = PRODUCT, license_: bytes = LICENSE) -> bytes:
        return HEAD[:2] + issued_ + product + license_

    native = bytes.fromhex(DEVICE)
    long_time = ISSUED[:3] + bytes([ISSUED[3] | 128]) + b"\0"
    yield payload("ends-early", "Reading beyond the end.", HEAD[:-1])
    yield payload("number-not-shortest", "A second spelling of a number.", head(issued_=long_time))
    yield payload("number-too-long", "Numbers without a bound.", head(issued_=b"\xff" * 6 + b"\x01"))
    yield payload("after-9999", "Times without a bound.", head(issued_=b"\xff" * 5 + b"\x7f"))
    yield payload("product-empty", "A product without a name.", head(product=b"\x01"))
    yield payload("product-utf-8", "A second spelling of a text.", head(product=b"\x0bhustl"))
    yield payload("product-bad-utf-8", "Texts that are not UTF-8.", head(product=b"\x03\xff"))
    yield payload("product-overlong", "UTF-8 in more bytes than needed.", head(product=b"\x05\xc1\x81"))
    yield payload("product-packed-too-high", "A second spelling of three characters.", head(product=b"\x06\xfa\x00"))
    yield payload("product-not-printable", "Control characters in ids.", head(product=b"\x05A\x07"))
    yield payload("product-too-long", "Reading beyond the end.", head(product=b"\xfe\x7f"))
    yield payload("unknown-field", "Ignoring what a newer key says.", HEAD + b"\x14\x01")
    yield payload("field-zero", "Bytes that are left over.", HEAD + b"\0")
    yield payload("field-twice", "Taking the last of two ends.", HEAD + (b"\x01" + LATER) * 2)
    yield payload("fields-out-of-order", "A second order of fields.", HEAD + b"\x0a\x01" + LATER)
    yield payload("end-at-issue", "A license that never begins.", HEAD + b"\x01" + ISSUED)
    yield payload("start-at-end", "A license that never begins.", HEAD + b"\x01" + LATER + b"\x02" + LATER)
    yield payload("start-at-issue", "A second spelling of the ordinary start.", HEAD + b"\x02" + ISSUED)
    yield payload("device-short", "A prefix of a device.", HEAD + b"\x03" + native[:16])
    yield payload("device-placeholder", "A device that many share.", HEAD + b"\x03" + bytes(32))
    yield payload("device-twice", "A key for two devices.", HEAD + b"\x03" + native + b"\x04\x13web-1x2y3")
    yield payload("device-native-as-text", "A second spelling of a device.", HEAD + b"\x04\x81\x01" + DEVICE.encode())
    yield payload("device-too-short", "An identifier of seven bytes.", HEAD + b"\x04\x0fABCDEFG")
    yield payload("features-none", "A list of nothing, written.", HEAD + b"\x05\x01")
    yield payload("features-capital", "Keys of another form.", HEAD + b"\x05\x03A")
    yield payload("features-twice", "A feature listed twice.", HEAD + b"\x05\x06" + (38 * 40).to_bytes(2, "big"))
    yield payload("ends-without-features", "Ends of features that are none.", HEAD + b"\x06\x01\0" + LATER)
    yield payload("ends-beyond-features", "Ends of features that are none.", HEAD + b"\x05\x02\0\x06\x01\x01" + LATER)
    yield payload("ends-none", "A list of nothing, written.", HEAD + b"\x05\x02\0\x06\0")
    yield payload("count-too-high", "Work that the payload's size does not bound.", HEAD + b"\x0f\xff\xff\x7f\x03A")
    grace = b"\x09\x80\xf5\x24"
    yield payload("term-grace-of-seven-days", "A second spelling of what absence means.", HEAD + grace)
    yield payload("term-grace-too-long", "Grace without a bound.", HEAD + b"\x09\xff\xff\xff\x7f")
    yield payload("domain-not-canonical", "A second spelling of a domain.", HEAD + b"\x0f\x01\x17EXAMPLE.COM")
    yield payload("status-index-too-high", "An index of 32 bits.", HEAD + b"\x13\x80\x80\x80\x80\x08\x03A")


def decided() -> Iterator[Scenario]:
    """What the decision makes of a key, around its times."""

    def around(name: str, catches: str, key: str, seconds: int, host: dict[str, Any]) -> Iterator[Scenario]:
        for offset, word in ((-1, "before"), (0, "at"), (1, "after")):
            yield verify(f"{name}-{word}", "7", catches, key, now=seconds + offset, host=host)

    hustl = {"product": "hustl"}
    yield from around("issued", "A key that holds before it was issued.", KEY, 0, hustl)
    yield verify("perpetual-far", "7", "An offline window where there is none.", KEY, now=300 * 365 * DAY, host=hustl)
    year = issue_signed_key(key_grant(expires_at=YEAR), SIGNER)
    yield from around("warning", "A window of other than 65 days for a year.", year, 300 * DAY, hustl)
    yield from around("end", "An end that is inclusive, or that asks for a connection.", year, 365 * DAY, hustl)
    yield from around("grace-end", "Grace other than seven days.", year, 372 * DAY, hustl)
    later = issue_signed_key(key_grant(starts_at=Instant(ISSUED_AT + DAY)), SIGNER)
    yield from around("start", "A start that is exclusive.", later, DAY, hustl)
    catches = "A key of another product."
    yield verify("wrong-product", "7", catches, KEY, now=0, host={"product": "hustl2"})
    yield verify("wrong-product-case", "7", "Comparing products by case.", KEY, now=0, host={"product": "Hustl"})
    bound = issue_signed_key(key_grant(device=DEVICE), SIGNER)
    yield verify("device-right", "7", "Refusing the right device.", bound, now=0, host=hustl, device=DEVICE)
    other = DEVICE[:-1] + "5"
    yield verify("device-wrong", "10", "Comparing a prefix of the device.", bound, now=0, host=hustl, device=other)


PARTS = (issued, typed, located, bits, genuine, wrongly_signed, decided)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of signed license keys")

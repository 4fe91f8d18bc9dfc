"""Vectors of machine files that do not open, step by step (specs/machine-file.md §7); part of the generator's work."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from carnet.core.instant import DAY
from carnet.formats.encoding import armor, b64url_decode, b64url_encode
from carnet.formats.keys import Ed25519Signer
from carnet.formats.machine_file import ALGORITHM, read_machine_file
from support.altered_claims import ALTERATIONS, EXTRAS
from support.machine_files import (
    FINGERPRINT,
    LICENSE_KEY,
    SIGNER,
    altered,
    claims_of,
    contract_claims,
    seal,
    seal_claims,
    seal_json,
    with_times,
)
from support.sealed_vectors import Scenario, scenario
from support.vector_keys import STATES, KeyRecord, record

CONTRACT_KEY, CONTRACT_DEVICE = "KT4Q-9ZXW-22LM-7PRD", "fp-7c1e40aa9d3b"
OTHER_KEY = "Y5NNE-9SGEE-ZSEJK-TZSVJ-EBPAG"
OTHER = Ed25519Signer(bytes([9]) * 32, kid="org-2026-b")

SMALL = seal_json(json.dumps(contract_claims(), sort_keys=True, separators=(",", ":")).encode()).decode()
ENVELOPE = {
    "enc": read_machine_file(SMALL.encode()).enc,
    "sig": b64url_encode(read_machine_file(SMALL.encode()).signature),
    "alg": ALGORITHM,
    "kid": SIGNER.kid,
}
PARTS_OF_ENC = ENVELOPE["enc"].split(".")


def opened(
    name: str,
    section: str,
    catches: str,
    file: Any,
    *,
    license_key: str = LICENSE_KEY,
    fingerprint: str = FINGERPRINT,
    signers: tuple[Ed25519Signer | KeyRecord, ...] = (SIGNER,),
    **judged: str,
) -> Scenario:
    """A scenario that opens *file*; with `product` and `now`, one that judges it too."""
    given: dict[str, Any] = {"file": file, "license_key": license_key, "fingerprint": fingerprint}
    if isinstance(file, bytes):
        given = {"file_hex": file.hex(), **{member: given[member] for member in ("license_key", "fingerprint")}}
    if judged:
        given["product"] = judged["product"]
    keys = [signer if isinstance(signer, dict) else record(signer) for signer in signers]
    return scenario(f"machine-file/{name}", section, catches, given, keys=keys, now=judged.get("now"))


def wrapped(envelope: dict[str, Any] | str) -> str:
    """An armoured envelope, given as members or as text."""
    return armor("MACHINE FILE", (envelope if isinstance(envelope, str) else compact(envelope)).encode())


def compact(value: Any) -> str:
    """*value* as JSON without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def signed(enc: str, prefix: str = "machine/") -> str:
    """A file with this `enc` and a signature over it."""
    signature = b64url_encode(SIGNER.sign(f"{prefix}{enc}".encode()))
    return wrapped({**ENVELOPE, "enc": enc, "sig": signature})


def framed() -> Iterator[Scenario]:
    """Steps 1 to 4."""

    def bad(name: str, catches: str, file: Any) -> Scenario:
        return opened(name, "7", catches, file)

    yield bad("size-262145", "Parsing what is too large.", [SMALL, {"repeat": "\n", "times": 262145 - len(SMALL)}])
    yield bad("empty", "Failing on an empty text.", "")
    yield bad("no-armour", "Taking the bare envelope.", compact(ENVELOPE))
    yield bad("other-label", "Taking another kind of file.", SMALL.replace("MACHINE FILE", "LICENSE FILE"))
    yield bad("end-label-differs", "Looking at the first line only.", SMALL.replace("END MACHINE", "END LICENSE"))
    yield bad("no-end", "Reading half a file.", SMALL[:-31])
    yield bad("cut", "Reading half a file.", SMALL[: len(SMALL) // 2])
    yield bad("text-before", "Looking for a file inside another text.", f"Hello,\n{SMALL}")
    yield bad("text-after", "Ignoring what follows.", f"{SMALL}\nRegards")
    yield bad("twice", "Taking the first of two files.", f"{SMALL}\n{SMALL}")
    yield bad("headers", "Skipping headers.", SMALL.replace("\n", "\nProc-Type: 4\n", 1))
    yield bad("blank-line", "Skipping blank lines.", SMALL.replace("\n", "\n\n", 2).replace("\n\n", "\n", 1))
    yield bad("lines-of-65", "Accepting longer lines.", SMALL.replace("\n", "", 2).replace("-----ey", "-----\ney", 1))
    yield bad("no-lines", "Failing on an empty body.", "-----BEGIN MACHINE FILE-----\n-----END MACHINE FILE-----")
    yield bad("armour-not-base64", "Skipping characters that are not Base64.", SMALL.replace("ey", "e*", 1))
    yield bad("armour-base64url", "Mixing the alphabets.", SMALL.replace("ey", "e-", 1))

    def envelope(name: str, catches: str, members: Any) -> Scenario:
        return opened(f"envelope-{name}", "7", catches, wrapped(members))

    yield envelope("not-json", "Repairing JSON.", compact(ENVELOPE)[:-1])
    yield envelope("trailing-data", "Ignoring what follows the JSON.", compact(ENVELOPE) + "{}")
    yield envelope("array", "Taking another JSON value.", "[]")
    yield envelope(
        "member-twice",
        "Taking the first or the last of two members.",
        compact(ENVELOPE)[:-1] + f',"kid":"{OTHER.kid}"}}',
    )
    yield envelope(
        "member-twice-escaped", "Comparing names before unescaping them.", compact(ENVELOPE)[:-1] + ',"k\\u0069d":"x"}'
    )
    for member in ENVELOPE:
        yield envelope(f"no-{member}", "Giving a member a default.", {k: v for k, v in ENVELOPE.items() if k != member})
        yield envelope(f"{member}-null", "Taking null for a text.", {**ENVELOPE, member: None})
    yield envelope("more", "Ignoring a member that nothing covers.", {**ENVELOPE, "aad": ""})
    yield envelope("kid-number", "Taking a number for a text.", {**ENVELOPE, "kid": 1})
    for name, alg in (("none", "none"), ("upper", ALGORITHM.upper()), ("base64", "base64+ed25519"), ("blank", "")):
        yield envelope(f"alg-{name}", "Letting the file choose.", {**ENVELOPE, "alg": alg})
    for name, kid in (("empty", ""), ("path", "../org-2026-a"), ("blank", "org 2026 a"), ("long", "x" * 256)):
        yield envelope(f"kid-{name}", "Looking up what is no key id.", {**ENVELOPE, "kid": kid})
    sig = ENVELOPE["sig"]
    last = "x" if sig[-1] != "x" else "y"
    for name, value, catches in (
        ("short", sig[:-2], "A signature of another length."),
        ("long", b64url_encode(bytes(65)), "A signature of another length."),
        ("padded", sig + "==", "Two spellings of one signature."),
        ("loose-bits", sig[:-1] + last, "Two spellings of one signature."),
        ("standard-alphabet", re.sub("[-_]", "+", sig), "Two spellings of one signature."),
        ("blank", f"{sig[:40]} {sig[40:]}", "Two spellings of one signature."),
    ):
        yield envelope(f"sig-{name}", catches, {**ENVELOPE, "sig": value})


def authentic() -> Iterator[Scenario]:
    """Steps 5 to 8."""
    for state, catches in STATES:
        yield opened(f"key-{state}", "7", catches, SMALL, signers=(record(SIGNER, state),))
    yield opened("unknown-key", "7", "Trying every key.", SMALL, signers=(OTHER,))
    yield opened("unknown-kid", "7", "Falling back to the only key.", wrapped({**ENVELOPE, "kid": "org-2026-c"}))
    yield opened("kid-case", "7", "Folding the case of a key id.", wrapped({**ENVELOPE, "kid": "ORG-2026-A"}))
    yield opened(
        "kid-of-another",
        "7",
        "Verifying under a key that the envelope does not name.",
        wrapped({**ENVELOPE, "kid": OTHER.kid}),
        signers=(SIGNER, OTHER),
    )
    same_kid = Ed25519Signer(bytes([8]) * 32, kid=SIGNER.kid)
    yield opened("other-installation", "7", "Not verifying the signature at all.", seal(signer=same_kid))
    flipped = bytes(b ^ 1 if i == 20 else b for i, b in enumerate(b64url_decode(ENVELOPE["sig"], "sig")))
    yield opened(
        "signature-flipped",
        "7",
        "Not verifying the signature at all.",
        wrapped({**ENVELOPE, "sig": b64url_encode(flipped)}),
    )
    yield opened(
        "signature-of-zeros",
        "7",
        "Accepting an identity signature.",
        wrapped({**ENVELOPE, "sig": b64url_encode(bytes(64))}),
    )
    for name, prefix in (("none", ""), ("license", "license/"), ("upper", "MACHINE/"), ("no-slash", "machine")):
        yield opened(f"prefix-{name}", "7", "A signature made for another purpose.", signed(ENVELOPE["enc"], prefix))
    first = "A" if ENVELOPE["enc"][0] != "A" else "B"
    yield opened(
        "enc-changed",
        "7",
        "Decrypting before verifying: the tag would fail too.",
        wrapped({**ENVELOPE, "enc": first + ENVELOPE["enc"][1:]}),
    )
    yield opened(
        "enc-unsigned-nonsense", "7", "Reporting shape before authenticity.", wrapped({**ENVELOPE, "enc": "a.b"})
    )
    ciphertext, nonce, tag = PARTS_OF_ENC
    for name, enc in (
        ("two-parts", f"{ciphertext}.{nonce}"),
        ("four-parts", f"{ciphertext}.{nonce}.{tag}."),
        ("nonce-11", f"{ciphertext}.{b64url_encode(bytes(11))}.{tag}"),
        ("nonce-13", f"{ciphertext}.{b64url_encode(bytes(13))}.{tag}"),
        ("nonce-16", f"{ciphertext}.{b64url_encode(bytes(16))}.{tag}"),
        ("nonce-empty", f"{ciphertext}..{tag}"),
        ("tag-15", f"{ciphertext}.{nonce}.{b64url_encode(b64url_decode(tag, 'tag')[:15])}"),
        ("tag-17", f"{ciphertext}.{nonce}.{b64url_encode(b64url_decode(tag, 'tag') + bytes(1))}"),
        ("tag-4", f"{ciphertext}.{nonce}.{b64url_encode(b64url_decode(tag, 'tag')[:4])}"),
        ("padded", f"{ciphertext}.{nonce}.{tag}=="),
        ("blank", f" {ciphertext}.{nonce}.{tag}"),
        ("order", f"{nonce}.{ciphertext}.{tag}"),
    ):
        yield opened(f"enc-{name}", "7", "A genuine signature over an `enc` of another form.", signed(enc))
    yield opened("enc-empty-ciphertext", "7", "Failing on an empty ciphertext.", signed(f".{nonce}.{tag}"))
    for name, key, device, catches in (
        ("other-license-key", OTHER_KEY, FINGERPRINT, "Opening with another license key."),
        ("other-device", LICENSE_KEY, "0" + FINGERPRINT[1:], "Opening on another device."),
        ("license-key-lower-case", LICENSE_KEY.lower(), FINGERPRINT, "Two spellings of a license key."),
        ("fingerprint-upper-case", LICENSE_KEY, FINGERPRINT.upper(), "Two spellings of a fingerprint."),
        ("no-license-key", "", FINGERPRINT, "Opening without a license key."),
        ("border-shifted", LICENSE_KEY + FINGERPRINT[0], FINGERPRINT[1:], "Relying on the encryption key alone."),
    ):
        yield opened(name, "7", catches, SMALL, license_key=key, fingerprint=device)


def content() -> Iterator[Scenario]:
    """Step 9: strict JSON, and one alteration of each claim by the genuine signer."""
    for name, text in (
        ("empty", b""),
        ("array", b"[]"),
        ("byte-order-mark", b"\xef\xbb\xbf{}"),
        ("not-utf-8", b'{"meta":"\xff"}'),
        ("member-twice", b'{"meta":{},"meta":{}}'),
        ("fraction", b'{"meta":1.0}'),
        ("big-integer", b'{"meta":9007199254740992}'),
        ("nan", b'{"meta":NaN}'),
        ("nul", b'{"meta":"\\u0000"}'),
        ("half-surrogate", b'{"meta":"\\ud800"}'),
        ("deep", b"[" * 21 + b"]" * 21),
        ("trailing-data", b"{} {}"),
    ):
        catches = "Being less strict inside a genuine file."
        yield opened(f"content-{name}", "9", catches, seal_json(text).decode())
    taken: dict[str, int] = {}
    for path, values, code in ALTERATIONS:
        slug = path.removeprefix("data.attributes.").replace("metadata.carnet", "extras")
        slug = slug.replace(".", "-").replace("_", "-")
        section = "6" if path.startswith(EXTRAS) else "5"
        for value in values[:2] if code != "bad_structure" else values[:1]:
            taken[slug] = taken.get(slug, 0) + 1
            name = f"claim-{slug}-{taken[slug]}"
            catches = f"Not checking {path.removeprefix('data.attributes.metadata.')} of a genuinely signed file."
            yield opened(name, section, catches, seal_claims(altered(claims_of(), path, value)).decode())
    for member in ("warn", "seats", "edition", "below", "status_age"):
        file = seal_claims(altered(claims_of(), f"{EXTRAS}.pol.{member}", None)).decode()
        yield opened(f"pol-{member.replace('_', '-')}-null", "6", "Taking null for what is left out.", file)
    end = 253402300799
    for name, iat, nbf, exp in (
        ("shortest", 1, 1, 2),
        ("last", end - 1, end - 1, end),
        ("year-10000", end, end, end + 1),
        ("ten-years", 1, 1, 1 + 3650 * DAY),
        ("ten-years-and-a-second", 1, 1, 2 + 3650 * DAY),
        ("nbf-before-iat", 10, 9, 11),
        ("nbf-at-iat", 10, 10, 11),
        ("nbf-before-exp", 10, 19, 20),
        ("nbf-at-exp", 10, 20, 20),
        ("nbf-after-exp", 10, 21, 20),
        ("iat-zero", 0, 1, 2),
    ):
        file = seal_claims(with_times(iat, nbf, exp)).decode()
        yield opened(f"times-{name}", "5", "Times that are one second beyond their bounds.", file)
    for name, ttl in (("hundred-years", 100 * 366 * DAY), ("hundred-years-and-a-second", 100 * 366 * DAY + 1)):
        file = seal_claims(with_times(1, 1, 1 + ttl, contract_claims())).decode()
        yield opened(f"times-contract-{name}", "5", "Another bound for files of other vendors.", file)
    for seconds in (0, 30 * DAY):
        file = seal_claims(altered(claims_of(), "meta.grace_period", seconds)).decode()
        yield opened(f"grace-period-{seconds}", "5", "Refusing a grace period at its bound.", file)
    components = altered(
        claims_of(), "data.attributes.fingerprint_components", {"board": "b1f0", "x" * 100: "y" * 1024}
    )
    yield opened("components", "5", "Refusing components at their bounds.", seal_claims(components).decode())
    for name, value in (("null", None), ("texts", ["licenses"]), ("untyped", [{}]), ("two", None)):
        claims = contract_claims(included=True)
        claims["included"] = claims["included"] * 2 if name == "two" else value
        yield opened(f"included-list-{name}", "5.1", "Not checking what a file includes.", seal_claims(claims).decode())
    for member, value in (
        ("id", OTHER_KEY),
        ("attributes.key", OTHER_KEY),
        ("attributes.product_slug", "inkwell"),
        ("attributes.status", "suspended"),
        ("attributes.mode", "node_locked"),
        ("attributes.plan_key", ""),
        ("attributes.seat_limit", 0),
        ("attributes.starts_at", None),
        ("attributes.ends_at", None),
        ("attributes.entitlements", [{"key": "a", "expires_at": None}] * 2),
        ("attributes.entitlements", [{"key": "a"}]),
        ("attributes.metadata", None),
    ):
        slug = f"included-{member.rpartition('.')[2].replace('_', '-')}"
        taken[slug] = taken.get(slug, 0) + 1
        claims = altered(contract_claims(included=True), f"included.0.{member}", value)
        catches = "Not checking what a file includes."
        yield opened(f"{slug}-{taken[slug]}", "5.1", catches, seal_claims(claims).decode())

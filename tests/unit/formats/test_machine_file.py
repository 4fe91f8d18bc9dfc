"""Machine files from the outside: armour, envelope, signature, encryption (contracts/licenseseat.md §3.1 to §3.4)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carnet.core.errors import CarnetError, DoesNotOpenError, MalformedError, NotGenuineError
from carnet.formats.encoding import armor, b64_encode, b64url_decode, b64url_encode
from carnet.formats.keys import Ed25519Signer, KeyRing, TrustedKey
from carnet.formats.limits import MAX_MACHINE_FILE
from carnet.formats.machine_file import (
    ALGORITHM,
    decrypt,
    open_machine_file,
    read_machine_file,
    seal_plaintext,
)
from support.machine_files import (
    ENTROPY,
    FINGERPRINT,
    GRANT,
    LICENSE_KEY,
    RING,
    SIGNER,
    open_here,
    seal,
    seal_json,
)

SEALED = seal()
FILE = SEALED.encode()
ENVELOPE: dict[str, str] = {
    "enc": read_machine_file(FILE).enc,
    "sig": b64url_encode(read_machine_file(FILE).signature),
    "alg": ALGORITHM,
    "kid": SIGNER.kid,
}


def wrapped(envelope: Any, *, raw: bytes | None = None) -> bytes:
    return armor("MACHINE FILE", json.dumps(envelope).encode() if raw is None else raw).encode()


def signed(enc: str) -> bytes:
    """A file with this `enc` and a genuine signature over it."""
    signature = b64url_encode(SIGNER.sign(b"machine/" + enc.encode()))
    return wrapped({**ENVELOPE, "enc": enc, "sig": signature})


def code_of(data: bytes, kind: type[CarnetError] = MalformedError) -> str:
    with pytest.raises(kind) as refused:
        open_here(data)
    assert type(refused.value) is kind
    assert refused.value.message.endswith((".", "!"))
    assert refused.value.fix
    return refused.value.code


# ── the contract's own vector ────────────────────────────────────────────────────────────────────────────────────────

CONTRACT_PLAINTEXT = (
    b'{"data":{"attributes":{"created":"2026-09-21T14:12:20Z","fingerprint":"fp-7c1e40aa9d3b","metadata":{},'
    b'"name":"Atelier","platform":"linux"},"id":"5b0f8f0e-3d0c-4d7e-9c55-0c1de1a4c7b1","relationships":{"license":'
    b'{"data":{"id":"KT4Q-9ZXW-22LM-7PRD","type":"licenses"}},"product":{"data":{"id":"inkwell","type":"products"}}},'
    b'"type":"machines"},"meta":{"exp":1792592000,"expiry":"2026-10-21T14:13:20Z","grace_period":0,"iat":1790000000,'
    b'"issued":"2026-09-21T14:13:20Z","kid":"org-2026-a","lic":"KT4Q-9ZXW-22LM-7PRD","license_exp":null,'
    b'"nbf":1790000000,"schema_version":2,"ttl":2592000}}'
)
CONTRACT = {"license_key": "KT4Q-9ZXW-22LM-7PRD", "fingerprint": "fp-7c1e40aa9d3b"}


def seal_contract_plaintext(entropy: bytes, nonce: bytes | None = None) -> str:
    return seal_plaintext(
        CONTRACT_PLAINTEXT,
        license_key=CONTRACT["license_key"],
        fingerprint=CONTRACT["fingerprint"],
        signer=SIGNER,
        entropy=entropy,
        nonce=nonce,
    )


def sha256(text: bytes | str) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def test_sec_14_the_contract_vector_is_reproduced_byte_for_byte() -> None:
    assert b64_encode(SIGNER.public_key.raw) == "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
    assert sha256(CONTRACT_PLAINTEXT) == "1ae6cae5532ffc280be220babf2c654a2f5aee6f51dc94a4ed00730f58daa5fa"
    nonce = bytes.fromhex("101112131415161718191a1b")
    sealed = seal_contract_plaintext(b"", nonce)
    file = read_machine_file(sealed.encode())
    assert len(file.enc) == 814
    assert sha256(file.enc) == "ae27bbe0d48dd96ff24488d8f4be07df3db86533eb4dd5919768a89f43cd6f94"
    assert b64url_decode(file.enc.rpartition(".")[2], "tag").hex() == "3bfbda331b0529ac061aa7c430d515f4"
    assert b64url_encode(file.signature) == (
        "X_d5UcPAFEMUgcosl477dxVrob-XCQQKj_Q81NRWaGFGlgBEMdfNrirT5S2dBX1SsTG16TwZR5JjDnz4RtfMAw"
    )
    assert sha256(sealed) == "cf3ab66fea22b1252235b69c8642a3bd920a8ba44181004f382861571cba91fe"
    assert decrypt(file.enc, **CONTRACT) == CONTRACT_PLAINTEXT


def test_the_contract_vector_opens_to_what_its_clients_make_of_it() -> None:
    sealed = seal_contract_plaintext(ENTROPY)
    grant = open_machine_file(sealed.encode(), RING, **CONTRACT)
    assert grant.product == "inkwell"
    assert grant.activation_id == "5b0f8f0e-3d0c-4d7e-9c55-0c1de1a4c7b1"
    assert grant.device == "fp-7c1e40aa9d3b"
    assert str(grant.issued_at) == "2026-09-21T14:13:20Z"
    assert str(grant.offline_until) == "2026-10-21T14:13:20Z"
    assert grant.policy.grace_seconds == 0
    assert grant.license_expires_at is None
    assert "KT4Q" not in repr(grant)  # the license key is a secret; a grant is shown and logged


def test_what_a_file_says_is_what_was_granted() -> None:
    assert open_here(FILE) == GRANT
    assert SEALED.isascii()
    assert not SEALED.endswith("\n")
    assert "\r" not in SEALED
    assert all(0 < len(line) <= 64 for line in SEALED.split("\n"))


# ── steps 1 and 2: size and armour ───────────────────────────────────────────────────────────────────────────────────


def test_sec_14_size_is_checked_first_to_the_byte() -> None:
    assert open_here(FILE + b"\n" * (MAX_MACHINE_FILE - len(FILE))) == GRANT
    assert code_of(FILE + b"\n" * (MAX_MACHINE_FILE + 1 - len(FILE))) == "too_large"
    assert code_of(b"x" * (MAX_MACHINE_FILE + 1)) == "too_large"


@pytest.mark.parametrize(
    "kind",
    [
        FILE + b"\n",
        b"\n\n" + FILE + b"\n\n",
        FILE.replace(b"\n", b"\r\n"),
        FILE.replace(b"\n", b"\r"),
        FILE.replace(b"\n", b"  \n"),
        FILE.replace(b"\n", b"\t\n\t"),
        b"\xef\xbb\xbf" + FILE,
        b"\xef\xbb\xbf" + FILE.replace(b"\n", b"\r\n") + b"\r\n",
        SEALED.replace("\n", "\r\n").encode("utf-16"),
    ],
)
def test_users_ask_44_line_ends_blanks_and_byte_order_marks_do_not_matter(kind: bytes) -> None:
    assert open_here(kind) == GRANT


def test_lines_may_be_shorter_than_64_characters() -> None:
    head, *body, tail = SEALED.split("\n")
    text = "".join(body)
    for width in (1, 63, 64):
        lines = [text[i : i + width] for i in range(0, len(text), width)]
        assert open_here("\n".join([head, *lines, tail]).encode()) == GRANT
    lines = [text[i : i + 65] for i in range(0, len(text), 65)]
    assert code_of("\n".join([head, *lines, tail]).encode()) == "bad_armor"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\x00",
        b"{}",
        FILE[1:],
        FILE[:-1],
        FILE.replace(b"MACHINE", b"LICENSE"),
        FILE.replace(b"BEGIN MACHINE", b"BEGIN machine"),
        FILE.replace(b"END MACHINE FILE", b"END LICENSE FILE"),
        FILE.replace(b"\n", b"\n\n", 1),
        FILE.replace(b"\n", b"\nProc-Type: 4\n", 1),
        FILE + b"\nmore",
        b"before\n" + FILE,
        FILE + b"\n" + FILE,
        b"-----BEGIN MACHINE FILE-----\n-----END MACHINE FILE-----",
        b"-----BEGIN MACHINE FILE-----\n\n-----END MACHINE FILE-----",
        FILE.replace(b"\n", b" "),
        b"-----BEGIN MACHINE FILE-----",
    ],
)
def test_another_frame_is_malformed(data: bytes) -> None:
    assert code_of(data) in {"bad_armor", "bad_base64"}


@pytest.mark.parametrize("junk", [b"-", b"_", b"=", b"*", b" ", b"\x00", b"\xc3\xa9", b"."])
def test_the_armour_holds_standard_base64_only(junk: bytes) -> None:
    assert code_of(FILE[:200] + junk + FILE[201:]) in {"bad_base64", "bad_armor", "bad_json", "bad_envelope"}


# ── steps 3 and 4: envelope ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", [["kid", "alg", "sig", "enc"], ["sig", "kid", "enc", "alg"]])
def test_the_order_of_the_envelope_does_not_matter(order: list[str]) -> None:
    assert open_here(wrapped({name: ENVELOPE[name] for name in order})) == GRANT


@pytest.mark.parametrize("name", ["enc", "sig", "alg", "kid"])
@pytest.mark.parametrize("value", [None, 1, True, [], {}, ["x"]])
def test_sec_14_every_member_of_the_envelope_is_text(name: str, value: Any) -> None:
    assert code_of(wrapped({**ENVELOPE, name: value})) == "bad_envelope"


@pytest.mark.parametrize("name", ["enc", "sig", "alg", "kid"])
def test_sec_14_the_envelope_has_exactly_four_members(name: str) -> None:
    assert code_of(wrapped({k: v for k, v in ENVELOPE.items() if k != name})) == "bad_envelope"
    assert code_of(wrapped({**ENVELOPE, "aad": ""})) == "bad_envelope"
    assert code_of(wrapped({k.upper() if k == name else k: v for k, v in ENVELOPE.items()})) == "bad_envelope"
    twice = json.dumps(ENVELOPE)[:-1] + f', "{name}": "{ENVELOPE[name]}"}}'
    assert code_of(wrapped(None, raw=twice.encode())) == "duplicate_name"


@pytest.mark.parametrize("raw", [b"[]", b'"enc"', b"null", b"{", b"{}x", b"\xff", b"\xef\xbb\xbf{}", b"{'enc': 1}"])
def test_sec_09_the_envelope_is_one_strict_json_object(raw: bytes) -> None:
    assert code_of(wrapped(None, raw=raw)) in {"bad_json", "bad_utf8", "not_an_object"}


@pytest.mark.parametrize(
    "alg", ["", "none", "aes-256-gcm", "ed25519", "AES-256-GCM+ED25519", "aes-256-gcm+ed25519 ", "base64+ed25519"]
)
def test_sec_01_the_envelope_cannot_choose_its_algorithm(alg: str) -> None:
    assert code_of(wrapped({**ENVELOPE, "alg": alg})) == "bad_algorithm"


@pytest.mark.parametrize("kid", ["", "a b", "a/b", "a\n", "é", "x" * 256, "../root", "a\x01"])
def test_sec_02_a_key_id_is_an_id(kid: str) -> None:
    assert code_of(wrapped({**ENVELOPE, "kid": kid})) == "bad_kid"


@pytest.mark.parametrize("kid", ["org-2026-b", "ORG-2026-A", "org-2026-a.", "org:2026.a", "x" * 255, "_-"])
def test_sec_02_an_unknown_key_is_not_genuine(kid: str) -> None:
    assert code_of(wrapped({**ENVELOPE, "kid": kid}), NotGenuineError) == "unknown_key"


@pytest.mark.parametrize(
    "sig",
    [
        "",
        ENVELOPE["sig"][:-1],
        ENVELOPE["sig"] + "A",
        ENVELOPE["sig"] + "==",
        ENVELOPE["sig"][:-1] + ("x" if ENVELOPE["sig"][-1] != "x" else "y"),  # unused bits
        ENVELOPE["sig"].replace(ENVELOPE["sig"][3], "+"),
        b64url_encode(bytes(63)),
        b64url_encode(bytes(65)),
    ],
)
def test_sec_08_a_signature_has_one_spelling(sig: str) -> None:
    assert code_of(wrapped({**ENVELOPE, "sig": sig})) in {"bad_base64", "bad_envelope"}


# ── steps 5 and 6: signature ─────────────────────────────────────────────────────────────────────────────────────────


def test_sec_03_a_key_of_another_role_does_not_count() -> None:
    ring = KeyRing([TrustedKey(role="token", key=SIGNER.public_key), TrustedKey(role="answer", key=SIGNER.public_key)])
    with pytest.raises(NotGenuineError) as refused:
        read_machine_file(FILE).verify(ring)
    assert refused.value.code == "unknown_key"


@pytest.mark.parametrize(("state", "code"), [("retired", "retired_key"), ("compromised", "compromised_key")])
def test_a_key_that_no_longer_counts_says_so(state: Any, code: str) -> None:
    ring = KeyRing([TrustedKey(role="machine-file", key=SIGNER.public_key, state=state)])
    with pytest.raises(NotGenuineError) as refused:
        read_machine_file(FILE).verify(ring)
    assert refused.value.code == code


def test_sec_14_nothing_is_decrypted_before_the_signature_holds() -> None:
    # Everything after the signature is wrong in these files, and still the signature is what is reported.
    forged = {**ENVELOPE, "sig": b64url_encode(bytes(64))}
    for enc in ("", "x", "a.b.c", "..", ENVELOPE["enc"] + ".", "é", ENVELOPE["enc"][1:]):
        assert code_of(wrapped({**forged, "enc": enc}), NotGenuineError) == "bad_signature"
    with pytest.raises(NotGenuineError):
        open_machine_file(wrapped(forged), RING, license_key="other", fingerprint="other")


def test_sec_03_a_signature_over_enc_alone_is_not_one_over_a_machine_file() -> None:
    for prefix in (b"", b"license/", b"machine", b"Machine/", b"machine/machine/"):
        signature = b64url_encode(SIGNER.sign(prefix + ENVELOPE["enc"].encode()))
        assert code_of(wrapped({**ENVELOPE, "sig": signature}), NotGenuineError) == "bad_signature"


def test_a_file_of_another_installation_is_not_genuine() -> None:
    other = Ed25519Signer(bytes(reversed(range(32))), kid=SIGNER.kid)
    assert code_of(seal(signer=other).encode(), NotGenuineError) == "bad_signature"


# ── steps 7 and 8: parts and decryption ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("nonce_bytes", [0, 8, 11, 13, 16])
def test_sec_14_a_nonce_is_exactly_12_bytes(nonce_bytes: int) -> None:
    ciphertext, _, tag = ENVELOPE["enc"].split(".")
    assert code_of(signed(f"{ciphertext}.{b64url_encode(bytes(nonce_bytes))}.{tag}")) == "bad_enc"


@pytest.mark.parametrize("tag_bytes", [0, 4, 12, 15, 17])
def test_sec_14_a_tag_is_exactly_16_bytes(tag_bytes: int) -> None:
    ciphertext, nonce, tag = ENVELOPE["enc"].split(".")
    truncated = (b64url_decode(tag, "tag") + b"\x00")[:tag_bytes]
    assert code_of(signed(f"{ciphertext}.{nonce}.{b64url_encode(truncated)}")) == "bad_enc"


@pytest.mark.parametrize(
    "form",
    [
        "{c}.{n}",
        "{c}.{n}.{t}.",
        "{c}{n}{t}",
        ".{n}.{t}",
        "{c}=.{n}.{t}",
        "{c}.{n}.{t}==",
        " {c}.{n}.{t}",
        "{c}\n.{n}.{t}",
        "{c}.{n}.{t}A",
        "+{c}.{n}.{t}",
        "é{c}.{n}.{t}",
    ],
)
def test_the_parts_of_enc_have_one_spelling(form: str) -> None:
    ciphertext, nonce, tag = ENVELOPE["enc"].split(".")
    data = signed(form.format(c=ciphertext, n=nonce, t=tag))
    with pytest.raises((MalformedError, DoesNotOpenError)) as refused:
        open_here(data)
    assert refused.value.code in {"bad_enc", "bad_base64", "does_not_open"}


def test_r_11_another_device_or_license_key_does_not_open_it() -> None:
    verified = read_machine_file(FILE).verify(RING)
    other_device = "0" + FINGERPRINT[1:]
    for license_key, fingerprint in (
        (LICENSE_KEY, other_device),
        ("Y5NNE-9SGEE-ZSEJK-TZSVJ-EBPAG", FINGERPRINT),
        (LICENSE_KEY, ""),
        ("", FINGERPRINT),
        (LICENSE_KEY.lower(), FINGERPRINT),
        (LICENSE_KEY, FINGERPRINT.upper()),
    ):
        with pytest.raises(DoesNotOpenError) as refused:
            verified.open(license_key=license_key, fingerprint=fingerprint)
        assert refused.value.code == "does_not_open"
        assert LICENSE_KEY not in str(refused.value)


def test_sec_18_a_shifted_border_between_key_and_device_is_caught() -> None:
    # SHA256(key ‖ fingerprint) is the same wherever the border lies; the claims are not.
    verified = read_machine_file(FILE).verify(RING)
    for shift in (1, 3):
        with pytest.raises(NotGenuineError) as refused:
            verified.open(license_key=LICENSE_KEY + FINGERPRINT[:shift], fingerprint=FINGERPRINT[shift:])
        assert refused.value.code == "license_mismatch"


@pytest.mark.parametrize(
    ("plaintext", "code"),
    [
        (b"", "bad_json"),
        (b"[]", "not_an_object"),
        (b"{", "bad_json"),
        (b'{"meta":{},"meta":{}}', "duplicate_name"),
        (b'{"meta":1.5}', "bad_number"),
        (b'{"meta":9007199254740992}', "bad_number"),
        (b'{"meta":NaN}', "bad_number"),
        (b"\xff\xfe{}", "bad_utf8"),
        (b'{"meta":"\\ud800"}', "bad_string"),
        (b'{"meta":"\\u0000"}', "bad_string"),
        (b"[" * 30 + b"]" * 30, "too_deep"),
        (b"{}", "bad_structure"),
    ],
)
def test_sec_09_even_genuine_content_is_strict_json(plaintext: bytes, code: str) -> None:
    assert code_of(seal_json(plaintext)) == code


# ── every byte ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sec_14_every_byte_times_every_value_gives_no_other_content() -> None:
    cases = [(place, value) for place in range(len(FILE)) for value in range(256) if value != FILE[place]]
    accepted = 0
    for place, value in cases:
        changed = FILE[:place] + bytes([value]) + FILE[place + 1 :]
        try:
            grant = open_here(changed)
        except CarnetError:
            continue
        # Another blank for a line end of the armour, or padding that decodes to a blank behind the envelope.
        accepted += 1
        assert grant == GRANT
    assert accepted < len(cases) / 1000


def test_every_truncation_is_refused() -> None:
    for length in range(len(FILE)):
        with pytest.raises(MalformedError):
            open_here(FILE[:length])


# ── for others ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_plaintext_is_canonical_json_and_holds_no_customer_data_but_the_id() -> None:
    plaintext = decrypt(ENVELOPE["enc"], license_key=LICENSE_KEY, fingerprint=FINGERPRINT)
    claims = json.loads(plaintext)
    assert plaintext == json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert "included" not in claims
    del claims["data"]["attributes"]["metadata"]["carnet"]["cus"]
    assert b"customer" not in json.dumps(claims).encode()


def test_an_independent_program_opens_it_from_the_specification_alone() -> None:
    import base64

    from nacl.signing import VerifyKey

    body = b"".join(FILE.split(b"\n")[1:-1])
    envelope = json.loads(base64.b64decode(body, validate=True))
    VerifyKey(SIGNER.public_key.raw).verify(
        b"machine/" + envelope["enc"].encode(), base64.urlsafe_b64decode(envelope["sig"] + "==")
    )
    parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in envelope["enc"].split(".")]
    key = hashlib.sha256((LICENSE_KEY + FINGERPRINT).encode()).digest()
    plaintext = AESGCM(key).decrypt(parts[1], parts[0] + parts[2], b"")
    assert json.loads(plaintext)["data"]["id"] == GRANT.activation_id

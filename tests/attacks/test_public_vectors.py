"""SEC-07: Wycheproof's JWS, AES-GCM, HKDF and DER sets through our functions. Keys and signatures: unit/formats."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from carnet.core.errors import CarnetError, DoesNotOpenError, MalformedError, NotGenuineError
from carnet.formats import machine_file
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.jose_keys import load_p256
from carnet.formats.jws import open_jws
from carnet.formats.keys import KeyRing, PublicKey, public_key_from_jwk
from carnet.formats.machine_file import decrypt
from carnet.formats.primitives import hkdf_sha256
from support.public_vectors import public_vectors

NOT_REGISTERED = "HMAC is not registered (SEC-01): a secret among public keys is refused when it is loaded"
OTHER_ALGORITHM = "RS384, RS512, PS256, PS384, PS512 and ES512 are not registered (SEC-01): the key is refused"
NO_TYPE = "there is no typ in the header; RFC 7515 leaves it out, SEC-03 needs it. The signature itself verifies"

REFUSED_VALID: dict[int, tuple[str, str]] = {
    **dict.fromkeys((1, 348, 352, 357, 358, 359, 372, 373, 376, 377), ("private_key", NOT_REGISTERED)),
    **dict.fromkeys((*range(264, 276), 287, 288, *range(320, 324), *range(325, 329)), ("bad_key", OTHER_ALGORITHM)),
    **dict.fromkeys((346, 347, 350, 351), ("bad_key", OTHER_ALGORITHM)),
    **dict.fromkeys((18, 33, *range(259, 264), 345, 349, 378), ("bad_header", NO_TYPE)),
}
"""Each `valid` token of Wycheproof's JWS set, by number: our code and why. docs/security/attacks.md has the same."""


def vectors(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(group, test) for group in public_vectors(f"wycheproof/{name}")["testGroups"] for test in group["tests"]]


def judged(group: dict[str, Any], jws: Any) -> tuple[str, PublicKey | None]:
    """The code that refuses *jws* under the group's one key, and that key where it loads."""
    key = None
    try:
        key = public_key_from_jwk(group.get("public", group.get("private")))
        kept = PublicKey(key.kid.replace("@", "_").replace(".", "_"), key.alg, key.raw)
        open_jws(jws, typ="JWT", role="token", ring=KeyRing.single("token", kept), max_bytes=8192, what="The token")
    except (MalformedError, NotGenuineError) as refused:
        return refused.code, key
    return "accepted", key


def without_bad_kid(group: dict[str, Any]) -> dict[str, Any]:
    """The group with a key id that we can have: RFC 7520's is a mail address, which SEC-02 does not take."""
    part = "public" if "public" in group else "private"
    jwk = group[part]
    return {**group, part: {**jwk, "kid": jwk.get("kid", "k").replace("@", "_").replace(".", "_")}}


def test_sec_07_no_invalid_token_of_wycheproof_is_accepted_and_each_refused_valid_one_has_its_reason() -> None:
    seen: Counter[str] = Counter()
    refused_valid = {}
    for group, test in vectors("json_web_signature_test.json"):
        seen[test["result"]] += 1
        code, key = judged(without_bad_kid(group), test["jws"])
        assert code != "accepted", test["tcId"]
        if test["result"] == "valid":
            refused_valid[test["tcId"]] = code
            if key is not None:
                signed, _, signature = test["jws"].rpartition(".")
                key.verify(b64url_decode(signature, "It"), signed.encode())
        elif key is not None and "." in str(test["jws"]):
            # Also the signature alone, where there is one to check, never verifies over what stands before it.
            signed, _, signature = str(test["jws"]).rpartition(".")
            with pytest.raises(CarnetError):
                check_all(key, signed, signature)
    assert seen == {"valid": 46, "invalid": 355}
    assert refused_valid == {number: code for number, (code, _) in REFUSED_VALID.items()}


def check_all(key: PublicKey, signed: str, signature: str) -> None:
    """What a token of that key must pass beside its header: three parts in canonical base64url, and the signature."""
    header, payload = signed.encode("utf-8").split(b".") if signed.count(".") == 1 else (b"!", b"!")
    for part in (header, payload):
        b64url_decode(part, "It")
    key.verify(b64url_decode(signature, "It"), signed.encode())


def test_sec_14_wycheproofs_aes_gcm_set_through_the_decryption_of_machine_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: Counter[str] = Counter()
    for group, test in vectors("aes_gcm_test.json"):
        key = bytes.fromhex(test["key"])
        # The one step that is left out: v1 derives its key by SHA-256, and a vector brings its own.
        monkeypatch.setattr(machine_file, "_encryption_key", lambda _license_key, _fingerprint, key=key: key)
        enc = ".".join(b64url_encode(bytes.fromhex(test[name])) for name in ("ct", "iv", "tag"))
        try:
            opened = decrypt(enc, license_key="", fingerprint="").hex()
        except MalformedError as refused:
            assert (refused.code, group["ivSize"] == 96) == ("bad_enc", False), test["tcId"]  # noqa: PT017
            seen["nonce is not 96 bits"] += 1
            continue
        except DoesNotOpenError:
            assert test["result"] == "invalid" or test["aad"], test["tcId"]
            seen["invalid" if test["result"] == "invalid" else "associated data, which v1 has none of"] += 1
            continue
        assert test["result"] == "valid", test["tcId"]
        assert (opened, test["aad"]) == (test["msg"], ""), test["tcId"]
        seen["valid"] += 1
    assert seen == {
        "valid": 64,
        "invalid": 81,
        "associated data, which v1 has none of": 52,
        "nonce is not 96 bits": 119,
    }


def test_sec_07_wycheproofs_hkdf_set_through_the_derivation_of_device_states() -> None:
    seen: Counter[str] = Counter()
    for _, test in vectors("hkdf_sha256_test.json"):
        secret, salt, info = (bytes.fromhex(test[name]) for name in ("ikm", "salt", "info"))
        if test["result"] == "valid":
            assert hkdf_sha256(secret, salt=salt, info=info, length=test["size"]).hex() == test["okm"], test["tcId"]
        else:
            with pytest.raises(ValueError, match="range"):
                hkdf_sha256(secret, salt=salt, info=info, length=test["size"])
        seen[test["result"]] += 1
    assert seen == {"valid": 83, "invalid": 3}


def test_sec_13_no_der_signature_of_wycheproof_passes_as_an_es256_one() -> None:
    listed = vectors("ecdsa_secp256r1_sha256_test.json")
    for group, test in listed:
        key = load_p256(bytes.fromhex(group["publicKey"]["uncompressed"]))
        with pytest.raises(NotGenuineError):
            key.verify(bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
    assert len(listed) == 484


def test_the_page_of_attacks_lists_the_refused_tokens_with_the_same_reasons() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "security" / "attacks.md").read_text("utf-8")
    listed: dict[int, tuple[str, str]] = {}
    for numbers, code, reason in re.findall(r"^\| ([0-9][0-9, to]*) \| `([a-z_]+)` \| (.+) \|$", page, re.MULTILINE):
        for span in numbers.split(", "):
            first, _, last = span.partition(" to ")
            listed.update(dict.fromkeys(range(int(first), int(last or first) + 1), (code, reason)))
    assert listed == REFUSED_VALID

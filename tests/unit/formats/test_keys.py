"""Public keys are checked when they are loaded; rings find by role and id; signers never show the private half."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import pytest

from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.formats import keys
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.keys import (
    ROLES,
    Ed25519Signer,
    KeyRing,
    KeyState,
    PublicKey,
    Signer,
    TrustedKey,
    check_kid,
    load_ed25519,
    public_key_from_jwk,
    thumbprint,
)
from support.public_vectors import public_vectors

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
SIGNER = Ed25519Signer(bytes(range(32)))
KEY = SIGNER.public_key
OTHER = Ed25519Signer(bytes(range(1, 33))).public_key


def code_of(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(CarnetError) as raised:
        function(*arguments, **options)
    return raised.value.code


def point_of(y: int) -> tuple[int, int] | None:
    """A point of edwards25519 with this y, by the textbook (RFC 8032 §5.1.3)."""
    top, bottom = (y * y - 1) % P, (D * y * y + 1) % P
    x = pow(top * pow(bottom, -1, P), (P + 3) // 8, P)
    if (x * x * bottom - top) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return None if (x * x * bottom - top) % P else (x, y)


def double(point: tuple[int, int]) -> tuple[int, int]:
    x, y = point
    product = D * x * x * y * y
    return 2 * x * y * pow(1 + product, -1, P) % P, (y * y + x * x) * pow(1 - product, -1, P) % P


def test_sec_06_the_listed_points_are_those_of_low_order_and_all_of_them() -> None:
    encodings = 0
    for y in keys._LOW_ORDER_Y:
        point = point_of(y)
        assert point is not None
        assert double(double(double(point))) == (0, 1)
        encodings += 1 if point[0] == 0 else 2
    assert encodings == 8  # the cofactor of the curve


def low_order_encodings() -> list[bytes]:
    return [(y | sign << 255).to_bytes(32, "little") for y in sorted(keys._LOW_ORDER_Y) for sign in (0, 1)]


@pytest.mark.parametrize("raw", low_order_encodings(), ids=bytes.hex)
def test_sec_06_points_of_low_order_are_refused(raw: bytes) -> None:
    assert code_of(load_ed25519, raw) == "bad_key"


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", range(P, 2**255))
def test_sec_06_non_canonical_encodings_are_refused(y: int, sign: int) -> None:
    assert code_of(load_ed25519, (y | sign << 255).to_bytes(32, "little")) == "bad_key"


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_sec_06_keys_of_another_size_are_refused(size: int) -> None:
    assert code_of(load_ed25519, bytes([2]) * size) == "bad_key"


def test_sec_06_every_low_order_and_non_canonical_key_of_cctv_is_refused_at_load() -> None:
    vectors = public_vectors("cctv-ed25519/ed25519vectors.json")
    assert len(vectors) == 914
    refused = 0
    for vector in vectors:
        raw, flags = bytes.fromhex(vector["key"]), vector["flags"] or []
        if {"low_order_A", "non_canonical_A"} & set(flags):
            assert code_of(load_ed25519, raw) == "bad_key", vector["number"]
            refused += 1
        else:
            key = load_ed25519(raw)
            # Of the rest, whatever the library takes has a canonical R and no leftover of low order.
            try:
                key.verify(bytes.fromhex(vector["sig"]), vector["msg"].encode())
            except NotGenuineError:
                continue
            assert not {"non_canonical_R", "low_order_residue"} & set(flags), vector["number"]
    assert refused > 300


def test_sec_07_no_invalid_ed25519_signature_of_wycheproof_is_accepted_and_every_valid_one_is() -> None:
    groups = public_vectors("wycheproof/ed25519_test.json")["testGroups"]
    seen = {"valid": 0, "invalid": 0}
    for group in groups:
        key = load_ed25519(bytes.fromhex(group["publicKey"]["pk"]))
        for test in group["tests"]:
            seen[test["result"]] += 1
            signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
            if test["result"] == "valid":
                key.verify(signature, message)
            else:
                assert code_of(key.verify, signature, message) == "bad_signature", test["tcId"]
    assert seen["valid"] > 80
    assert seen["invalid"] > 60


def test_s_must_be_below_the_group_order() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    signature = SIGNER.sign(b"message")
    larger = int.from_bytes(signature[32:], "little") + order
    KEY.verify(signature, b"message")
    assert code_of(KEY.verify, signature[:32] + larger.to_bytes(32, "little"), b"message") == "bad_signature"


@pytest.mark.parametrize("signature", [b"", b"\x00" * 63, b"\x00" * 64, b"\x00" * 65, b"\xff" * 64])
def test_other_signatures_are_not_genuine(signature: bytes) -> None:
    assert code_of(KEY.verify, signature, b"message") == "bad_signature"


def test_the_key_id_is_the_rfc_7638_thumbprint() -> None:
    raw = b64url_decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "It")  # RFC 8037 appendix A.3
    assert thumbprint(raw) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert load_ed25519(raw).kid == thumbprint(raw)


@pytest.mark.parametrize("kid", ["a", "A-z_0", "x" * 64])
def test_sec_02_key_ids_are_short_and_plain(kid: str) -> None:
    assert check_kid(kid) == kid
    assert load_ed25519(KEY.raw, kid).kid == kid


@pytest.mark.parametrize(
    "kid", ["", "x" * 65, "a b", "a/b", "../k", "k\x00", "ключ", "k\n", "a.b", None, 1, ["k"], b"k"]
)
def test_sec_02_other_key_ids_are_refused(kid: Any) -> None:
    assert code_of(check_kid, kid) == "bad_kid"


def test_a_jwk_round_trips() -> None:
    jwk = KEY.to_jwk()
    assert jwk["kty"] == "OKP"
    assert jwk["crv"] == "Ed25519"
    assert jwk["alg"] == "EdDSA"
    assert jwk["use"] == "sig"
    assert public_key_from_jwk(jwk) == KEY
    assert public_key_from_jwk({"kty": "OKP", "crv": "Ed25519", "x": jwk["x"]}) == KEY
    assert public_key_from_jwk({**jwk, "alg": "Ed25519", "key_ops": ["verify"], "x5t": "ignored"}) == KEY


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kty": "EC"}, "bad_key"),
        ({"crv": "X25519"}, "bad_key"),
        ({"crv": "Ed448"}, "bad_key"),
        ({"alg": "ES256"}, "bad_key"),
        ({"alg": "none"}, "bad_key"),
        ({"use": "enc"}, "bad_key"),
        ({"key_ops": ["sign"]}, "bad_key"),
        ({"key_ops": "verify"}, "bad_key"),
        ({"x": None}, "bad_key"),
        ({"x": "AAAA"}, "bad_key"),
        ({"x": "A" * 43}, "bad_key"),
        ({"x": KEY.to_jwk()["x"] + "="}, "bad_base64"),
        ({"x": b64url_encode(b"\x01" + bytes(31))}, "bad_key"),
        ({"kid": ""}, "bad_kid"),
        ({"kid": None}, "bad_kid"),
        ({"d": "secret"}, "private_key"),
        ({"k": "secret"}, "private_key"),
    ],
)
def test_sec_06_other_jwks_are_refused(change: dict[str, Any], code: str) -> None:
    assert code_of(public_key_from_jwk, {**KEY.to_jwk(), **change}) == code


def test_sec_06_a_jwk_that_is_no_object_is_refused() -> None:
    values: tuple[Any, ...] = (None, [], "x", 1)
    for value in values:
        assert code_of(public_key_from_jwk, value) == "bad_key"


def test_a_public_key_is_a_frozen_value() -> None:
    again = load_ed25519(KEY.raw)
    assert again == KEY
    assert hash(again) == hash(KEY)
    assert again != load_ed25519(KEY.raw, "other")
    assert KEY.raw != KEY
    assert pickle.loads(pickle.dumps(KEY)) == KEY  # noqa: S301 - our own bytes
    assert copy.deepcopy(KEY) == KEY
    assert KEY.kid in repr(KEY)
    with pytest.raises(AttributeError, match="frozen"):
        KEY.raw = b""
    with pytest.raises(AttributeError, match="frozen"):
        del KEY.raw


def test_a_ring_finds_by_role_and_id_only() -> None:
    ring = KeyRing([TrustedKey(role="token", key=KEY), TrustedKey(role="answer", key=OTHER)])
    assert ring.find("token", KEY.kid) is KEY
    assert ring.find("answer", OTHER.kid) is OTHER
    assert code_of(ring.find, "token", OTHER.kid) == "unknown_key"
    assert code_of(ring.find, "answer", KEY.kid) == "unknown_key"
    assert code_of(ring.find, "machine-file", KEY.kid) == "unknown_key"
    assert [trusted.key for trusted in ring.keys()] == [KEY, OTHER]  # noqa: SIM118 - not a dictionary
    assert KeyRing.single("token", KEY).find("token", KEY.kid) is KEY


def test_sec_03_one_key_may_have_several_roles() -> None:
    ring = KeyRing(TrustedKey(role=role, key=KEY) for role in ROLES)
    assert all(ring.find(role, KEY.kid) is KEY for role in ROLES)


@pytest.mark.parametrize(
    "pair",
    [
        (KEY, KEY),
        (KEY, load_ed25519(KEY.raw, "second-id")),
        (KEY, load_ed25519(OTHER.raw, KEY.kid)),
    ],
)
def test_sec_06_no_id_names_two_keys_and_no_key_has_two_ids(pair: tuple[PublicKey, PublicKey]) -> None:
    assert code_of(KeyRing, [TrustedKey(role="token", key=key) for key in pair]) == "duplicate_key"
    if pair[0] != pair[1]:
        across = [TrustedKey(role="token", key=pair[0]), TrustedKey(role="answer", key=pair[1])]
        assert code_of(KeyRing, across) == "duplicate_key"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("announced", None),
        ("active", None),
        ("verify-only", None),
        ("retired", "retired_key"),
        ("compromised", "compromised_key"),
    ],
)
def test_a_keys_state_decides_whether_it_verifies(state: KeyState, code: str | None) -> None:
    ring = KeyRing([TrustedKey(role="token", key=KEY, state=state)])
    if code is None:
        assert ring.find("token", KEY.kid) is KEY
        assert ring.usable("token") == (KEY,)
    else:
        assert code_of(ring.find, "token", KEY.kid) == code
        assert ring.usable("token") == ()


def test_a_signer_signs_and_never_shows_its_seed() -> None:
    seed = bytes(range(32))
    signer: Signer = Ed25519Signer(seed)
    assert signer.kid == signer.public_key.kid == thumbprint(signer.public_key.raw)
    signer.public_key.verify(signer.sign(b"x"), b"x")
    assert signer.sign(b"x") == signer.sign(b"x")
    assert Ed25519Signer(seed, "other").kid == "other"
    for text in (repr(signer), str(signer)):
        assert seed.hex() not in text
        assert b64url_encode(seed) not in text
    with pytest.raises(TypeError):
        pickle.dumps(signer)
    for size in (0, 31, 33):
        with pytest.raises(UsageError):
            Ed25519Signer(bytes(size))
    with pytest.raises(MalformedError):
        Ed25519Signer(seed, "not an id")


def test_cryptography_is_loaded_by_the_first_verification_and_not_before() -> None:
    program = f"""
import sys
from carnet.core.errors import NotGenuineError
from carnet.formats.keys import KeyRing, load_ed25519
key = load_ed25519(bytes.fromhex({KEY.raw.hex()!r}))
KeyRing.single("token", key).find("token", key.kid)
assert not any(name.startswith("cryptography") for name in sys.modules)
key.verify(bytes.fromhex({SIGNER.sign(b"x").hex()!r}), b"x")
assert "cryptography" in sys.modules
try:
    key.verify(bytes(64), b"x")
except NotGenuineError:
    pass
else:
    raise SystemExit("accepted")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

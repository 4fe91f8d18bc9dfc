"""Keys for ES256 and RS256: what is loaded, what is refused, and what other projects' vectors say (SEC-06, 07, 13)."""

from __future__ import annotations

import base64
import functools
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from carnet.core._base import replace
from carnet.core.errors import CarnetError, NotGenuineError
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.jose_keys import (
    JoseSigner,
    generate_private_pem,
    load_p256,
    load_rsa,
    public_key_from_pem,
    public_pem,
    signer_from_pem,
)
from carnet.formats.keys import Algorithm, KeyRing, Role, Signer, TrustedKey, public_key_from_jwk
from carnet.formats.license_token import issue_license_token, verify_license_token
from support.public_vectors import public_vectors
from support.tokens import GRANT

ALGORITHMS: tuple[Algorithm, ...] = ("Ed25519", "ES256", "RS256")
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def code_of(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(CarnetError) as refused:
        function(*arguments, **options)
    return refused.value.code


@functools.cache
def signer_of(alg: Algorithm) -> Signer:
    return signer_from_pem(generate_private_pem(alg))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_generated_key_signs_tokens_that_its_pem_and_jwk_verify(alg: Algorithm) -> None:
    signer = signer_of(alg)
    assert signer.public_key.alg == alg
    token = issue_license_token(GRANT, signer)
    assert token == issue_license_token(GRANT, signer)  # deterministic: a retry gives the same token
    for key in (
        signer.public_key,
        public_key_from_pem(public_pem(signer.public_key)),
        public_key_from_jwk(signer.public_key.to_jwk()),
    ):
        assert key == signer.public_key
        assert verify_license_token(token, KeyRing.single("token", key)) == replace(GRANT, kid=signer.kid)


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("other", ALGORITHMS)
def test_sec_01_the_algorithm_is_the_key_records_whatever_the_token_says(alg: Algorithm, other: Algorithm) -> None:
    # A token of one algorithm whose header names the key of another: the classic confusion, all nine pairs.
    signer, trusted = signer_of(alg), signer_of(other)
    header, payload, signature = issue_license_token(GRANT, signer).split(".")
    forged_header = b64url_decode(header, "It").replace(signer.kid.encode(), trusted.kid.encode())
    forged = ".".join((b64url_encode(forged_header), payload, signature))
    ring = KeyRing.single("token", trusted.public_key)
    if alg == other:
        verify_license_token(forged, ring)
        return
    assert code_of(verify_license_token, forged, ring) == "wrong_algorithm"


@pytest.mark.parametrize("role", ["machine-file", "answer", "license-key", "offline", "status-list", "root"])
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_sec_01_only_license_tokens_may_have_compatible_keys(role: Role, alg: Algorithm) -> None:
    assert code_of(KeyRing, [TrustedKey(role=role, key=signer_of(alg).public_key)]) == "bad_key"


def test_sec_06_a_point_off_the_curve_is_refused() -> None:
    raw = signer_of("ES256").public_key.raw
    assert code_of(load_p256, raw[:-1] + bytes([raw[-1] ^ 1])) == "bad_key"
    for wrong in (b"", raw[:64], raw + b"\x00", b"\x02" + raw[1:33], b"\x00" * 65, b"\x04" + b"\x00" * 64):
        assert code_of(load_p256, wrong) == "bad_key"


def test_sec_06_rsa_keys_have_2048_to_4096_bits_and_the_usual_exponent() -> None:
    modulus = (1 << 2047) | 1
    assert load_rsa(modulus, 65537).alg == "RS256"
    assert load_rsa((1 << 4095) | 1, 65537).alg == "RS256"
    for wrong in ((1 << 2046) | 1, (1 << 4096) | 1, modulus + 1):
        assert code_of(load_rsa, wrong, 65537) == "bad_key"
    for exponent in (1, 3, 65536, 65539):
        assert code_of(load_rsa, modulus, exponent) == "bad_key"
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505 - made to be refused
    pem = small.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert code_of(public_key_from_pem, pem) == "bad_key"


def test_sec_06_other_curves_and_kinds_are_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert code_of(public_key_from_pem, public) == "bad_key"
    assert code_of(signer_from_pem, private) == "bad_key"
    assert code_of(public_key_from_pem, private) == "private_key"
    assert code_of(public_key_from_pem, b"x" * 20_000) == "too_large"
    for text in ("", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "é"):
        assert code_of(public_key_from_pem, text) == "bad_key"
        assert code_of(signer_from_pem, text) == "bad_key"


def test_an_encrypted_private_key_opens_with_its_passphrase_only() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"right"))
    assert signer_from_pem(pem, passphrase=b"right").public_key == JoseSigner(private).public_key
    assert code_of(signer_from_pem, pem, passphrase=b"wrong") == "wrong_passphrase"
    assert code_of(signer_from_pem, pem) == "passphrase_needed"
    assert code_of(signer_from_pem, pem, passphrase=b"") == "passphrase_needed"


def for_pss_only(der: bytes) -> str:
    """The RSA key *der*, PKCS #8 or SubjectPublicKeyInfo, as its owner writes it who signs with PSS (RFC 4055 §1.2)."""
    usual = bytes.fromhex("300d06092a864886f70d0101010500")
    assert usual in der
    rest = der[4:].replace(usual, bytes.fromhex("300b06092a864886f70d01010a"))
    body = base64.encodebytes(der[:2] + len(rest).to_bytes(2, "big") + rest).decode()
    return f"-----BEGIN {{}} KEY-----\n{body}-----END {{}} KEY-----\n"


def test_sec_06_a_key_that_signs_with_pss_only_does_not_become_one_for_rs256() -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = for_pss_only(private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    assert isinstance(load_pem_private_key(pem.format(*2 * ["PRIVATE"]).encode(), None), rsa.RSAPrivateKey)
    assert code_of(signer_from_pem, pem.format(*2 * ["PRIVATE"])) == "bad_key"
    assert code_of(public_key_from_pem, for_pss_only(public).format(*2 * ["PUBLIC"])) == "bad_key"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_sec_06_of_two_keys_in_one_pem_none_is_taken_for_the_one_that_was_meant(alg: Algorithm) -> None:
    private, other = generate_private_pem(alg), generate_private_pem("Ed25519")
    public = public_pem(signer_from_pem(private).public_key)
    assert code_of(signer_from_pem, private + other) == "bad_key"
    assert code_of(signer_from_pem, f"{private}\r\n{private}") == "bad_key"
    assert code_of(public_key_from_pem, public + public_pem(signer_from_pem(other).public_key)) == "bad_key"
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert signer_from_pem(parameters + private).public_key == signer_from_pem(private).public_key


def test_a_set_of_keys_is_no_key_and_says_so() -> None:
    jwk = signer_of("ES256").public_key.to_jwk()
    for keys in ([], [jwk], [jwk, jwk]):
        with pytest.raises(CarnetError, match="a set of keys") as refused:
            public_key_from_jwk({"keys": keys})
        assert refused.value.code == "bad_key"


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_signer_never_shows_or_hands_out_its_private_key(alg: Algorithm) -> None:
    import pickle

    signer = signer_of(alg)
    assert repr(signer) == f"JoseSigner(kid={signer.kid!r}, alg={alg!r})"
    with pytest.raises(TypeError):
        pickle.dumps(signer)


def test_sec_13_an_es256_signature_is_64_bytes_with_both_numbers_in_range() -> None:
    key = signer_of("ES256").public_key
    signature = signer_of("ES256").sign(b"message")
    assert len(signature) == 64
    key.verify(signature, b"message")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")

    def raw(r: int, s: int) -> bytes:
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    for wrong in (signature[:-1], signature + b"\x00", raw(0, s), raw(r, 0), raw(ORDER, s), raw(r, ORDER), b""):
        assert code_of(key.verify, wrong, b"message") == "bad_signature"
    assert code_of(key.verify, signature, b"other") == "bad_signature"


def test_a_jwk_must_say_what_it_is_in_one_spelling() -> None:
    for alg in ("ES256", "RS256"):
        jwk: dict[str, Any] = dict(signer_of(alg).public_key.to_jwk())
        material = "x" if alg == "ES256" else "n"
        raw = b64url_decode(jwk[material], "It")
        for change in (
            {material: b64url_encode(b"\x00" + raw)},
            {material: b64url_encode(raw[:31])},
            {material: 7},
            {"alg": "EdDSA"},
            {"use": "enc"},
            {"key_ops": ["sign"]},
            {"kty": "oct"},
        ):
            assert code_of(public_key_from_jwk, {**jwk, **change}) == "bad_key", (alg, change)
        assert code_of(public_key_from_jwk, {**jwk, "d": "AQAB"}) == "private_key"
        jwk.pop(material)
        assert code_of(public_key_from_jwk, jwk) == "bad_key"


# RFC 7638 §3.1's own example, and RFC 7515 appendix A.3's P-256 key.
RFC_7638_N = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
    "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
    "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
    "nqDKgw"
)


def test_the_key_id_of_an_rsa_key_is_its_rfc_7638_thumbprint() -> None:
    key = public_key_from_jwk({"kty": "RSA", "n": RFC_7638_N, "e": "AQAB"})
    assert key.kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_sec_13_no_invalid_p256_signature_of_wycheproof_is_accepted_and_every_valid_one_is() -> None:
    seen = {"valid": 0, "invalid": 0}
    for group in public_vectors("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json")["testGroups"]:
        key = load_p256(bytes.fromhex(group["publicKey"]["uncompressed"]))
        for test in group["tests"]:
            seen[test["result"]] += 1
            signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
            if test["result"] == "valid":
                key.verify(signature, message)
            else:
                assert code_of(key.verify, signature, message) == "bad_signature", test["tcId"]
    assert seen["valid"] > 100
    assert seen["invalid"] > 60


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_sec_07_no_invalid_rsa_signature_of_wycheproof_is_accepted(bits: int) -> None:
    seen = {"valid": 0, "acceptable": 0, "invalid": 0}
    for group in public_vectors(f"wycheproof/rsa_signature_{bits}_sha256_test.json")["testGroups"]:
        pem = group["publicKeyPem"]
        if int(group["publicKey"]["publicExponent"], 16) != 65537:
            # Stricter than the set: SEC-06 takes the one usual exponent.
            assert code_of(public_key_from_pem, pem) == "bad_key"
            continue
        key = public_key_from_pem(pem)
        for test in group["tests"]:
            seen[test["result"]] += 1
            signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
            if test["result"] == "valid":
                key.verify(signature, message)
            elif test["result"] == "invalid":
                assert code_of(key.verify, signature, message) == "bad_signature", test["tcId"]
            else:  # `acceptable`: a missing NULL in the digest's parameters; we accept the canonical form only
                assert code_of(key.verify, signature, message) == "bad_signature", test["tcId"]
    assert seen["valid"] > 5
    assert seen["invalid"] > 200


def test_sec_07_key_sets_of_wycheproof_never_lend_a_key_to_another_algorithm() -> None:
    listed = [
        jwk
        for group in public_vectors("wycheproof/json_web_key_test.json")["testGroups"]
        for part in ("public", "private")
        for jwk in group.get(part, {}).get("keys", [])
    ]
    assert len(listed) > 20
    loaded = 0
    for jwk in listed:
        try:
            key = public_key_from_jwk(jwk)
        except CarnetError as refused:
            assert refused.code in {"bad_key", "private_key", "bad_base64", "bad_kid"}  # noqa: PT017
            continue
        loaded += 1
        assert (jwk["kty"], key.alg) in {("EC", "ES256"), ("RSA", "RS256")}
        with pytest.raises(NotGenuineError):
            key.verify(b"\x00" * 64, b"")
    assert loaded

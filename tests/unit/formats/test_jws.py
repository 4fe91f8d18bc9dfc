"""The envelope of tokens: nothing in a token chooses anything, and it has one spelling (SEC-01, 02, 03, 08, 12)."""

from __future__ import annotations

import hashlib
import hmac
import socket
import subprocess
import sys
from typing import Any

import pytest

from carnet.core.errors import CarnetError, MalformedError, NotGenuineError
from carnet.core.instant import Instant
from carnet.formats.answer import Answer, issue_answer, verify_answer
from carnet.formats.device_proof import make_device_proof, verify_device_proof
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.jws import open_jws, open_jws_with, sign_jws, unverified_jws
from carnet.formats.keys import ROLES, Ed25519Signer, KeyRing, TrustedKey
from carnet.formats.license_token import TYP, verify_license_token
from carnet.formats.strict_json import dump_json
from support.tokens import GRANT, HEADER, ISSUED_AT, OTHER_SIGNER, RING, SIGNER, TOKEN, forge, ring_of

CLAIMS = {"a": 1}
GOOD = forge(HEADER, CLAIMS)
HEAD, PAYLOAD, SIGNATURE = GOOD.split(".")


def opened(token: str | bytes, **options: Any) -> tuple[dict[str, Any], str]:
    return open_jws(
        token, **{"typ": TYP, "role": "token", "ring": RING, "max_bytes": 8192, "what": "The token", **options}
    )


def code_of(token: Any, **options: Any) -> str:
    with pytest.raises(CarnetError) as raised:
        opened(token, **options)
    assert isinstance(raised.value, MalformedError | NotGenuineError)
    assert raised.value.fix
    return raised.value.code


def test_a_genuine_token_opens_from_text_and_bytes() -> None:
    assert opened(GOOD) == (CLAIMS, SIGNER.kid)
    assert opened(GOOD.encode()) == (CLAIMS, SIGNER.kid)
    assert open_jws_with(GOOD, typ=TYP, key=SIGNER.public_key, max_bytes=8192, what="It") == CLAIMS
    assert sign_jws(CLAIMS, typ=TYP, signer=SIGNER) == GOOD
    assert sign_jws(dump_json(CLAIMS), typ=TYP, signer=SIGNER) == GOOD


def test_any_spelling_of_the_same_header_opens_because_the_signature_covers_it() -> None:
    spelled = b'{ "typ":"%b",\n"kid":"%b", "alg":"\\u0045dDSA" }' % (TYP.encode(), SIGNER.kid.encode())
    assert opened(forge(spelled, CLAIMS)) == (CLAIMS, SIGNER.kid)
    assert opened(forge({**HEADER, "alg": "Ed25519"}, CLAIMS)) == (CLAIMS, SIGNER.kid)


@pytest.mark.parametrize(
    "alg",
    [
        "none", "None", "NONE", "nOnE", "", " EdDSA", "EdDSA ", "eddsa", "EDDSA", "ed25519", "Ed448", "ES256", "ES384",
        "ES512", "ES256K", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "HS256", "HS384", "HS512", "A128KW",
        "dir", "RSA-OAEP", "EdDSA\u200b", None, True, 0, 1, ["EdDSA"], {"alg": "EdDSA"},
    ],
)  # fmt: skip
def test_sec_01_the_algorithm_is_the_key_records(alg: Any) -> None:
    assert code_of(forge({**HEADER, "alg": alg}, CLAIMS)) == "wrong_algorithm"


@pytest.mark.parametrize("alg", ["none", "HS256", "EdDSA"])
def test_sec_01_unsigned_and_hmac_tokens_are_refused(alg: str) -> None:
    header = b64url_encode(dump_json({**HEADER, "alg": alg}))
    signed = f"{header}.{PAYLOAD}".encode()
    expected = {"none": "wrong_algorithm", "HS256": "wrong_algorithm", "EdDSA": "bad_signature"}[alg]
    for secret in (SIGNER.public_key.raw, b"", b64url_encode(SIGNER.public_key.raw).encode(), SIGNER.kid.encode()):
        digest = hmac.digest(secret, signed, hashlib.sha256)
        assert code_of(f"{header}.{PAYLOAD}.{b64url_encode(digest)}") == expected
        assert code_of(f"{header}.{PAYLOAD}.{b64url_encode(digest + digest)}") == expected
    assert code_of(f"{header}.{PAYLOAD}.") == expected


ATTACKER = OTHER_SIGNER.public_key.to_jwk()


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": ATTACKER},
        {"jwk": SIGNER.public_key.to_jwk()},
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
        {"x5t#S256": "AAAA"},
        {"crit": []},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
        {"cty": "JWT"},
        {"kid2": "x"},
        {"": ""},
        {"Alg": "none"},
    ],
    ids="+".join,
)
def test_sec_02_a_header_with_any_other_member_is_refused(extra: dict[str, Any]) -> None:
    assert code_of(forge({**HEADER, **extra}, CLAIMS)) == "bad_header"
    # … also when the attacker signs with the key that he brings.
    attackers = {**HEADER, "kid": OTHER_SIGNER.kid, **extra}
    assert code_of(forge(attackers, CLAIMS, OTHER_SIGNER)) == "bad_header"


@pytest.mark.parametrize("missing", ["alg", "kid", "typ"])
def test_a_header_without_one_of_its_members_is_refused(missing: str) -> None:
    assert code_of(forge({name: HEADER[name] for name in HEADER if name != missing}, CLAIMS)) == "bad_header"


@pytest.mark.parametrize(
    "kid", ["", "x" * 65, "../../etc/passwd", "a b", "a\x7f", "kid'--", "k\n", None, 7, [SIGNER.kid]]
)
def test_sec_02_a_key_id_of_another_form_is_refused(kid: Any) -> None:
    assert code_of(forge({**HEADER, "kid": kid}, CLAIMS)) == "bad_kid"


def test_sec_02_keys_come_from_the_ring_only() -> None:
    assert code_of(forge({**HEADER, "kid": OTHER_SIGNER.kid}, CLAIMS, OTHER_SIGNER)) == "unknown_key"
    assert code_of(forge(HEADER, CLAIMS, OTHER_SIGNER)) == "bad_signature"
    assert code_of(GOOD, ring=KeyRing([])) == "unknown_key"
    assert code_of(GOOD, ring=KeyRing.single("answer", SIGNER.public_key)) == "unknown_key"
    for state, code in (("retired", "retired_key"), ("compromised", "compromised_key")):
        trusted = TrustedKey(role="token", key=SIGNER.public_key, state=state)  # type: ignore[arg-type]
        assert code_of(GOOD, ring=KeyRing([trusted])) == code


def test_a_key_that_is_dropped_from_the_ring_stops_verifying_at_once() -> None:
    both = KeyRing([TrustedKey(role="token", key=key.public_key) for key in (SIGNER, OTHER_SIGNER)])
    assert opened(GOOD, ring=both)[1] == SIGNER.kid
    assert opened(forge({**HEADER, "kid": OTHER_SIGNER.kid}, CLAIMS, OTHER_SIGNER), ring=both)[1] == OTHER_SIGNER.kid
    assert code_of(GOOD, ring=KeyRing.single("token", OTHER_SIGNER.public_key)) == "unknown_key"


@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "", TYP.upper(), TYP + " ", "application/" + TYP, "carnet-answer+jwt", None, 1, [TYP]]
)
def test_sec_03_the_type_is_exact(typ: Any) -> None:
    assert code_of(forge({**HEADER, "typ": typ}, CLAIMS)) == "wrong_type"


def artifacts_of_each_kind(signer: Ed25519Signer) -> dict[str, str]:
    answer = Answer(id="a", issuer="i", nonce="n", action="validate", outcome="granted", at=ISSUED_AT, product="hustl")
    proof = make_device_proof(signer, method="POST", path="/v1/refresh", body=b"", at=ISSUED_AT, nonce="n")
    return {"token": TOKEN, "answer": issue_answer(answer, signer), "device-proof": proof}


def test_sec_03_no_kind_passes_as_another_even_under_one_key() -> None:
    ring = ring_of(*ROLES)

    def proof(text: str) -> object:
        return verify_device_proof(
            text, SIGNER.public_key, method="POST", path="/v1/refresh", body=b"", now=Instant(ISSUED_AT)
        )

    verifiers = {
        "token": lambda text: verify_license_token(text, ring),
        "answer": lambda text: verify_answer(text, ring),
        "device-proof": proof,
    }
    for made, text in artifacts_of_each_kind(SIGNER).items():
        for asked, verify in verifiers.items():
            if made == asked:
                verify(text)
            else:
                with pytest.raises(MalformedError) as raised:
                    verify(text)
                assert raised.value.code == "wrong_type", (made, asked)


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "bad_compact"),
        (".", "bad_compact"),
        ("..", "bad_json"),
        ("...", "bad_compact"),
        (HEAD, "bad_compact"),
        (f"{HEAD}.{PAYLOAD}", "bad_compact"),
        (f"{GOOD}.", "bad_compact"),
        (f".{GOOD}", "bad_compact"),
        (f"{GOOD}.{SIGNATURE}", "bad_compact"),
        (f"{HEAD}..{PAYLOAD}.{SIGNATURE}", "bad_compact"),
        (f"{HEAD}.{PAYLOAD}.x.{SIGNATURE}.x", "bad_compact"),
        (f" {GOOD}", "bad_base64"),
        (f"{GOOD}\n", "bad_base64"),
        (f"{GOOD}=", "bad_base64"),
        (f"{GOOD}==", "bad_base64"),
        (f"{HEAD}=.{PAYLOAD}.{SIGNATURE}", "bad_base64"),
        (f"{HEAD}\n.{PAYLOAD}.{SIGNATURE}", "bad_base64"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE[:-1]}", "bad_base64"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE[:-2]}", "bad_signature"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE}AAAA", "bad_signature"),
        (f"{HEAD}.{PAYLOAD}.{b64url_encode(bytes(64))}", "bad_signature"),
        (f"{HEAD}.{PAYLOAD[:-4]}.{SIGNATURE}", "bad_signature"),
        (f"{HEAD}.{PAYLOAD}%2e.{SIGNATURE}", "bad_signature"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE}é", "bad_compact"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE}".encode() + b"\xff", "bad_compact"),
        (f"{HEAD}.{PAYLOAD}\xe9.{SIGNATURE}".encode("latin-1"), "bad_compact"),
        (f"\ufeff{GOOD}", "bad_compact"),
        (GOOD.encode("utf-8-sig"), "bad_compact"),
        (GOOD.encode("utf-16"), "bad_compact"),
        (GOOD.encode("utf-16-le"), "bad_base64"),
        (f'{{"payload":"{PAYLOAD}","protected":"{HEAD}","signature":"{SIGNATURE}"}}', "bad_compact"),
    ],
)  # fmt: skip
def test_sec_08_there_is_one_compact_form(token: str | bytes, code: str) -> None:
    assert code_of(token) == code


def test_sec_08_the_last_character_has_one_spelling_in_every_part() -> None:
    for index, part in enumerate((HEAD, PAYLOAD, SIGNATURE)):
        if len(part) % 4 == 0:
            continue
        for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
            parts = [HEAD, PAYLOAD, SIGNATURE]
            parts[index] = part[:-1] + last
            if parts[index] != part:
                assert code_of(".".join(parts)) in {
                    "bad_base64",
                    "bad_signature",
                    "bad_json",
                    "unknown_key",
                    "wrong_type",
                }


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"", "bad_json"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b'"x"', "not_an_object"),
        (b"{", "bad_json"),
        (b'{"alg":"EdDSA","alg":"none","kid":"k","typ":"t"}', "duplicate_name"),
        (b'{"alg":"EdDSA","\\u0061lg":"none","kid":"k","typ":"t"}', "duplicate_name"),
        (b'{"alg":1.5}', "bad_number"),
        (b"\xef\xbb\xbf{}", "bad_utf8"),
        (b'{"pad":"' + b"x" * 1024 + b'"}', "too_large"),
    ],
)
def test_sec_09_the_header_is_strict_json_within_1_kib(header: bytes, code: str) -> None:
    assert code_of(forge(header, CLAIMS)) == code


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "bad_json"),
        (b"{}x", "bad_json"),
        (b"[]", "not_an_object"),
        (b'"a"', "not_an_object"),
        (b'{"exp":1,"exp":2}', "duplicate_name"),
        (b'{"exp":1.0}', "bad_number"),
        (b'{"exp":NaN}', "bad_number"),
        (b'{"a":"\\ud800"}', "bad_string"),
        (b'{"a":"\xff"}', "bad_utf8"),
        (b'{"a":' + b"[" * 20 + b"]" * 20 + b"}", "too_deep"),
    ],
)
def test_sec_09_the_payload_is_strict_json(payload: bytes, code: str) -> None:
    assert code_of(forge(HEADER, payload)) == code


def test_the_signature_is_checked_before_the_payload_is_decoded() -> None:
    for payload in ("!!!", "AB", b64url_encode(b"{"), b64url_encode(b'{"a":1,"a":1}')):
        assert code_of(f"{HEAD}.{payload}.{SIGNATURE}") == "bad_signature"


def test_sec_10_size_is_checked_before_anything_else() -> None:
    assert opened(GOOD, max_bytes=len(GOOD)) == (CLAIMS, SIGNER.kid)
    assert code_of(GOOD, max_bytes=len(GOOD) - 1) == "too_large"
    assert code_of("\xff" * 10000) == "too_large"


def test_a_token_for_one_given_key_must_name_that_key() -> None:
    def code(token: str) -> str:
        with pytest.raises(CarnetError) as raised:
            open_jws_with(token, typ=TYP, key=SIGNER.public_key, max_bytes=8192, what="It")
        return raised.value.code

    assert code(forge({**HEADER, "kid": OTHER_SIGNER.kid}, CLAIMS)) == "unknown_key"
    assert code(forge({**HEADER, "kid": OTHER_SIGNER.kid}, CLAIMS, OTHER_SIGNER)) == "unknown_key"
    assert code(forge({**HEADER, "alg": "none"}, CLAIMS)) == "wrong_algorithm"
    assert code(forge({**HEADER, "typ": "JWT"}, CLAIMS)) == "wrong_type"
    assert code(forge(HEADER, CLAIMS, OTHER_SIGNER)) == "bad_signature"
    spelled = forge(b' {"alg":"EdDSA","kid":"%b","typ":"%b"}' % (SIGNER.kid.encode(), TYP.encode()), CLAIMS)
    assert open_jws_with(spelled, typ=TYP, key=SIGNER.public_key, max_bytes=8192, what="It") == CLAIMS


def test_what_nobody_verified_is_shown_under_a_name_that_says_so() -> None:
    header, claims = unverified_jws(forge({"alg": "none", "x": 1}, CLAIMS, OTHER_SIGNER), max_bytes=999, what="It")
    assert header == {"alg": "none", "x": 1}
    assert claims == CLAIMS


def test_sec_02_verification_opens_no_file_and_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    opened(GOOD)  # the library is loaded
    program = f"""
import sys
from carnet.core.errors import CarnetError
from carnet.formats.keys import KeyRing, load_ed25519
from carnet.formats.license_token import verify_license_token
ring = KeyRing.single("token", load_ed25519(bytes.fromhex({SIGNER.public_key.raw.hex()!r})))
tokens = {[TOKEN, GOOD, TOKEN[:-2] + "AA", forge({**HEADER, "jku": "https://example.com"}, CLAIMS), "x", "{"]!r}
def judge():
    for token in tokens:
        try:
            verify_license_token(token, ring)
        except CarnetError:
            pass
judge()
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event))
judge()
assert not [event for event in seen if event.startswith(("open", "socket", "os.", "subprocess", "import"))], seen
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(socket, "socket", None)
    assert opened(GOOD) == (CLAIMS, SIGNER.kid)


def test_a_signature_is_over_the_bytes_as_received() -> None:
    # The same claims in another spelling are another text: the signature of one does not fit the other.
    other = b64url_encode(b'{ "a":1}')
    assert code_of(f"{HEAD}.{other}.{SIGNATURE}") == "bad_signature"
    assert b64url_decode(PAYLOAD, "It") == b'{"a":1}'
    assert GRANT.kid == SIGNER.kid

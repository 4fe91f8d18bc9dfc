"""The legacy offline token (specs/offline-token.md, contracts/licenseseat.md §4; R-12)."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.decision import Evidence, Host
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy
from carnet.core.rules import decide
from carnet.formats.encoding import b64_encode
from carnet.formats.keys import Ed25519Signer, KeyRing, KeyState, TrustedKey
from carnet.formats.machine_file import open_machine_file, seal_plaintext
from carnet.formats.offline_token import issue_offline_token, unverified_offline_token, verify_offline_token
from support.machine_files import LICENSE_KEY as MACHINE_FILE_KEY
from support.machine_files import contract_claims
from support.offline_tokens import (
    CONTRACT,
    CONTRACT_KEY,
    CONTRACT_SIGNATURE,
    GRANT,
    ISSUED_AT,
    RING,
    SIGNER,
    TOKEN,
    document,
    resigned,
)

CONTRACT_TEXT = json.dumps(CONTRACT, ensure_ascii=False)
ISSUED = issue_offline_token(GRANT, license_key=CONTRACT_KEY, signer=SIGNER)


def code_of(text: str | bytes, ring: KeyRing = RING) -> str:
    with pytest.raises(CarnetError) as caught:
        verify_offline_token(text.encode() if isinstance(text, str) else text, ring)
    return caught.value.code


# ── the contract ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_contracts_own_document_verifies() -> None:
    grant = verify_offline_token(CONTRACT_TEXT.encode(), RING, license_key=CONTRACT_KEY)
    assert (grant.kind, grant.product, grant.device, grant.kid) == ("token", "inkwell", "fp-7c1e40aa9d3b", "org-2026-a")
    assert (grant.issued_at, grant.not_before, grant.offline_until) == (1790000000, 1790000000, 1792592000)
    assert grant.license_expires_at is None
    assert (grant.policy.name, grant.policy.seat_limit, grant.policy.grace_seconds) == ("studio", 3, 0)
    assert grant.entitlements == (
        Entitlement(key="export-pdf"),
        Entitlement(key="updates", expires_at=Instant(1821536000)),
    )
    assert CONTRACT_KEY not in repr(grant)


def test_the_contracts_own_document_is_issued_byte_for_byte() -> None:
    grant = verify_offline_token(CONTRACT_TEXT.encode(), RING)
    issued = issue_offline_token(grant, license_key=CONTRACT_KEY, signer=SIGNER, metadata={"team": "Zoë/1"})
    assert json.loads(issued) == CONTRACT
    assert json.loads(issued)["canonical"] == CONTRACT["canonical"]
    assert json.loads(issued)["signature"]["value"] == CONTRACT_SIGNATURE


def test_the_canonical_text_is_what_the_contract_says_of_pythons_json() -> None:
    metadata = {"b": [True, None, -7, {'é/\\"\n\x01': "\U0001f600"}], "a": {}, "\ue000": 1, "\U00010000": 2}
    issued = json.loads(issue_offline_token(GRANT, license_key=CONTRACT_KEY, signer=SIGNER, metadata=metadata))
    assert issued["canonical"] == json.dumps(issued["token"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert issued["token"]["metadata"] == metadata


def test_a_license_has_one_id_in_offline_tokens_and_machine_files_of_others() -> None:
    claims = contract_claims()
    device = claims["data"]["attributes"]["fingerprint"]
    signer = Ed25519Signer(bytes(range(32)), kid="org-2026-a")
    sealed = seal_plaintext(
        json.dumps(claims).encode(), license_key=MACHINE_FILE_KEY, fingerprint=device, signer=signer, entropy=bytes(16)
    )
    ring = KeyRing.single("machine-file", signer.public_key)
    machine_file = open_machine_file(sealed.encode(), ring, license_key=MACHINE_FILE_KEY, fingerprint=device)
    token = verify_offline_token(issue_offline_token(GRANT, license_key=MACHINE_FILE_KEY, signer=SIGNER).encode(), RING)
    assert token.license_id == machine_file.license_id


# ── issuing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_r_12_the_plans_grace_is_part_of_the_end_and_never_passes_the_license() -> None:
    policy = Policy(name="consumer", grace_seconds=7 * DAY)
    base = replace(GRANT, policy=policy, offline_until=Instant(ISSUED_AT + 30 * DAY))
    for days_left, days in ((None, 37), (37, 37), (36, 36), (20, 20)):
        license_expires_at = None if days_left is None else Instant(ISSUED_AT + days_left * DAY)
        grant = replace(base, license_expires_at=license_expires_at)
        issued = issue_offline_token(grant, license_key=CONTRACT_KEY, signer=SIGNER)
        assert json.loads(issued)["token"]["exp"] == ISSUED_AT + days * DAY
        read = verify_offline_token(issued.encode(), RING)
        assert read.offline_until == ISSUED_AT + days * DAY
        assert (read.policy.grace_seconds, read.policy.term_grace_seconds) == (0, 0)


def test_members_without_a_value_are_left_out_and_metadata_never_is() -> None:
    grant = replace(GRANT, policy=replace(GRANT.policy, seat_limit=None), license_expires_at=None)
    token = json.loads(issue_offline_token(grant, license_key=CONTRACT_KEY, signer=SIGNER))["token"]
    assert token.keys() == TOKEN.keys() - {"seat_limit"}
    assert token["metadata"] == {}
    timed = replace(GRANT, license_expires_at=Instant(ISSUED_AT + 90 * DAY))
    token = json.loads(issue_offline_token(timed, license_key=CONTRACT_KEY, signer=SIGNER))["token"]
    assert token["license_expires_at"] == ISSUED_AT + 90 * DAY


def test_entitlements_that_have_ended_are_left_out() -> None:
    ends = (None, ISSUED_AT - 1, ISSUED_AT, ISSUED_AT + 1)
    entitlements = tuple(
        Entitlement(key=f"k{place}", expires_at=None if end is None else Instant(end)) for place, end in enumerate(ends)
    )
    issued = issue_offline_token(replace(GRANT, entitlements=entitlements), license_key=CONTRACT_KEY, signer=SIGNER)
    assert [entry["key"] for entry in json.loads(issued)["token"]["entitlements"]] == ["k0", "k3"]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "machine-file"},
        {"device": None},
        {"offline_until": None},
        {"device": "short"},
        {"device": "0" * 64},
        {"device": " padded-device"},
        {"product": "Inkwell"},
        {"product": ""},
        {"product": "a--b"},
        {"not_before": Instant(ISSUED_AT - 1)},
        {"not_before": Instant(ISSUED_AT + 400 * DAY)},
        {"offline_until": ISSUED_AT, "policy": replace(GRANT.policy, grace_seconds=0)},
        {"offline_until": Instant(ISSUED_AT + 36601 * DAY)},
        {"license_expires_at": ISSUED_AT},
        {"policy": replace(GRANT.policy, name="")},
        {"policy": replace(GRANT.policy, name="x" * 101)},
        {"policy": replace(GRANT.policy, seat_limit=0)},
        {"entitlements": (Entitlement(key="a"), Entitlement(key="a"))},
        {"entitlements": (Entitlement(key="A"),)},
        {"entitlements": tuple(Entitlement(key=f"k{number}") for number in range(501))},
    ],
    ids=",".join,
)
def test_a_grant_that_the_contract_has_no_token_for_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        issue_offline_token(replace(GRANT, **changes), license_key=CONTRACT_KEY, signer=SIGNER)
    assert caught.value.code == "bad_grant"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"license_key": ""}, "bad_grant"),
        ({"license_key": "with blank"}, "bad_grant"),
        ({"license_key": "Zoë"}, "bad_grant"),
        ({"license_key": "A" * 513}, "bad_grant"),
        ({"mode": "rented"}, "bad_grant"),
        ({"metadata": []}, "bad_grant"),
        ({"metadata": {f"k{number}": 1 for number in range(257)}}, "bad_grant"),
        ({"metadata": {"k" * 256: 1}}, "bad_grant"),
        ({"metadata": {"k": "x" * 17_000}}, "bad_grant"),
        ({"metadata": {f"k{number}": "x" * 16_000 for number in range(10)}}, "bad_grant"),
        ({"metadata": {"ratio": 0.5}}, "bad_json_value"),
        ({"metadata": {"ratio": 1.0}}, "bad_json_value"),
        ({"metadata": {"big": 2**53}}, "bad_json_value"),
        ({"metadata": {"a": [{"b": float("nan")}]}}, "bad_json_value"),
        ({"metadata": {"nul": "\0"}}, "bad_json_value"),
        ({"metadata": {1: "name"}}, "bad_json_value"),
        ({"signer": Ed25519Signer(bytes(32), kid="-begins-with-a-hyphen")}, "bad_grant"),
        ({"signer": Ed25519Signer(bytes(32), kid="_")}, "bad_grant"),
    ],
    ids=repr,
)
def test_what_else_the_contract_has_no_token_for_is_refused(arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        issue_offline_token(GRANT, **{"license_key": CONTRACT_KEY, "signer": SIGNER, **arguments})
    assert caught.value.code == code


def test_a_signer_that_signs_wrongly_is_found_out_before_the_token_leaves() -> None:
    class Broken:
        kid = SIGNER.kid
        public_key = SIGNER.public_key

        def sign(self, message: bytes) -> bytes:
            return SIGNER.sign(message + b" ")

    with pytest.raises(NotGenuineError):
        issue_offline_token(GRANT, license_key=CONTRACT_KEY, signer=Broken())


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_blanks_order_byte_order_mark_and_line_ends_of_the_document_do_not_matter() -> None:
    grant = verify_offline_token(CONTRACT_TEXT.encode(), RING)
    pretty = json.dumps(CONTRACT, indent=2, sort_keys=True)
    for text in (pretty, pretty.replace("\n", "\r\n"), f"\ufeff{pretty}\r\n\r\n", f"  {CONTRACT_TEXT}\n"):
        assert verify_offline_token(text.encode(), RING) == grant


def test_a_canonical_text_of_another_form_is_taken_at_its_word() -> None:
    # The contract: nobody re-derives the text; the signature is over it as it stands.
    spaced = json.dumps(TOKEN, indent=1, ensure_ascii=True)
    assert verify_offline_token(resigned(TOKEN, canonical=spaced), RING).product == "inkwell"


DOCUMENTS: dict[str, tuple[Any, str]] = {
    "a list": ([], "not_an_object"),
    "no members": ({}, "bad_document"),
    "another object": (document(object="license_token"), "bad_document"),
    "object null": (document(object=None), "bad_document"),
    "a member more": (document(extra=1), "bad_document"),
    "token a list": (document(token=[]), "bad_document"),
    "token text": (document(token=CONTRACT["canonical"]), "bad_document"),
    "canonical null": (document(canonical=None), "bad_document"),
    "canonical an object": (document(canonical=TOKEN), "bad_document"),
    "signature text": (document(signature=CONTRACT_SIGNATURE), "bad_document"),
    "signature with a member more": (document(signature={**CONTRACT["signature"], "x": 1}), "bad_document"),
    "signature without key id": (document(signature={"algorithm": "Ed25519", "value": ""}), "bad_document"),
    "algorithm none": (document(algorithm="none"), "bad_document"),
    "algorithm lower case": (document(algorithm="ed25519"), "bad_document"),
    "algorithm EdDSA": (document(algorithm="EdDSA"), "bad_document"),
    "algorithm HS256": (document(algorithm="HS256"), "bad_document"),
    "value null": (document(value=None), "bad_document"),
    "value empty": (document(value=""), "bad_document"),
    "value short": (document(value=CONTRACT_SIGNATURE[:84]), "bad_document"),
    "value unpadded": (document(value=CONTRACT_SIGNATURE[:-2]), "bad_base64"),
    "value url-safe": (document(value=CONTRACT_SIGNATURE.replace("+", "-").replace("/", "_")), "bad_base64"),
    "value with another last character": (document(value=CONTRACT_SIGNATURE[:-3] + "h=="), "bad_base64"),
    "value with a line end": (document(value=CONTRACT_SIGNATURE + "\n"), "bad_base64"),
    "value changed": (document(value="A" + CONTRACT_SIGNATURE[1:]), "bad_signature"),
    "key id null": (document(key_id=None), "bad_kid"),
    "key id empty": (document(key_id=""), "bad_kid"),
    "key id a number": (document(key_id=7), "bad_kid"),
    "key id with a slash": (document(key_id="../org-2026-a"), "bad_kid"),
    "key id of other letters": (document(key_id="örg"), "bad_kid"),
    "key id beginning with a hyphen": (document(key_id="-org"), "bad_kid"),
    "key id too long": (document(key_id="a" * 256), "bad_kid"),
    "key id of nobody": (document(key_id="org-2026-b"), "unknown_key"),
    "key id as long as may be": (document(key_id="a" * 255), "unknown_key"),
    "canonical changed": (document(canonical=CONTRACT["canonical"].replace("studio", "studi0")), "bad_signature"),
    "canonical with a blank": (document(canonical=CONTRACT["canonical"] + " "), "bad_signature"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_that_are_not_the_contracts_are_refused(name: str) -> None:
    value, code = DOCUMENTS[name]
    assert code_of(json.dumps(value)) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (CONTRACT_TEXT.replace('"object"', '"object": "offline_token", "object"', 1), "duplicate_name"),
        (CONTRACT_TEXT[:-1], "bad_json"),
        (CONTRACT_TEXT + "{}", "bad_json"),
        (CONTRACT_TEXT.replace("1790000000", "1790000000.0", 1), "bad_number"),
        (CONTRACT_TEXT.replace("1790000000", "179e7", 1), "bad_number"),
        (CONTRACT_TEXT.replace("Zoë", "\\ud800", 1), "bad_string"),
        ("[" * 5000, "too_deep"),
        (CONTRACT_TEXT + " " * 262_144, "too_large"),
        ("", "bad_json"),
    ],
)
def test_sec_09_documents_that_are_not_strict_json_are_refused(text: str, code: str) -> None:
    assert code_of(text) == code


def test_sec_09_the_canonical_text_is_read_as_strictly_as_the_document() -> None:
    canonical = CONTRACT["canonical"]
    for changed, code in (
        (canonical.replace('"exp"', '"exp":1,"exp"', 1), "duplicate_name"),
        (canonical.replace('"seat_limit":3', '"seat_limit":3.0'), "bad_number"),
        (canonical + "x", "bad_json"),
        ("[]", "not_an_object"),
        ("", "bad_json"),
    ):
        assert code_of(resigned(TOKEN, canonical=changed)) == code


@pytest.mark.parametrize(
    ("path", "shown"),
    [("seat_limit", 4), ("seat_limit", True), ("metadata", {"team": "Zoe/1"}), ("exp", 1792592001), ("extra", 1)],
)
def test_what_is_shown_must_be_what_was_signed(path: str, shown: Any) -> None:
    assert code_of(resigned({**TOKEN, path: shown}, canonical=CONTRACT["canonical"])) == "token_mismatch"


def test_true_is_not_one() -> None:
    signed = {**TOKEN, "seat_limit": 1}
    assert code_of(resigned({**TOKEN, "seat_limit": True}, canonical=json.dumps(signed))) == "token_mismatch"


# ── the token ────────────────────────────────────────────────────────────────────────────────────────────────────────

GONE: Any = object()

CLAIMS: list[tuple[str, Any, str]] = [
    *((name, GONE, "missing_claim") for name in sorted(TOKEN.keys() - {"seat_limit"})),
    *((name, None, "bad_claim") for name in sorted(TOKEN.keys() - {"entitlements", "kid"})),
    *((name, [], "bad_claim") for name in sorted(TOKEN.keys() - {"entitlements", "kid"})),
    ("unknown", 1, "unknown_claim"),
    ("device_id", "fp-7c1e40aa9d3b", "unknown_claim"),
    ("grace_period", 0, "unknown_claim"),
    ("schema_version", 2, "bad_claim"),
    ("schema_version", True, "bad_claim"),
    ("schema_version", "1", "bad_claim"),
    ("license_key", "", "bad_claim"),
    ("license_key", "KT4Q 9ZXW", "bad_claim"),
    ("license_key", "A" * 513, "bad_claim"),
    ("license_key", "A" * 512, "ok"),
    ("product_slug", "Inkwell", "bad_claim"),
    ("product_slug", "-inkwell", "bad_claim"),
    ("product_slug", "ink--well", "bad_claim"),
    ("product_slug", "a" * 101, "bad_claim"),
    ("product_slug", "a" * 100, "ok"),
    ("plan_key", "", "bad_claim"),
    ("plan_key", "a\nb", "bad_claim"),
    ("plan_key", "p" * 101, "bad_claim"),
    ("plan_key", "Studio Plan é", "ok"),
    ("mode", "node_locked", "bad_claim"),
    ("mode", "floating", "ok"),
    ("mode", "named_user", "ok"),
    ("seat_limit", 0, "bad_claim"),
    ("seat_limit", -1, "bad_claim"),
    ("seat_limit", True, "bad_claim"),
    ("seat_limit", "3", "bad_claim"),
    ("seat_limit", 1, "ok"),
    ("seat_limit", GONE, "ok"),
    ("fingerprint", "seven-7", "bad_claim"),
    ("fingerprint", "eight-88", "ok"),
    ("fingerprint", " eight-88", "bad_claim"),
    ("fingerprint", "eight\t88", "bad_claim"),
    ("fingerprint", "é" * 128, "bad_claim"),
    ("fingerprint", "é" * 127, "ok"),
    *((name, value, "bad_claim") for name in ("iat", "nbf", "exp") for value in (0, -1, "1790000000", True)),
    *((name, 253402300800, "bad_claim") for name in ("iat", "nbf", "exp", "license_expires_at")),
    ("license_expires_at", None, "bad_claim"),
    ("license_expires_at", 0, "bad_claim"),
    ("license_expires_at", 1790000000, "bad_times"),
    ("license_expires_at", 1790000001, "ok"),
    ("nbf", 1789999999, "bad_times"),
    ("nbf", 1790000001, "ok"),
    ("nbf", 1792592000, "bad_times"),
    ("nbf", 1792591999, "ok"),
    ("exp", 1790000000, "bad_times"),
    ("exp", 1790000001, "ok"),
    ("exp", 1790000000 + 36600 * DAY, "ok"),
    ("exp", 1790000000 + 36600 * DAY + 1, "bad_times"),
    ("kid", "org-2026-b", "kid_mismatch"),
    *(("kid", value, "bad_claim") for value in (None, 7, "", "-org", "org 2026", "x" * 256)),
    ("iat", 1821536000, "bad_entitlements"),  # also after nbf: the bounds of each come before what they make together
    ("entitlements", None, "bad_entitlements"),
    ("entitlements", {}, "bad_entitlements"),
    ("entitlements", ["export-pdf"], "bad_entitlements"),
    ("entitlements", [{"key": "a"}], "bad_entitlements"),
    ("entitlements", [{"key": "a", "expires_at": None, "below_version": "3"}], "bad_entitlements"),
    ("entitlements", [{"key": "A", "expires_at": None}], "bad_entitlements"),
    ("entitlements", [{"key": 1, "expires_at": None}], "bad_entitlements"),
    ("entitlements", [{"key": "a", "expires_at": "2027-01-01T00:00:00Z"}], "bad_entitlements"),
    ("entitlements", [{"key": "a", "expires_at": False}], "bad_entitlements"),
    ("entitlements", [{"key": "a", "expires_at": 1790000000}], "bad_entitlements"),
    ("entitlements", [{"key": "a", "expires_at": 1790000001}], "ok"),
    ("entitlements", [{"key": "a", "expires_at": None}] * 2, "bad_entitlements"),
    ("entitlements", [{"key": f"k{number}", "expires_at": None} for number in range(501)], "bad_entitlements"),
    ("entitlements", [{"key": f"k{number}", "expires_at": None} for number in range(500)], "ok"),
    ("entitlements", [], "ok"),
    ("metadata", {f"k{number}": number for number in range(257)}, "bad_claim"),
    ("metadata", {f"k{number}": number for number in range(256)}, "ok"),
    ("metadata", {"é" * 128: 1}, "bad_claim"),
    ("metadata", {"deep": [[{"a": [True, False, None, -5]}]]}, "ok"),
]  # fmt: skip


def _identify(value: Any) -> str | None:
    return "gone" if value is GONE else repr(value)[:40] if not isinstance(value, str) else value[:20] or "empty"


@pytest.mark.parametrize(("name", "value", "code"), CLAIMS, ids=_identify)
def test_sec_04_each_claim_is_checked(name: str, value: Any, code: str) -> None:
    token = copy.deepcopy(TOKEN)
    if value is GONE:
        del token[name]
    else:
        token[name] = value
    if code == "ok":
        assert verify_offline_token(resigned(token), RING).kind == "token"
    else:
        assert code_of(resigned(token)) == code


def test_another_license_key_than_the_callers_is_refused() -> None:
    for key in ("KT4Q-9ZXW-22LM-7PRE", "kt4q-9zxw-22lm-7prd", "", CONTRACT_KEY + " "):
        with pytest.raises(NotGenuineError) as caught:
            verify_offline_token(CONTRACT_TEXT.encode(), RING, license_key=key)
        assert caught.value.code == "license_mismatch"
        assert CONTRACT_KEY not in str(caught.value)


# ── keys and purposes ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("state", "code"), [("verify-only", None), ("retired", "retired_key"), ("compromised", "compromised_key")]
)
def test_the_state_of_the_signing_key_counts(state: KeyState, code: str | None) -> None:
    ring = KeyRing((TrustedKey(role="offline", key=SIGNER.public_key, state=state),))
    if code is None:
        assert verify_offline_token(CONTRACT_TEXT.encode(), ring).kid == SIGNER.kid
    else:
        assert code_of(CONTRACT_TEXT, ring) == code


def test_sec_03_a_key_trusted_for_something_else_does_not_count() -> None:
    assert code_of(CONTRACT_TEXT, KeyRing.single("token", SIGNER.public_key)) == "unknown_key"
    assert code_of(CONTRACT_TEXT, KeyRing.single("machine-file", SIGNER.public_key)) == "unknown_key"


def test_sec_03_a_signature_for_another_artifact_is_not_one_for_an_offline_token() -> None:
    canonical = CONTRACT["canonical"].encode()
    for prefix in (b"machine/", b"carnet/v1/license-key\0", b"DSSEv1 "):
        assert code_of(json.dumps(document(value=b64_encode(SIGNER.sign(prefix + canonical))))) == "bad_signature"


def test_sec_08_no_signature_of_one_other_character_verifies() -> None:
    for place in range(len(CONTRACT_SIGNATURE)):
        for code in range(33, 127):
            changed = CONTRACT_SIGNATURE[:place] + chr(code) + CONTRACT_SIGNATURE[place + 1 :]
            if changed != CONTRACT_SIGNATURE and code % 5 == place % 5:
                with pytest.raises((MalformedError, NotGenuineError)):
                    verify_offline_token(json.dumps(document(value=changed)).encode(), RING)


def test_sec_08_no_document_of_one_other_character_says_anything_else() -> None:
    grant = verify_offline_token(ISSUED.encode(), RING)
    data = ISSUED.encode()
    for place in range(len(data)):
        for byte in (*b'"\\{}[],:0159AZaz_-+/=. \n\x00', 0x80, 0xC3, 0xFF, data[place] ^ 1, data[place] ^ 32):
            changed = data[:place] + bytes([byte]) + data[place + 1 :]
            try:
                assert verify_offline_token(changed, RING) == grant
            except (MalformedError, NotGenuineError):
                continue
            assert json.loads(changed) == json.loads(data)


# ── the decision ─────────────────────────────────────────────────────────────────────────────────────────────────────


def decided(grant: Grant, seconds: int, device: str | None = None) -> tuple[str, str]:
    evidence = Evidence(grants=(grant,), device=grant.device if device is None else device)
    decision = decide(evidence, Instant(ISSUED_AT + seconds), Host(product="inkwell"))
    return decision.state, decision.access


def test_the_token_is_full_use_until_its_end_on_its_device() -> None:
    grant = verify_offline_token(CONTRACT_TEXT.encode(), RING)
    assert decided(grant, -1) == ("not_started", "none")
    assert decided(grant, 0) == ("active", "full")
    assert decided(grant, 30 * DAY - 1) == ("expiring", "full")
    assert decided(grant, 30 * DAY) == ("expired", "none")
    assert decided(grant, 0, "fp-7c1e40aa9d3c") == ("wrong_device", "none")


def test_unverified_members_are_shown_without_any_key() -> None:
    forged = document(value=b64_encode(bytes(64)))
    assert unverified_offline_token(json.dumps(forged).encode()) == TOKEN
    with pytest.raises(MalformedError):
        unverified_offline_token(b"{}")

"""`carnet verify` on every kind of artifact: licenses get a decision, everything else is genuine or it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.instant import DAY, Instant
from carnet.core.model import StatusRef
from carnet.core.rules import decide
from carnet.formats.answer import Answer, issue_answer
from carnet.formats.app_manifest import issue_app_manifest
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.device_proof import make_device_proof
from carnet.formats.jose_keys import JoseSigner, generate_private_pem, public_pem, signer_from_pem
from carnet.formats.keys import Ed25519Signer, Signer
from carnet.formats.lease import issue_lease_token
from carnet.formats.license_token import issue_license_token
from carnet.formats.offline_token import issue_offline_token
from carnet.formats.profiles.keyforge import issue_keyforge_token
from carnet.formats.root import anchor
from carnet.formats.signed_key import issue_signed_key
from carnet.formats.status_list import issue_status_list
from carnet.formats.time_answer import TimeAnswer, issue_time_answer
from support import profile_tokens as profiles
from support.cli_runs import Run, carnet
from support.cli_vendor import (
    ANSWER_SIGNER,
    KEY_SIGNER,
    LEASE_SIGNER,
    LICENSE_KEY,
    LIST_SIGNER,
    OFFLINE_SIGNER,
    STRANGER,
    TIME_SIGNER,
    root_file,
    token,
    write,
)
from support.decisions import DEVICE, HOST, ISSUED, OTHER_DEVICE, at, evidence, grant
from support.every_artifact import EVERY, LEASE, MANIFEST, STATUS_LIST
from support.offline_tokens import GRANT as OFFLINE_GRANT
from support.signed_keys import key_grant

Words = list[str | Path]
MORE = {"kind", "kid", "root_version"}
TOKEN_AT = Instant(1790000000)


class Desk:
    """Runs `carnet verify` on content, under a root or a pinned key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = write(folder, "root.json", root_file())

    def pem(self, signer: Signer) -> Path:
        return write(self.folder, "key.pem", public_pem(signer.public_key))

    def jwk(self, jwk: dict[str, Any]) -> Path:
        return write(self.folder, "key.jwk", json.dumps(jwk))

    def verify(self, content: str | bytes, *words: str | Path, stdin: str = "", **env: str) -> Run:
        return carnet("verify", write(self.folder, "artifact", content), "--json", *words, stdin=stdin, env=env)

    def under_root(self, content: str | bytes, *words: str | Path, when: int = ISSUED, device: str = DEVICE) -> Run:
        given: Words = ["--root", self.root, "--product", "hustl", "--fingerprint", device, "--at", str(Instant(when))]
        return self.verify(content, *given, *words)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def signed_key(signer: Ed25519Signer = KEY_SIGNER, **changes: Any) -> str:
    return issue_signed_key(key_grant(kid=signer.kid, issued_at=ISSUED, **changes), signer)


# ── signed license keys ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("second", [-1, 0, 1])
@pytest.mark.parametrize("boundary", [0, 244 * DAY, 365 * DAY, 372 * DAY], ids=["issue", "warning", "end", "grace"])
def test_users_ask_51_a_signed_key_is_judged_without_any_server(desk: Desk, boundary: int, second: int) -> None:
    held = key_grant(kid=KEY_SIGNER.kid, issued_at=ISSUED, expires_at=at(365 * DAY))
    moment = at(boundary + second)
    run = desk.under_root(issue_signed_key(held, KEY_SIGNER), when=moment)
    expected = decide(replace(evidence(held), device=DEVICE), moment, HOST)
    assert {name: value for name, value in run.json.items() if name not in MORE} == expected.to_json()
    assert {name: run.json[name] for name in MORE} == {"kind": "signed-key", "kid": KEY_SIGNER.kid, "root_version": 1}
    assert run.code == (0 if expected else 5)


def test_a_signed_key_may_be_typed_kindly_and_its_typing_errors_are_named(desk: Desk) -> None:
    key = signed_key()
    assert desk.under_root(f" {key.lower().replace('-', ' ')}\r\n").json["state"] == "active"
    mistyped = desk.under_root(("1" if key[0] != "1" else "2") + key[1:])
    assert (mistyped.code, mistyped.json["state"]) == (1, "not_genuine")
    assert mistyped.json["reasons"][0]["code"] == "mistyped_key"
    assert "group 1" in mistyped.json["reasons"][0]["message"]


def test_a_signed_key_for_one_device_is_judged_for_that_device(desk: Desk, tmp_path: Path) -> None:
    bound = signed_key(device=DEVICE)
    assert desk.under_root(bound).json["state"] == "active"
    other = desk.under_root(bound, device=OTHER_DEVICE)
    assert (other.code, other.json["state"]) == (5, "wrong_device")
    env = {"CARNET_DEVICE_ID": "studio-7", "CARNET_STATE": str(tmp_path)}
    here = carnet("fingerprint", "--product", "hustl", env=env).out.strip()
    words: Words = ["--root", desk.root, "--product", "hustl", "--at", str(ISSUED)]
    assert desk.verify(signed_key(device=here), *words, **env).json["state"] == "active"
    assert desk.verify(signed_key(device=here), *words, **{**env, "CARNET_DEVICE_ID": "x"}).json["state"] == (
        "wrong_device"
    )


def test_a_signed_key_of_another_product_domain_or_signer_opens_nothing(desk: Desk) -> None:
    assert desk.under_root(signed_key(product="other")).json["state"] == "wrong_product"
    domain = signed_key(policy=replace(key_grant().policy, domains=("example.com",)))
    assert desk.under_root(domain).json["state"] == "wrong_domain"
    assert desk.under_root(domain, "--domain", "example.com").json["state"] == "active"
    assert desk.under_root(domain, "--domain", "example.com.evil.net").json["state"] == "wrong_domain"
    stranger = desk.under_root(signed_key(STRANGER))
    assert (stranger.code, stranger.json["state"], stranger.json["kid"]) == (1, "not_genuine", None)


def test_users_ask_46_a_short_key_never_grants(desk: Desk) -> None:
    run = desk.under_root(LICENSE_KEY)
    assert (run.code, run.problem["code"], run.out) == (2, "nothing_to_decide", "")
    assert LICENSE_KEY not in run.err
    assert "…" not in run.problem["detail"]


# ── under one pinned key ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("alg", ["Ed25519", "ES256", "RS256"])
@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_license_tokens_of_all_three_algorithms_under_a_key_from_a_file(desk: Desk, alg: Any, form: str) -> None:
    signer = signer_from_pem(generate_private_pem(alg))
    file = desk.pem(signer) if form == "pem" else desk.jwk(signer.public_key.to_jwk())
    held = issue_license_token(replace(grant(), kind="token", kid=None), signer)
    words: Words = ["--public-key", file, "--product", "hustl", "--fingerprint", DEVICE, "--at", str(ISSUED)]
    run = desk.verify(held, *words)
    assert (run.code, run.json["state"], run.json["kid"]) == (0, "active", signer.kid)
    assert (run.json["kind"], run.json["root_version"]) == ("token", None)
    foreign = desk.verify(token(grant(), STRANGER), *words)
    assert (foreign.code, foreign.json["reasons"][0]["code"]) == (1, "unknown_key")


def test_a_pinned_key_is_trusted_for_the_kind_at_hand_and_its_algorithm_is_its_own(desk: Desk) -> None:
    words: Words = ["--product", "hustl", "--fingerprint", DEVICE, "--at", str(ISSUED)]
    pinned = desk.verify(signed_key(), "--public-key", desk.pem(KEY_SIGNER), *words)
    assert (pinned.code, pinned.json["state"], pinned.json["root_version"]) == (0, "active", None)
    es256 = JoseSigner(profiles.KEYFORGE_SIGNER._private)
    refused = desk.verify(signed_key(), "--public-key", desk.pem(es256), *words)
    assert (refused.code, refused.problem["code"]) == (1, "bad_key")


KEYFORGE = ("--product", "p_9f3k2a", "--fingerprint", "host-7c1e", "--at", "2026-11-22T00:00:00Z")


def test_the_keyforge_contracts_own_token_under_its_own_key(desk: Desk) -> None:
    pem = write(desk.folder, "kf.pem", profiles.KEYFORGE_PEM)
    run = desk.verify(profiles.KEYFORGE_TOKEN, "--public-key", pem, "--kid", "kf-test-1", *KEYFORGE)
    assert (run.code, run.json["state"], run.json["access"]) == (0, "active", "full")
    assert {name: run.json[name] for name in MORE} == {
        "kind": "keyforge-token",
        "kid": "kf-test-1",
        "root_version": None,
    }
    assert run.json["offline_until"] == "2100-01-01T00:00:00Z"
    assert profiles.KEYFORGE_LICENSE.key not in run.out + run.err
    jwk = desk.jwk({**profiles.KEYFORGE_JWK, "kid": "kf-test-1"})
    assert desk.verify(profiles.KEYFORGE_TOKEN, "--public-key", jwk, *KEYFORGE).json["state"] == "active"


def test_the_id_that_is_given_comes_before_the_one_in_the_file(desk: Desk) -> None:
    for kid in ({"kid": "another"}, {}):
        jwk = desk.jwk({**profiles.KEYFORGE_JWK, **kid})
        words: Words = ["--public-key", jwk, *KEYFORGE]
        assert desk.verify(profiles.KEYFORGE_TOKEN, *words).json["reasons"][0]["code"] == "unknown_key"
        assert desk.verify(profiles.KEYFORGE_TOKEN, *words, "--kid", "kf-test-1").json["state"] == "active"


def test_a_key_under_another_id_says_how_to_name_it(desk: Desk) -> None:
    pem = write(desk.folder, "kf.pem", profiles.KEYFORGE_PEM)
    file = write(desk.folder, "artifact", profiles.KEYFORGE_TOKEN)
    run = carnet("verify", file, "--public-key", pem, *KEYFORGE)
    assert run.code == 1
    assert "kf-test-1" in run.out
    assert "--kid" in run.err


@pytest.mark.parametrize(
    ("word", "value", "state"),
    [("--product", "p_other", "wrong_product"), ("--fingerprint", "host-7c1f", "wrong_device")],
)
def test_a_keyforge_token_is_for_one_product_and_device(desk: Desk, word: str, value: str, state: str) -> None:
    pem = write(desk.folder, "kf.pem", profiles.KEYFORGE_PEM)
    words: Words = [*KEYFORGE]
    words[words.index(word) + 1] = value
    run = desk.verify(profiles.KEYFORGE_TOKEN, "--public-key", pem, "--kid", "kf-test-1", *words)
    assert (run.code, run.json["state"]) == (5, state)


def test_a_keyforge_token_needs_a_key_and_the_apps_own_device_id(desk: Desk) -> None:
    without_key = desk.verify(profiles.KEYFORGE_TOKEN, "--root", desk.root, *KEYFORGE)
    assert (without_key.code, without_key.problem["code"]) == (2, "public_key_required")
    pem = write(desk.folder, "kf.pem", profiles.KEYFORGE_PEM)
    without_device = desk.verify(profiles.KEYFORGE_TOKEN, "--public-key", pem, "--product", "p_9f3k2a")
    assert (without_device.code, without_device.problem["code"]) == (2, "device_fingerprint_required")
    assert "…" not in without_key.problem["detail"] + without_device.problem["detail"], "nothing looks like a key"


def test_a_fallbacked_keyforge_token_goes_on_after_the_licenses_end(desk: Desk) -> None:
    ended = replace(profiles.KEYFORGE_LICENSE, type="timed", expires_at=Instant(1768003141))
    facts = replace(profiles.KEYFORGE_FACTS, license=ended, kid=None)
    pem = desk.pem(profiles.KEYFORGE_SIGNER)
    states = [
        desk.verify(
            issue_keyforge_token(replace(facts, status=status), profiles.KEYFORGE_SIGNER),
            *("--public-key", pem, "--kid", "kf-test-1", *KEYFORGE),
        ).json["state"]
        for status in ("fallbacked", "active")
    ]
    assert states == ["active", "expired"]


@pytest.mark.parametrize(
    ("host", "state"),
    [
        ("example.com", "active"),
        ("a.b.apps.example.org", "active"),
        ("www.example.com", "wrong_domain"),
        ("example.com.evil.net", "wrong_domain"),
        (None, "wrong_domain"),
    ],
)
def test_the_traffic_orchestrator_contracts_own_token(desk: Desk, host: str | None, state: str) -> None:
    pem = write(desk.folder, "to.pem", profiles.ORCHESTRATOR_PEM)
    words: Words = ["--public-key", pem, "--kid", "to-test-1", "--product", "hustl", "--at", "2026-11-22T00:00:00Z"]
    run = desk.verify(profiles.ORCHESTRATOR_TOKEN, *words, *([] if host is None else ["--domain", host]))
    assert (run.json["state"], run.code) == (state, 0 if state == "active" else 5)
    assert run.json["kind"] == "traffic-orchestrator-token"
    other = desk.verify(profiles.ORCHESTRATOR_TOKEN, *words, "--issuer", "licenses.example")
    assert (other.code, other.json["reasons"][0]["code"]) == (1, "bad_claim")


def test_the_dialect_can_be_named(desk: Desk) -> None:
    pem = write(desk.folder, "to.pem", profiles.ORCHESTRATOR_PEM)
    words: Words = ["--public-key", pem, "--kid", "to-test-1", *KEYFORGE]
    run = desk.verify(profiles.ORCHESTRATOR_TOKEN, *words, "--profile", "keyforge")
    assert (run.code, run.json["kind"], run.json["reasons"][0]["code"]) == (1, "keyforge-token", "missing_claim")
    native = desk.verify(token(grant()), *words, "--profile", "traffic-orchestrator")
    assert native.json["reasons"][0]["code"] == "wrong_type"


# ── legacy offline tokens ────────────────────────────────────────────────────────────────────────────────────────────


def offline_token(signer: Ed25519Signer = OFFLINE_SIGNER) -> str:
    return issue_offline_token(OFFLINE_GRANT, license_key=LICENSE_KEY, signer=signer)


OFFLINE = ("--product", "inkwell", "--fingerprint", "fp-7c1e40aa9d3b", "--at", str(TOKEN_AT))


def test_an_offline_token_under_the_root_and_under_a_pinned_key(desk: Desk) -> None:
    run = desk.verify(offline_token(), "--root", desk.root, *OFFLINE)
    assert (run.code, run.json["state"], run.json["kind"]) == (0, "active", "offline-token")
    assert (run.json["kid"], run.json["root_version"]) == (OFFLINE_SIGNER.kid, 1)
    pinned = desk.verify(offline_token(STRANGER), "--public-key", desk.pem(STRANGER), *OFFLINE)
    assert (pinned.code, pinned.json["state"], pinned.json["root_version"]) == (0, "active", None)
    assert desk.verify(offline_token(STRANGER), "--root", desk.root, *OFFLINE).code == 1
    assert LICENSE_KEY not in run.out + run.err


def test_an_offline_token_is_compared_with_the_license_key_that_is_given(desk: Desk) -> None:
    words: Words = ["--root", desk.root, *OFFLINE, "--license-key-stdin"]
    assert desk.verify(offline_token(), *words, stdin=LICENSE_KEY).json["state"] == "active"
    other = desk.verify(offline_token(), *words, stdin="ANOTHER-KEY")
    assert (other.code, other.json["reasons"][0]["code"]) == (1, "license_mismatch")


# ── what is genuine and grants nothing ───────────────────────────────────────────────────────────────────────────────


def test_sec_21_a_root_continues_the_given_one_or_it_does_not(desk: Desk) -> None:
    words: Words = ["--root", desk.root]
    same, following, later = (desk.verify(root_file(number), *words) for number in (1, 2, 3))
    assert (same.code, same.json["genuine"], same.json["continues"]) == (0, True, False)
    assert same.json["anchor"] == anchor(root_file())
    assert (following.code, following.json["genuine"], following.json["continues"]) == (0, True, True)
    assert (following.json["version"], following.json["root_version"], following.json["kid"]) == (2, 1, None)
    assert following.json["anchor"] == anchor(root_file(2))
    assert (later.code, later.json["genuine"]) == (1, False)
    assert later.json["reasons"][0]["code"] == "root_not_next"
    assert "anchor" not in later.json


def test_a_root_that_is_over_says_so(desk: Desk) -> None:
    end = Instant(ISSUED + 3650 * DAY)
    for moment, expired in ((end - 1, False), (end, True), (end + 1, True)):
        run = desk.verify(root_file(2), "--root", desk.root, "--at", str(Instant(moment)))
        assert (run.code, run.json["expired"]) == (0, expired)


def answer(signer: Ed25519Signer = ANSWER_SIGNER) -> str:
    said = Answer(
        id="answer-1",
        issuer="issuer-1",
        nonce="n",
        action="refresh",
        outcome="refused",
        code="license_revoked",
        reasons=("license_revoked",),
        at=ISSUED,
        product="hustl",
        device=DEVICE,
    )
    return issue_answer(said, signer)


def time_answer(signer: Ed25519Signer = TIME_SIGNER) -> str:
    return issue_time_answer(TimeAnswer(id="t", issuer="issuer-1", nonce="n", at=ISSUED), signer)


@pytest.mark.parametrize(("make", "signer"), [(answer, ANSWER_SIGNER), (time_answer, TIME_SIGNER)])
def test_an_answer_is_authentic_or_it_is_not(desk: Desk, make: Any, signer: Ed25519Signer) -> None:
    ways: tuple[Words, ...] = (["--root", desk.root], ["--public-key", desk.pem(signer)])
    for words in ways:
        run = desk.verify(make(), *words)
        assert (run.code, run.json["genuine"], run.json["kid"]) == (0, True, signer.kid)
        assert run.json["root_version"] == (1 if words[0] == "--root" else None)
        assert run.json["at"] == str(ISSUED)
        forged = desk.verify(make(STRANGER), *words)
        assert (forged.code, forged.json["genuine"], forged.json["kid"]) == (1, False, None)
        assert forged.json["reasons"][0]["code"] == "unknown_key"
        assert "at" not in forged.json
    genuine = make()
    broken = desk.verify(genuine[:-2] + ("AA" if genuine[-2:] != "AA" else "BA"), "--root", desk.root)
    assert (broken.code, broken.json["genuine"]) == (1, False)


def test_a_device_proof_is_verified_under_the_devices_own_key(desk: Desk) -> None:
    proof = make_device_proof(STRANGER, method="POST", path="/v1/refresh", body=b"{}", at=ISSUED, nonce="n")
    run = desk.verify(proof, "--public-key", desk.pem(STRANGER))
    assert (run.code, run.json["genuine"], run.json["htu"]) == (0, True, "/v1/refresh")
    other = desk.verify(proof, "--public-key", desk.pem(KEY_SIGNER))
    assert (other.code, other.json["reasons"][0]["code"]) == (1, "unknown_key")
    assert desk.verify(proof, "--root", desk.root).problem["code"] == "public_key_required"


def lease(signer: Ed25519Signer = LEASE_SIGNER) -> str:
    return issue_lease_token(LEASE, signer)


@pytest.mark.parametrize(
    ("when", "code", "state"),
    [
        (ISSUED - 1, 5, "not_started"),
        (ISSUED, 0, "held"),
        (ISSUED + 3_599, 0, "held"),
        (ISSUED + 3_600, 5, "over"),
    ],
)
def test_a_lease_is_judged_to_the_second_and_says_whose_seat_it_is(
    desk: Desk, when: int, code: int, state: str
) -> None:
    run = desk.verify(lease(), "--root", desk.root, "--at", str(Instant(when)))
    assert (run.code, run.json["genuine"], run.json["state"]) == (code, True, state)
    assert (run.json["holder"], run.json["borrowed"]) == ({"kind": "device", "id": "render-07"}, True)
    assert (run.json["kid"], run.json["lease_id"], run.json["root_version"]) == (LEASE_SIGNER.kid, "lease-1", 1)
    text = carnet("verify", desk.folder / "artifact", "--root", desk.root, "--at", str(Instant(when)))
    assert "the device render-07" in text.out


def test_a_lease_of_another_product_or_signer_opens_nothing(desk: Desk) -> None:
    words: Words = ["--root", desk.root, "--at", str(ISSUED)]
    assert desk.verify(lease(), *words, "--product", "hustl").code == 0
    other = desk.verify(lease(), *words, "--product", "hustl2")
    assert (other.code, other.json["genuine"], other.json["reasons"][0]["code"]) == (5, True, "wrong_product")
    for signer in (STRANGER, ANSWER_SIGNER):  # the second is trusted, for something else
        forged = desk.verify(lease(signer), *words)
        assert (forged.code, forged.json["genuine"], forged.json["kid"]) == (1, False, None)
        assert forged.json["reasons"][0]["code"] == "unknown_key"
        assert "holder" not in forged.json
    pinned = desk.verify(lease(), "--public-key", desk.pem(LEASE_SIGNER), "--at", str(ISSUED))
    assert (pinned.code, pinned.json["root_version"]) == (0, None)


def test_the_lease_in_a_bundle_is_judged_beside_its_license(desk: Desk) -> None:
    both = desk.under_root(write_bundle(Bundle(token=token(grant()), lease=lease())))
    assert (both.code, both.json["state"], both.json["lease"]["state"]) == (0, "active", "held")
    forged = desk.under_root(write_bundle(Bundle(token=token(grant()), lease=lease(STRANGER))))
    assert (forged.json["state"], forged.json["lease"]["genuine"]) == ("active", False)
    alone = desk.under_root(write_bundle(Bundle(lease=lease())))
    assert (alone.json["state"], alone.json["lease"]["state"]) == ("not_activated", "held")


def test_sec_26_a_status_list_is_genuine_or_it_is_not(desk: Desk) -> None:
    run = desk.under_root(EVERY["status-list"])
    assert (run.code, run.json["genuine"], run.json["kid"]) == (0, True, LIST_SIGNER.kid)
    told = {name: run.json[name] for name in ("uri", "version", "issued_at", "size", "ended", "suspended")}
    assert told == {
        "uri": STATUS_LIST.uri,
        "version": [1, 5],
        "issued_at": str(ISSUED),
        "size": 64,
        "ended": 2,
        "suspended": 1,
    }
    forged = desk.under_root(issue_status_list(STATUS_LIST, STRANGER))
    assert (forged.code, forged.json["genuine"], forged.json["reasons"][0]["code"]) == (1, False, "unknown_key")
    assert "uri" not in forged.json


@pytest.mark.parametrize(
    ("places", "minimum", "state", "said"),
    [
        ((1, 2), None, "active", ("valid", "valid")),
        ((3, 2), None, "revoked", ("ended", "valid")),
        ((5, 2), (1, 5), "suspended", ("suspended", "valid")),
        ((1, 9), None, "not_activated", ("valid", "ended")),
        ((64, 2), None, "active", ("not in it", "valid")),
        ((3, 2), (1, 6), "active", ("not told: the list is older than the license accepts",) * 2),
    ],
)
def test_r_83_the_lists_in_a_bundle_count_for_the_license_beside_them(
    desk: Desk, places: tuple[int, int], minimum: Any, state: str, said: tuple[str, str]
) -> None:
    refs = [StatusRef(uri=STATUS_LIST.uri, index=index, minimum=minimum) for index in places]
    held = token(grant(license_status_ref=refs[0], activation_status_ref=refs[1]))
    lists = (issue_status_list(replace(STATUS_LIST, issued_at=at(DAY), expires_at=at(8 * DAY)), LIST_SIGNER), "x")
    shown = desk.under_root(write_bundle(Bundle(token=held, status_lists=lists)), when=at(2 * DAY)).json
    assert shown["state"] == state
    first, second = shown["status_lists"]
    assert (first["license"], first["seat"]) == said
    assert (second["genuine"], second["reasons"][0]["code"]) == (False, "bad_compact")
    elsewhere = StatusRef(uri="https://license.example.com/v1/status/1", index=3)
    other = write_bundle(Bundle(token=token(grant(license_status_ref=elsewhere)), status_lists=lists[:1]))
    (alone,) = desk.under_root(other, when=at(2 * DAY)).json["status_lists"]
    assert "license" not in alone


def test_people_are_told_in_sentences(desk: Desk) -> None:
    for content, said in ((root_file(2), "continues the root that you trust"), (answer(), "refused to refresh")):
        file = write(desk.folder, "artifact", content)
        assert said in carnet("verify", file, "--root", desk.root).out


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────────


def test_roots_and_bundles_are_not_judged_under_one_key(desk: Desk) -> None:
    for content in (root_file(2), write_bundle(Bundle(token=token(grant())))):
        run = desk.verify(content, "--public-key", desk.pem(KEY_SIGNER), "--product", "hustl")
        assert (run.code, run.problem["code"]) == (2, "root_required")


def test_trust_is_given_in_one_way(desk: Desk) -> None:
    pem = desk.pem(KEY_SIGNER)
    words: Words = ["--product", "hustl", "--fingerprint", DEVICE]
    both = desk.verify(token(grant()), "--public-key", pem, "--root", desk.root, *words)
    assert (both.code, both.problem["code"]) == (2, "bad_usage")
    alone = desk.verify(token(grant()), "--root", desk.root, "--kid", "x", *words)
    assert (alone.code, alone.problem["code"]) == (2, "bad_usage")
    missing = desk.verify(token(grant()), "--public-key", desk.folder / "nowhere", *words)
    assert (missing.code, missing.problem["code"]) == (3, "public_key_not_found")
    instead = desk.verify(signed_key(), "--public-key", pem, *words, CARNET_ROOT=str(desk.root))
    assert instead.json["root_version"] is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "bad_key"),
        ("{}", "bad_key"),
        ("{", "bad_json"),
        (generate_private_pem("Ed25519"), "private_key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "bad_key"),
        ("x" * 20000, "too_large"),
    ],
    ids=["empty", "no key", "half", "private", "rubbish", "large"],
)
def test_a_file_that_is_no_public_key_is_an_error(desk: Desk, content: str, code: str) -> None:
    file = write(desk.folder, "key", content)
    run = desk.verify(token(grant()), "--public-key", file, "--product", "hustl", "--fingerprint", DEVICE)
    assert (run.code, run.out) == (1, "")
    assert run.problem["code"] in {code, "bad_syntax"}


def test_without_a_root_the_device_is_the_one_that_would_be_enrolled(desk: Desk, tmp_path: Path) -> None:
    env = {"CARNET_DEVICE_ID": "studio-7", "CARNET_STATE": str(tmp_path / "state")}
    here = carnet("fingerprint", "--product", "hustl", env=env).out.strip()
    words: Words = ["--public-key", desk.pem(KEY_SIGNER), "--product", "hustl", "--at", str(ISSUED)]
    assert desk.verify(signed_key(device=here), *words, **env).json["state"] == "active"
    assert desk.verify(signed_key(device=DEVICE), *words, **env).json["state"] == "wrong_device"


# ── app manifests ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_manifest_is_genuine_for_its_product_and_whatever_was_changed_in_it_is_found(desk: Desk) -> None:
    text = EVERY["app-manifest"]
    run = desk.verify(text, "--root", desk.root)
    assert (run.code, run.json["genuine"], run.json["kid"]) == (0, True, KEY_SIGNER.kid)
    assert {name: run.json[name] for name in ("product", "version", "files")} == {
        "product": "hustl",
        "version": "2.4.0",
        "files": 2,
    }
    assert desk.under_root(text).code == 0
    for changed, code in {
        text.replace("bin/hustl", "bin/hustI"): "manifest_altered",
        text.replace("\n", "\r\n"): "bad_manifest",
        issue_app_manifest(MANIFEST, STRANGER).decode(): "unknown_key",
        issue_app_manifest(replace(MANIFEST, product="other"), KEY_SIGNER).decode(): "wrong_manifest",
    }.items():
        found = desk.under_root(changed)
        assert (found.code, found.json["reasons"][0]["code"]) == (1, code)


def test_inspect_says_that_a_manifests_list_is_not_the_sealed_one(desk: Desk) -> None:
    changed = EVERY["app-manifest"].replace("bin/hustl", "bin/hustI")
    run = carnet("inspect", write(desk.folder, "release.manifest", changed), "--json")
    assert [problem["code"] for problem in run.json["problems"]] == ["manifest_altered"]
    assert run.json["claims"]["ver"] == "2.4.0"
    whole = carnet("inspect", write(desk.folder, "release.manifest", EVERY["app-manifest"]), "--json")
    assert (whole.json["kind"], whole.json["problems"]) == ("app-manifest", [])

"""`carnet verify`: the same answer as the SDK and the vectors, to the second, and plain words for everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.decision import Evidence
from carnet.core.errors import CarnetError
from carnet.core.instant import DAY, HOUR, Instant
from carnet.core.model import Entitlement, Grant
from carnet.core.rules import decide
from carnet.formats.answer import Answer, issue_answer
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.status_list import StatusList, issue_status_list, pack_statuses
from support.cli_runs import Run, carnet, carnet_process
from support.cli_vendor import (
    ANSWER_SIGNER,
    FILE_SIGNER,
    LICENSE_KEY,
    LIST_SIGNER,
    NEXT_SIGNER,
    OTHER_KEY,
    STRANGER,
    TOKEN_SIGNER,
    machine_file,
    root_file,
    token,
    write,
)
from support.decisions import (
    DEVICE,
    HOST,
    ISSUED,
    OTHER_DEVICE,
    at,
    evidence,
    evidence_from_json,
    grant,
    lists_from_json,
)

VECTORS = Path(__file__).resolve().parents[3] / "specs" / "vectors" / "decision"
MORE = {"kind", "kid", "root_version"}


class Desk:
    """Runs `carnet verify` on content, with the vendor's root and the license key on stdin."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = write(folder, "root.json", root_file())

    def command(self, content: str | bytes, *words: str, product: str = "hustl") -> list[str]:
        file = write(self.folder, "artifact", content)
        return ["verify", str(file), "--root", str(self.root), "--product", product, "--json", *words]

    def verify(
        self, content: str | bytes, *words: str, when: int | None = ISSUED, key: str | None = None, device: str = DEVICE
    ) -> Run:
        options = [] if when is None else ["--at", str(Instant(when))]
        options += [] if key is None else ["--license-key-stdin"]
        return carnet(*self.command(content, "--fingerprint", device, *options, *words), stdin=key or "")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


RICH = grant(
    license_expires_at=at(33 * DAY),
    entitlements=(
        Entitlement(key="export-pdf"),
        Entitlement(key="open"),
        Entitlement(key="sync", expires_at=at(3 * DAY)),
    ),
    essential=("open",),
    term_grace_seconds=10 * DAY,
)
BOUNDARIES = {
    "not before": 0,
    "entitlement ends": 3 * DAY,
    "warning begins": 20 * DAY,
    "offline window ends": 30 * DAY,
    "license ends": 33 * DAY,
    "grace ends": 37 * DAY,
    "term grace ends": 43 * DAY,
}


@pytest.mark.parametrize("boundary", BOUNDARIES.values(), ids=BOUNDARIES.keys())
@pytest.mark.parametrize("second", [-1, 0, 1])
@pytest.mark.parametrize("kind", ["token", "machine-file"])
def test_verify_agrees_with_the_decision_at_every_boundary(desk: Desk, kind: str, boundary: int, second: int) -> None:
    moment = at(boundary + second)
    is_token = kind == "token"
    run = desk.verify(
        token(RICH) if is_token else machine_file(RICH), when=moment, key=None if is_token else LICENSE_KEY
    )
    expected = decide(evidence(replace(RICH, kind=kind)), moment, HOST)
    shown = run.json
    assert {name: value for name, value in shown.items() if name not in MORE} == expected.to_json()
    signer = TOKEN_SIGNER if is_token else FILE_SIGNER
    assert {name: shown[name] for name in MORE} == {"kind": kind, "kid": signer.kid, "root_version": 1}
    assert run.code == (0 if expected else 5)


def test_the_boundaries_are_where_the_rules_say(desk: Desk) -> None:
    sealed = machine_file(grant())
    seen = [
        desk.verify(sealed, when=at(offset + second), key=LICENSE_KEY).json["state"]
        for offset in (0, 20 * DAY, 30 * DAY, 37 * DAY)
        for second in (-1, 0, 1)
    ]
    assert seen == [
        *("not_started", "active", "active"),
        *("active", "expiring", "expiring"),
        *("expiring", "grace", "grace"),
        *("grace", "expired", "expired"),
    ]


def _representable(vector: dict[str, Any]) -> bool:
    """Whether a file can carry a vector's evidence: at most one token and one machine file, and the wall clock."""
    given = vector["input"]
    if given["function"] != "decide" or set(given["host"]) != {"product"}:
        return False
    if not set(given["evidence"]) <= {"grants", "device"} or not given["evidence"].get("grants"):
        return False
    kinds = [item["kind"] for item in given["evidence"]["grants"]]
    return set(kinds) <= {"token", "machine-file"} and len(set(kinds)) == len(kinds)


def _sealed(held: Grant) -> str | None:
    try:
        return token(held) if held.kind == "token" else machine_file(held)
    except CarnetError:
        return None  # a grant that no genuine artifact can carry (no end, no device)


def _lists(said: list[dict[str, Any]], known: Evidence) -> tuple[str, ...] | None:
    """What a vector says of lists, as tokens; None where no list of ours can say it."""
    tokens = []
    for listed in lists_from_json(said):
        statuses = dict(listed.statuses)
        for held in known.grants:
            for ref in (held.license_status_ref, held.activation_status_ref):
                if ref is not None and ref.uri == listed.uri and ref.index not in statuses:
                    return None  # all of ours are longer than that
        if 3 in statuses.values():
            return None
        named = {status: [index for index, each in statuses.items() if each == status] for status in (1, 2)}
        bits, packed = pack_statuses(64, named[1], named[2])
        made = StatusList(
            issuer=listed.issuer,
            uri=listed.uri,
            version=listed.version,
            issued_at=listed.issued_at,
            expires_at=Instant(listed.issued_at + DAY),
            ttl_seconds=60,
            bits=bits,
            statuses=packed,
        )
        tokens.append(issue_status_list(made, LIST_SIGNER))
    return tuple(tokens)


def test_verify_agrees_with_the_decision_vectors(desk: Desk) -> None:
    compared = with_lists = 0
    for path in sorted(VECTORS.glob("*.json")):
        vector = json.loads(path.read_text(encoding="utf-8"))
        if not _representable(vector):
            continue
        known = evidence_from_json(vector["input"]["evidence"])
        if known.device is None or any(
            held.kind == "machine-file" and held.device != known.device for held in known.grants
        ):
            continue  # nothing to open it with, or it does not open there
        texts = {held.kind: _sealed(held) for held in known.grants}
        if None in texts.values():
            continue
        lists = _lists(vector["input"].get("lists", []), known)
        if lists is None:
            continue
        bundle = write_bundle(
            Bundle(token=texts.get("token"), machine_file=texts.get("machine-file"), status_lists=lists)
        )
        with_lists += bool(lists)
        words = desk.command(bundle, "--fingerprint", known.device, "--at", vector["now"], "--license-key-stdin")
        words[words.index("--product") + 1] = vector["input"]["host"]["product"]
        shown = carnet(*words, stdin=LICENSE_KEY).json
        more = {*MORE, "status_lists"}
        assert {name: value for name, value in shown.items() if name not in more} == vector["expect"]["decision"], path
        compared += 1
    assert compared >= 90
    assert with_lists >= 25


def test_a_real_process_says_the_same(desk: Desk) -> None:
    for second, state, code in ((-1, "expiring", 0), (0, "grace", 0), (7 * DAY, "expired", 5)):
        words = desk.command(
            machine_file(grant()), "--fingerprint", DEVICE, "--at", str(at(30 * DAY + second)), "--license-key-stdin"
        )
        run = carnet_process(*words, stdin=f"{LICENSE_KEY}\n")
        assert (run.json["state"], run.code, run.err) == (state, code, "")


def test_a_machine_file_without_its_key_is_a_usage_error(desk: Desk) -> None:
    run = desk.verify(machine_file(grant()))
    assert (run.code, run.out, run.problem["code"]) == (2, "", "license_key_required")


@pytest.mark.parametrize("typed", [LICENSE_KEY.lower(), LICENSE_KEY.replace("-", " "), f"\ufeff {LICENSE_KEY}\r\n"])
def test_the_key_may_be_typed_kindly(desk: Desk, typed: str) -> None:
    assert desk.verify(machine_file(grant()), key=typed).json["state"] == "active"


def test_a_machine_file_opens_with_its_key_from_the_environment_or_a_file(desk: Desk) -> None:
    words = desk.command(machine_file(grant()), "--fingerprint", DEVICE, "--at", str(ISSUED))
    assert carnet(*words, env={"CARNET_LICENSE_KEY": LICENSE_KEY}).json["state"] == "active"
    key_file = write(desk.folder, "key.txt", f"{LICENSE_KEY}\n")
    assert carnet(*words, "--license-key-file", key_file).json["state"] == "active"


def test_a_machine_file_of_another_device_or_key_does_not_open(desk: Desk) -> None:
    for run in (
        desk.verify(machine_file(grant()), key=LICENSE_KEY, device=OTHER_DEVICE),
        desk.verify(machine_file(grant()), key=OTHER_KEY),
    ):
        assert (run.code, run.json["state"]) == (5, "wrong_device")
        assert run.json["reasons"][0]["code"] == "does_not_open"


def test_a_token_of_another_device_or_product_is_genuine_but_refused(desk: Desk) -> None:
    assert desk.verify(token(grant()), device=OTHER_DEVICE).json["state"] == "wrong_device"
    run = desk.verify(token(grant(product="other")))
    assert (run.code, run.json["state"]) == (5, "wrong_product")


@pytest.mark.parametrize("forged", [token(grant(), STRANGER), machine_file(grant(), STRANGER)])
def test_what_a_stranger_signed_is_not_genuine(desk: Desk, forged: str) -> None:
    run = desk.verify(forged, key=LICENSE_KEY)
    assert (run.code, run.json["state"]) == (1, "not_genuine")
    assert run.json["reasons"][0]["code"] == "unknown_key"
    assert run.json["kid"] is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"hello",
        b"{}",
        b"a.b.c",
        b"-----BEGIN MACHINE FILE-----\nAAAA\n-----END MACHINE FILE-----",
        b"\xff" * 9,
    ],
)
def test_unreadable_bytes_make_a_decision_and_exit_1(desk: Desk, content: bytes) -> None:
    run = desk.verify(content, key=LICENSE_KEY)
    assert (run.code, run.json["state"], run.json["access"]) == (1, "not_genuine", "none")
    assert run.json["reasons"]


def test_one_flipped_bit_never_verifies(desk: Desk) -> None:
    genuine = bytearray(token(grant()).encode())
    for position in range(0, len(genuine), 7):
        genuine[position] ^= 1
        assert desk.verify(bytes(genuine)).code == 1
        genuine[position] ^= 1
    assert desk.verify(bytes(genuine)).code == 0


def test_a_bundle_is_judged_whole_and_brings_newer_roots(desk: Desk) -> None:
    sealed = machine_file(grant(), NEXT_SIGNER)
    bundle = Bundle(
        roots=(root_file(1), root_file(2, file_signer=NEXT_SIGNER)), token=token(grant()), machine_file=sealed
    )
    run = desk.verify(write_bundle(bundle), key=LICENSE_KEY)
    assert (run.code, run.json["kind"], run.json["root_version"]) == (0, "bundle", 2)
    assert run.json["kid"] == NEXT_SIGNER.kid
    without = desk.verify(write_bundle(replace(bundle, roots=())), key=LICENSE_KEY)
    assert without.json["root_version"] == 1
    assert without.json["kid"] == TOKEN_SIGNER.kid


def test_an_authentic_refusal_in_a_bundle_outranks_the_older_grant(desk: Desk) -> None:
    refusal = Answer(
        id="answer-1",
        issuer="issuer-1",
        nonce="n" * 22,
        action="refresh",
        outcome="refused",
        code="license_revoked",
        reasons=("license_revoked",),
        at=at(HOUR),
        product="hustl",
        device=DEVICE,
        license_id="license-1",
        activation_id="activation-1",
    )
    bundle = Bundle(token=token(grant()), answer=issue_answer(refusal, ANSWER_SIGNER))
    assert desk.verify(write_bundle(bundle), when=at(2 * HOUR)).json["state"] == "revoked"
    forged = Bundle(token=token(grant()), answer=issue_answer(refusal, STRANGER))
    assert desk.verify(write_bundle(forged), when=at(2 * HOUR)).json["state"] == "active"


def test_without_a_fingerprint_it_is_this_device(desk: Desk, tmp_path: Path) -> None:
    env = {"CARNET_DEVICE_ID": "studio-7", "CARNET_STATE": str(tmp_path)}
    printed = carnet("fingerprint", "--product", "hustl", env=env).out.strip()
    words = desk.command(token(grant(device=printed)), "--at", str(ISSUED))
    assert carnet(*words, env=env).json["state"] == "active"
    assert carnet(*words, env={**env, "CARNET_DEVICE_ID": "studio-8"}).json["state"] == "wrong_device"


def test_missing_files_say_so_and_exit_3(desk: Desk) -> None:
    missing = desk.folder / "nowhere"
    run = carnet("verify", missing, "--root", desk.root, "--product", "hustl", "--json")
    assert (run.code, run.problem["code"]) == (3, "file_not_found")
    words = desk.command("x")
    words[words.index("--root") + 1] = str(missing)
    assert carnet(*words).problem["code"] == "root_not_found"


def _unsigned(root: str) -> bytes:
    start = root.index('"sig":"') + len('"sig":"')
    return (root[:start] + ("B" if root[start] == "A" else "A") + root[start + 1 :]).encode()


@pytest.mark.parametrize("content", [b"", b"not a root", b"{}", _unsigned(root_file())])
def test_a_root_that_is_none_is_an_error_and_exit_1(desk: Desk, content: bytes) -> None:
    desk.root.write_bytes(content)
    run = desk.verify(token(grant()))
    assert (run.code, run.out) == (1, "")
    assert run.problem["code"]


def test_what_must_be_known_is_asked_for_by_name(desk: Desk) -> None:
    file = write(desk.folder, "token", token(grant()))
    assert "CARNET_ROOT" in carnet("verify", file, "--product", "hustl").err
    assert "CARNET_PRODUCT" in carnet("verify", file, "--root", desk.root).err


def test_users_ask_53_people_read_what_programs_parse(desk: Desk) -> None:
    words = [
        word
        for word in desk.command(token(RICH), "--fingerprint", DEVICE, "--at", str(at(21 * DAY)))
        if word != "--json"
    ]
    text = carnet(*words).out
    assert "expiring · full access" in text
    assert "Offline license expires in 9 days" in text
    assert "[Connect Now]" in text


@pytest.mark.parametrize("moment", ["2026-06-01", "yesterday", "2026-06-01T00:00:00", "2026-02-30T00:00:00Z"])
def test_what_is_no_moment_is_no_time(desk: Desk, moment: str) -> None:
    assert carnet(*desk.command(token(grant()), "--at", moment)).problem["code"] == "bad_usage"

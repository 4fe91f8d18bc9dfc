"""`carnet inspect`: every artifact explained line by line, with no secret in it, and nothing believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from carnet.cli.inspection.claims import claim_lines
from carnet.cli.inspection.lines import distance, masked, masked_address, moment, span
from carnet.cli.inspection.readers import READERS
from carnet.cli.inspection.tables import TITLES, UNKNOWN, algorithm_meaning
from carnet.core.instant import DAY, HOUR, MAX_INSTANT, Instant
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.detect import Kind
from carnet.formats.encoding import sha256_hex
from carnet.formats.license_key import last_four
from carnet.formats.profiles.keyforge import keyforge_claims
from carnet.formats.profiles.traffic_orchestrator import traffic_orchestrator_claims
from carnet.formats.strict_json import parse_object
from support import profile_tokens as profiles
from support.cli_runs import Run, carnet
from support.cli_vendor import (
    KEY_SIGNER,
    LICENSE_KEY,
    root_file,
    write,
)
from support.decisions import grant
from support.every_artifact import EVERY, SIGNED_KEY
from support.signed_keys import FACTS, key_grant
from support.tokens import forge

SECRETS = (LICENSE_KEY, SIGNED_KEY, profiles.KEYFORGE_LICENSE.key)


class Desk:
    """Runs `carnet inspect` on content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def inspect(self, content: str | bytes, *words: str) -> Run:
        return carnet("inspect", write(self.folder, "artifact", content), *words)

    def lines(self, content: str | bytes, *words: str) -> dict[str, tuple[str, str]]:
        """Value and meaning by name."""
        shown = self.inspect(content, "--json", *words).json["lines"]
        assert len({line["name"] for line in shown}) == len(shown)
        return {line["name"]: (line["value"], line["meaning"]) for line in shown}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_no_kind_is_left_out() -> None:
    assert set(EVERY) == set(get_args(Kind)) == set(TITLES) == set(READERS)


@pytest.mark.parametrize("kind", EVERY)
def test_every_kind_is_explained_line_by_line(desk: Desk, kind: Kind) -> None:
    run = desk.inspect(EVERY[kind], "--json")
    shown = run.json
    assert (run.code, run.err) == (0, "")
    assert (shown["kind"], shown["bytes"], shown["sha256"]) == (
        kind,
        len(EVERY[kind].encode()),
        sha256_hex(EVERY[kind].encode()),
    )
    assert shown["title"] == TITLES[kind]
    assert shown["problems"] == []
    assert shown["lines"]
    for line in shown["lines"]:
        assert line["name"]
        assert line["value"]
        assert line["meaning"].endswith("."), line
        assert line["meaning"] != UNKNOWN, line
    text = desk.inspect(EVERY[kind])
    for line in shown["lines"]:
        assert line["meaning"] in text.out
        assert line["value"] in text.out
    assert "Nothing of this is verified" in text.err


@pytest.mark.parametrize("kind", EVERY)
def test_sec_33_no_secret_is_shown_beyond_its_last_four_characters(desk: Desk, kind: Kind) -> None:
    out = desk.inspect(EVERY[kind]).out + repr(desk.inspect(EVERY[kind], "--json").json)
    assert "zoe@" not in out
    for secret in SECRETS:
        assert secret not in out
        assert secret.replace("-", "") not in out
        assert secret[-5:] not in out


def test_sec_33_the_secrets_of_compatible_tokens_are_masked_wherever_they_stand(desk: Desk) -> None:
    lines = desk.lines(EVERY["keyforge-token"])
    assert lines["license.key"][0] == f"…{last_four(profiles.KEYFORGE_LICENSE.key)}"
    assert lines["license.email"][0] == "z…@example.com"
    claims = desk.inspect(EVERY["keyforge-token"], "--json").json["claims"]
    assert claims["license"]["key"] == f"…{last_four(profiles.KEYFORGE_LICENSE.key)}"
    assert desk.lines(EVERY["offline-token"])["license_key"][0] == f"…{LICENSE_KEY[-4:]}"
    stray = {
        **keyforge_claims(profiles.KEYFORGE_FACTS),
        "licenseKey": LICENSE_KEY,
        "extra": {"deep": [{"password": "hunter22", "client_secret": {"value": "hunter22"}}], "token": 7},
    }
    out = desk.inspect(profiles.forged(stray, profiles.KEYFORGE_SIGNER), "--json").out
    assert "hunter22" not in out
    assert LICENSE_KEY not in out
    header = profiles.forged(stray, profiles.KEYFORGE_SIGNER, {"alg": "ES256", "typ": "JWT", "jwk": {"d": "hunter22"}})
    run = desk.inspect(header, "--json")
    assert "hunter22" not in run.out
    assert "bad_header" in {problem["code"] for problem in run.json["problems"]}


def test_the_json_of_the_kinds_that_were_there_first_is_what_it_was(desk: Desk) -> None:
    seen = desk.inspect(EVERY["token"], "--json").json
    assert list(seen) == ["bytes", "sha256", "kind", "header", "claims", "title", "lines", "problems"]
    assert seen["header"]["typ"] == "carnet-license+jwt"
    assert seen["claims"]["exp"] == str(grant().offline_until)
    assert type(seen["claims"]["pol"]["ttl"]) is int
    assert seen["claims"]["ent"] == [{"key": entry.key} for entry in grant().entitlements]
    sealed = desk.inspect(EVERY["machine-file"], "--json").json
    assert list(sealed)[2:6] == ["kind", "kid", "alg", "contents"]
    root = desk.inspect(EVERY["root"], "--json").json
    assert list(root)[2:9] == ["kind", "version", "issuer", "issued_at", "expires_at", "anchor", "roles"]
    key = desk.inspect(LICENSE_KEY, "--json").json
    assert list(key)[2:4] == ["kind", "ends_with"]
    bundled = desk.inspect(EVERY["bundle"], "--json").json
    assert [root["version"] for root in bundled["roots"]] == [1, 2]
    assert bundled["status_lists"] == len(bundled["lists"]) == 1
    assert (bundled["token"]["kind"], bundled["token"]["claims"]) == ("token", seen["claims"])


# ── times ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_times_are_rfc_3339_and_relative_only_where_a_moment_is_named(desk: Desk) -> None:
    ends = grant().offline_until
    assert ends is not None
    assert desk.lines(EVERY["token"])["exp"][0] == str(ends)
    for moment_, words in (
        (ends - 12 * DAY, "in 12 days"),
        (ends - 12 * DAY + 1, "in 11 days"),
        (ends - 1, "in 1 second"),
        (ends, "now"),
        (ends + 3 * DAY, "3 days ago"),
        (ends + 2 * HOUR, "2 hours ago"),
    ):
        shown = desk.lines(EVERY["token"], "--relative-to", str(Instant(moment_)))["exp"][0]
        assert shown == f"{ends} ({words})"
    assert (
        "ago)" in desk.lines(EVERY["token"], "--relative-to", "now")["iat"][0]
        or "in " in (desk.lines(EVERY["token"], "--relative-to", "now")["iat"][0])
    )
    assert desk.inspect(EVERY["token"], "--relative-to", "yesterday").code == 2


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (1, "in 1 second"),
        (-59, "59 seconds ago"),
        (60, "in 1 minute"),
        (3599, "in 59 minutes"),
        (DAY - 1, "in 23 hours"),
        (-DAY, "1 day ago"),
        (729 * DAY, "in 729 days"),
        (730 * DAY, "in 2 years"),
    ],
)
def test_distances_are_said_as_people_say_them(seconds: int, words: str) -> None:
    assert distance(seconds) == words


def test_values_are_written_in_one_way() -> None:
    assert [span(s) for s in (0, 1, 90, 3600, 604800)] == ["0 seconds", "1 second", "90 seconds", "1 hour", "7 days"]
    for no_time in (-1, MAX_INSTANT + 1, True, "x", None, 1.5):
        assert moment(no_time, None).endswith("(not a time)")
    assert (masked("AB"), masked("ABCDEFGH"), masked_address("x")) == ("…B", "…EFGH", "…")


# ── algorithms and what would be refused ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "legal"),
    [
        ("token", {"EdDSA", "Ed25519", "ES256", "RS256"}),
        ("answer", {"EdDSA", "Ed25519"}),
        ("time", {"EdDSA", "Ed25519"}),
        ("device-proof", {"EdDSA", "Ed25519"}),
        ("lease", {"EdDSA", "Ed25519"}),
        ("keyforge-token", {"ES256", "EdDSA", "RS256"}),
        ("traffic-orchestrator-token", {"EdDSA"}),
    ],
)
def test_sec_01_the_algorithms_that_are_legal_for_each_kind(desk: Desk, kind: Kind, legal: set[str]) -> None:
    header, claims = (parse_object(_decoded(part), max_bytes=8192, what="It") for part in EVERY[kind].split(".")[:2])
    for alg in ("EdDSA", "Ed25519", "ES256", "RS256", "HS256", "none", "PS256", "eddsa"):
        assert (algorithm_meaning(kind, alg) is not None) == (alg in legal)
        run = desk.inspect(forge({**header, "alg": alg}, claims), "--json")
        found = {problem["code"] for problem in run.json["problems"]}
        assert ("wrong_algorithm" in found) == (alg not in legal), alg
        meaning = next(line["meaning"] for line in run.json["lines"] if line["name"] == "header.alg")
        assert meaning.startswith("NOT LEGAL") == (alg not in legal)


def _decoded(part: str) -> bytes:
    from carnet.formats.encoding import b64url_decode

    return b64url_decode(part, "It")


def test_what_a_profiles_reader_would_refuse_is_told(desk: Desk) -> None:
    claims = keyforge_claims(profiles.KEYFORGE_FACTS)
    cases = (
        (profiles.altered(claims, "license.maxDevices", "3"), "bad_claim"),
        (profiles.altered(claims, "device.identifier", profiles.REMOVED), "missing_claim"),
        (profiles.altered(claims, "exp", 1), "bad_times"),
        (profiles.altered(traffic_orchestrator_claims(profiles.ORCHESTRATOR_FACTS), "dom", ["a", ""]), "bad_claim"),
    )
    for altered, code in cases:
        run = desk.inspect(profiles.forged(altered, profiles.KEYFORGE_SIGNER), "--json")
        assert run.code == 0
        assert code in {problem["code"] for problem in run.json["problems"]}
        assert code in desk.inspect(profiles.forged(altered, profiles.KEYFORGE_SIGNER)).out


def test_an_offline_token_that_shows_something_else_than_was_signed_says_so(desk: Desk) -> None:
    shown = json.loads(EVERY["offline-token"])
    shown["token"]["exp"] += 1
    run = desk.inspect(json.dumps(shown), "--json")
    assert [problem["code"] for problem in run.json["problems"]] == ["token_mismatch"]
    shown["signature"]["key_id"] = "other"
    codes = {problem["code"] for problem in desk.inspect(json.dumps(shown), "--json").json["problems"]}
    assert codes == {"token_mismatch", "kid_mismatch"}


def test_a_member_that_nobody_knows_is_shown_and_said_to_be_ignored(desk: Desk) -> None:
    claims = {**keyforge_claims(profiles.KEYFORGE_FACTS), "colour": {"of": ["sky", 1]}}
    lines = desk.lines(profiles.forged(claims, profiles.KEYFORGE_SIGNER))
    assert lines["colour"] == ('{"of": ["sky", 1]}', UNKNOWN)


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_signed_key_is_read_without_any_key_to_verify_it(desk: Desk) -> None:
    lines = desk.lines(SIGNED_KEY.lower().replace("-", " "))
    assert lines["key"][0] == f"…{SIGNED_KEY[-4:]}"
    assert lines["kid"][0] == f"{KEY_SIGNER.kid[:2]}…"
    assert (lines["product"][0], lines["expires_at"][0], lines["device"][0]) == ("hustl", "never", FACTS["device"])
    assert {name for name in lines if name.startswith("entitlements[")} == {
        f"entitlements[{entry.key}]" for entry in FACTS["entitlements"]
    }
    shown = desk.inspect(SIGNED_KEY, "--json").json
    assert shown["grant"]["license_id"] == key_grant().license_id
    assert (shown["alg"], shown["kid_hint"], shown["groups"]) == (
        "Ed25519",
        KEY_SIGNER.kid[:2],
        SIGNED_KEY.count("-") + 1,
    )


def test_a_mistyped_signed_key_says_where_and_not_what(desk: Desk) -> None:
    groups = SIGNED_KEY.split("-")
    cut = [*groups[:2], groups[2][:-1], *groups[3:]]
    run = desk.inspect("-".join(cut), "--json")
    assert run.code == 1
    assert run.json["errors"] == [{"group": 3, "problem": "symbol_missing"}]
    assert run.json["problems"][0]["code"] == "mistyped_key"
    assert groups[2][:-1] not in run.out
    text = desk.inspect("-".join(cut))
    assert "A symbol of this group was left out." in text.out


def test_a_genuinely_mistyped_payload_is_told_with_its_code(desk: Desk) -> None:
    from carnet.formats.base32_groups import read_groups, write_groups

    data = read_groups(SIGNED_KEY)
    run = desk.inspect(write_groups(bytes([0x90]) + data[1:]), "--json")
    assert [problem["code"] for problem in run.json["problems"]] == ["unknown_version"]
    assert run.json["ends_with"]


# ── odd files ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("-----BEGIN MACHINE FILE-----\nAAAA\n-----END MACHINE FILE-----", "bad_json"),
        ("-----BEGIN CARNET BUNDLE-----\nAAAA\n-----END CARNET BUNDLE-----", "bad_json"),
        (root_file().replace('"sig":"', '"sig":"AAAA', 1), "bad_base64"),
        ('{"object":"offline_token"}', "bad_document"),
    ],
)
def test_a_broken_file_is_explained_by_its_code_and_exit_1(desk: Desk, content: str, code: str) -> None:
    run = desk.inspect(content, "--json")
    assert run.code == 1
    assert len(run.json["problems"]) == 1
    assert run.json["title"]
    assert "Would be refused" in desk.inspect(content).out


def test_a_broken_part_of_a_bundle_leaves_the_others_readable(desk: Desk) -> None:
    bundle = write_bundle(Bundle(token="nonsense", time=EVERY["time"]))
    run = desk.inspect(bundle, "--json")
    assert run.code == 0
    assert (run.json["token"]["kind"], run.json["time"]["kind"]) == ("unknown", "time")
    assert [problem["code"] for problem in run.json["problems"]] == ["unknown_artifact"]
    assert "none of Carnet's" in desk.inspect(bundle).out


def test_sec_39_what_a_file_says_cannot_move_the_cursor(desk: Desk) -> None:
    claims = profiles.altered(keyforge_claims(profiles.KEYFORGE_FACTS), "device.name", "\u202e\x1b[2JX\n\r")
    out = desk.inspect(profiles.forged(claims, profiles.KEYFORGE_SIGNER)).out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\r" not in out


@pytest.mark.parametrize("member", ["alg", "kid", "x\n\nProduct  everything"])
def test_sec_39_what_a_header_says_cannot_pass_for_a_line_of_ours(desk: Desk, member: str) -> None:
    header = {"alg": "EdDSA", "kid": "k", "typ": "carnet-time+jwt", member: "none\n\nProduct  everything"}
    out = desk.inspect(forge(header, {"iss": "x\n\nProduct  everything"})).out
    assert "everything" in out
    assert not any(line.startswith("Product") for line in out.splitlines())


def test_a_claim_with_thousands_of_members_does_not_scroll_the_rest_away(desk: Desk) -> None:
    claims = {f"m{number}": number for number in range(700)}
    lines = claim_lines("token", claims, None)
    assert len(lines) == 601
    assert lines[-1].name == "…"

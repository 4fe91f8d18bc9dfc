"""Everything that `carnet license` hands out, by transcript: made with the command, checked by it and by others."""

from __future__ import annotations

import argparse
import csv
import io
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from carnet.cli import exits
from carnet.cli.issuing import write_licenses
from carnet.cli.output import Output
from carnet.core.errors import UsageError
from carnet.formats.jose_keys import public_key_from_pem
from carnet.formats.keys import KeyRing
from carnet.formats.license_key import canonical_license_key
from carnet.formats.offline_token import verify_offline_token
from carnet.formats.profiles.keyforge import verify_keyforge_token
from carnet.formats.profiles.traffic_orchestrator import verify_traffic_orchestrator_token
from carnet.formats.root import read_root
from carnet.formats.signed_key import verify_signed_key
from carnet.server.domain.licenses.commands import CreatedLicense, CreateLicense
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR
from support.artifacts import UNTIMED, read_by_pynacl
from support.shop import Shop

NOWHERE = "01a20000-0000-7000-8000-000000000000"


def ring(shop: Shop) -> KeyRing:
    return read_root(Path(shop.created["root_path"]).read_bytes()).ring()


def verified(shop: Shop, file: Path, *words: str | Path, stdin: str = "") -> dict[str, Any]:
    """What `carnet verify` says of an artifact of `hustl`, which must be good."""
    run = shop.run("verify", file, "--product", "hustl", *words, "--json", stdin=stdin)
    assert run.code == exits.OK, run.err + run.out
    return run.json


@pytest.fixture(scope="module")
def seat(shop: Shop) -> dict[str, Any]:
    """A license of `hustl`, its key, and the fingerprint of a device that holds a seat."""
    device, made = shop.activated("--set", 'entitlements=["export-pdf"]')
    shown = json.loads(shop.on(device, "fingerprint", "--json").out)
    return {**made, "device": shown["fingerprint"], "on": device}


def test_a_license_with_a_signed_key_says_so_and_nothing_else_changes(shop: Shop, tmp_path: Path) -> None:
    made = shop.license("--signed", "--duration", "365d")
    assert list(made) == ["id", "key", "product", "policy", "expires_at", "signed_key"]
    assert canonical_license_key(made["key"]) == made["key"]
    grant = verify_signed_key(made["signed_key"].lower().replace("-", " "), ring(shop))
    assert (grant.license_id, str(grant.license_expires_at)) == (made["id"], made["expires_at"])
    people = shop.run("license", "create", "--product", "hustl", "--policy", "consumer", "--signed")
    (line,) = people.out.splitlines()
    assert verify_signed_key(line, ring(shop)).license_expires_at is None
    assert canonical_license_key(people.out) is None
    (tmp_path / "key").write_text(people.out)
    told = verified(shop, tmp_path / "key", "--root", shop.created["root_path"])
    assert (told["kind"], told["state"], told["access"]) == ("signed-key", "active", "full")
    again = shop.vendor("license", "signed-key", made["id"])
    assert again["text"] == made["signed_key"]
    bound = shop.vendor("license", "signed-key", made["id"], "--fingerprint", "device-of-others", "--no-status")
    assert verify_signed_key(bound["text"], ring(shop)).device == "device-of-others"


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_batch_is_a_file_that_only_its_owner_reads_and_is_never_overwritten(
    shop: Shop, tmp_path: Path, form: str
) -> None:
    output = tmp_path / f"keys.{form}"
    words = ("--signed", "--count", "12", "--output", str(output), "--duration", "30d")
    assert shop.license(*words) == {"created": 12, "output": str(output)}
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    text = output.read_text()
    rows: list[dict[str, Any]]
    rows = (
        list(csv.DictReader(text.splitlines())) if form == "csv" else [json.loads(line) for line in text.splitlines()]
    )
    assert len({row["id"] for row in rows}) == len({row["key"] for row in rows}) == 12
    for row in rows:
        assert list(row) == (
            ["id", "key", "signed_key", "product", "policy", "expires_at"]
            if form == "csv"
            else ["id", "key", "product", "policy", "expires_at", "signed_key"]
        )
        assert verify_signed_key(row["signed_key"], ring(shop)).license_id == row["id"]
    found = shop.run("license", "show", "--license-key-stdin", "--json", stdin=rows[5]["key"]).json
    assert found["id"] == rows[5]["id"]
    again = shop.run("license", "create", "--policy", "consumer", *words, "--json")
    assert (again.code, again.problem["code"]) == (exits.CONFLICT, "already_exists")
    assert output.read_text() == text
    plain = shop.run("license", "create", "--policy", "consumer", "--count", "3", "--output", tmp_path / "plain")
    assert (plain.code, len((tmp_path / "plain").read_text().splitlines())) == (exits.OK, 3)
    assert "3 of 3" in plain.err
    assert "signed_key" not in (tmp_path / "plain").read_text()


def test_a_batch_that_cannot_be_made_leaves_no_file(shop: Shop, tmp_path: Path) -> None:
    output = tmp_path / "keys.csv"
    for code, words in (
        (exits.NOT_FOUND, ("--policy", "nothing", "--count", "3", "--output", output)),
        (exits.USAGE, ("--policy", "consumer", "--count", "0", "--output", output)),
        (exits.USAGE, ("--policy", "consumer", "--count", "3")),
        (exits.USAGE, ("--policy", "consumer", "--output", output)),
        (exits.USAGE, ("--policy", "consumer", "--format", "csv")),
        (exits.USAGE, ("--policy", "consumer", "--no-status")),
        (exits.USAGE, ("--policy", "consumer", "--fingerprint", "device-of-others")),
        (
            exits.USAGE,
            ("--policy", "consumer", "--count", "2", "--output", output, "--signed", "--fingerprint", "f" * 9),
        ),
        (exits.FAILED, ("--policy", "consumer", "--count", "3", "--output", tmp_path / "no" / "folder")),
    ):
        run = shop.run("license", "create", "--product", "hustl", *words)
        assert (run.code, run.out) == (code, ""), (words, run.err)
        assert "Traceback" not in run.err
        assert not output.exists()


def test_sec_16_a_key_of_another_system_is_taken_over_from_a_file_if_it_is_strong(shop: Shop, tmp_path: Path) -> None:
    held = tmp_path / "key"
    held.write_text("KT4Q-9ZXW-22LM-7PRD-x8f3-Qm1v\n")
    made = shop.license("--key-file", str(held))
    assert made["key"] == "KT4Q-9ZXW-22LM-7PRD-x8f3-Qm1v"
    device = shop.device()
    assert shop.on(device, "activate", "--license-key-stdin", stdin=made["key"]).code == exits.OK
    held.write_text("1234-5678")
    weak = shop.run("license", "create", "--product", "hustl", "--policy", "consumer", "--key-file", held, "--json")
    assert (weak.code, weak.problem["code"]) == (exits.USAGE, "weak_license_key")
    assert "1234" not in weak.err


def test_r_12_an_offline_token_is_handed_out_and_verified(shop: Shop, seat: dict[str, Any], tmp_path: Path) -> None:
    words = ("license", "offline-token", seat["id"], "--fingerprint", seat["device"])
    output = tmp_path / "token.json"
    made = shop.vendor(*words, "--ttl", "10d", "--output", output)
    assert (made["kind"], made["device"], "text" in made) == ("offline-token", seat["device"], False)
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    key = ring(shop).find("offline", made["kid"])
    token = read_by_pynacl(output.read_text(), key.raw)
    assert (token["license_key"], token["entitlements"]) == (seat["key"], [{"key": "export-pdf", "expires_at": None}])
    assert token["exp"] - token["iat"] == (10 + 7) * 86400
    assert verify_offline_token(output.read_bytes(), ring(shop), license_key=seat["key"]).device == seat["device"]
    root = ("--root", shop.created["root_path"], "--fingerprint", seat["device"])
    told = verified(shop, output, *root, "--license-key-stdin", stdin=seat["key"])
    assert (told["kind"], told["state"], told["device"]) == ("offline-token", "active", seat["device"])
    printed = shop.run(*words)
    assert verify_offline_token(printed.out.encode(), ring(shop)).device == seat["device"]
    without = shop.run(
        "license", "offline-token", seat["id"], "--fingerprint", "f" * 64, "--json", "--output", tmp_path / "no"
    )
    assert (without.code, without.problem["code"]) == (exits.NOT_FOUND, "activation_not_found")
    assert not (tmp_path / "no").exists()


def test_r_10_tokens_of_three_algorithms_are_read_with_the_exported_key_alone(
    shop: Shop, seat: dict[str, Any], tmp_path: Path
) -> None:
    file, pinned = tmp_path / "token.jwt", tmp_path / "pinned.pem"
    words = ("license", "token", seat["id"], "--profile")
    missing = shop.run(*words, "native-jwt", "--fingerprint", seat["device"], "--json")
    assert missing.problem["code"] == "no_compatibility_key"
    for alg in ("ES256", "RS256", "EdDSA"):
        kid = shop.vendor("key", "create", "--product", "hustl", "--alg", alg)["kid"]
        pem = shop.run("key", "export", f"--kid={kid}").out
        trusted = KeyRing.single("token", public_key_from_pem(pem, kid))
        pinned.write_text(pem)
        pin = ("--public-key", pinned, f"--kid={kid}", "--fingerprint", seat["device"])
        native = shop.run(*words, "native-jwt", "--fingerprint", seat["device"])
        claims = jwt.decode(native.out.strip(), pem, algorithms=[alg], audience="hustl")
        assert (claims["sub"], claims["dev"]) == (seat["id"], seat["device"])
        file.write_text(native.out)
        assert verified(shop, file, *pin)["kid"] == kid
        keyforge = shop.vendor(*words, "keyforge", "--fingerprint", seat["device"])
        claims = jwt.decode(keyforge["text"], pem, algorithms=[alg])
        assert (claims["license"]["key"], claims["device"]["identifier"]) == (seat["key"], seat["device"])
        file.write_text(keyforge["text"])
        assert verified(shop, file, *pin, "--profile", "keyforge")["kid"] == kid
        verify_keyforge_token(keyforge["text"], trusted, algorithms=(trusted.keys()[0].key.alg,))
    mixed = shop.run(*words, "traffic-orchestrator", "--json")
    assert mixed.problem["code"] == "key_use_conflict"
    kid = shop.vendor("key", "create", "--product", "hustl", "--alg", "EdDSA")["kid"]
    traffic = shop.vendor(*words, "traffic-orchestrator", "--ttl", "30d")["text"]
    pem = shop.run("key", "export", f"--kid={kid}").out
    assert jwt.decode(traffic, pem, algorithms=["EdDSA"], options=UNTIMED)["sub"] == seat["id"]
    verify_traffic_orchestrator_token(traffic, KeyRing.single("token", public_key_from_pem(pem, kid)))
    file.write_text(traffic)
    pinned.write_text(pem)
    verified(shop, file, "--public-key", pinned, f"--kid={kid}", "--profile", "traffic-orchestrator")
    retired = shop.vendor("key", "retire", f"--kid={kid}", "--even-active")
    assert retired["state"] == "retired"
    assert shop.run(*words, "traffic-orchestrator", "--json").problem["code"] == "no_compatibility_key"


def test_r_02_a_policy_says_what_its_tokens_are_signed_with(shop: Shop) -> None:
    words = ("policy", "create", "--product", "hustl")
    assert shop.vendor(*words, "by-option", "--token-algorithm", "ES256")["token_algorithm"] == "ES256"
    assert shop.vendor(*words, "by-set", "--set", "token_algorithm=RS256")["token_algorithm"] == "RS256"
    assert shop.vendor(*words, "plain")["token_algorithm"] is None
    assert shop.vendor("policy", "show", "by-set", "--product", "hustl")["token_algorithm"] == "RS256"
    for wrong in ("HS256", "none"):
        assert shop.run(*words, "x", "--set", f"token_algorithm={wrong}").code == exits.USAGE
    slashed = shop.run(*words, "a/b", "--json")
    assert (slashed.code, slashed.problem["code"]) == (exits.USAGE, "bad_policy")


def test_r_22_a_suspended_license_hands_nothing_out_and_says_why(shop: Shop, tmp_path: Path) -> None:
    device, made = shop.activated()
    shown = json.loads(shop.on(device, "fingerprint", "--json").out)["fingerprint"]
    shop.vendor("license", "suspend", made["id"])
    for words in (
        ("signed-key",),
        ("offline-token", "--fingerprint", shown),
        ("token", "--profile", "keyforge", "--fingerprint", shown),
    ):
        output = tmp_path / "out"
        run = shop.run("license", *words, f"--id={made['id']}", "--output", output, "--json")
        assert (run.code, run.problem["code"]) == (exits.DENIED, "license_suspended"), run.err
        assert not output.exists()
    assert shop.run("license", "signed-key", NOWHERE).code == exits.NOT_FOUND


def test_a_batch_that_stops_in_the_middle_says_what_was_made(shop: Shop, tmp_path: Path) -> None:
    output = tmp_path / "keys.jsonl"
    options = argparse.Namespace(
        output=str(output), count=9, format=None, signed=False, data=str(shop.stage.data), passphrase_file=None
    )
    said = io.StringIO()

    async def make(installation: Installation) -> AsyncIterator[tuple[CreatedLicense, ...]]:
        async def lots() -> AsyncIterator[tuple[CreatedLicense, ...]]:
            command = CreateLicense(product="hustl", policy="consumer")
            yield tuple([await installation.licenses.create(command, OPERATOR) for _ in range(4)])
            raise UsageError("conflict", "It broke.", "Mend it.")

        return lots()

    with pytest.raises(UsageError) as caught:
        write_licenses(options, Output(stdout=io.StringIO(), stderr=said), make)
    assert caught.value.code == "conflict"
    assert f"stopped after 4 of 9; {output} holds all that were made" in said.getvalue()
    assert len(output.read_text().splitlines()) == 4

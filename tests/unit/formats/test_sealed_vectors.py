"""The published vectors of license keys, fingerprints and machine files: made again, run, and complete."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from carnet.core.errors import CarnetError
from carnet.formats import key_strength, machine_claims, machine_included, policy_claims, reed_solomon
from support.altered_claims import ALTERATIONS
from support.branches import untaken_branches
from support.machine_file_oracle import open_by_the_book
from support.machine_files import FINGERPRINT, LICENSE_KEY, SIGNER, altered, claims_of, open_here, seal_claims
from support.sealed_vectors import VECTORS, grant_from_json, grant_to_json, rendered, run_vector, text_of
from support.token_oracle import Refused

ROOT = VECTORS.parents[1]
GENERATORS = {
    "vectors_license_key": ("license-key", "fingerprint"),
    "vectors_machine_file": ("machine-file",),
}
FOLDERS = [folder for folders in GENERATORS.values() for folder in folders]
ALL: dict[str, Any] = {
    f"{folder}/{path.stem}": json.loads(path.read_text("utf-8"))
    for folder in FOLDERS
    for path in sorted((VECTORS / folder).glob("*.json"))
}


def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", GENERATORS)
def test_the_vectors_are_what_the_generator_makes(name: str) -> None:
    made = rendered(generator(name).PARTS)
    files: list[Path] = [path for folder in GENERATORS[name] for path in (VECTORS / folder).iterdir()]
    assert {f"{path.parent.name}/{path.name}": path.read_text("utf-8") for path in files} == made


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_formats_do_what_the_vectors_expect(folder: str) -> None:
    for name, vector in ALL.items():
        if name.startswith(f"{folder}/"):
            assert run_vector(vector) == vector["expect"], name


OPENED = {name: vector for name, vector in ALL.items() if {"file", "file_hex"} & vector["input"].keys()}


def test_a_second_reader_stops_at_the_same_layer_in_every_vector() -> None:
    assert len(OPENED) > 250
    for name, vector in OPENED.items():
        given = vector["input"]
        data = bytes.fromhex(given["file_hex"]) if "file_hex" in given else text_of(given["file"]).encode()
        keys = {
            jwk["kid"]: base64.urlsafe_b64decode(jwk["x"] + "=")
            for jwk in vector["keys"]["machine-file"]
            if jwk.get("state") not in ("retired", "compromised")
        }
        expected = vector["expect"]["outcome"]
        try:
            content = open_by_the_book(data, keys, given["license_key"], given["fingerprint"])
        except Refused as refused:
            assert str(refused) == expected, name  # noqa: PT017 - one of two good ends
        else:
            assert expected == "ok" or expected.startswith("refused:"), name
            if "value" in vector["expect"]:
                assert vector["expect"]["value"]["activation_id"] == content["data"]["id"]


def test_a_second_reader_refuses_every_altered_claim_alike() -> None:
    keys = {SIGNER.kid: SIGNER.public_key.raw}
    for path, values, code in ALTERATIONS:
        for value in values:
            data = seal_claims(altered(claims_of(), path, value))
            layer = "not_genuine" if code.endswith("_mismatch") else "malformed"
            with pytest.raises(Refused, match=layer):
                open_by_the_book(data, keys, LICENSE_KEY, FINGERPRINT)


def test_the_contracts_figures_stand_in_its_vector() -> None:
    # From contracts/licenseseat.md §3.8, copied by hand: a generator that drifted would be caught here.
    value = ALL["machine-file/contract-sealed"]["expect"]["value"]
    assert value["key_hex"] == "d79cfd7cb598d1bd465af1779bbddee9fa2e25abdd562a3a981720b79f4f84d8"
    assert value["content_sha256"] == "1ae6cae5532ffc280be220babf2c654a2f5aee6f51dc94a4ed00730f58daa5fa"
    assert value["enc_sha256"] == "ae27bbe0d48dd96ff24488d8f4be07df3db86533eb4dd5919768a89f43cd6f94"
    assert value["file_sha256"] == "cf3ab66fea22b1252235b69c8642a3bd920a8ba44181004f382861571cba91fe"


def test_a_sealed_vector_opens_to_the_grant_it_was_sealed_from() -> None:
    made = [vector for name, vector in ALL.items() if name.startswith("machine-file/seal-")]
    sealed = [vector for vector in made if vector["expect"]["outcome"] == "ok"]
    assert len(sealed) >= 4
    for vector in sealed:
        given = vector["input"]["seal"]
        grant = grant_from_json(given["grant"])
        assert grant_to_json(grant) == given["grant"]
        opened = {
            **ALL["machine-file/genuine"],
            "input": {
                "file": vector["expect"]["value"],
                "license_key": given["license_key"],
                "fingerprint": grant.device,
            },
        }
        assert run_vector(opened) == {"outcome": "ok", "value": given["grant"]}


@pytest.mark.parametrize("page", ["machine-file", "license-key", "fingerprint"])
def test_every_code_that_a_page_names_has_a_vector(page: str) -> None:
    text = (ROOT / "specs" / f"{page}.md").read_text("utf-8")
    named = {code for code in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text) if "seconds" not in code}
    shown = {vector["expect"].get("code") for vector in ALL.values()}
    no_codes = {  # members, labels and values that look alike
        *("license_exp", "grace_period", "sdk_version", "schema_version", "fingerprint_components", "product_slug"),
        *("seat_limit", "plan_key", "starts_at", "ends_at", "expires_at", "act_status", "token_ttl", "term_grace"),
        *("max_ttl", "status_age", "status_list", "lic_nbf", "hardware_locked", "named_user", "license_key"),
        *("device_name", "seed_hex", "entropy_hex", "nonce_hex", "key_hex", "random_hex", "device_identifier"),
        *("tools", "vectors_machine_file", "status_min"),
    }
    assert named - no_codes - shown == set()


def test_every_code_of_the_claims_and_policies_has_a_vector() -> None:
    shown = {vector["expect"].get("code") for vector in ALL.values()}
    for module in (machine_claims, machine_included, policy_claims):
        assert module.__file__ is not None
        source = Path(module.__file__).read_text("utf-8")
        codes = set(re.findall(r'_(?:refuse|contradict)\(\s*"([a-z_]+)"', source))
        assert codes
        assert codes - shown == set()


def test_rel_24_the_vectors_and_the_table_take_every_branch_of_the_claims_both_ways() -> None:
    def run() -> None:
        reed_solomon._at_roots.clear()  # made once, both of them: another test may have been first
        reed_solomon._feedback.clear()
        for vector in ALL.values():
            run_vector(vector)
        assert reed_solomon._EXP[:31] == reed_solomon._powers_of_alpha()
        assert reed_solomon._generator() == reed_solomon._GENERATOR
        for path, values, _ in ALTERATIONS:
            for value in values:
                with pytest.raises(CarnetError):
                    open_here(seal_claims(altered(claims_of(), path, value)))

    found = untaken_branches([machine_claims, machine_included, policy_claims, key_strength, reed_solomon], run)
    assert not found, "\n".join(found)

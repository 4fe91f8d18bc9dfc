"""The published vectors of signed license keys and offline tokens: made again, run, and read by a second reader."""

from __future__ import annotations

import importlib.util
import json
from types import ModuleType
from typing import Any

import pytest

from carnet.core.instant import parse_instant
from carnet.formats import base32_groups, compact, offline_token, signed_key, signed_key_payload
from carnet.formats.encoding import b64url_decode
from carnet.formats.signed_key import canonical_signed_key, issue_signed_keys
from support.branches import untaken_branches
from support.offline_token_oracle import read as read_token_by_the_spec
from support.offline_tokens import CONTRACT
from support.schemas import schema_errors
from support.sealed_vectors import VECTORS, rendered, text_of
from support.signed_key_oracle import read as read_key_by_the_spec
from support.signed_keys import FACTS, RULES, SIGNER, key_grant
from support.signed_vectors import run_vector

GENERATORS = {"vectors_signed_key": "signed-license-key", "vectors_offline_token": "offline-token"}
ALL: dict[str, Any] = {
    f"{folder}/{path.stem}": json.loads(path.read_text("utf-8"))
    for folder in GENERATORS.values()
    for path in sorted((VECTORS / folder).glob("*.json"))
}
KEYS = {name: vector for name, vector in ALL.items() if "key" in vector["input"] and "keys" in vector}
TOKENS = {name: vector for name, vector in ALL.items() if "document" in vector["input"]}


def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, VECTORS.parents[1] / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", GENERATORS)
def test_the_vectors_are_what_the_generator_makes(name: str) -> None:
    files = (VECTORS / GENERATORS[name]).iterdir()
    committed = {f"{path.parent.name}/{path.name}": path.read_text("utf-8") for path in files}
    assert committed == rendered(generator(name).PARTS)


@pytest.mark.parametrize("folder", GENERATORS.values())
def test_the_formats_do_what_the_vectors_expect(folder: str) -> None:
    names = [name for name in ALL if name.startswith(f"{folder}/")]
    assert len(names) > 60
    for name in names:
        assert run_vector(ALL[name]) == ALL[name]["expect"], name


def test_the_vectors_have_the_form_that_is_described() -> None:
    schema = json.loads((VECTORS / "schema.json").read_text("utf-8"))
    assert [error for vector in ALL.values() for error in schema_errors(vector, schema, vector["id"])] == []


def trusted(vector: dict[str, Any], role: str) -> dict[str, bytes]:
    return {
        jwk["kid"]: b64url_decode(jwk["x"], "x")
        for jwk in vector["keys"].get(role, [])
        if jwk.get("state") not in ("retired", "compromised")
    }


@pytest.mark.parametrize("name", KEYS)
def test_the_second_reader_of_keys_agrees(name: str) -> None:
    vector = KEYS[name]
    facts = read_key_by_the_spec(text_of(vector["input"]["key"]), trusted(vector, "license-key"))
    expect = vector["expect"]
    if expect.get("code") == "placeholder_fingerprint":
        return  # it does not know the list
    assert (facts is None) == (expect["outcome"] in {"malformed", "not_genuine"})
    if facts is not None and "grant" in expect.get("value", {}):
        grant = expect["value"]["grant"]
        assert facts["kid"] == grant["kid"]
        assert (facts["product"], facts["license"]) == (grant["product"], grant["license_id"])
        assert facts["issued"] == parse_instant(grant["issued_at"])


@pytest.mark.parametrize("name", TOKENS)
def test_the_second_reader_of_tokens_agrees(name: str) -> None:
    vector = TOKENS[name]
    document = text_of(vector["input"]["document"]).removeprefix("\ufeff").encode()
    token = read_token_by_the_spec(document, trusted(vector, "offline"))
    expect = vector["expect"]
    if expect.get("code") in {"license_mismatch", "too_large"}:
        return  # it compares no license keys and has no bound
    assert (token is None) == (expect["outcome"] in {"malformed", "not_genuine"})


def test_the_contracts_document_is_among_the_vectors() -> None:
    vector = ALL["offline-token/contract"]
    assert json.loads(vector["input"]["document"]) == CONTRACT
    assert vector["expect"]["outcome"] == "ok"


def test_every_outcome_and_boundary_is_shown() -> None:
    outcomes = {vector["expect"]["outcome"] for vector in ALL.values()}
    assert outcomes >= {"ok", "malformed", "not_genuine", "usage", "refused:expired", "refused:wrong_product"}
    for name in ALL:
        if name.endswith("-at"):
            assert {f"{name[:-3]}-before", f"{name[:-3]}-after"} <= ALL.keys()


def run_all() -> None:
    # What was remembered from other tests would hide the branches that lead to it.
    compact.write_time.cache_clear()
    compact.remembered_text.cache_clear()
    signed_key_payload._head.cache_clear()
    for remembered in (signed_key_payload._policy, signed_key_payload._entitlements):
        remembered._known.clear()
        remembered._make.cache_clear()  # type: ignore[attr-defined]
    for vector in ALL.values():
        run_vector(vector)
    bound = key_grant(expires_at=parse_instant("2027-11-22T00:00:00Z"), **FACTS)
    started = key_grant(starts_at=bound.issued_at)
    for key in issue_signed_keys([bound, started, key_grant(**RULES)], SIGNER):
        assert canonical_signed_key(key) == key
        assert canonical_signed_key(key[:-1]) is None
        assert signed_key.looks_like_signed_key(key)
        assert signed_key.unverified_signed_key(key)[1] == SIGNER.kid[:2]
    for text in ("", "-" * 200, "0" * 200, "A" * 1000):
        assert not signed_key.looks_like_signed_key(text)
    assert offline_token.unverified_offline_token(json.dumps(CONTRACT).encode()) == CONTRACT["token"]


def test_rel_24_the_vectors_take_every_branch_both_ways() -> None:
    modules = [base32_groups, compact, signed_key, signed_key_payload, offline_token]
    assert untaken_branches(modules, run_all) == []

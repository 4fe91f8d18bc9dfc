"""The published vectors of the state: made again, run, and an independent reader that agrees (specs/state.md §11)."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carnet.formats.encoding import b64url_decode
from support.state_vectors import run_vector

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "specs" / "vectors" / "state"
VECTORS: list[dict[str, Any]] = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vectors_state", ROOT / "tools" / "vectors_state.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_vectors_are_what_the_generator_makes() -> None:
    assert {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()} == generator().made()


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_the_sdk_does_what_the_vectors_expect(vector: dict[str, Any]) -> None:
    assert run_vector(vector) == vector["expect"]


def test_every_outcome_is_among_them() -> None:
    codes = {vector["expect"].get("code") for vector in VECTORS}
    assert codes == {None, "foreign", "damaged", "too_new", "absent"}


# ── a second reader, from the page alone, with the standard library's HMAC ────────────────────────────────────────────


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    key = hmac.digest(salt, secret, "sha256")
    out = block = b""
    for index in range(1, 3):
        block = hmac.digest(key, block + info + bytes([index]), "sha256")
        out += block
    return out[:length]


def read(data: bytes, product: str, anchors: list[list[str]]) -> Any:
    if hashlib.sha256(data[:-32]).digest() != data[-32:]:
        return "damaged"
    magic, header_text, _ = data.split(b"\n", 2)
    if magic != b"carnet-state 1":
        return "too_new"
    head = magic + b"\n" + header_text + b"\n"
    header = json.loads(header_text)
    for kind, value in anchors:
        for slot in header["slots"]:
            if slot["anchor"] == kind:
                label = b"carnet/v1/state-slot\0"
                made = hkdf(value.encode(), b64url_decode(slot["salt"], ""), label + product.encode(), 44)
                try:
                    key = AESGCM(made[:32]).decrypt(made[32:], b64url_decode(slot["key"], ""), label + kind.encode())
                except InvalidTag:
                    continue
                made = hkdf(key, b64url_decode(header["salt"], ""), b"carnet/v1/state-body\0" + product.encode(), 44)
                return json.loads(AESGCM(made[:32]).decrypt(made[32:], data[len(head) : -32], head))
    return "foreign"


def test_a_reader_made_from_the_page_alone_reads_the_same() -> None:
    compared = 0
    for vector in VECTORS:
        given = vector["input"]
        if "write" in given:
            data = b64url_decode(vector["expect"]["value"], "The copy")
            content = read(data, given["product"], given["anchors"])
            kept = {name: value for name, value in content.items() if value not in (None, [], 0)}
            kept.pop("clock")
            assert kept == {name: value for name, value in given["write"].items() if value is not None}
            compared += 1
        elif "copies_b64u" in given and given["copies_b64u"][1] is None and given["copies_b64u"][0]:
            expect = vector["expect"]
            if expect["outcome"] in {"ok", "does_not_open"} and given["anchors"]:
                content = read(b64url_decode(given["copies_b64u"][0], ""), given["product"], given["anchors"])
                if expect["outcome"] == "ok":
                    clock = {**expect["value"]["clock"], **content["clock"]}  # absent members have their defaults
                    assert {name: {**content, "clock": clock}[name] for name in expect["value"]} == expect["value"]
                else:
                    assert content == "foreign"
                compared += 1
    assert compared >= 9

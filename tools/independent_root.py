"""
What `check_vectors.py` knows of root files: written from `specs/root.md`, importing nothing of Carnet.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from tools.independent_keys import fits, load_key, thumbprint  # noqa: E402 - the path is set above
from tools.independent_reading import (  # noqa: E402
    TEN_YEARS,
    Bad,
    base64_padded,
    canonical,
    check,
    is_integer,
    is_kid,
    is_text,
    is_time,
    json_object,
    kind,
    text_of,
    to_base64url,
)

PAYLOAD_TYPE: Final = "application/vnd.carnet.root+json"
Root = tuple[dict[str, Any], dict[str, bytes], list[tuple[str, bytes]], bytes]


def read_root(data: bytes) -> Root:
    """Content, root keys by id, signatures and signed bytes: steps 1 to 5 of root.md §5."""
    check(len(data) <= 512_000, "too_large")
    data = kind(data)
    envelope = json_object(data, 512_000)
    check(canonical(envelope) == data and data.isascii(), "bad_envelope")
    check(envelope.keys() == {"payload", "payloadType", "signatures"}, "bad_envelope")
    check(envelope["payloadType"] == PAYLOAD_TYPE, "wrong_type")
    listed = envelope["signatures"]
    check(isinstance(listed, list) and 1 <= len(listed) <= 32, "bad_envelope")
    check(all(isinstance(one, dict) and one.keys() == {"keyid", "sig"} for one in listed), "bad_envelope")
    check(all(isinstance(one["sig"], str) for one in listed), "bad_envelope")
    check(all(is_kid(one["keyid"]) for one in listed), "bad_kid")
    names = [one["keyid"] for one in listed]
    check(names == sorted(set(names)), "bad_envelope")
    signatures = [(one["keyid"], base64_padded(one["sig"])) for one in listed]
    check(all(len(signature) == 64 for _, signature in signatures), "bad_envelope")
    check(isinstance(envelope["payload"], str), "bad_envelope")
    payload = base64_padded(envelope["payload"])
    root, root_keys = read_payload(payload)
    return root, root_keys, signatures, signed_bytes(payload)


def signed_bytes(payload: bytes) -> bytes:
    """What root keys sign: the pre-authentication encoding (root.md §2)."""
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def read_payload(payload: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Content and root keys by id: steps 4 and 5 of root.md §5."""
    root = json_object(payload)
    check(canonical(root) == payload, "bad_root")
    check(is_integer(root.get("version"), 1, 2**53), "bad_root")
    check(is_text(root.get("iss")) and is_time(root.get("iat")) and is_time(root.get("exp")), "bad_root")
    check(root["iat"] < root["exp"] <= root["iat"] + TEN_YEARS, "bad_root")
    formats = root.get("formats")
    check(isinstance(formats, dict) and len(formats) <= 32, "bad_root")
    assert isinstance(formats, dict)
    check(all(is_text(name) and is_integer(oldest, 1, 2**53) for name, oldest in formats.items()), "bad_root")
    root_keys = check_root_keys(root.get("keys"))
    check(is_integer(root.get("threshold"), 1, len(root_keys)), "bad_root")
    return root, root_keys


def check_root_keys(keys: Any) -> dict[str, bytes]:
    """The root keys among *keys*, by id (root.md §3)."""
    check(isinstance(keys, list) and 1 <= len(keys) <= 64, "bad_root")
    ids = []
    root_keys = {}
    for key in keys:
        check(isinstance(key, dict) and key.keys() >= {"alg", "x", "roles"}, "bad_root")
        check(isinstance(key["x"], str), "bad_root")
        if key["alg"] != "Ed25519":  # §7: keys of unknown algorithms count for nothing
            continue
        roles = key["roles"]
        check(isinstance(roles, list) and roles and all(map(is_text, roles)), "bad_root")
        check(roles == sorted(set(roles)), "bad_root")
        raw = load_key(key["x"])
        ids.append(thumbprint(key["x"]))
        if "root" in roles:
            root_keys[ids[-1]] = raw
    check(len(ids) == len(set(ids)), "duplicate_key")
    check(ids == sorted(ids), "bad_root")
    return root_keys


def signers(keys: dict[str, bytes], signatures: Iterable[tuple[str, bytes]], signed: bytes) -> int:
    """How many distinct keys signed (root.md §5 step 6)."""
    who = set()
    for kid, signature in signatures:
        if kid in keys and fits({"kty": "OKP", "x": to_base64url(keys[kid])}, signature, signed):
            who.add(keys[kid])
    return len(who)


def self_signed(data: bytes, before: tuple[dict[str, Any], dict[str, bytes]] | None = None) -> tuple[Any, Any]:
    """Content and root keys of a root file that passes steps 1 to 6, or 7 and 8 as the next one from *before*."""
    root, keys, signatures, signed = read_root(data)
    if before is not None:
        old, old_keys = before
        check(root["iss"] == old["iss"], "wrong_issuer")
        check(root["version"] == old["version"] + 1, "root_not_next")
        check(signers(old_keys, signatures, signed) >= old["threshold"], "below_threshold")
    check(signers(keys, signatures, signed) >= root["threshold"], "below_threshold")
    return root, keys


def role_keys(root: dict[str, Any], role: str) -> list[bytes]:
    """The public keys that have *role* in a root that was read."""
    return [load_key(key["x"]) for key in root["keys"] if key["alg"] == "Ed25519" and role in key["roles"]]


def root_file(vector: dict[str, Any]) -> str:
    """The outcome of a root file, alone or as the next step from a trusted one (root.md §5, §6)."""
    given = vector["input"]
    if "offered" in given:
        return root_chain(given, vector["expect"]["value"])
    if "kid" in given:
        ends = read_root(given["trusted"].encode())[0]["exp"]
        now = int(datetime.fromisoformat(vector["now"]).timestamp())
        check(now < ends or given["kid"] in given["known"], "root_expired")
        return "ok"
    data = text_of(given["root"]).encode()
    before = read_root(text_of(given["trusted"]).encode())[:2] if "trusted" in given else None
    root, keys = self_signed(data, before)
    if "value" in vector["expect"]:
        value = vector["expect"]["value"]
        assert value["anchor"] == hashlib.sha256(kind(data)).hexdigest(), "anchor"
        assert value["roles"]["root"] == {"kids": sorted(keys), "threshold": root["threshold"]}, "root keys"
    return "ok"


def root_chain(given: dict[str, Any], value: dict[str, Any]) -> str:
    """Several root files after a trusted one (root.md §6)."""
    held = [given["trusted"]]
    forks = []
    for text in given["offered"]:
        newest = json.loads(base64_padded(json.loads(held[-1])["payload"]))["version"]
        if len(held) - 1 == given.get("most", 256):
            break
        try:
            root_file({"input": {"root": text, "trusted": held[-1]}, "expect": {}})
            held.append(text)
            continue
        except Bad:
            pass
        try:
            root_file({"input": {"root": text}, "expect": {}})
            version = read_root(text.encode())[0]["version"]
        except Bad:
            version = newest + 1
        if version > newest:
            if len(held) > 1:
                break
        elif kind(text.encode()) != held[version - 1].encode():
            root, keys, signatures, signed = read_root(text.encode())
            old, old_keys, _, _ = read_root(held[max(version - 2, 0)].encode())
            both = signers(keys, signatures, signed) >= root["threshold"]
            both &= signers(old_keys, signatures, signed) >= old["threshold"]
            forks.append({"version": version, "is_vouched": both})
    newest = read_root(held[-1].encode())[0]["version"]
    assert value == {"version": newest, "followed": len(held) - 1, "forks": forks}, "chain"
    return "ok"

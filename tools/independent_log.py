"""
What `check_vectors.py` knows of checkpoints, log proofs and drafts of root files: written from `specs/transparency.md`
and `specs/root.md`, importing nothing of Carnet.

Proofs are followed from the root of the tree down, as RFC 9162 defines them, and not upwards as its verifiers do.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from tools.independent_keys import fits, usable  # noqa: E402 - the path is set above
from tools.independent_reading import (  # noqa: E402
    Bad,
    base64_padded,
    base64url,
    check,
    is_integer,
    is_kid,
    json_object,
    kind,
    text_of,
    to_base64url,
)
from tools.independent_root import read_payload, role_keys, self_signed, signed_bytes  # noqa: E402

MIB: Final = 1024 * 1024
ROLES: Final = "root token machine-file license-key status-list answer time offline lease receipt checkpoint".split()  # noqa: SIM905 - a table of words
Tree = tuple[str, int, bytes]
"""Origin, size and root hash."""


def sha256(*parts: bytes) -> bytes:
    """SHA-256 over *parts*, one after the other."""
    return hashlib.sha256(b"".join(parts)).digest()


# ── transparency.md §3 ───────────────────────────────────────────────────────────────────────────────────────────────


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00", leaf)


def node(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return sha256(b"\x01", left, right)


def split(size: int) -> int:
    """How many of *size* leaves are on the left: the largest power of two below it."""
    left = 1
    while left * 2 < size:
        left *= 2
    return left


def tree_hash(leaves: list[bytes]) -> bytes:
    """The root hash, by its definition."""
    if len(leaves) < 2:
        return leaf_hash(leaves[0]) if leaves else sha256()
    left = split(len(leaves))
    return node(tree_hash(leaves[:left]), tree_hash(leaves[left:]))


def included(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root hash that a leaf hash and its path give; what is used of *path* is taken from it."""
    if size == 1:
        return leaf
    left = split(size)
    if index < left:
        inner = included(leaf, index, left, path)
        return node(inner, taken(path, "not_in_log"))
    inner = included(leaf, index - left, size - left, path)
    return node(taken(path, "not_in_log"), inner)


def grown(before: int, size: int, path: list[bytes], known: bytes | None) -> tuple[bytes, bytes]:
    """The root hashes of the first *before* of *size* leaves and of all, as a consistency proof gives them."""
    if before == size:
        hash_ = taken(path, "log_forked") if known is None else known
        return hash_, hash_
    left = split(size)
    if before <= left:
        old, new = grown(before, left, path, known)
        return old, node(new, taken(path, "log_forked"))
    old, new = grown(before - left, size - left, path, None)
    other = taken(path, "log_forked")
    return node(other, old), node(other, new)


def taken(path: list[bytes], code: str) -> bytes:
    """The next hash of *path*."""
    check(path, code)
    return path.pop(0)


def tree(given: dict[str, Any], value: dict[str, Any]) -> str:
    """The root hash of leaves."""
    found = tree_hash([bytes.fromhex(leaf) for leaf in given["leaves_hex"]])
    assert found.hex() == value["root_hex"], "root hash"
    return "ok"


def consistency(given: dict[str, Any]) -> str:
    """Whether one tree continues another."""
    before, size = given["before"], given["size"]
    old, new = (bytes.fromhex(given[name]) for name in ("root_before_hex", "root_hex"))
    path = [bytes.fromhex(hash_) for hash_ in given["path_hex"]]
    check(before <= size, "log_forked")
    found = (sha256(), new) if before == 0 else grown(before, size, path, old)
    check(found == (old, new) and not path, "log_forked")
    return "ok"


# ── transparency.md §4 ───────────────────────────────────────────────────────────────────────────────────────────────


def read_note(data: bytes) -> tuple[Tree, bytes, list[tuple[str, bytes]]]:
    """What a note says, its signed bytes, and name and value of each signature: steps 1 to 4 of §4.4."""
    check(len(data) <= 16_384, "bad_checkpoint")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise Bad("bad_checkpoint") from None
    check(not re.search("[\0-\x09\x0b-\x1f\x7f]", whole), "bad_checkpoint")
    cut = whole.rfind("\n\n")
    check(cut >= 0 and whole.endswith("\n"), "bad_checkpoint")
    text, listed = whole[: cut + 1], whole[cut + 2 : -1].split("\n")
    form = "([!-*,-~]{1,200})\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n([^\n]+\n)*"
    found = re.fullmatch(form, text)
    check(found and len(listed) <= 100, "bad_checkpoint")
    assert found is not None
    signatures = []
    for line in listed:
        signed = re.fullmatch("\u2014 (\\S+) ([A-Za-z0-9+/]+=*)", line)
        check(signed and "+" not in signed[1], "bad_checkpoint")
        assert signed is not None
        signatures.append((signed[1], value_of(signed[2])))
        check(len(signatures[-1][1]) > 4, "bad_checkpoint")
    return (found[1], int(found[2]), value_of(found[3])), text.encode(), signatures


def value_of(text: str) -> bytes:
    """Canonical Base64 of a note."""
    try:
        return base64_padded(text)
    except Bad:
        raise Bad("bad_checkpoint") from None


def verified_note(data: bytes, keys: list[bytes]) -> Tree:
    """What a note says that one of *keys* signed: all steps of §4.4."""
    said, signed, signatures = read_note(data)
    hashes = {sha256(said[0].encode(), b"\n\x01", key)[:4]: key for key in keys}
    for name, value in signatures:
        if name == said[0] and len(value) == 68 and value[:4] in hashes:
            jwk = {"kty": "OKP", "x": to_base64url(hashes[value[:4]])}
            check(fits(jwk, value[4:], signed), "bad_signature")
            return said
    raise Bad("unknown_key")


def checkpoint(vector: dict[str, Any]) -> str:
    """The outcome of a checkpoint (transparency.md §4.4)."""
    given = vector["input"]
    data = bytes.fromhex(given["bytes_hex"]) if "bytes_hex" in given else text_of(given["note"]).encode()
    keys = [base64url(jwk["x"]) for jwk in usable(vector, "checkpoint")]
    origin, size, root = verified_note(data, keys)
    assert vector["expect"].get("value") == {"origin": origin, "size": size, "root_hex": root.hex()}, "checkpoint"
    return "ok"


# ── transparency.md §5 ───────────────────────────────────────────────────────────────────────────────────────────────


def log_proof(vector: dict[str, Any]) -> str:
    """The outcome of a proof file (transparency.md §5.1), or of trees alone (§3)."""
    given = vector["input"]
    if "leaves_hex" in given:
        return tree(given, vector["expect"]["value"])
    if "before" in given:
        return consistency(given)
    proven = verified_proof(text_of(given["proof"]).encode(), given["root"].encode())
    assert vector["expect"].get("value") == proven, "what is proven"
    return "ok"


def verified_proof(data: bytes, root: bytes) -> dict[str, Any]:
    """What a proof file proves to a reader who trusts *root*: all steps of §5.1."""
    check(len(data) <= MIB, "too_large")
    content = json_object(data, MIB)
    check(content.get("format") == "carnet-log-proof/1", "bad_log_proof")
    check(content.keys() == {"format", "checkpoint", "roots", "entries"}, "bad_log_proof")
    note, roots, entries = content["checkpoint"], content["roots"], content["entries"]
    check(isinstance(note, str) and isinstance(roots, list), "bad_log_proof")
    check(all(isinstance(text, str) for text in roots), "bad_log_proof")
    check(isinstance(entries, list) and 1 <= len(entries) <= 100, "bad_log_proof")
    listed = [read_entry(entry) for entry in entries]
    newest = first_root(root)
    keys = role_keys(newest[0], "checkpoint")
    for text in roots:
        newest = self_signed(text.encode(), newest)
        keys += role_keys(newest[0], "checkpoint")
    origin, size, tree_root = verified_note(note.encode(), keys)
    for index, leaf, path in listed:
        check(index < size, "not_in_log")
        hash_ = leaf_hash(b"carnet/log-leaf/1\n" + leaf.encode())
        check(included(hash_, index, size, path) == tree_root and not path, "not_in_log")
    said = [json_object(leaf.encode()) for _, leaf, _ in listed]
    return {"issuer": newest[0]["iss"], "origin": origin, "size": size, "entries": said}


@functools.lru_cache(maxsize=16)
def first_root(data: bytes) -> tuple[Any, Any]:
    """A root file that vouches for itself; the same one stands in many proofs and drafts."""
    return self_signed(data)


def read_entry(entry: Any) -> tuple[int, str, list[bytes]]:
    """Number, leaf and path of an entry."""
    check(isinstance(entry, dict) and entry.keys() == {"index", "leaf", "path"}, "bad_log_proof")
    index, leaf, path = entry["index"], entry["leaf"], entry["path"]
    check(is_integer(index, 0, 2**53) and isinstance(leaf, str), "bad_log_proof")
    check(isinstance(path, list) and len(path) <= 64, "bad_log_proof")
    hashes = []
    for text in path:
        check(isinstance(text, str) and re.fullmatch("[A-Za-z0-9+/]{43}=", text), "bad_log_proof")
        try:
            hashes.append(base64_padded(text))
        except Bad:
            raise Bad("bad_log_proof") from None
    return index, leaf, hashes


# ── root.md §8 ───────────────────────────────────────────────────────────────────────────────────────────────────────


def root_draft(vector: dict[str, Any]) -> str:
    """The outcome of a draft (root.md §8)."""
    value = read_draft(text_of(vector["input"]["draft"]).encode())
    assert vector["expect"].get("value") == value, "draft"
    return "ok"


def read_draft(data: bytes) -> dict[str, Any]:
    """What a draft says and who signed it: steps 15 to 19."""
    check(len(data) <= 8 * MIB, "too_large")
    content = json_object(data, 8 * MIB)
    check(content.get("format") == "carnet-root-draft/1", "bad_draft")
    check(content.keys() == {"format", "roots", "payload", "signatures"}, "bad_draft")
    roots, text, listed = content["roots"], content["payload"], content["signatures"]
    check(isinstance(roots, list) and roots and all(isinstance(root, str) for root in roots), "bad_draft")
    check(isinstance(text, str) and isinstance(listed, list), "bad_draft")
    before = first_root(roots[0].encode())
    check(before[0]["version"] == 1, "bad_draft")
    for root in roots[1:]:
        before = self_signed(root.encode(), before)
    payload = base64_padded(text)
    after = read_payload(payload)
    check(is_known(after[0]), "bad_draft")
    check(after[0]["iss"] == before[0]["iss"] and after[0]["version"] == before[0]["version"] + 1, "bad_draft")
    names = check_signatures(listed, {**before[1], **after[1]}, signed_bytes(payload))
    counts = {
        name: {"signed": len(names & root[1].keys()), "of": root[0]["threshold"]}
        for name, root in (("before", before), ("own", after))
    }
    return {
        "anchor": hashlib.sha256(kind(roots[0].encode())).hexdigest(),
        "version": after[0]["version"],
        "signed": sorted(names),
        **counts,
    }


def is_known(root: dict[str, Any]) -> bool:
    """Whether a payload says nothing but what §3 names."""
    return (
        root.keys() == {"version", "iss", "iat", "exp", "keys", "threshold", "formats"}
        and all(key.keys() == {"alg", "x", "roles"} and key["alg"] == "Ed25519" for key in root["keys"])
        and all(set(key["roles"]) <= set(ROLES) for key in root["keys"])
    )


def check_signatures(listed: list[Any], keys: dict[str, bytes], signed: bytes) -> set[str]:
    """The ids of the root keys that signed; every signature that is there must be of one."""
    found = []
    for one in listed:
        check(isinstance(one, dict) and one.keys() == {"keyid", "sig"}, "bad_draft")
        check(isinstance(one["sig"], str), "bad_draft")
        check(is_kid(one["keyid"]), "bad_kid")
        found.append((one["keyid"], base64_padded(one["sig"])))
    for kid, signature in found:
        check(kid in keys, "bad_signature")
        check(fits({"kty": "OKP", "x": to_base64url(keys[kid])}, signature, signed), "bad_signature")
    return {kid for kid, _ in found}

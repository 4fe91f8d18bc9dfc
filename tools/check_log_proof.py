"""
An independent check of proofs and of exported audits: written from specs/audit.md, specs/transparency.md and
specs/root.md, importing nothing of Carnet.

`python tools/check_log_proof.py PROOF ROOT` checks what `carnet audit prove` wrote against the vendor's root file;
`python tools/check_log_proof.py --chain EXPORT ISSUER` checks the chain of what `carnet audit export` wrote. Each
prints what it found and ends with 1 if something is wrong. Root files after version 1 are not followed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey


def sha256(*parts: bytes) -> bytes:
    """SHA-256 over *parts*, one after the other."""
    return hashlib.sha256(b"".join(parts)).digest()


def base64url(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def canonical(value: Any) -> bytes:
    """The canonical text of specs/strict-json.md §4, for what stands in a leaf or a row."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def checkpoint_keys(root: Any) -> list[bytes]:
    """The public keys that the root file allows to sign checkpoints; its own signatures are the reader's concern."""
    keys = json.loads(base64.b64decode(root["payload"]))["keys"]
    return [base64.urlsafe_b64decode(key["x"] + "=") for key in keys if "checkpoint" in key["roles"]]


def signed_tree(note: str, keys: list[bytes]) -> tuple[int, bytes]:
    """Size and root hash of a checkpoint that one of *keys* signed (specs/transparency.md §4)."""
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    origin, size, root = text.split("\n")[:3]
    for line in lines.splitlines():
        name, _, encoded = line.removeprefix("\u2014 ").partition(" ")
        value = base64.b64decode(encoded)
        for key in keys:
            if name == origin and value[:4] == sha256(origin.encode(), b"\n\x01", key)[:4]:
                VerifyKey(key).verify(text.encode(), value[4:])
                return int(size), base64.b64decode(root)
    raise SystemExit("no key of the root file signed the checkpoint")


def leads_to(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root hash that a leaf and its path lead to (RFC 9162 §2.1.3.2)."""
    number, last, result = index, size - 1, sha256(b"\x00", leaf)
    for other in path:
        if number % 2 or number == last:
            result = sha256(b"\x01", other, result)
            while number % 2 == 0 and number:
                number, last = number // 2, last // 2
        else:
            result = sha256(b"\x01", result, other)
        number, last = number // 2, last // 2
    return result if last == 0 else b""


def check_proof(proof: Any, root: Any) -> None:
    """Print each entry that the proof proves; end where one is not proven."""
    size, tree = signed_tree(proof["checkpoint"], checkpoint_keys(root))
    for entry in proof["entries"]:
        path = [base64.b64decode(each) for each in entry["path"]]
        leaf = b"carnet/log-leaf/1\n" + entry["leaf"].encode()
        if entry["index"] >= size or leads_to(leaf, entry["index"], size, path) != tree:
            raise SystemExit(f"entry {entry['index']} is not in the log")
        print(f"entry {entry['index']} of {size}: {entry['leaf']}")


def check_chain(lines: list[Any], issuer: str) -> None:
    """Go along the chain of an export that begins at its beginning."""
    hash_ = sha256(b"carnet/audit-start/1\n", issuer.encode())
    position = 0
    for line in lines:
        if line["position"] is None:
            continue
        position += 1
        row = line["row"]
        if row is None or line["position"] != position:
            raise SystemExit(f"position {position}: the row is gone")
        said = {name: row[name] for name in ("seq", "actor_kind", "actor_id", "action", "object_kind", "object_id")}
        said["at"] = int(datetime.fromisoformat(row["at"]).timestamp())
        said["details_sha256"] = base64url(sha256(row["details"].encode()))
        hash_ = sha256(b"carnet/audit-chain/1\n", hash_, sha256(b"carnet/audit-row/1\n", canonical(said)))
        if base64url(hash_) != line["hash"]:
            raise SystemExit(f"position {position}, row {row['seq']}: not what was sealed")
    print(f"{position} rows are as they were sealed")


def main(arguments: list[str]) -> None:
    """Check what was named."""
    if arguments[:1] == ["--chain"]:
        text = Path(arguments[1]).read_text(encoding="utf-8")
        check_chain([json.loads(line) for line in text.splitlines()], arguments[2])
        return
    proof, root = (json.loads(Path(each).read_text(encoding="utf-8")) for each in arguments)
    try:
        check_proof(proof, root)
    except BadSignatureError as error:
        raise SystemExit("the checkpoint's signature does not fit") from error


if __name__ == "__main__":
    main(sys.argv[1:])

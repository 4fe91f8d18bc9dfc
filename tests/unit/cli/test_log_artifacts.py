"""Checkpoints, log proofs and drafts of roots: explained line by line, and verified under the vendor's root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carnet.cli.exits import FAILED, OK, USAGE
from carnet.formats.detect import Kind, detect
from carnet.formats.limits import MAX_ROOT
from carnet.formats.log_proof import FORMAT
from carnet.formats.root import build_root, sign_root
from support.cli_runs import Run, carnet
from support.cli_vendor import CHECKPOINT_SIGNER, NEXT_SIGNER, ROOT_SIGNER, STRANGER, root_file, write
from support.decisions import ISSUED
from support.every_artifact import DRAFT, EVERY

KINDS: tuple[Kind, ...] = ("checkpoint", "log-proof", "root-draft")


def _verified(folder: Path, content: str, root: str | None = None) -> Run:
    trusted = write(folder, "root.json", root_file() if root is None else root)
    return carnet("verify", write(folder, "artifact", content), "--root", trusted, "--json")


def _of_a_stranger() -> str:
    keys: Any = {
        role: [STRANGER.public_key]
        for role in ("root", "token", "machine-file", "license-key", "answer", "time", "status-list", "checkpoint")
    }
    root = build_root(version=1, issuer="issuer-1", issued_at=ISSUED, expires_at=DRAFT.root.expires_at, keys=keys)
    return sign_root(root, [STRANGER]).decode()


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_genuine_under_the_vendors_root_and_under_no_other(tmp_path: Path, kind: Kind) -> None:
    good = _verified(tmp_path, EVERY[kind])
    assert (good.code, good.json["kind"], good.json["genuine"], good.json["root_version"]) == (OK, kind, True, 1)
    mailed = _verified(tmp_path, "\ufeff\r\n" + EVERY[kind].replace("\n", "\r\n"))
    assert (mailed.code, mailed.json["genuine"]) == (OK, True)
    bad = _verified(tmp_path, EVERY[kind], _of_a_stranger())
    assert (bad.code, bad.json["genuine"]) == (FAILED, False)
    assert {reason["code"] for reason in bad.json["reasons"]} <= {"unknown_key", "root_not_next", "below_threshold"}


def test_a_checkpoint_says_who_signed_it_and_one_that_was_altered_is_none(tmp_path: Path) -> None:
    good = _verified(tmp_path, EVERY["checkpoint"]).json
    assert (good["kid"], good["size"], good["origin"]) == (CHECKPOINT_SIGNER.kid, 1, "carnet/issuer-1/0")
    altered = _verified(tmp_path, EVERY["checkpoint"].replace("\n1\n", "\n2\n", 1))
    assert (altered.code, altered.json["reasons"][0]["code"]) == (FAILED, "bad_signature")


def test_a_proof_of_another_entry_proves_nothing(tmp_path: Path) -> None:
    altered = _verified(tmp_path, EVERY["log-proof"].replace("token-1", "token-2"))
    assert (altered.code, altered.json["reasons"][0]["code"]) == (FAILED, "not_in_log")


def test_a_draft_says_what_it_changes_who_signed_and_who_is_missing(tmp_path: Path) -> None:
    shown = carnet("inspect", write(tmp_path, "draft", EVERY["root-draft"]), "--json").json
    assert shown["signed_by"] == [ROOT_SIGNER.kid]
    assert shown["missing"] == []
    assert any(NEXT_SIGNER.kid in each for each in shown["changes"])
    assert _verified(tmp_path, EVERY["root-draft"]).json["version"] == 2


@pytest.mark.parametrize("kind", ["log-proof", "root-draft"])
def test_under_one_key_only_a_checkpoint_can_be_judged(tmp_path: Path, kind: Kind) -> None:
    jwk = json.dumps(
        {"kty": "OKP", "crv": "Ed25519", "x": _b64(CHECKPOINT_SIGNER.public_key.raw), "kid": CHECKPOINT_SIGNER.kid}
    )
    key = write(tmp_path, "key.json", jwk)
    run = carnet("verify", write(tmp_path, "artifact", EVERY[kind]), "--public-key", key, "--json")
    assert run.code == USAGE
    pinned = carnet("verify", write(tmp_path, "note", EVERY["checkpoint"]), "--public-key", key, "--json")
    assert (pinned.code, pinned.json["kid"]) == (OK, CHECKPOINT_SIGNER.kid)


def _b64(raw: bytes) -> str:
    from carnet.formats.encoding import b64url_encode

    return b64url_encode(raw)


def test_a_proof_in_an_old_checkpoint_is_explained_with_what_would_be_refused(tmp_path: Path) -> None:
    members = {**json.loads(EVERY["log-proof"]), "checkpoint": "nonsense"}
    shown = carnet("inspect", write(tmp_path, "proof", json.dumps(members)), "--json").json
    assert [each["code"] for each in shown["problems"]] == ["bad_checkpoint"]


def test_a_draft_of_many_roots_is_told_though_it_is_larger_than_a_root() -> None:
    members = json.loads(EVERY["root-draft"])
    large = json.dumps({**members, "roots": members["roots"] * (1 + MAX_ROOT // len(members["roots"][0]))})
    assert len(large) > MAX_ROOT
    assert detect(large.encode()) == "root-draft"
    assert json.loads(EVERY["log-proof"])["format"] == FORMAT

"""A vendor without a server: a root file and genuine artifacts, made with fixed keys."""

from __future__ import annotations

from pathlib import Path

from carnet.core._base import replace
from carnet.core.instant import DAY, Instant
from carnet.core.model import Grant
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_key import generate_license_key
from carnet.formats.license_token import issue_license_token
from carnet.formats.machine_file import seal_machine_file
from carnet.formats.root import build_root, sign_root
from support.decisions import DEVICE, ISSUED

ROOT_SIGNER = Ed25519Signer(b"R" * 32)
TOKEN_SIGNER = Ed25519Signer(b"T" * 32)
FILE_SIGNER = Ed25519Signer(b"F" * 32)
ANSWER_SIGNER = Ed25519Signer(b"A" * 32)
KEY_SIGNER = Ed25519Signer(b"K" * 32)
OFFLINE_SIGNER = Ed25519Signer(b"O" * 32)
TIME_SIGNER = Ed25519Signer(b"Z" * 32)
LEASE_SIGNER = Ed25519Signer(b"L" * 32)
LIST_SIGNER = Ed25519Signer(b"s" * 32)
CHECKPOINT_SIGNER = Ed25519Signer(b"C" * 32)
NEXT_SIGNER = Ed25519Signer(b"N" * 32)
STRANGER = Ed25519Signer(b"S" * 32)
LICENSE_KEY = generate_license_key(lambda count: bytes(range(100, 100 + count)))
OTHER_KEY = generate_license_key(lambda count: bytes(range(200, 200 + count)))


def root_file(version: int = 1, *, file_signer: Ed25519Signer = FILE_SIGNER) -> str:
    """A root file; a later version may name another key for machine files."""
    root = build_root(
        version=version,
        issuer="issuer-1",
        issued_at=ISSUED,
        expires_at=Instant(ISSUED + 3650 * DAY),
        keys={
            "root": [ROOT_SIGNER.public_key],
            "token": [TOKEN_SIGNER.public_key],
            "machine-file": [file_signer.public_key],
            "license-key": [KEY_SIGNER.public_key],
            "answer": [ANSWER_SIGNER.public_key],
            "time": [TIME_SIGNER.public_key],
            "offline": [OFFLINE_SIGNER.public_key],
            "lease": [LEASE_SIGNER.public_key],
            "status-list": [LIST_SIGNER.public_key],
            "checkpoint": [CHECKPOINT_SIGNER.public_key],
        },
    )
    return sign_root(root, [ROOT_SIGNER]).decode()


def token(grant: Grant, signer: Ed25519Signer = TOKEN_SIGNER) -> str:
    """A license token that says *grant*."""
    return issue_license_token(replace(grant, kind="token", kid=None), signer)


def machine_file(grant: Grant, signer: Ed25519Signer = FILE_SIGNER, key: str = LICENSE_KEY) -> str:
    """A machine file that says *grant*."""
    return seal_machine_file(
        replace(grant, kind="machine-file", kid=None, device=grant.device or DEVICE),
        license_key=key,
        device_name="Atelier",
        platform="linux",
        signer=signer,
        entropy=bytes(32),
    )


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """A file in *folder*."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path

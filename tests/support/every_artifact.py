"""One genuine artifact of every kind that `formats.detect` tells, with the vendor's fixed keys."""

from __future__ import annotations

from carnet.core._base import replace
from carnet.core.instant import Instant
from carnet.core.lease_terms import LeaseHolder
from carnet.formats.answer import Answer, issue_answer
from carnet.formats.app_manifest import AppManifest, issue_app_manifest
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.checkpoint import Checkpoint, origin_of, sign_checkpoint
from carnet.formats.detect import Kind
from carnet.formats.device_proof import make_device_proof
from carnet.formats.lease import LeaseToken, issue_lease_token
from carnet.formats.log_leaves import as_leaf
from carnet.formats.log_proof import LogProof, ProvenEntry, log_proof_members
from carnet.formats.merkle import leaf_hash
from carnet.formats.offline_token import issue_offline_token
from carnet.formats.profiles.keyforge import issue_keyforge_token
from carnet.formats.root import read_root
from carnet.formats.root_draft import draft_of, sign_draft, write_draft
from carnet.formats.signed_key import issue_signed_key
from carnet.formats.status_list import StatusList, issue_status_list, pack_statuses
from carnet.formats.strict_json import dump_json
from carnet.formats.time_answer import TimeAnswer, issue_time_answer
from support import offline_tokens
from support import profile_tokens as profiles
from support.cli_vendor import (
    ANSWER_SIGNER,
    CHECKPOINT_SIGNER,
    KEY_SIGNER,
    LEASE_SIGNER,
    LICENSE_KEY,
    LIST_SIGNER,
    NEXT_SIGNER,
    OFFLINE_SIGNER,
    ROOT_SIGNER,
    STRANGER,
    TIME_SIGNER,
    machine_file,
    root_file,
    token,
)
from support.decisions import DEVICE, ISSUED, grant
from support.signed_keys import FACTS, key_grant

REFUSAL = Answer(
    id="answer-1",
    issuer="issuer-1",
    nonce="n",
    action="refresh",
    outcome="refused",
    code="license_revoked",
    reasons=("license_revoked",),
    at=ISSUED,
    product="hustl",
    device=DEVICE,
    artifacts=(("token", "A" * 43),),
)
LEASE = LeaseToken(
    id="lease-token-1",
    issuer="issuer-1",
    product="hustl",
    license_id="license-1",
    lease_id="lease-1",
    holder=LeaseHolder(kind="device", id="render-07"),
    issued_at=ISSUED,
    expires_at=Instant(ISSUED + 3600),
    is_borrowed=True,
)
STATUS_LIST = StatusList(
    issuer="issuer-1",
    uri="https://license.example.com/v1/status/0",
    version=(1, 5),
    issued_at=ISSUED,
    expires_at=Instant(ISSUED + 7 * 86400),
    ttl_seconds=60,
    bits=2,
    statuses=pack_statuses(64, [3, 9], [5])[1],
)
MANIFEST = AppManifest(
    issuer="issuer-1",
    product="hustl",
    version="2.4.0",
    issued_at=ISSUED,
    files=(("bin/hustl", "0" * 64), ("lib/sound.so", "f" * 64)),
)
LEAF = as_leaf('{"jti":"token-1","kind":"token","license_id":"license-1","type":"issued"}')
CHECKPOINT = sign_checkpoint(
    Checkpoint(origin=origin_of("issuer-1", 0), size=1, root=leaf_hash(LEAF)), CHECKPOINT_SIGNER
)
PROOF = LogProof(checkpoint=CHECKPOINT, roots=(root_file(2),), entries=(ProvenEntry(index=0, leaf=LEAF, path=()),))
DRAFT = draft_of((root_file(),), read_root(root_file(2, file_signer=NEXT_SIGNER)))
SIGNED_KEY = issue_signed_key(key_grant(kid=KEY_SIGNER.kid, issued_at=ISSUED, **FACTS), KEY_SIGNER)
WITH_ADDRESS = replace(profiles.KEYFORGE_FACTS, license=replace(profiles.KEYFORGE_LICENSE, email="zoe@example.com"))
EVERY: dict[Kind, str] = {
    "token": token(grant()),
    "machine-file": machine_file(grant()),
    "root": root_file(),
    "answer": issue_answer(replace(REFUSAL, artifacts=()), ANSWER_SIGNER),
    "time": issue_time_answer(TimeAnswer(id="t", issuer="issuer-1", nonce="n", at=ISSUED), TIME_SIGNER),
    "device-proof": make_device_proof(STRANGER, method="POST", path="/v1/refresh", body=b"{}", at=ISSUED, nonce="n"),
    "lease": issue_lease_token(LEASE, LEASE_SIGNER),
    "status-list": issue_status_list(STATUS_LIST, LIST_SIGNER),
    "app-manifest": issue_app_manifest(MANIFEST, KEY_SIGNER).decode(),
    "checkpoint": CHECKPOINT,
    "log-proof": dump_json(log_proof_members(PROOF)).decode(),
    "root-draft": write_draft(sign_draft(DRAFT, [ROOT_SIGNER])).decode(),
    "license-key": LICENSE_KEY,
    "signed-key": SIGNED_KEY,
    "offline-token": issue_offline_token(offline_tokens.GRANT, license_key=LICENSE_KEY, signer=OFFLINE_SIGNER),
    "keyforge-token": issue_keyforge_token(WITH_ADDRESS, profiles.KEYFORGE_SIGNER),
    "traffic-orchestrator-token": profiles.ORCHESTRATOR_TOKEN,
}
EVERY["bundle"] = write_bundle(
    Bundle(
        roots=(root_file(), root_file(2)),
        token=EVERY["token"],
        machine_file=EVERY["machine-file"],
        time=EVERY["time"],
        answer=EVERY["answer"],
        lease=EVERY["lease"],
        status_lists=(EVERY["status-list"],),
    )
)

"""Runs one scenario of the format vectors (specs/vectors/README.md) against `carnet.formats`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from carnet.client.roots import Trust, embedded, follow
from carnet.core._base import replace
from carnet.core.decision import Evidence, Host
from carnet.core.errors import DoesNotOpenError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import parse_instant
from carnet.core.rules import decide
from carnet.formats.answer import check_binding, verify_answer
from carnet.formats.bundle import read_bundle
from carnet.formats.checkpoint import Checkpoint, read_checkpoint, verify_checkpoint
from carnet.formats.device_proof import verify_device_proof
from carnet.formats.keys import load_ed25519, public_key_from_jwk
from carnet.formats.lease import verify_lease_token
from carnet.formats.license_token import verify_license_token
from carnet.formats.limits import MAX_ROOT_STEPS
from carnet.formats.log_proof import read_log_proof, verify_log_proof
from carnet.formats.merkle import Growing, leaf_hash, verify_consistency
from carnet.formats.root import Root, anchor, next_root, read_root
from carnet.formats.root_draft import needed, read_draft
from carnet.formats.status_list import verify_status_list
from carnet.formats.strict_json import dump_json, parse_json
from carnet.formats.time_answer import verify_time_answer
from support.decisions import to_json
from support.vector_keys import ring_of

Outcome = dict[str, Any]


def run_format_vector(vector: Mapping[str, Any]) -> Outcome:
    """The outcome of *vector*, as its `expect` has it."""
    run = _RUNNERS[vector["id"].partition("/")[0]]
    try:
        return run(vector)
    except MalformedError as refusal:
        return {"outcome": "malformed", "code": refusal.code}
    except NotGenuineError as refusal:
        return {"outcome": "not_genuine", "code": refusal.code}
    except DoesNotOpenError as refusal:
        return {"outcome": "does_not_open", "code": refusal.code}
    except UsageError as refusal:
        return {"outcome": "usage", "code": refusal.code}


def text_of(described: Any) -> str:
    """A text that stands as it is, or as a list of texts and repetitions."""
    if isinstance(described, str):
        return described
    if isinstance(described, Mapping):
        return str(described["repeat"]) * int(described["times"])
    return "".join(text_of(part) for part in described)


def _keys(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    if "find" in given:
        return {"outcome": "ok", "value": {"alg": ring_of(vector).find(**given["find"]).alg}}
    key = public_key_from_jwk(given["jwk"]) if "jwk" in given else load_ed25519(bytes.fromhex(given["public_key_hex"]))
    if "signature_hex" not in given:
        shown = {} if "jwk" in given else {"jwk": key.to_jwk()}
        return {"outcome": "ok", "value": {"kid": key.kid, **shown}}
    key.verify(bytes.fromhex(given["signature_hex"]), given["message"].encode())
    return {"outcome": "ok"}


def _strict_json(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    data = bytes.fromhex(given["bytes_hex"]) if "bytes_hex" in given else text_of(given["text"]).encode()
    value = parse_json(data, max_bytes=given.get("max_bytes", 1 << 20), what="The text")
    canonical = dump_json(value)
    return {"outcome": "ok", "value": canonical.decode()} if len(canonical) < 1000 else {"outcome": "ok"}


def _license_token(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    grant = verify_license_token(text_of(given["token"]), ring_of(vector))
    if "now" not in vector:
        return {"outcome": "ok", "value": to_json(grant)}
    host = Host(
        product=given["product"],
        app_version=given.get("app_version"),
        edition=given.get("edition"),
        domain=given.get("domain"),
    )
    decision = decide(Evidence(grants=(grant,), device=given.get("device")), parse_instant(vector["now"]), host)
    outcome = "ok" if decision else f"refused:{decision.state}"
    return {"outcome": outcome, "decision": decision.to_json()}


def _answer(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    answer = verify_answer(given["answer"], ring_of(vector))
    if "question" in given:
        question = given["question"]
        check_binding(answer, **{**question, "artifacts": tuple(sorted(question["artifacts"].items()))})
    return {"outcome": "ok", "value": {**to_json(answer), "artifacts": dict(answer.artifacts)}}


def _lease(vector: Mapping[str, Any]) -> Outcome:
    return {"outcome": "ok", "value": to_json(verify_lease_token(text_of(vector["input"]["lease"]), ring_of(vector)))}


def _status_list(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    listed = verify_status_list(text_of(given["list"]), ring_of(vector), uri=given.get("uri"))
    told = {name: value for name, value in to_json(listed).items() if name != "statuses"}
    found = {str(index): listed.status(index) for index in given.get("indices", [])}
    return {"outcome": "ok", "value": {**told, "size": listed.size, "statuses": found}}


def _time(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    return {
        "outcome": "ok",
        "value": to_json(verify_time_answer(text_of(given["time"]), ring_of(vector), nonce=given["nonce"])),
    }


def _device_proof(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    proof = verify_device_proof(
        text_of(given["proof"]),
        public_key_from_jwk(given["public_key"]),
        method=given["method"],
        path=given["path"],
        body=given["body"].encode(),
        now=parse_instant(vector["now"]),
    )
    return {"outcome": "ok", "value": to_json(proof)}


def _root(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    if "offered" in given:
        return _followed(given)
    if "kid" in given:
        trust = Trust(chain=embedded(given["trusted"].encode()), wall=parse_instant(vector["now"]))
        replace(trust, known=frozenset(given["known"])).check_key(given["kid"])
        return {"outcome": "ok"}
    text = text_of(given["root"])
    root = next_root(read_root(given["trusted"]), text) if "trusted" in given else read_root(text)
    return {"outcome": "ok", "value": _root_to_json(root, anchor(text))}


def _followed(given: Mapping[str, Any]) -> Outcome:
    most = given.get("most", MAX_ROOT_STEPS)
    followed = follow(embedded(given["trusted"].encode()), given["offered"], most=most)
    forks = [{"version": fork.version, "is_vouched": fork.is_vouched} for fork in followed.forks]
    value = {"version": followed.chain.root.version, "followed": len(followed.brought), "forks": forks}
    return {"outcome": "ok", "value": value}


def _root_to_json(root: Root, digest: str) -> Outcome:
    return {
        "version": root.version,
        "issuer": root.issuer,
        "issued_at": str(root.issued_at),
        "expires_at": str(root.expires_at),
        "roles": {role.role: {"kids": list(role.kids), "threshold": role.threshold} for role in root.roles},
        "minimum_formats": dict(root.minimum_formats),
        "anchor": digest,
    }


def _root_draft(vector: Mapping[str, Any]) -> Outcome:
    draft = read_draft(text_of(vector["input"]["draft"]).encode())
    counted = needed(draft)
    value = {
        "anchor": draft.anchor,
        "version": draft.root.version,
        "signed": [each.kid for each in draft.signatures],
        "before": {"signed": counted.before, "of": counted.before_threshold},
        "own": {"signed": counted.own, "of": counted.own_threshold},
    }
    return {"outcome": "ok", "value": value}


def _checkpoint(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    note = read_checkpoint(bytes.fromhex(given["bytes_hex"]) if "bytes_hex" in given else text_of(given["note"]))
    return {"outcome": "ok", "value": _tree(verify_checkpoint(note, ring_of(vector).usable("checkpoint")))}


def _tree(checkpoint: Checkpoint) -> Outcome:
    return {"origin": checkpoint.origin, "size": checkpoint.size, "root_hex": checkpoint.root.hex()}


def _log_proof(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    if "leaves_hex" in given:
        tree = Growing()
        for leaf in given["leaves_hex"]:
            tree.add(leaf_hash(bytes.fromhex(leaf)))
        return {"outcome": "ok", "value": {"root_hex": tree.root().hex()}}
    if "before" in given:
        before, after = (bytes.fromhex(given[name]) for name in ("root_before_hex", "root_hex"))
        path = [bytes.fromhex(each) for each in given["path_hex"]]
        verify_consistency(given["before"], given["size"], before, after, path)
        return {"outcome": "ok"}
    proven = verify_log_proof(read_log_proof(text_of(given["proof"]).encode()), read_root(given["root"]))
    said = {"issuer": proven.issuer, **_tree(proven.checkpoint), "entries": list(proven.entries)}
    return {"outcome": "ok", "value": {name: said[name] for name in ("issuer", "origin", "size", "entries")}}


def _bundle(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    data = bytes.fromhex(given["bytes_hex"]) if "bytes_hex" in given else text_of(given["bundle"]).encode()
    return {"outcome": "ok", "value": to_json(read_bundle(data))}


_RUNNERS: dict[str, Callable[[Mapping[str, Any]], Outcome]] = {
    "keys": _keys,
    "strict-json": _strict_json,
    "license-token": _license_token,
    "answer": _answer,
    "time": _time,
    "lease": _lease,
    "status-list": _status_list,
    "device-proof": _device_proof,
    "root": _root,
    "root-draft": _root_draft,
    "checkpoint": _checkpoint,
    "log-proof": _log_proof,
    "bundle": _bundle,
}

"""
An independent check of `specs/vectors/`: written from the pages of `specs/`, importing nothing of Carnet.

`python tools/check_vectors.py` goes through the vectors of keys, license tokens, token profiles, answers, times, device
proofs, root files and their drafts, checkpoints, log proofs, machine files and the clock with PyNaCl, pyca's AES,
arithmetic of its own and the standard library's JSON. It compares outcome and code, and the values that it computes
itself; it prints a line for each folder and each vector that it sees otherwise, and ends with 1 if there is one.

It does not judge what a sealer of machine files must refuse, and counts those vectors as such. Where there is a time,
it compares the outcome that product, device and times alone give, not the whole decision.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import zlib
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from tools.independent_clock import clock  # noqa: E402
from tools.independent_keys import NAMES, fits, keys, trusted  # noqa: E402
from tools.independent_log import checkpoint, log_proof, root_draft  # noqa: E402
from tools.independent_machine_file import NotJudged, machine_file  # noqa: E402 - found on the path that is set above
from tools.independent_profiles import token_profile  # noqa: E402
from tools.independent_reading import (  # noqa: E402
    TEN_YEARS,
    Bad,
    base64url,
    check,
    check_entitlements,
    check_statuses,
    is_integer,
    is_kid,
    is_list_version,
    is_text,
    is_time,
    json_object,
    plain_decision,
    text_of,
    to_base64url,
)
from tools.independent_root import root_file  # noqa: E402

VECTORS: Final = ROOT / "specs" / "vectors"

NOT_GENUINE: Final = frozenset(
    "unknown_key retired_key compromised_key wrong_algorithm bad_signature below_threshold root_not_next wrong_issuer "  # noqa: SIM905 - a table of words
    "root_expired answer_not_bound proof_not_bound proof_out_of_time kid_mismatch license_mismatch device_mismatch "
    "included_mismatch list_mismatch status_index_outside not_in_log log_forked".split()
)
USAGE: Final = frozenset("license_unusable bad_token_settings bad_days wrong_key_type bad_grant bad_leeway".split())  # noqa: SIM905
"""The codes of the second layer and of wrong calls, from the pages; `does_not_open` is the third, others the first."""


# ── license-token.md, answer.md ──────────────────────────────────────────────────────────────────────────────────────


def open_token(vector: dict[str, Any], token: str, typ: str, role: str, most: int = 8192) -> dict[str, Any]:
    """The claims of a token whose seal fits: steps 1 to 8 of license-token.md §5."""
    check(len(token.encode()) <= most, "too_large")
    parts = token.split(".")
    check(token.isascii() and len(parts) == 3, "bad_compact")
    head = base64url(parts[0])
    check(len(head) <= 1024, "too_large")
    header = json_object(head)
    check(header.keys() == {"alg", "kid", "typ"}, "bad_header")
    check(header["typ"] == typ, "wrong_type")
    check(is_kid(header["kid"]), "bad_kid")
    jwk = trusted(vector, role, header["kid"])
    check(header["alg"] in NAMES[jwk["kty"]], "wrong_algorithm")
    check(fits(jwk, base64url(parts[2]), f"{parts[0]}.{parts[1]}".encode()), "bad_signature")
    return json_object(base64url(parts[1]), max(16384, most))


def check_times(claims: dict[str, Any]) -> None:
    """Step 10 of license-token.md §5."""
    check(claims["iat"] <= claims["nbf"] < claims["exp"] <= claims["iat"] + TEN_YEARS, "bad_times")


def require(claims: dict[str, Any], names: str) -> None:
    """Each of the named claims is there."""
    check(claims.keys() >= set(names.split()), "missing_claim")


def license_token(vector: dict[str, Any]) -> str:
    """The outcome of a license token; with a time, of the plain facts of decision.md."""
    given = vector["input"]
    claims = open_token(vector, text_of(given["token"]), "carnet-license+jwt", "token")
    for name in ("iss", "aud", "sub", "jti", "act", "dev", "cus"):
        check(name not in claims or is_text(claims[name]), "bad_claim")
    for name in ("iat", "nbf", "exp", "lic_nbf"):
        check(name not in claims or is_time(claims[name]), "bad_claim")
    check(claims.get("lic_exp") is None or is_time(claims["lic_exp"]), "bad_claim")
    check_statuses(claims)
    require(claims, "iss aud sub jti iat nbf exp lic_exp pol ent")
    check_policy(claims["pol"])
    check_entitlements(claims["ent"])
    check_times(claims)
    if "now" not in vector:
        return "ok"
    facts = {**claims, "grace": claims["pol"]["grace"], "term_grace": claims["pol"]["term_grace"]}
    return plain_decision(facts, given, given["device"], vector["now"])


def check_policy(policy: Any) -> None:
    """`pol` (license-token.md §3.2)."""
    check(isinstance(policy, dict), "bad_claim")
    for name in ("name", "edition", "below"):
        check(name not in policy or is_text(policy[name]), "bad_claim")
    for name in ("ttl", "grace", "term_grace", "refresh", "warn", "status_age"):
        check(name not in policy or is_integer(policy[name], 0, TEN_YEARS), "bad_claim")
    for name in ("essential", "domains"):
        texts = policy.get(name, ["any"])
        check(isinstance(texts, list) and 1 <= len(texts) <= 500 and all(map(is_text, texts)), "bad_claim")
    check(policy.get("access", "limited") in ("full", "limited"), "bad_claim")
    check(policy.get("clock", "off") in ("off", "countdown"), "bad_claim")
    require(policy, "name ttl grace term_grace refresh")


ACTIONS: Final = "activate refresh validate deactivate claim renew release use".split()  # noqa: SIM905


def answer(vector: dict[str, Any]) -> str:
    """The outcome of an answer (answer.md §4)."""
    given = vector["input"]
    claims = open_token(vector, text_of(given["answer"]), "carnet-answer+jwt", "answer")
    require(claims, "iss aud jti iat nbf exp nonce action outcome artifacts")
    for name in ("iss", "aud", "jti", "dev", "sub", "act"):
        check(name not in claims or is_text(claims[name]), "bad_claim")
    check(all(is_time(claims[name]) for name in ("iat", "nbf", "exp")), "bad_claim")
    nonce = claims["nonce"]
    check(isinstance(nonce, str) and re.fullmatch("[!-~]{1,128}", nonce), "bad_claim")
    check(claims["action"] in ACTIONS, "bad_claim")
    check(claims["outcome"] in ("granted", "refused"), "bad_claim")
    check_times(claims)
    if claims["outcome"] == "granted":
        check("code" not in claims and "reasons" not in claims, "bad_claim")
    else:
        reasons = claims.get("reasons")
        check(isinstance(reasons, list) and 1 <= len(reasons) <= 32 and all(map(is_code, reasons)), "bad_claim")
        check(isinstance(reasons, list) and claims.get("code") == reasons[0], "bad_claim")
    if "stamp" in claims:
        stamp = claims["stamp"]
        check(claims["outcome"] == "granted" and isinstance(stamp, str), "bad_claim")
        spelt = re.fullmatch("([1-9][0-9]{0,15})[.][A-Za-z0-9_-]{16}", stamp)
        check(spelt and int(spelt[1]) < 2**53, "bad_claim")
    artifacts = claims["artifacts"]
    check(isinstance(artifacts, dict) and len(artifacts) <= 16 and all(map(is_code, artifacts)), "bad_claim")
    for digest in artifacts.values():
        check(isinstance(digest, str) and re.fullmatch("[A-Za-z0-9_-]{43}", digest), "bad_claim")
    if "question" in given:
        question = given["question"]
        asked = [question[name] for name in ("nonce", "action", "product", "device", "artifacts")]
        said = [nonce, claims["action"], claims["aud"], claims.get("dev"), artifacts]
        check(asked == said, "answer_not_bound")
    return "ok"


# ── time.md, lease.md, answer.md §6 ───────────────────────────────────────────────────────────────────────────────────


def time_answer(vector: dict[str, Any]) -> str:
    """The outcome of a signed time (time.md §4)."""
    given = vector["input"]
    claims = open_token(vector, text_of(given["time"]), "carnet-time+jwt", "time", 2048)
    require(claims, "iss jti nonce iat nbf exp")
    check(is_text(claims["iss"]) and is_text(claims["jti"]), "bad_claim")
    check(isinstance(claims["nonce"], str) and re.fullmatch("[!-~]{1,128}", claims["nonce"]), "bad_claim")
    check(all(is_time(claims[name]) for name in ("iat", "nbf", "exp")), "bad_claim")
    check(claims["iat"] <= claims["nbf"] < claims["exp"], "bad_claim")
    check(claims["nonce"] == given["nonce"], "answer_not_bound")
    return "ok"


def lease_token(vector: dict[str, Any]) -> str:
    """The outcome of a lease token (lease.md §4)."""
    claims = open_token(vector, text_of(vector["input"]["lease"]), "carnet-lease+jwt", "lease", 4096)
    require(claims, "iss aud sub jti iat nbf exp lease holder")
    check(all(is_text(claims[name]) for name in ("iss", "aud", "sub", "jti", "lease")), "bad_claim")
    check(all(is_time(claims[name]) for name in ("iat", "nbf", "exp")), "bad_claim")
    check(claims["iat"] <= claims["nbf"] < claims["exp"], "bad_times")
    check(claims["exp"] - claims["iat"] <= 3650 * 86400, "bad_times")
    check("borrowed" not in claims or claims["borrowed"] is True, "bad_claim")
    holder = claims["holder"]
    check(isinstance(holder, dict) and holder.get("kind") in ("device", "process", "user"), "bad_claim")
    check(is_text(holder.get("id")), "bad_claim")
    return "ok"


def status_list(vector: dict[str, Any]) -> str:
    """The outcome of a status list and of looking into it (status-list.md §5)."""
    given = vector["input"]
    claims = open_token(vector, text_of(given["list"]), "statuslist+jwt", "status-list", 4 * 1024 * 1024)
    require(claims, "iss sub iat exp ttl version size status_list")
    check(is_text(claims["iss"]) and is_text(claims["sub"]), "bad_claim")
    check(is_time(claims["iat"]) and is_time(claims["exp"]), "bad_claim")
    check(is_integer(claims["ttl"], 1, TEN_YEARS) and is_list_version(claims["version"]), "bad_claim")
    check(is_integer(claims["size"], 1, 67_108_864) and isinstance(claims["status_list"], dict), "bad_claim")
    check(claims["iat"] < claims["exp"] <= claims["iat"] + TEN_YEARS, "bad_times")
    bits, lst = claims["status_list"].get("bits"), claims["status_list"].get("lst")
    check(is_integer(bits, 1, 2) and isinstance(lst, str), "bad_status_list")
    check(claims["size"] * bits % 8 == 0, "bad_status_list")
    packed = base64url(lst)
    try:
        unpacker = zlib.decompressobj()
        statuses = unpacker.decompress(packed, claims["size"] * bits // 8 + 1)
    except zlib.error:
        raise Bad("bad_status_list") from None
    check(unpacker.eof and not unpacker.unused_data and len(statuses) * 8 == claims["size"] * bits, "bad_status_list")
    check(claims["sub"] == given.get("uri", claims["sub"]), "list_mismatch")
    found = {}
    for index in given.get("indices", []):
        check(0 <= index < claims["size"], "status_index_outside")
        first = index * bits
        found[str(index)] = statuses[first // 8] // 2 ** (first % 8) % 2**bits
    assert found == vector["expect"]["value"]["statuses"], "statuses"
    return "ok"


def device_proof(vector: dict[str, Any]) -> str:
    """The outcome of a device proof (answer.md §6)."""
    given = vector["input"]
    only = {"keys": {"device": [given["public_key"]]}}
    claims = open_token(only, text_of(given["proof"]), "carnet-device-proof+jwt", "device", 2048)
    require(claims, "htm htu body_sha256 iat jti")
    check(all(is_text(claims[name]) for name in ("htm", "htu", "body_sha256", "jti")), "bad_claim")
    check(is_time(claims["iat"]), "bad_claim")
    body = to_base64url(hashlib.sha256(given["body"].encode()).digest())
    made_for = (claims["htm"], claims["htu"], claims["body_sha256"])
    check(made_for == (given["method"], given["path"], body), "proof_not_bound")
    check(abs(datetime.fromisoformat(vector["now"]).timestamp() - claims["iat"]) <= 300, "proof_out_of_time")
    return "ok"


def is_code(value: Any) -> bool:
    """A code of answer.md §2."""
    return isinstance(value, str) and re.fullmatch("[a-z0-9_]{1,255}", value) is not None


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────────────

FOLDERS: Final = {
    "keys": keys,
    "license-token": license_token,
    "token-profiles": token_profile,
    "answer": answer,
    "time": time_answer,
    "device-proof": device_proof,
    "lease": lease_token,
    "status-list": status_list,
    "root": root_file,
    "root-draft": root_draft,
    "checkpoint": checkpoint,
    "log-proof": log_proof,
    "machine-file": machine_file,
    "clock": clock,
}


def outcome_of(folder: str, vector: dict[str, Any]) -> tuple[str, str | None]:
    """What this program says: outcome by layer, and code."""
    try:
        return FOLDERS[folder](vector), None
    except Bad as bad:
        layer = "not_genuine" if bad.code in NOT_GENUINE else "usage" if bad.code in USAGE else "malformed"
        return ("does_not_open" if bad.code == "does_not_open" else layer), bad.code
    except AssertionError as wrong:
        return f"another {wrong}", None


def run(folder: str) -> tuple[Counter[str], list[str]]:
    """How many vectors of *folder* agree or are not judged, and a line for each that differs."""
    counts: Counter[str] = Counter()
    differing = []
    for path in sorted((VECTORS / folder).glob("*.json")):
        vector = json.loads(path.read_text("utf-8"))
        expected = (vector["expect"]["outcome"], vector["expect"].get("code"))
        try:
            found = outcome_of(folder, vector)
        except NotJudged:
            counts["not judged"] += 1
            continue
        if found == expected:
            counts[expected[0].partition(":")[0]] += 1
        else:
            differing.append(f"{vector['id']}: expected {expected}, found {found}")
    return counts, differing


def main() -> int:
    """Check every folder; 1 if a vector is seen otherwise."""
    failed = False
    for folder in FOLDERS:
        counts, differing = run(folder)
        print(f"{folder}: {', '.join(f'{count} {name}' for name, count in sorted(counts.items()))}")
        for line in differing:
            failed = True
            print(f"  {line}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""
An independent check of `specs/vectors/`: written from the pages of `specs/`, importing nothing of Carnet.

`python tools/check_vectors.py` goes through the vectors of license tokens, answers, root files and machine files with
PyNaCl, pyca's primitives and the standard library's JSON, compares outcome and code, and prints a line for each
folder and each vector that it sees otherwise; it ends with 1 if there is one.

What it does not judge, and counts as such: the policy and entitlement rules inside machine files (machine-file.md §5
and §6; that such a file is sealed by a trusted key, opens and is strict JSON is judged), estimates of imported keys,
and what a sealer must refuse.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NoReturn
from unicodedata import category

import nacl.exceptions
import nacl.signing
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VECTORS: Final = Path(__file__).resolve().parent.parent / "specs" / "vectors"
TEN_YEARS: Final = 315_360_000
LAST_TIME: Final = 253402300799

NOT_GENUINE: Final = frozenset(
    "unknown_key retired_key compromised_key wrong_algorithm bad_signature below_threshold root_not_next wrong_issuer "  # noqa: SIM905 - a table of words
    "answer_not_bound kid_mismatch license_mismatch device_mismatch included_mismatch".split()
)
"""The codes of the second layer, from the tables of the pages; `does_not_open` is the third, all others the first."""


class Bad(Exception):  # noqa: N818 - not an error of this program
    """What a verifier refuses, by its code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotJudged(Exception):  # noqa: N818
    """A vector beyond what this program knows."""


def check(holds: object, code: str) -> None:
    """Refuse with *code* unless *holds*."""
    if not holds:
        raise Bad(code)


# ── conventions.md, strict-json.md ───────────────────────────────────────────────────────────────────────────────────


def base64url(text: str) -> bytes:
    """Canonical base64url without padding (conventions.md §2)."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Bad("bad_base64") from None
    check(to_base64url(data) == text, "bad_base64")
    return data


def to_base64url(data: bytes) -> str:
    """The one spelling of *data*."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64_padded(text: str) -> bytes:
    """Canonical Base64 with padding."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Bad("bad_base64") from None
    check(base64.b64encode(data).decode() == text, "bad_base64")
    return data


def strict_json(data: bytes, max_string: int = 16384) -> Any:
    """Strict JSON (strict-json.md §3)."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("bad_utf8") from None
    check(not text.startswith("\ufeff"), "bad_utf8")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        check(len(pairs) == len(dict(pairs)), "duplicate_name")
        return dict(pairs)

    def number(digits: str) -> int:
        check(len(digits) < 20 and abs(int(digits)) < 2**53, "bad_number")
        return int(digits)

    def refused(_: str) -> NoReturn:
        raise Bad("bad_number")

    try:
        value = json.loads(
            text, object_pairs_hook=members, parse_int=number, parse_float=refused, parse_constant=refused
        )
    except ValueError:
        raise Bad("bad_json") from None
    except RecursionError:
        raise Bad("too_deep") from None
    count = 0
    todo = [(value, 1)]
    while todo:
        item, depth = todo.pop()
        count += 1
        check(count <= 4096, "too_many_values")
        if isinstance(item, dict | list):
            check(depth <= 20, "too_deep")
            todo += [(child, depth + 1) for child in (item.values() if isinstance(item, dict) else item)]
        for string in [item] if isinstance(item, str) else item if isinstance(item, dict) else ():
            check("\0" not in string and not re.search("[\ud800-\udfff]", string), "bad_string")
            check(len(string.encode()) <= max_string, "string_too_long")
    return value


def json_object(data: bytes, max_string: int = 16384) -> dict[str, Any]:
    """A strict JSON object."""
    value = strict_json(data, max_string)
    check(isinstance(value, dict), "not_an_object")
    assert isinstance(value, dict)
    return value


def canonical(value: Any) -> bytes:
    """The canonical form (strict-json.md §4)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def is_text(value: Any) -> bool:
    """A text of conventions.md §6."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= 255
        and all(letter == " " or category(letter)[0] not in "CZ" for letter in value)
    )


def is_integer(value: Any, low: int, high: int) -> bool:
    """An integer within bounds; booleans are none."""
    return type(value) is int and low <= value <= high


def is_time(value: Any) -> bool:
    """A time of conventions.md §5."""
    return is_integer(value, 1, LAST_TIME)


def kind(data: bytes) -> bytes:
    """Undo what editors do at the edges (conventions.md §4)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16").encode()
    lines = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"\n".join(line.strip(b" \t") for line in lines).strip(b"\n")


# ── keys.md ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def fits(jwk: dict[str, str], signature: bytes, message: bytes) -> bool:
    """Whether *signature* over *message* is the key's."""
    try:
        if jwk["kty"] == "OKP":
            check(len(signature) == 64, "bad_signature")
            nacl.signing.VerifyKey(base64url(jwk["x"])).verify(message, signature)
        elif jwk["kty"] == "EC":
            check(len(signature) == 64, "bad_signature")
            x, y = (int.from_bytes(base64url(jwk[name]), "big") for name in "xy")
            der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key().verify(
                der, message, ec.ECDSA(hashes.SHA256())
            )
        else:
            n, e = (int.from_bytes(base64url(jwk[name]), "big") for name in "ne")
            rsa.RSAPublicNumbers(e, n).public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except (Bad, InvalidSignature, nacl.exceptions.BadSignatureError, ValueError):
        return False
    return True


def trusted(vector: dict[str, Any], role: str, kid: str) -> dict[str, str]:
    """The key with this id among the vector's keys for *role*."""
    for jwk in vector.get("keys", {}).get(role, ()):
        if jwk["kid"] == kid:
            return dict(jwk)
    raise Bad("unknown_key")


def is_kid(value: Any) -> bool:
    """A key id (keys.md §2)."""
    return isinstance(value, str) and re.fullmatch("[A-Za-z0-9_-]{1,64}", value) is not None


def load_key(text: str) -> bytes:
    """An Ed25519 public key that passes keys.md §3."""
    raw = base64url(text)
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    low = (
        0,
        1,
        2**255 - 20,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    )
    check(len(raw) == 32 and y < 2**255 - 19 and y not in low, "bad_key")
    return raw


def thumbprint(x: str) -> str:
    """The id of an Ed25519 key (keys.md §2)."""
    return to_base64url(hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest())


# ── license-token.md, answer.md ──────────────────────────────────────────────────────────────────────────────────────


def open_token(vector: dict[str, Any], token: str, typ: str, role: str) -> dict[str, Any]:
    """The claims of a token whose seal fits: steps 1 to 8 of license-token.md §5."""
    check(len(token.encode()) <= 8192, "too_large")
    parts = token.split(".")
    check(token.isascii() and len(parts) == 3, "bad_compact")
    head = base64url(parts[0])
    check(len(head) <= 1024, "too_large")
    header = json_object(head)
    check(header.keys() == {"alg", "kid", "typ"}, "bad_header")
    check(header["typ"] == typ, "wrong_type")
    check(is_kid(header["kid"]), "bad_kid")
    jwk = trusted(vector, role, header["kid"])
    names = {"OKP": ["EdDSA", "Ed25519"], "EC": ["ES256"], "RSA": ["RS256"]}
    check(header["alg"] in names[jwk["kty"]], "wrong_algorithm")
    check(fits(jwk, base64url(parts[2]), f"{parts[0]}.{parts[1]}".encode()), "bad_signature")
    return json_object(base64url(parts[1]))


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
    uri = None
    if "status" in claims:
        check(isinstance(claims["status"], dict), "bad_status")
        uri = check_status(claims["status"].get("status_list"), None)
    if "act_status" in claims:
        check_status(claims["act_status"], uri)
    require(claims, "iss aud sub jti iat nbf exp lic_exp pol ent")
    check_policy(claims["pol"])
    check_entitlements(claims["ent"])
    check_times(claims)
    return "ok" if "now" not in vector else plain_decision(claims, given, vector["now"])


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


def check_entitlements(items: Any) -> None:
    """`ent` (license-token.md §3.3)."""
    check(isinstance(items, list) and len(items) <= 500, "bad_entitlements")
    for item in items:
        check(
            isinstance(item, dict)
            and isinstance(item.get("key"), str)
            and re.fullmatch("[a-z0-9][a-z0-9_-]{0,99}", item["key"])
            and is_time(item.get("exp", 1))
            and is_text(item.get("below", "1")),
            "bad_entitlements",
        )
    check(len({item["key"] for item in items}) == len(items), "bad_entitlements")


def check_status(place: Any, default: str | None) -> str:
    """A place in a status list (license-token.md §3.4); returns its list."""
    check(isinstance(place, dict) and is_integer(place.get("idx"), 0, 2**31 - 1), "bad_status")
    uri = place.get("uri", default)
    check(is_text(uri), "bad_status")
    return str(uri)


def plain_decision(claims: dict[str, Any], given: dict[str, Any], moment: str) -> str:
    """The outcome of product, device and times alone (decision.md)."""
    from datetime import datetime

    now = datetime.fromisoformat(moment).timestamp()
    policy, term = claims["pol"], claims["lic_exp"]
    over = claims["exp"] + policy["grace"]
    if term is not None:
        over = min(over, term + policy["term_grace"])
    if claims["aud"] != given["product"]:
        return "refused:wrong_product"
    if claims.get("dev", given["device"]) != given["device"]:
        return "refused:wrong_device"
    if now < max(claims["nbf"], claims.get("lic_nbf", 0)):
        return "refused:not_started"
    return "ok" if now < over else "refused:expired"


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
    check(claims["action"] in ("activate", "refresh", "validate", "deactivate"), "bad_claim")
    check(claims["outcome"] in ("granted", "refused"), "bad_claim")
    check_times(claims)
    if claims["outcome"] == "granted":
        check("code" not in claims and "reasons" not in claims, "bad_claim")
    else:
        reasons = claims.get("reasons")
        check(isinstance(reasons, list) and 1 <= len(reasons) <= 32 and all(map(is_code, reasons)), "bad_claim")
        check(isinstance(reasons, list) and claims.get("code") == reasons[0], "bad_claim")
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


def is_code(value: Any) -> bool:
    """A code of answer.md §2."""
    return isinstance(value, str) and re.fullmatch("[a-z0-9_]{1,255}", value) is not None


# ── root.md ──────────────────────────────────────────────────────────────────────────────────────────────────────────

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
    check(all(is_kid(one["keyid"]) for one in listed), "bad_kid")
    names = [one["keyid"] for one in listed]
    check(names == sorted(set(names)), "bad_envelope")
    signatures = [(one["keyid"], base64_padded(one["sig"])) for one in listed]
    check(all(len(signature) == 64 for _, signature in signatures), "bad_envelope")
    payload = base64_padded(envelope["payload"])
    root = json_object(payload)
    check(canonical(root) == payload, "bad_root")
    check(is_integer(root.get("version"), 1, 2**53), "bad_root")
    check(is_text(root.get("iss")) and is_time(root.get("iat")) and is_time(root.get("exp")), "bad_root")
    check(root["iat"] < root["exp"] <= root["iat"] + TEN_YEARS, "bad_root")
    formats = root.get("formats")
    check(isinstance(formats, dict) and len(formats) <= 32, "bad_root")
    check(all(is_integer(oldest, 1, 2**53) for oldest in root["formats"].values()), "bad_root")
    root_keys = check_root_keys(root.get("keys"))
    check(is_integer(root.get("threshold"), 1, len(root_keys)), "bad_root")
    signed = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    return root, root_keys, signatures, signed


def check_root_keys(keys: Any) -> dict[str, bytes]:
    """The root keys among *keys*, by id (root.md §3)."""
    check(isinstance(keys, list) and 1 <= len(keys) <= 64, "bad_root")
    ids = []
    root_keys = {}
    for key in keys:
        check(isinstance(key, dict), "bad_root")
        if key.get("alg") != "Ed25519":  # §7: keys of unknown algorithms count for nothing
            continue
        raw, roles = load_key(key["x"]), key.get("roles")
        check(isinstance(roles, list) and roles and roles == sorted(set(roles)), "bad_root")
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


def root_file(vector: dict[str, Any]) -> str:
    """The outcome of a root file, alone or as the next step from a trusted one (root.md §5, §6)."""
    given = vector["input"]
    data = text_of(given["root"]).encode()
    root, keys, signatures, signed = read_root(data)
    if "trusted" in given:
        old, old_keys, _, _ = read_root(text_of(given["trusted"]).encode())
        check(root["iss"] == old["iss"], "wrong_issuer")
        check(root["version"] == old["version"] + 1, "root_not_next")
        check(signers(old_keys, signatures, signed) >= old["threshold"], "below_threshold")
    check(signers(keys, signatures, signed) >= root["threshold"], "below_threshold")
    if "value" in vector["expect"]:
        value = vector["expect"]["value"]
        assert value["anchor"] == hashlib.sha256(kind(data)).hexdigest(), "anchor"
        assert value["roles"]["root"] == {"kids": sorted(keys), "threshold": root["threshold"]}, "root keys"
    return "ok"


# ── machine-file.md ──────────────────────────────────────────────────────────────────────────────────────────────────


def machine_file(vector: dict[str, Any]) -> str:
    """The outcome of a machine file (machine-file.md §7), or of what is computed on the way."""
    given, expect = vector["input"], vector["expect"]
    if "nonce" in given or "content" in given.get("nonce", {}):
        return check_nonce(given["nonce"], expect)
    sealed = given.get("seal") or given.get("encrypt")
    if sealed is not None and expect["outcome"] == "ok":
        return check_sealed(sealed, expect["value"])
    if "file" not in given and "file_hex" not in given:
        raise NotJudged
    data = bytes.fromhex(given["file_hex"]) if "file_hex" in given else text_of(given["file"]).encode()
    enc, kid, sig = read_envelope(data)
    check(fits(trusted_for_files(vector, kid), sig, f"machine/{enc}".encode()), "bad_signature")
    content = json_object(decrypt(enc, given["license_key"], given["fingerprint"]), 262_144)
    try:
        compare_content(content, kid, given["license_key"], given["fingerprint"])
        if "now" in vector and expect["outcome"] != "ok":
            raise NotJudged
    except (Bad, KeyError, TypeError, AttributeError) as found:
        if expect["outcome"] == "malformed":
            raise NotJudged from None  # §7: any fault of steps 9 to 12 may be reported
        if isinstance(found, Bad):
            raise
        raise Bad("bad_structure") from None
    if expect["outcome"] == "malformed":
        raise NotJudged
    return "ok"


def read_envelope(data: bytes) -> tuple[str, str, bytes]:
    """Enc, kid and signature: steps 1 to 4."""
    check(len(data) <= 262_144, "too_large")
    lines = kind(data).split(b"\n")
    check(lines[0] == b"-----BEGIN MACHINE FILE-----" and lines[-1] == b"-----END MACHINE FILE-----", "bad_armor")
    check(len(lines) > 2 and all(1 <= len(line) <= 64 for line in lines[1:-1]), "bad_armor")
    body = b"".join(lines[1:-1])
    check(body.isascii(), "bad_base64")
    envelope = json_object(base64_padded(body.decode()), 262_144)
    check(envelope.keys() == {"enc", "sig", "alg", "kid"}, "bad_envelope")
    check(envelope["alg"] == "aes-256-gcm+ed25519", "bad_algorithm")
    check(all(isinstance(member, str) for member in envelope.values()), "bad_envelope")
    check(re.fullmatch("[A-Za-z0-9._:-]{1,255}", envelope["kid"]), "bad_kid")
    sig = base64url(envelope["sig"])
    check(len(sig) == 64, "bad_envelope")
    return envelope["enc"], envelope["kid"], sig


def trusted_for_files(vector: dict[str, Any], kid: str) -> dict[str, str]:
    """The key for machine files with this id."""
    return trusted(vector, "machine-file", kid)


def decrypt(enc: str, license_key: str, fingerprint: str) -> bytes:
    """Steps 7 and 8."""
    parts = enc.split(".")
    check(len(parts) == 3, "bad_enc")
    ciphertext, nonce, tag = map(base64url, parts)
    check(len(nonce) == 12 and len(tag) == 16, "bad_enc")
    try:
        return AESGCM(file_key(license_key, fingerprint)).decrypt(nonce, ciphertext + tag, None)
    except InvalidTag:
        raise Bad("does_not_open") from None


def file_key(license_key: str, fingerprint: str) -> bytes:
    """The key of machine-file.md §4."""
    return hashlib.sha256((license_key + fingerprint).encode()).digest()


def compare_content(content: dict[str, Any], kid: str, license_key: str, fingerprint: str) -> None:
    """Steps 10 and 11: what must be equal."""
    meta, data = content["meta"], content["data"]
    license_id = data["relationships"]["license"]["data"]["id"]
    check(meta["kid"] == kid, "kid_mismatch")
    check(meta["lic"] == license_id == license_key, "license_mismatch")
    check(data["attributes"]["fingerprint"] == fingerprint, "device_mismatch")
    product = data["relationships"]["product"]["data"]["id"]
    for resource in content.get("included") or ():
        if resource["type"] == "licenses":
            attributes = resource["attributes"]
            said = (resource["id"], attributes["key"], attributes["product_slug"])
            check(said == (license_key, license_key, product), "included_mismatch")


def check_nonce(given: dict[str, Any], expect: dict[str, Any]) -> str:
    """The nonce of machine-file.md §4.3."""
    entropy, content = bytes.fromhex(given["entropy_hex"]), given["content"].encode()
    key = hashlib.sha256(b"carnet/v1/machine-file/nonce" + bytes.fromhex(given["key_hex"])).digest()
    message = len(entropy).to_bytes(8, "big") + entropy + content
    assert hmac.new(key, message, "sha256").digest()[:12].hex() in json.dumps(expect["value"]), "nonce"
    return "ok"


def check_sealed(sealed: dict[str, Any], value: Any) -> str:
    """A file that was made: signed by the seed's key, and it opens to content about the same device and license."""
    enc, kid, sig = read_envelope((value if isinstance(value, str) else value["file"]).encode())
    key = nacl.signing.SigningKey(bytes.fromhex(sealed["seed_hex"])).verify_key
    assert kid == sealed["kid"], "kid"
    key.verify(f"machine/{enc}".encode(), sig)
    device = sealed["grant"]["device"] if "grant" in sealed else sealed["fingerprint"]
    content = decrypt(enc, sealed["license_key"], device)
    if "content" in sealed:
        assert content == sealed["content"].encode(), "content"
    compare_content(json_object(content, 262_144), kid, sealed["license_key"], device)
    return "ok"


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────────────

FOLDERS: Final = {
    "license-token": license_token,
    "answer": answer,
    "root": root_file,
    "machine-file": machine_file,
}


def text_of(described: Any) -> str:
    """An input as it stands, or as vectors/README.md describes a very long one."""
    if isinstance(described, list):
        return "".join(map(text_of, described))
    if isinstance(described, dict):
        return str(described["repeat"]) * int(described["times"])
    return str(described)


def outcome_of(folder: str, vector: dict[str, Any]) -> tuple[str, str | None]:
    """What this program says: outcome by layer, and code."""
    try:
        return FOLDERS[folder](vector), None
    except Bad as bad:
        layer = "not_genuine" if bad.code in NOT_GENUINE else "malformed"
        return ("does_not_open" if bad.code == "does_not_open" else layer), bad.code


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

"""Vendors with root keys in the hands of people, and strangers who would like to have them: for tests of the chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from carnet.core.instant import DAY, Instant
from carnet.formats.dsse import pre_authentication_encoding
from carnet.formats.encoding import b64_encode, b64url_decode, b64url_encode
from carnet.formats.keys import Ed25519Signer, PublicKey, Role
from carnet.formats.root import PAYLOAD_TYPE, build_root, sign_root
from carnet.formats.strict_json import dump_json, parse_object
from support.issuing import NOW, SIGNERS

ISSUER = "installation-1"
EXPIRES_AT = Instant(NOW + 3000 * DAY)


def signer(number: int) -> Ed25519Signer:
    """One of 200 signers."""
    return Ed25519Signer(bytes([number]) * 32)


ANNA, BERT, CARA, DORA, MALLORY, EVE = (signer(number) for number in range(201, 207))
"""Four people with root keys, and two strangers."""

OLD = SIGNERS
NEW = {"token": signer(21), "machine-file": signer(22), "answer": signer(23)}
NEWER = {"token": signer(31), "machine-file": signer(32), "answer": signer(33)}
STOLEN = {"token": signer(41), "machine-file": signer(42), "answer": signer(43)}


def root_file(
    version: int,
    *,
    holders: Iterable[Ed25519Signer] = (ANNA,),
    threshold: int = 1,
    by: Iterable[Ed25519Signer] | None = None,
    online: Mapping[str, Ed25519Signer] | None = None,
    issuer: str = ISSUER,
    issued_at: int = NOW - DAY,
    expires_at: int = EXPIRES_AT,
    change: Mapping[str, Any] | None = None,
    envelope: Mapping[str, Any] | None = None,
) -> str:
    """
    A root file of any content.

    Args:
        version: Its version.
        holders: Whose keys have the role root.
        threshold: How many of them it asks for.
        by: Who signs; the holders if not given.
        online: Signing keys by role; the old ones in version 1 and the new ones later if not given.
        issuer, issued_at, expires_at: What it says.
        change: Members of the payload in place of those; `...` leaves one out.
        envelope: Members of the envelope in place of those that belong there.
    """
    people = tuple(holders)
    keys: dict[Role, tuple[PublicKey, ...]] = {"root": tuple(each.public_key for each in people)}
    signing = (OLD if version == 1 else NEW) if online is None else online
    keys |= {role: (each.public_key,) for role, each in signing.items()}  # type: ignore[misc]
    root = build_root(
        version=max(version, 1),
        issuer=issuer,
        issued_at=Instant(issued_at),
        expires_at=Instant(max(expires_at, issued_at + 1)),
        keys=keys,
    )
    payload = payload_of(sign_root(root, people[:1]).decode())
    payload |= {"version": version, "threshold": threshold, "exp": int(expires_at)}
    payload = {name: value for name, value in {**payload, **(change or {})}.items() if value is not ...}
    return enveloped(dump_json(payload), [(each.kid, each) for each in (people if by is None else by)], envelope)


def payload_of(text: str) -> dict[str, Any]:
    """What the root file *text* says."""
    members = parse_object(text.encode(), max_bytes=10**6, what="It", max_string=10**6)
    padded = members["payload"].rstrip("=").replace("+", "-").replace("/", "_")
    return parse_object(b64url_decode(padded, "It"), max_bytes=10**6, what="It", max_string=10**6)


def enveloped(
    payload: bytes, signatures: Iterable[tuple[str, Ed25519Signer]], envelope: Mapping[str, Any] | None = None
) -> str:
    """An envelope over any bytes; each signature by a key, under any name."""
    message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    listed = [{"keyid": kid, "sig": b64_encode(by.sign(message))} for kid, by in sorted(signatures, key=lambda s: s[0])]
    members = {"payload": b64_encode(payload), "payloadType": PAYLOAD_TYPE, "signatures": listed}
    return dump_json({**members, **(envelope or {})}).decode()


def key_entry(holder: Ed25519Signer, *roles: str, **more: Any) -> dict[str, Any]:
    """A key as a root lists it."""
    return {"alg": "Ed25519", "x": b64url_encode(holder.public_key.raw), "roles": sorted(roles), **more}


def listed(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    """*entries* in the order of their ids, as a root lists them."""
    return sorted(entries, key=_kid)


def _kid(entry: dict[str, Any]) -> str:
    from carnet.formats.keys import load_ed25519

    return load_ed25519(b64url_decode(entry["x"], "It")).kid if entry["alg"] == "Ed25519" else "~"


@cache
def _prefix(count: int) -> tuple[str, ...]:
    """An honest chain; the root keys and, after the first, the signing keys change on the way. None names `NEW`."""
    files: list[str] = []
    before = _holder(1)
    for number in range(1, count + 1):
        holder = _holder(number)
        files.append(
            root_file(number, holders=(holder,), by=_both(before, holder), online=OLD if number == 1 else NEWER)
        )
        before = holder
    return tuple(files)


def chain_to(version: int) -> tuple[str, ...]:
    """An honest chain of root files, of which only the last one, *version*, names the keys `NEW`."""
    last = root_file(version, holders=(_holder(version),), by=_both(_holder(version - 1), _holder(version)), online=NEW)
    return (*_prefix(600)[: version - 1], last)


def _holder(version: int) -> Ed25519Signer:
    return (ANNA, BERT, CARA, DORA)[version // 50 % 4]


def _both(one: Ed25519Signer, other: Ed25519Signer) -> tuple[Ed25519Signer, ...]:
    return (one,) if one is other else (one, other)

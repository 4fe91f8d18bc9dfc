"""Issuing signed license keys in batches, beside signing alone (specs/signed-license-key.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.measure import ratio
from bench.report import Row
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy
from carnet.formats.keys import Ed25519Signer
from carnet.formats.signed_key import issue_signed_keys, signed_key_grant
from carnet.formats.signed_key_payload import write_payload

BATCH = 2500
"""Keys a turn: 41 rounds of it are 100,000 and some."""

_ISSUED_AT = Instant(1795000000)
_YEAR = Instant(_ISSUED_AT + 365 * DAY)
_FEATURES = tuple(Entitlement(key=key) for key in ("export-pdf", "batch", "updates"))
_DEVICE = "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c7"


def rows(rounds: int) -> Iterator[Row]:
    """A batch of signed keys ÷ as many bare signatures over the same messages."""
    yield _row("perpetual", {}, rounds)
    yield _row("three features", {"entitlements": _FEATURES}, rounds)
    yield _row("year, three features, device", {"entitlements": _FEATURES, "expires_at": _YEAR, "device": ""}, rounds)


def _row(name: str, terms: dict[str, Any], rounds: int) -> Row:
    signer = Ed25519Signer(bytes(range(32)))
    grants = [_grant(signer.kid, number, terms) for number in range(BATCH)]
    prefix = b"carnet/v1/license-key\0" + signer.kid.encode() + b"\0"
    messages = [prefix + write_payload(grant, signer.kid) for grant in grants]

    def issue() -> None:
        for _ in issue_signed_keys(grants, signer):
            pass

    def sign() -> None:
        for message in messages:
            signer.sign(message)

    value, ours, bare = ratio(issue, sign, rounds)
    detail = f"{ours / BATCH * 1e6:.1f} µs a key, {bare / BATCH * 1e6:.1f} µs a signature"
    return Row(f"issuing signed keys ÷ bare signatures, {name}", value, reach=2.0, detail=detail)


def _grant(kid: str, number: int, terms: dict[str, Any]) -> Grant:
    device = f"{_DEVICE}{number % 16:x}" if "device" in terms else None
    return signed_key_grant(
        product="hustl",
        license_id=f"01997f3e-5a10-7c3b-9a2e-{number:012x}",
        policy=Policy(name="signed-key"),
        issued_at=_ISSUED_AT,
        kid=kid,
        **{**terms, "device": device},
    )

"""
What a decision costs in memory: verify and decide, against the bare signature check of the same library.

Nothing is memoised: every call parses, verifies and decides anew, as `check()` does.
"""

from __future__ import annotations

import os
import random
import time

from bench.measure import ratio
from bench.report import Row
from carnet.core.decision import Evidence, Host
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, StatusRef
from carnet.core.policies import PRESETS
from carnet.core.rules import decide
from carnet.formats.fingerprint import native_fingerprint
from carnet.formats.keys import Ed25519Signer, KeyRing
from carnet.formats.license_key import ALPHABET, generate_license_key, heal_license_key
from carnet.formats.license_token import issue_license_token, token_policy, verify_license_token
from carnet.formats.machine_file import open_machine_file, seal_machine_file

NOW = Instant(1_800_000_000)
PRODUCT = "hustl"
HEALS = 4_000


def _grant(kind: str, fingerprint: str) -> Grant:
    policy = PRESETS["professional"]
    return Grant(
        kind="token" if kind == "token" else "machine-file",
        id="01k7bq3v5t8yr2mx4n6p0c9dzw",
        issuer="carnet-bench",
        product=PRODUCT,
        license_id="lic_01k7bq3v5t8yr2mx4n6p0c9dzw",
        issued_at=NOW,
        not_before=NOW,
        offline_until=Instant(NOW + 30 * DAY),
        policy=token_policy(policy) if kind == "token" else policy,
        activation_id="act_01k7bq3v5t8yr2mx4n6p0c9dzw",
        device=fingerprint,
        license_expires_at=Instant(NOW + 365 * DAY),
        entitlements=(Entitlement(key="export-pdf"), Entitlement(key="cloud-sync", expires_at=Instant(NOW + 90 * DAY))),
        license_status_ref=StatusRef(uri="urn:carnet:bench:status:0", index=90_210),
        activation_status_ref=StatusRef(uri="urn:carnet:bench:status:0", index=1_414),
    )


def rows(rounds: int) -> list[Row]:
    """Token and machine file, each against a bare verify of the same signature over the same bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signer = Ed25519Signer(bytes(range(32)))
    fingerprint = native_fingerprint(PRODUCT, "linux-machine-id:5f0c2d4be1d94c3a8a3b6c7d8e9f0a1b")
    host = Host(product=PRODUCT, app_version="2.1.0")
    now = Instant(NOW + DAY)
    public = Ed25519PublicKey.from_public_bytes(signer.public_key.raw)

    token = issue_license_token(_grant("token", fingerprint), signer)
    tokens = KeyRing.single("token", signer.public_key)
    signed = token.encode().rpartition(b".")[0]
    raw_signature = signer.sign(signed)

    def token_decision() -> object:
        grant = verify_license_token(token, tokens)
        return decide(Evidence(grants=(grant,), device=fingerprint), now, host)

    def bare_verify() -> None:
        public.verify(raw_signature, signed)

    license_key = generate_license_key(os.urandom)
    machine_file = seal_machine_file(
        _grant("machine-file", fingerprint),
        license_key=license_key,
        device_name="Studio",
        platform="linux",
        signer=signer,
        entropy=os.urandom(32),
    ).encode()
    machine_files = KeyRing.single("machine-file", signer.public_key)

    def machine_file_decision() -> object:
        grant = open_machine_file(machine_file, machine_files, license_key=license_key, fingerprint=fingerprint)
        return decide(Evidence(grants=(grant,), device=fingerprint), now, host)

    for decision in (token_decision(), machine_file_decision()):
        assert decision.state == "active", decision  # type: ignore[attr-defined]
    found = []
    for name, function, reach, aim in (
        ("token in memory: verify + decide ÷ bare Ed25519 verify", token_decision, 1.6, 1.3),
        ("machine file: verify + decrypt + decide ÷ the same bare verify", machine_file_decision, 2.0, 1.5),
    ):
        value, ours, theirs = ratio(function, bare_verify, rounds)
        found.append(
            Row(
                name=name,
                value=value,
                reach=reach,
                aim=aim,
                detail=f"{ours * 1e6:.0f} µs against {theirs * 1e6:.0f} µs; token {len(token)} bytes"
                if function is token_decision
                else f"{ours * 1e6:.0f} µs against {theirs * 1e6:.0f} µs; file {len(machine_file)} bytes",
            )
        )
    return found


def healing_rows(rounds: int) -> list[Row]:
    """4,000 keys each with two wrong characters, with three, and with one adjacent pair swapped; the slowest call."""
    del rounds  # the counts are the point
    chance = random.Random(20261122)  # noqa: S311 - typing errors, not secrets
    slowest = 0.0

    def heal(text: str) -> str | None:
        nonlocal slowest
        start = time.thread_time()
        healing = heal_license_key(text)
        slowest = max(slowest, time.thread_time() - start)
        return None if healing is None else healing.key

    def mistyped(key: str, errors: int) -> str:
        symbols = list(key)
        places = [place for place, symbol in enumerate(symbols) if symbol != "-"]
        for place in chance.sample(places, errors):
            symbols[place] = chance.choice([symbol for symbol in ALPHABET if symbol != symbols[place]])
        return "".join(symbols)

    corrected = caught = swapped = swaps = 0
    for _ in range(HEALS):
        key = generate_license_key(chance.randbytes)
        corrected += heal(mistyped(key, 2)) == key
        caught += heal(mistyped(key, 3)) is None
        bare = key.replace("-", "")
        place = chance.choice([place for place in range(24) if bare[place] != bare[place + 1]])
        swaps += 1
        swapped += heal(bare[:place] + bare[place + 1] + bare[place] + bare[place + 2 :]) == key
    return [
        Row(name="healing: two wrong characters corrected", value=corrected / HEALS, detail=f"{corrected}/{HEALS}"),
        Row(name="healing: three wrong characters caught", value=caught / HEALS, detail=f"{caught}/{HEALS}"),
        Row(name="healing: one adjacent swap corrected", value=swapped / swaps, detail=f"{swapped}/{swaps}"),
        Row(name="healing: slowest single call, CPU ms", value=slowest * 1e3, reach=1.0, detail="every call above"),
    ]

"""
REL-08: the signer (or the KMS) is away for ten minutes: reads, validation and running leases go on, activations are
answered "again later", and the same request afterwards gets the same activation.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from carnet import Carnet
from carnet.core.errors import StateError
from carnet.formats.keys import Role, Signer
from carnet.server.domain.clock.guard import GuardedKeys
from carnet.testing import FakeClock
from support.databases import Kind
from support.faults_killing import rows_of
from support.installations import settings_in
from support.served import served
from support.vendor import Vendor, fingerprint


class NoSigner:
    """A signer that cannot be reached when something is to be signed: its name and public key are known."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._signer, name)

    def sign(self, message: bytes) -> bytes:
        raise StateError("no_signing_key", f"The KMS does not answer ({len(message)} bytes).", "Try again.")


class Outage:
    """Signing keys with an outage: no signer at all (``before``), or one that fails after the commit (``after``)."""

    def __init__(self, keys: Any, kind: str) -> None:
        self._keys = keys
        self._kind = kind
        self.over = False

    def signer(self, role: Role) -> Any:
        signer = self._keys.signer(role)
        if self.over:
            return signer
        if self._kind == "before":
            raise StateError("no_signing_key", "The KMS does not answer.", "Try again.")
        return NoSigner(signer)

    def earlier(self, kid: str) -> Any:
        return self._keys.earlier(kid)


@contextmanager
def outage(vendor: Vendor, kind: str) -> Iterator[Outage]:
    """The installation's signers are away until the end of a `with`."""
    issuing = vendor.installation.activations._issuing
    keys = issuing._keys
    assert isinstance(keys, GuardedKeys)
    real = keys._keys
    away = Outage(real, kind)
    keys._keys = away  # every service shares this one
    try:
        yield away
    finally:
        away.over = True
        keys._keys = real


def jti_of(token: str) -> str:
    claims = token.split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["jti"]
    assert isinstance(found, str)
    return found


@pytest.fixture(autouse=True)
def _no_settings_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRODUCT", "SERVER", "ROOT", "LICENSE_KEY", "DEVICE_ID", "STATE"):
        monkeypatch.delenv(f"CARNET_{name}", raising=False)


@pytest.mark.parametrize("kind", ["before", "after"])
def test_rel_08_an_outage_of_the_signer_is_an_outage_of_signatures_only(
    tmp_path: Path, database: Kind, kind: str
) -> None:
    with served(tmp_path) as vendor:
        license_ = vendor.license(overrides={"seat_limit": 2})
        terms = {"terms": {"limit": 2}}
        assert vendor.admin("PUT", f"/licenses/{license_['id']}/lease-terms", terms).status_code == 200
        held = vendor.ask("activate", license_, fingerprint("held")).json()["activation"]["id"]
        holder = {"kind": "process", "id": "one"}
        sold = {"product": license_["product"], "license_key": license_["key"]}
        lease = vendor.http.post("/v1/leases", json={**sold, "holder": holder, "ttl_seconds": 3600}).json()["lease"]
        body = {**sold, "device": {"fingerprint": fingerprint("new")}}
        headers = {"Idempotency-Key": "one-activation"}
        with outage(vendor, kind):
            for minute in range(11):  # ten simulated minutes
                vendor.clock.shift = 60 * minute
                refused = vendor.http.post("/v1/activate", json=body, headers=headers)
                assert (refused.status_code, refused.json()["code"]) == (503, "unavailable"), refused.text
                assert refused.json()["retryable"] is True
                assert int(refused.headers["retry-after"]) > 0
            # Validation goes on, with a nonce too: there is no proof, and everything else is there.
            for nonce in ({}, {"nonce": "n" * 16}):
                answer = vendor.ask("validate", license_, fingerprint("held"), **nonce)
                assert (answer.status_code, answer.json()["valid"]) == (200, True), answer.text
                assert "proof" not in answer.json()
            assert vendor.admin("GET", f"/licenses/{license_['id']}").status_code == 200
            assert vendor.http.get("/v1/root").status_code == 200
            assert vendor.http.get("/livez").status_code == 200
            listed = vendor.admin("GET", f"/leases?license_id={license_['id']}")
            assert [each["id"] for each in listed.json()["items"]] == [lease["id"]], "running leases go on"
        rows = rows_of(settings_in(tmp_path))
        issued = rows("SELECT jti, activation_id FROM issuances WHERE kind = 'token'")
        waiting = [row for row in issued if row[1] != held]
        assert len(waiting) == (0 if kind == "before" else 1)

        first = vendor.http.post("/v1/activate", json=body, headers=headers)
        again = vendor.http.post("/v1/activate", json=body, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201), first.text
        assert first.json()["activation"]["id"] == again.json()["activation"]["id"]
        assert jti_of(first.json()["token"]) == jti_of(again.json()["token"])
        if waiting:
            assert jti_of(first.json()["token"]) == waiting[0][0], "what was committed before is what is signed now"
        assert first.json()["license"]["seats"]["used"] == 2
        assert rows("SELECT seats_used FROM licenses") == [(2,)]
    assert database


@pytest.mark.parametrize("kind", ["before", "after"])
def test_rel_08_apps_live_through_ten_minutes_without_a_signer(tmp_path: Path, database: Kind, kind: str) -> None:
    """The SDK's own retries, with a clock that is moved on beside the server's."""
    with served(tmp_path) as vendor:
        license_ = vendor.license(overrides={"seat_limit": 2})
        clock = FakeClock(vendor.clock.now())

        def app(name: str, seconds: float = 30) -> Carnet:
            return Carnet(
                product=license_["product"],
                server=vendor.live.url,
                root=vendor.installation.roots[0],
                state=tmp_path / name,
                device_id=name,
                clock=clock,
                timeout_seconds=seconds,
            )

        assert app("held").activate(license_["key"]).state == "active"
        (held,) = rows_of(settings_in(tmp_path))("SELECT id FROM activations")
        with outage(vendor, kind):
            for minute in range(1, 11):
                clock.advance(60)
                vendor.clock.shift = 60 * minute
                assert app("held", 0.5).refresh().state == "active", "who has a license keeps it"
                assert app("held").check().state == "active"
                assert app("new", 0.5).activate(license_["key"]).state != "active"
        assert app("new").activate(license_["key"]).state == "active"
        assert app("held").refresh().state == "active"
        rows = rows_of(settings_in(tmp_path))
        devices = rows("SELECT id FROM activations WHERE deactivated_at IS NULL")
        assert len(devices) == 2
        assert held in devices
        assert rows("SELECT seats_used FROM licenses") == [(2,)]
    print(f"REL-08 {database}, {kind} the commit: 10 minutes without a signer, one activation each")  # noqa: T201


def test_rel_08_without_a_key_the_repeated_activation_is_the_same_seat(tmp_path: Path, database: Kind) -> None:
    with served(tmp_path) as vendor:
        license_ = vendor.license(overrides={"seat_limit": 1})
        with outage(vendor, "after"):
            assert vendor.ask("activate", license_, fingerprint("one")).status_code == 503
        answer = vendor.ask("activate", license_, fingerprint("one"))
        assert answer.status_code == 200, answer.text
        assert rows_of(settings_in(tmp_path))("SELECT count(*) FROM activations") == [(1,)]
    assert database

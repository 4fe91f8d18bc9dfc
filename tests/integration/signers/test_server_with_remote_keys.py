"""A whole server whose keys are somewhere else: real artifacts out of SoftHSM, and REL-08 in every weather."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from carnet import Carnet
from carnet.core.errors import TransportError
from carnet.formats.jws import unverified_jws
from carnet.formats.license_token import verify_license_token
from carnet.formats.limits import MAX_TOKEN
from carnet.server.signing.services import generate
from carnet.testing import FakeClock
from support.databases import on
from support.faults_killing import rows_of
from support.installations import environment_of, give_back, settings_in
from support.served import served
from support.signer_places import HASTY, PATIENT, PLACES, HeldStopwatch, Place, ServicePlace, place
from support.signing_places import move_keys, signer_of
from support.softhsm import MISSING, PIN, SoftToken
from support.vendor import Vendor, fingerprint

needs_softhsm = pytest.mark.skipif(MISSING is not None, reason=f"not run here: {MISSING}")


@pytest.fixture(autouse=True)
def _no_settings_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRODUCT", "SERVER", "ROOT", "LICENSE_KEY", "DEVICE_ID", "STATE"):
        monkeypatch.delenv(f"CARNET_{name}", raising=False)


@contextmanager
def serving_with(folder: Path, at: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A server whose token and machine-file keys are one key at *at*, and one more in a file."""
    for name, value in at.environ.items():
        monkeypatch.setenv(name, value)
    with served(folder, key_announce_seconds=0) as vendor:
        move_keys(vendor, {"token": at.location})
        yield vendor


def kid_of(token: str) -> str:
    header, _ = unverified_jws(token, max_bytes=MAX_TOKEN, what="It")
    found = header["kid"]
    assert isinstance(found, str)
    return found


@needs_softhsm
def test_r_63_a_whole_activation_is_signed_in_softhsm_and_verified_by_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = SoftToken()
    for name, value in token.environ().items():
        monkeypatch.setenv(name, value)
    keys = {role: generate(token.location(role), token.environ()) for role in ("token", "machine-file", "answer")}
    with served(tmp_path, key_announce_seconds=0) as vendor:
        first_root = vendor.installation.roots[0]
        move_keys(
            vendor,
            {
                "token": token.location("token"),
                "machine-file": token.location("machine-file"),
                "answer": token.location("answer"),
            },
        )
        assert len(vendor.installation.roots) == 4
        license_ = vendor.license(overrides={"seat_limit": 9})

        def app() -> Carnet:
            return Carnet(
                product=license_["product"],
                server=vendor.live.url,
                root=first_root,  # what the app embeds: none of these keys is in it
                state=tmp_path / "app",
                device_id="one",
                clock=FakeClock(vendor.clock.now()),
                timeout_seconds=120,
            )

        assert app().activate(license_["key"]).state == "active"
        assert app().check().state == "active", "from disk, under the root that came along"
        assert app().refresh().state == "active"
        answer = vendor.ask("activate", license_, fingerprint("by hand")).json()
        assert kid_of(answer["token"]) == keys["token"].kid
        ring = vendor.installation.ring
        assert verify_license_token(answer["token"], ring).kid == keys["token"].kid
        rows = rows_of(settings_in(tmp_path))
        signed = {tuple(row) for row in rows("SELECT DISTINCT kind, kid FROM issuances")}
        assert signed == {("token", keys["token"].kid), ("machine-file", keys["machine-file"].kid)}
        stored = {row[0] for row in rows("SELECT location FROM signing_keys WHERE state = 'active'")}
        assert {token.location(role) for role in keys} <= stored
    with served(tmp_path) as vendor:  # another process opens them by what is stored
        assert signer_of(vendor, "token").public_key == keys["token"]
        assert vendor.ask("activate", license_, fingerprint("again")).status_code == 201
    token.pull_out()
    with pytest.raises(TransportError) as away, served(tmp_path):
        pytest.fail("served without its keys")
    assert away.value.code == "signer_unavailable"
    token.put_back()
    seen = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert token.label.encode() in seen or token.label.replace(" ", "%20").encode() in seen
    assert PIN.encode() not in seen
    token.drop()


@needs_softhsm
def test_every_worker_signs_in_the_token_with_sessions_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = SoftToken()
    for name, value in token.environ().items():
        monkeypatch.setenv(name, value)
    key = generate(token.location(), token.environ())
    with on("postgres"):
        with served(tmp_path, key_announce_seconds=0) as vendor:
            move_keys(vendor, {"token": token.location()})
            license_ = vendor.license(overrides={"seat_limit": 99})
        settings = settings_in(tmp_path)
    environ = {**environment_of(settings), "CARNET_PORT": "0", "CARNET_WORKERS": "2", **token.environ()}
    command = [sys.executable, "-m", "carnet.cli", "serve"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            assert process.stderr is not None
            address = ""
            started: set[int] = set()
            while len(started) < 2 or not address:
                event = json.loads(process.stderr.readline())
                address = event.get("address") or address
                started |= {event["pid"]} if event["event"] == "worker.started" else set()
            threading.Thread(target=process.stderr.read, daemon=True).start()
            kids = set()
            for number in range(12):  # each a connection of its own, so that both workers get some
                body = {"device": {"fingerprint": fingerprint(f"device {number}")}, "product": license_["product"]}
                answer = httpx2.post(
                    f"{address}/v1/activate", json={"license_key": license_["key"], **body}, timeout=120
                )
                assert answer.status_code == 201, answer.text
                kids.add(kid_of(answer.json()["token"]))
            assert kids == {key.kid}
        finally:
            process.terminate()
        assert process.wait(120) == 0
    give_back()
    token.drop()


@pytest.mark.parametrize("kind", PLACES)
def test_rel_08_ten_minutes_without_the_service_that_signs(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carnet.server.readiness.PROOF_SECONDS", 0)
    with (
        place(kind, "Ed25519", tmp_path, monkeypatch) as at,
        serving_with(tmp_path, at, monkeypatch) as vendor,
    ):
        license_ = vendor.license(overrides={"seat_limit": 2})
        terms = {"terms": {"limit": 2}}
        assert vendor.admin("PUT", f"/licenses/{license_['id']}/lease-terms", terms).status_code == 200
        held = vendor.ask("activate", license_, fingerprint("held")).json()["activation"]["id"]
        sold = {"product": license_["product"], "license_key": license_["key"]}
        holder = {"kind": "process", "id": "one"}
        lease = vendor.http.post("/v1/leases", json={**sold, "holder": holder, "ttl_seconds": 3600}).json()["lease"]
        body = {**sold, "device": {"fingerprint": fingerprint("new")}}
        headers = {"Idempotency-Key": "one-activation"}
        signer, running = signer_of(vendor, "token"), HeldStopwatch()
        signer._limits, signer._gate._running = HASTY, running
        for minute in range(11):  # ten simulated minutes, in every weather there is
            how = at.downs[minute % len(at.downs)]
            signer._limits = HASTY if how == "slow" else PATIENT
            running.seconds = 60.0 * minute
            vendor.clock.shift = 60 * minute
            with at.down(how):
                refused = vendor.http.post("/v1/activate", json=body, headers=headers)
                assert (refused.status_code, refused.json()["code"]) == (503, "unavailable"), refused.text
                assert refused.json()["retryable"] is True
                assert int(refused.headers["retry-after"]) > 0
                for secret in at.secrets:
                    assert secret not in refused.text
                answer = vendor.ask("validate", license_, fingerprint("held"), nonce="n" * 16)
                assert (answer.status_code, answer.json()["valid"]) == (200, True), answer.text
                assert vendor.admin("GET", f"/licenses/{license_['id']}").status_code == 200
                ready = vendor.http.get("/readyz")
                (part,) = (each for each in ready.json()["parts"] if each["name"] == "signer")
                assert (ready.status_code, part["ok"], part["vital"]) == (200, False, False), "said, and no more"
                for path in ("/v1/root", "/livez"):
                    assert vendor.http.get(path).status_code == 200
                renewed = vendor.http.put(
                    f"/v1/leases/{lease['id']}", json={**sold, "holder": holder, "ttl_seconds": 3600}
                )
                assert renewed.status_code == 200, renewed.text
        running.seconds += 60
        signer._limits = PATIENT
        first = vendor.http.post("/v1/activate", json=body, headers=headers)
        again = vendor.http.post("/v1/activate", json=body, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201), first.text
        assert first.json()["activation"]["id"] == again.json()["activation"]["id"]
        assert kid_of(first.json()["token"]) == at.public_key.kid
        rows = rows_of(settings_in(tmp_path))
        waiting = rows(f"SELECT jti FROM issuances WHERE kind = 'token' AND activation_id <> '{held}'")  # noqa: S608
        assert len(waiting) == 1, "what was committed at first is what is signed at last"
        assert rows("SELECT seats_used FROM licenses") == [(2,)]


@pytest.mark.parametrize("kind", [each for each in PLACES if each != "softhsm"])
def test_rel_08_nobody_else_waits_for_a_service_that_is_slow(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("http_service", "aws_kms"):
        monkeypatch.setattr(f"carnet.server.signing.{module}._READ_SECONDS", 120)
    with (
        place(kind, "Ed25519", tmp_path, monkeypatch) as at,
        serving_with(tmp_path, at, monkeypatch) as vendor,
    ):
        assert isinstance(at, ServicePlace)
        signer_of(vendor, "token")._limits = PATIENT
        license_ = vendor.license(overrides={"seat_limit": 9})
        answered: list[Any] = []
        asked = at.stub.asked
        at.stub.becomes("slow")
        waiting = threading.Thread(
            target=lambda: answered.append(vendor.ask("activate", license_, fingerprint("slow")))
        )
        waiting.start()
        at.stub.wait_until_asked(asked + 1)
        # The service holds the activation now; whoever needs no signature of that key is answered meanwhile.
        assert vendor.http.get("/livez").status_code == 200
        assert vendor.ask("validate", license_, fingerprint("x"), nonce="n" * 16).status_code == 200
        assert not answered
        at.stub.becomes("fine")
        waiting.join(120)
        assert answered[0].status_code == 201, answered[0].text

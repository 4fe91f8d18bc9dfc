"""Users-ask 51: a signed key in one environment variable is enough; no server, no activation, no state."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carnet import AsyncCarnet, Carnet
from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement
from carnet.formats.keys import Ed25519Signer
from carnet.formats.root import build_root, sign_root
from carnet.formats.signed_key import issue_signed_key
from carnet.testing import FakeClock
from support.issuing import LICENSE_KEY, NOW, ROOT_SIGNER, SIGNERS, Vendor
from support.sdk import Desk
from support.signed_keys import key_grant

SIGNER = Ed25519Signer(b"K" * 32)
STRANGER = Ed25519Signer(b"S" * 32)
ISSUED = Instant(NOW - 60)
FEATURES = (Entitlement(key="export-pdf"), Entitlement(key="sync", expires_at=Instant(NOW + 10 * DAY)))


def _root() -> str:
    """The memory vendor's own root, with a key for license keys beside its others."""
    root = build_root(
        version=1,
        issuer="installation-1",
        issued_at=Instant(NOW - DAY),
        expires_at=Instant(NOW + 3000 * DAY),
        keys={
            "root": [ROOT_SIGNER.public_key],
            "token": [SIGNERS["token"].public_key],
            "machine-file": [SIGNERS["machine-file"].public_key],
            "answer": [SIGNERS["answer"].public_key],
            "license-key": [SIGNER.public_key],
        },
    )
    return sign_root(root, [ROOT_SIGNER]).decode()


ROOT = _root()


def signed(signer: Ed25519Signer = SIGNER, **changes: Any) -> str:
    given: dict[str, Any] = {"kid": signer.kid, "issued_at": ISSUED, "entitlements": FEATURES}
    return issue_signed_key(key_grant(**{**given, **changes}), signer)


class Alone:
    """A device without a server, its clock and its state directory."""

    def __init__(self, state: Path) -> None:
        self.state, self.clock = state, FakeClock(NOW, uptime_seconds=1000)

    def settings(self, **settings: Any) -> dict[str, Any]:
        given = {"product": "hustl", "root": ROOT, "state": self.state, "device_id": "line-4", "clock": self.clock}
        return {**given, **settings}

    def app(self, **settings: Any) -> Carnet:
        return Carnet(**self.settings(**settings))


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    return Alone(tmp_path / "state")


def test_users_ask_51_a_signed_key_in_one_environment_variable_is_enough(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARNET_LICENSE_KEY", signed(expires_at=Instant(NOW + 365 * DAY)))
    app = alone.app()
    for decision in (app.check(), app.start(), app.require()):
        assert (decision.state, decision.access) == ("active", "full")
        assert decision.allows("export-pdf")
        assert (decision.offline_until, decision.renew_after) == (None, None)
        assert decision.license_expires_at == NOW + 365 * DAY
    assert app.last_problem is None
    assert not alone.state.exists()


@pytest.mark.parametrize(
    ("seconds", "state"),
    [
        (-1, "expiring"),
        (0, "grace"),
        (1, "grace"),
        (7 * DAY - 1, "grace"),
        (7 * DAY, "expired"),
        (7 * DAY + 1, "expired"),
    ],
)
def test_the_key_ends_with_its_term_and_asks_to_renew(alone: Alone, seconds: int, state: str) -> None:
    app = alone.app(license_key=signed(expires_at=Instant(NOW + 30 * DAY)))
    alone.clock.advance(30 * DAY + seconds)
    decision = app.check()
    assert decision.state == state
    assert "connect" not in (decision.notice.actions if decision.notice else ())[:1]
    assert app.start() == decision
    assert app.last_problem is None


def test_spellings_that_people_make_are_read(alone: Alone) -> None:
    key = signed()
    for typed in (key.lower(), key.replace("-", " "), f" {key}\n", key.replace("-", "\u2013")):
        assert alone.app(license_key=typed).check().state == "active"


def test_a_mistyped_key_names_its_groups_and_a_strangers_key_is_not_genuine(alone: Alone) -> None:
    key = signed()
    mistyped = alone.app(license_key=("1" if key[0] != "1" else "2") + key[1:])
    decision = mistyped.start()
    assert (decision.state, decision.reasons[0].code) == ("not_genuine", "mistyped_key")
    assert [reason.code for reason in decision.reasons] == ["mistyped_key"]
    assert key not in repr(decision)
    assert alone.app(license_key=signed(STRANGER)).check().state == "not_genuine"
    assert alone.app(license_key=signed(product="other")).check().state == "wrong_product"


def test_a_key_for_one_device_opens_there_only(alone: Alone) -> None:
    here = alone.app().info().fingerprint
    assert here is not None
    assert alone.app(license_key=signed(device=here)).check().state == "active"
    assert alone.app(license_key=signed(device=here), device_id="line-5").check().state == "wrong_device"


def test_a_key_for_one_device_is_refused_where_nothing_identifies_the_device() -> None:
    from carnet.client.evidence import gather
    from carnet.formats.root import read_root

    ring, bound = read_root(ROOT).ring(), signed(device="line-4-of-hall-7")
    nobody = gather(ring=ring, signed_key=bound, fingerprint=None)
    assert (nobody.grants, [fault.code for fault in nobody.faults]) == ((), ["wrong_device"])
    assert len(gather(ring=ring, signed_key=bound, fingerprint="line-4-of-hall-7").grants) == 1
    assert len(gather(ring=ring, signed_key=signed(), fingerprint=None).grants) == 1


def test_users_ask_46_a_short_key_grants_nothing_without_its_server(alone: Alone) -> None:
    app = alone.app(license_key=LICENSE_KEY)
    assert app.check().state == "not_activated"
    assert [reason.code for reason in app.start().reasons] == ["not_activated", "server_required"]


def test_a_key_of_another_system_is_no_damaged_signed_key(alone: Alone) -> None:
    foreign = "key/eyJhY2NvdW50Ijp7ImlkIjoiMSJ9LCJwcm9kdWN0Ijp7ImlkIjoiMiJ9fQ.".ljust(400, "a")
    assert alone.app(license_key=foreign).check().state == "not_activated"


# ── kept on the device ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_typed_key_is_kept_where_no_server_is_named(alone: Alone) -> None:
    key = signed()
    decision = alone.app().activate(key.lower())
    assert decision.state == "active"
    assert alone.app().check().state == "active"
    info = alone.app().info()
    assert (info.license_key_hint, info.activation_id) == (key[-4:], None)
    assert all(key.encode() not in file.read_bytes() for file in (alone.state / "hustl").iterdir())
    other_device = alone.app(device_id="line-5").check()
    assert (other_device.state, bool(other_device)) == ("wrong_device", False)


def test_a_key_that_grants_nothing_is_not_kept(alone: Alone) -> None:
    app = alone.app()
    assert app.activate(signed()).state == "active"
    kept = alone.app().info().license_key_hint
    for useless in (signed(STRANGER), signed(product="other"), signed(expires_at=Instant(NOW - 30), issued_at=ISSUED)):
        alone.clock.advance(30 * DAY)
        assert not app.activate(useless)
        alone.clock.advance(-30 * DAY)
    assert alone.app().info().license_key_hint == kept
    assert alone.app().check().state == "active"


def test_a_kept_key_can_be_forgotten(alone: Alone) -> None:
    app = alone.app()
    app.activate(signed())
    assert app.deactivate().state == "not_activated"
    assert alone.app().check().state == "not_activated"
    with pytest.raises(UsageError) as raised:
        app.deactivate()
    assert raised.value.code == "server_required"
    with pytest.raises(UsageError):
        app.activate(LICENSE_KEY)


def test_activating_with_nothing_forgets_nothing(alone: Alone) -> None:
    alone.app().activate(signed())
    nothing: Any = None  # out of a variable that is not set, say
    with pytest.raises(UsageError):
        alone.app().activate(nothing)
    assert alone.app().check().state == "active"


def test_the_kept_keys_clock_is_guarded_like_any_state(alone: Alone) -> None:
    ends = Instant(NOW + 30 * DAY)
    app = alone.app()
    app.activate(signed(expires_at=ends))
    alone.clock.advance(40 * DAY)
    assert app.check().state == "expired"
    alone.clock.set_wall(NOW)
    assert app.check().state == "expired", "a clock that is set back does not lengthen the term"


def test_a_state_that_cannot_be_written_is_told_and_grants_still(alone: Alone) -> None:
    alone.state.mkdir(mode=0o700)
    (alone.state / "hustl").write_text("in the way")
    app = alone.app()
    assert app.activate(signed()).state == "active"
    assert app.last_problem is not None
    assert app.last_problem.code == "state_not_writable"


# ── beside an activation ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "with-server")
    assert isinstance(desk.vendor, Vendor)
    return desk


def test_the_better_of_two_licenses_counts(desk: Desk) -> None:
    short = desk.app(root=ROOT)
    assert short.activate(LICENSE_KEY).state == "active"
    stored = desk.app(root=ROOT).check()
    both = desk.app(root=ROOT, license_key=signed()).check()
    assert both == stored, "with equal access the activation counts"
    desk.pass_time(400 * DAY)
    assert desk.app(root=ROOT).check().state == "expired"
    rescued = desk.app(root=ROOT, license_key=signed()).check()
    assert (rescued.state, rescued.license_id) == ("active", key_grant().license_id)


def test_a_key_that_is_kept_takes_the_place_of_an_activation(desk: Desk) -> None:
    desk.app(root=ROOT).activate(LICENSE_KEY)
    alone = {"product": "hustl", "root": ROOT, "state": desk.state, "device_id": "line-4", "clock": desk.clock}
    decision = Carnet(**alone).activate(signed())  # type: ignore[arg-type]
    info = Carnet(**alone).info()  # type: ignore[arg-type]
    assert (decision.state, decision.license_id) == ("active", key_grant().license_id)
    assert (info.activation_id, info.license_key_hint) == (None, signed()[-4:])


def test_an_authentic_refusal_of_its_license_outranks_the_key(desk: Desk) -> None:
    from carnet.formats.answer import Answer, issue_answer

    app = desk.app(root=ROOT, license_key=signed())
    app.activate(LICENSE_KEY)
    refusal = Answer(
        id="refusal-1",
        issuer="installation-1",
        nonce="n" * 22,
        action="refresh",
        outcome="refused",
        code="license_revoked",
        reasons=("license_revoked",),
        at=Instant(NOW + DAY),
        product="hustl",
        license_id=key_grant().license_id,
    )
    proof = issue_answer(refusal, SIGNERS["answer"])
    desk.pass_time(400 * DAY)
    assert app.check().state == "active"
    device = app._device
    view = device.look()
    device.store.update(view.identity.anchors, lambda found: replace(found.state, refusals=(proof,)))
    assert app.check().state != "active"
    alone = device.judge(replace(device.look(), loaded=replace(device.look().loaded, condition="absent")))
    assert alone.state == "revoked"


def test_a_broken_key_beside_an_activation_changes_nothing(desk: Desk) -> None:
    app = desk.app(root=ROOT)
    app.activate(LICENSE_KEY)
    beside = desk.app(root=ROOT, license_key=signed(STRANGER))
    assert beside.check() == app.check()


def test_with_a_server_a_signed_key_is_activated_like_any_other(desk: Desk) -> None:
    app = desk.app(root=ROOT)
    app.activate(signed())
    assert len(desk.transport.requests) >= 1


# ── both faces, and what it costs ────────────────────────────────────────────────────────────────────────────────────


def test_the_async_face_does_the_same(alone: Alone) -> None:
    async def story() -> list[str]:
        async with AsyncCarnet(**alone.settings()) as app:
            states: list[str] = [(await app.activate(signed())).state, (await app.check()).state]
            states += [(await app.start()).state, (await app.deactivate()).state]
            return states

    assert asyncio.run(story()) == ["active", "active", "active", "not_activated"]


SCRIPT = """
import sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
before = set(sys.modules)
seen = []
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.mkdir", "os.rename", "_thread.")):
        seen.append((event, str(arguments)))
sys.addaudithook(watch)
from carnet import Carnet
decision = Carnet().start()
assert decision, decision
print(decision.state, seen, *sorted(set(sys.modules) - before - {"carnet"}))
"""
HEAVY = (
    "asyncio",
    "base64",
    "dataclasses",
    "datetime",
    "filelock",
    "http",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "platformdirs",
    "random",
    "re",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "urllib",
)
"""As in test_sdk_is_light.py, but for `hmac`: without a state, this device's fingerprint is computed."""


def test_a_signed_key_loads_nothing_heavy_and_opens_no_socket(tmp_path: Path) -> None:
    """In a process of its own, in real time."""
    key = issue_signed_key(key_grant(kid=SIGNER.kid), SIGNER)
    environment = {
        "PATH": os.environ["PATH"],
        "CARNET_PRODUCT": "hustl",
        "CARNET_ROOT": ROOT,
        "CARNET_LICENSE_KEY": key,
        "CARNET_STATE": str(tmp_path / "state"),
        "CARNET_DEVICE_ID": "line-4",
    }
    done = subprocess.run(
        [sys.executable, "-B", "-c", SCRIPT], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    state, seen, *loaded = done.stdout.split()
    assert (state, seen) == ("active", "[]")
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []
    assert "carnet.client.operations" not in loaded
    assert "carnet.client.installing" not in loaded

"""What only PKCS#11 has: PINs that lock, sessions that end, a module that a process shares; on real tokens."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pkcs11
import pytest

from carnet.core.errors import StateError, TransportError, UsageError
from carnet.server.signing.locations import parse_location
from carnet.server.signing.pkcs11_key import Pkcs11Key
from carnet.server.signing.pkcs11_module import Wanted, _log_in, module_at
from carnet.server.signing.services import generate, open_remote
from support.signer_places import PATIENT, HeldStopwatch, TokenPlace
from support.softhsm import MISSING, PIN, PREPARED, SoftToken, lose_sessions, tokens

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"not run here: {MISSING}")


@pytest.fixture
def at() -> Iterator[TokenPlace]:
    made = TokenPlace("Ed25519")
    yield made
    made.token.drop()


def test_a_wrong_pin_is_tried_once_and_not_again(at: TokenPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    real = _log_in

    def counted(token: Any, pin: str | None) -> Any:
        tried.append(str(pin))
        return real(token, pin)

    monkeypatch.setattr("carnet.server.signing.pkcs11_module._log_in", counted)
    lose_sessions()
    for _ in range(5):
        with pytest.raises(StateError) as refused:
            open_remote(at.location, at.token.environ(pin="wrong one"), limits=PATIENT)
        assert refused.value.code == "signer_refused"
    assert tried == ["wrong one"], "a token locks after a few"


@pytest.mark.parametrize("pin", [None, PIN])
@pytest.mark.parametrize("flag", [pkcs11.TokenFlag.USER_PIN_LOCKED, pkcs11.TokenFlag.USER_PIN_FINAL_TRY])
def test_a_token_that_is_about_to_lock_is_left_alone(flag: pkcs11.TokenFlag, pin: str | None) -> None:
    token = SimpleNamespace(flags=flag, open=lambda **_: pytest.fail("tried"))
    with pytest.raises(StateError) as refused:
        _log_in(token, pin)
    assert refused.value.code == "signer_refused"


@pytest.mark.parametrize(
    "error", [pkcs11.PinLocked, pkcs11.PinExpired, pkcs11.UserPinNotInitialized, pkcs11.PinInvalid, pkcs11.PinLenRange]
)
def test_whatever_is_wrong_with_a_pin_is_said(error: type[Exception]) -> None:
    def refuse(**_: object) -> None:
        raise error

    with pytest.raises(StateError) as refused:
        _log_in(SimpleNamespace(flags=pkcs11.TokenFlag.LOGIN_REQUIRED, open=refuse), PIN)
    assert refused.value.code == "signer_refused"
    assert PIN not in str(refused.value)


def test_rel_08_sessions_that_were_lost_are_opened_again_within_the_same_signature(at: TokenPlace) -> None:
    signer = open_remote(at.location, at.environ, limits=PATIENT)
    for _ in range(3):
        signer.sign(b"m")
        lose_sessions()
        signer.public_key.verify(signer.sign(b"m"), b"m")
    signer.close()


def test_rel_08_sessions_that_are_lost_under_load_cost_no_signature(at: TokenPlace) -> None:
    signer = open_remote(at.location, at.environ, limits=PATIENT)
    failed: list[BaseException] = []
    started = threading.Barrier(9)

    def sign() -> None:
        started.wait(120)
        for number in range(20):
            try:
                signer.sign(b"%d" % number)
            except TransportError:
                pass  # what a request is told while the module starts afresh
            except BaseException as error:  # noqa: BLE001 - told below
                failed.append(error)

    threads = [threading.Thread(target=sign) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait(120)
    module_at(Path(PREPARED["module"])).renew(module_at(Path(PREPARED["module"])).generation)
    for thread in threads:
        thread.join(120)
    assert not failed
    signer._gate.passed()
    signer.sign(b"m")
    signer.close()


def test_two_keys_of_one_token_do_not_log_each_other_out(at: TokenPlace) -> None:
    other = at.token.location("other")
    generate(other, at.environ)
    first, second = (open_remote(each, at.environ, limits=PATIENT) for each in (at.location, other))
    second.close()
    first.sign(b"m")
    assert first.public_key != second.public_key
    first.close()


def test_a_key_that_is_there_is_not_made_over(at: TokenPlace) -> None:
    with pytest.raises(UsageError) as refused:
        generate(at.location, at.environ)
    assert refused.value.code == "key_exists"
    signer = open_remote(at.location, at.environ, limits=PATIENT)
    assert signer.public_key == at.public_key
    signer.close()


def test_sec_25_what_is_made_in_a_token_cannot_be_taken_out(at: TokenPlace) -> None:
    location = parse_location(at.location)
    key = Pkcs11Key(location, module=Path(PREPARED["module"]), pin=lambda: PIN)  # type: ignore[arg-type]
    key.public_key()
    held = key._take(key._module.generation)
    assert held.key[pkcs11.Attribute.SENSITIVE]
    assert not held.key[pkcs11.Attribute.EXTRACTABLE]
    with pytest.raises(pkcs11.PKCS11Error):
        _ = held.key[pkcs11.Attribute.VALUE]
    key._drop(held)


def test_two_tokens_of_one_name_are_told_apart_by_their_serial_number(at: TokenPlace) -> None:
    twin = SoftToken(label=at.token.label)
    lose_sessions()  # the module looks for tokens when it starts
    running = HeldStopwatch()
    with pytest.raises(UsageError) as refused:
        at.open(running=running)
    assert refused.value.code == "bad_key_location"
    (serial,) = {
        token.serial.decode().strip()
        for slot in module_at(Path(PREPARED["module"]))._lib.get_slots(token_present=True)
        if Wanted(token=at.token.label).fits(token := slot.get_token()) and token.serial != twin.serial()
    }
    signer = open_remote(at.location.replace(";", f";serial={serial};"), at.environ, limits=PATIENT)
    assert signer.public_key == at.public_key
    signer.close()
    twin.drop()


def test_a_key_of_another_kind_is_refused(at: TokenPlace) -> None:
    subprocess.run(
        [sys.executable, "-c", _ON_ANOTHER_CURVE, PREPARED["module"], at.token.label, PIN],
        env={"SOFTHSM2_CONF": str(tokens().parent / "softhsm2.conf")},
        check=True,
    )
    lose_sessions()
    with pytest.raises(UsageError) as refused:
        open_remote(at.token.location("p384"), at.environ, limits=PATIENT)
    assert refused.value.code == "unsuitable_key"
    with pytest.raises(UsageError) as missing:
        open_remote(at.token.location("nothing"), at.environ, limits=PATIENT)
    assert missing.value.code == "no_key_at_location"


_ON_ANOTHER_CURVE = """
import sys, pkcs11
from pkcs11.util.ec import encode_named_curve_parameters
token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])
session = token.open(rw=True, user_pin=sys.argv[3])
curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp384r1")}
session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True).generate_keypair(store=True, label="p384")
"""


def test_each_forked_process_opens_its_own(at: TokenPlace) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORKED, at.location],
        env={**at.environ, "SOFTHSM2_CONF": str(tokens().parent / "softhsm2.conf")},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert json.loads(done.stdout) == {"child": 0, "parent": "signed"}


_FORKED = """
import json, os, sys
from carnet.server.signing.services import open_remote
signer = open_remote(sys.argv[1], os.environ)
signer.sign(b"before")
child = os.fork()
if child == 0:
    try:
        for number in range(20):
            signer.sign(b"%d" % number)
    except BaseException as error:
        os.write(2, repr(error).encode())
        os._exit(1)
    os._exit(0)
for number in range(20):
    signer.sign(b"%d" % number)
_, status = os.waitpid(child, 0)
signer.sign(b"after")
print(json.dumps({"child": status, "parent": "signed"}))
"""


def test_a_module_that_is_none_is_said(at: TokenPlace) -> None:
    with pytest.raises(UsageError) as refused:
        open_remote(at.location, {**at.environ, "CARNET_PKCS11_MODULE": str(ROOT / "LICENSE")})
    assert refused.value.code == "bad_pkcs11_module"

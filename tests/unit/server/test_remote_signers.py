"""What every remote signer shares: time limits, the gate after a failure, threads, secrets from outside."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest

from carnet.core.errors import MalformedError, StateError, TransportError, UsageError
from carnet.formats.keys import Algorithm, Ed25519Signer, PublicKey
from carnet.server.signing.http_service import HttpService
from carnet.server.signing.remote import Limits, RemoteSigner, unavailable
from carnet.server.signing.services import generate, open_service, secret_of

_PINS = "CARNET_PKCS11_PIN"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Service:
    """A key in this process, behind what a service may do: fail some times, or hold its answers back."""

    what = "The service"
    max_message = None

    def __init__(self) -> None:
        self.key = Ed25519Signer(bytes(range(32)))
        self.failures = 0
        self.asked = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.closed = threading.Event()
        self.inside = threading.Semaphore(0)

    def public_key(self) -> PublicKey:
        return self.key.public_key

    def sign(self, alg: Algorithm, message: bytes) -> bytes:
        assert alg == "Ed25519"
        self.asked += 1
        self.inside.release()
        self.go_on.wait(120)
        if self.failures:
            self.failures -= 1
            raise unavailable(self.what, "is away")
        return self.key.sign(message)

    def forked(self) -> None:
        raise AssertionError

    def close(self) -> None:
        self.closed.set()


def signer_of(service: Service, clock: Clock | None = None, **limits: float) -> RemoteSigner:
    wanted = Limits(**{"seconds": 60, "pause_seconds": 0.001, **limits})  # type: ignore[arg-type]
    return RemoteSigner(service, limits=wanted, running=clock or Clock())


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_rel_08_what_fails_twice_is_asked_a_third_time(failures: int) -> None:
    service = Service()
    signer = signer_of(service)
    service.failures = failures
    signer.sign(b"m")
    assert service.asked == failures + 1


def test_rel_08_what_fails_three_times_is_an_outage_and_the_service_is_left_alone() -> None:
    service, clock = Service(), Clock()
    signer = signer_of(service, clock, resume_seconds=2.0)
    service.failures = 3
    for asked, seconds in ((3, 0.0), (3, 1.0), (3, 1.999)):
        clock.seconds = seconds
        with pytest.raises(TransportError) as away:
            signer.sign(b"m")
        assert (away.value.code, service.asked) == ("signer_unavailable", asked)
    clock.seconds = 2.0
    signer.sign(b"m")
    assert service.asked == 4


def test_rel_08_one_asks_whether_it_is_back_and_the_others_do_not_wait_for_it() -> None:
    service, clock = Service(), Clock()
    signer = signer_of(service, clock, resume_seconds=2.0)
    service.failures = 3
    with pytest.raises(TransportError):
        signer.sign(b"m")
    clock.seconds = 2.0
    service.go_on.clear()
    trying = threading.Thread(target=lambda: signer.sign(b"m"))
    while service.inside.acquire(blocking=False):
        pass
    trying.start()
    assert service.inside.acquire(timeout=120)
    with pytest.raises(TransportError):
        signer.sign(b"m")  # at once: somebody is finding out
    service.go_on.set()
    trying.join(120)
    signer.sign(b"m")


def test_rel_08_calls_that_never_come_back_take_their_threads_and_nobody_elses_time() -> None:
    service = Service()
    signer = signer_of(service, seconds=0.2, at_once=2, resume_seconds=0.0)
    service.go_on.clear()
    for _ in range(4):
        with pytest.raises(TransportError):
            signer.sign(b"m")
    assert service.asked == 2, "no more than there are threads; what waited was dropped"
    service.go_on.set()
    signer._limits = Limits(seconds=60)
    signer.sign(b"m")


def test_what_cannot_be_signed_at_all_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    signer = signer_of(service)

    def too_long(*_: object) -> bytes:
        raise UsageError("message_too_long", "It is too long.")

    with monkeypatch.context() as longer:
        longer.setattr(service, "sign", too_long)
        for _ in range(2):
            with pytest.raises(UsageError):
                signer.sign(b"m")
    signer.sign(b"m")


def test_a_key_may_keep_the_id_that_others_gave_it() -> None:
    service = Service()
    signer = RemoteSigner(service, kid="theirs", limits=Limits(seconds=60))
    assert (signer.kid, signer.public_key.raw) == ("theirs", service.key.public_key.raw)
    with pytest.raises(MalformedError) as refused:
        RemoteSigner(service, kid="not an id", limits=Limits(seconds=60))
    assert refused.value.code == "bad_kid"


def test_a_signer_that_is_dropped_lets_go_of_what_it_holds() -> None:
    service = Service()
    signer = signer_of(service)
    signer.sign(b"m")
    del signer
    gc.collect()
    assert service.closed.wait(120)


def test_a_signer_that_was_closed_says_so() -> None:
    signer = signer_of(Service())
    signer.close()
    with pytest.raises(TransportError):
        signer.sign(b"m")


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_comes_from_a_variable_or_a_file_that_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.write_text("first\n")
    read = secret_of({f"{_PINS}_FILE": str(file)}, _PINS)
    assert read() == "first"
    file.write_text("second\r\n")
    assert read() == "second"
    assert secret_of({_PINS: "given"}, _PINS)() == "given"
    assert secret_of({_PINS: "given"}, _PINS, file)() == "second", "what the location names counts"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"a" * 8193, b"\x00"])
def test_a_file_that_holds_no_secret_is_said_without_its_content(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pin"
    file.write_bytes(content)
    with pytest.raises(UsageError) as refused:
        secret_of({f"{_PINS}_FILE": str(file)}, _PINS)()
    assert refused.value.code == "bad_setting"
    assert "two" not in str(refused.value)


def test_a_secret_that_is_not_there_names_the_variable() -> None:
    for environ in ({}, {f"{_PINS}_FILE": "/nonexistent/pin"}):
        with pytest.raises(UsageError) as refused:
            secret_of(environ, _PINS)()
        assert _PINS in refused.value.message + refused.value.fix
    with pytest.raises(UsageError):
        secret_of({_PINS: "a", f"{_PINS}_FILE": "/b"}, _PINS)


@pytest.mark.parametrize(
    ("location", "environ", "code"),
    [
        ("vault:transit/key#1", {}, "bad_key_service"),
        ("vault:transit/key#1", {"VAULT_ADDR": "http://vault.example.com"}, "bad_key_service"),
        ("pkcs11:token=t;object=o", {}, "bad_pkcs11_module"),
        ("pkcs11:token=t;object=o?module-path=/nonexistent.so", {}, "bad_pkcs11_module"),
        ("file:a.json", {}, "bad_key_location"),
    ],
)
def test_what_a_service_needs_is_asked_for(location: str, environ: dict[str, str], code: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_service(location, environ, Limits())
    assert refused.value.code == code
    assert refused.value.fix


def test_keys_are_made_in_tokens_only() -> None:
    with pytest.raises(UsageError) as refused:
        generate("vault:transit/key#1", {})
    assert refused.value.code == "bad_key_location"


@pytest.mark.parametrize(
    "address",
    [
        *("", "vault", "ftp://vault", "https://", "https://u:p@vault", "https://vault/path", "https://vault?x=1"),
        *("http://vault.example.com:8200", "https://vault:a", "https://va ult", "https://vault/\n", "http://10.0.0.1"),
    ],
)
def test_sec_25_a_token_is_sent_over_https_or_to_this_machine_only(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        HttpService("Vault", address, Limits())
    assert refused.value.code == "bad_key_service"
    assert "u:p" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["https://vault.example.com", "https://vault:8200/", "http://127.0.0.1:8200", "http://[::1]:8200"]
)
def test_addresses_that_can_be_asked(address: str) -> None:
    assert HttpService("Vault", address, Limits()).address == address.rstrip("/")


def test_certificates_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    bad = tmp_path / "ca.pem"
    bad.write_text("no certificate")
    for file in (bad, tmp_path / "none.pem"):
        service = HttpService("Vault", "https://127.0.0.1:1", Limits(), ca_file=str(file))
        with pytest.raises(UsageError) as refused:
            service.ask("GET", "/", {})
        assert refused.value.code == "bad_ca_file"


def test_a_wrong_signature_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    signer = signer_of(service)
    monkeypatch.setattr(service, "sign", lambda *_: bytes(64))
    with pytest.raises(StateError) as found:
        signer.sign(b"m")
    assert found.value.code == "signer_wrong_signature"

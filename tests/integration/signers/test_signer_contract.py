"""
SEC-25: one contract for whatever holds a private key outside this process. Real tokens of SoftHSM; AWS KMS, Google
Cloud KMS and Vault on the wire.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from carnet.core.errors import CarnetError, MalformedError, StateError, TransportError, UsageError
from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_encode
from carnet.formats.keys import Algorithm, Ed25519Signer
from carnet.server.signing.ceremony_files import CeremonyFiles
from carnet.server.signing.file_store import make_key_file
from carnet.server.signing.opening import KeyPlaces, open_signer
from carnet.server.signing.remote import Limits, RemoteSigner
from carnet.server.signing.services import open_remote
from support.signer_places import ALGORITHMS, HASTY, PATIENT, PLACES, HeldStopwatch, Place, limits_for, place

_MESSAGES = (b"x", b"carnet" * 500, b"c" * 5000)
_NO_SIGNATURES = (b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64, bytes(range(64)))


@pytest.fixture(params=PLACES)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def at(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """An Ed25519 key at each place."""
    with place(kind, "Ed25519", tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def signer(at: Place) -> Iterator[RemoteSigner]:
    opened = at.open()
    yield opened
    opened.close()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_sec_25_what_it_signs_verifies_under_the_key_that_it_shows(
    kind: str, alg: Algorithm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(kind, alg, tmp_path, monkeypatch) as at:
        signer = open_remote(at.location, at.environ)
        assert (signer.public_key, signer.kid) == (at.public_key, at.public_key.kid)
        assert signer.public_key.alg == alg
        for message in _MESSAGES[: 2 if kind == "aws" and alg == "Ed25519" else 3]:
            made = signer.sign(message)
            signer.public_key.verify(made, message)
            assert len(made) == {"Ed25519": 64, "ES256": 64, "RS256": len(made)}[alg]
        signer.close()


def test_sec_25_a_location_opens_to_the_key_that_was_announced_and_to_no_other(at: Place, tmp_path: Path) -> None:
    places = KeyPlaces(folder=tmp_path, kek=bytes(32), environ=at.environ)
    assert open_signer(at.location, places, public_key=at.public_key).kid == at.public_key.kid
    other = Ed25519Signer(bytes(range(32))).public_key
    with pytest.raises(StateError) as refused:
        open_signer(at.location, places, public_key=other)
    assert refused.value.code == "keys_do_not_match_root"


def test_a_ceremony_takes_ed25519_keys_and_refuses_others(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for alg in ALGORITHMS:
        with place(kind, alg, tmp_path, monkeypatch) as at:
            places = KeyPlaces(folder=tmp_path, kek=bytes(32), environ=at.environ)
            desk = CeremonyFiles(tmp_path, places, tuple, os.urandom)
            if alg == "Ed25519":
                assert desk.look_at(("token",), at.location).public_key == at.public_key
                continue
            with pytest.raises(UsageError) as refused:
                desk.look_at(("token",), at.location)
            assert refused.value.code == "bad_root"


def test_sixteen_threads_sign_at_once(at: Place) -> None:
    signer = at.open(limits=Limits(seconds=120))
    made: list[tuple[bytes, bytes]] = []
    failed: list[BaseException] = []

    def sign(thread: int) -> None:
        try:
            for number in range(8):
                message = b"%d of %d" % (number, thread)
                made.append((message, signer.sign(message)))
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=sign, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    signer.close()
    assert not failed
    assert len(made) == 16 * 8
    for message, signature in made:
        signer.public_key.verify(signature, message)


def test_rel_08_a_service_that_is_down_is_said_within_the_limit_and_comes_back(at: Place) -> None:
    running = HeldStopwatch()
    signer = at.open(running=running)
    for how in at.downs:
        signer._limits = limits_for(how)
        with at.down(how):
            began = time.monotonic()
            with pytest.raises(TransportError) as away:
                signer.sign(b"m")
            assert time.monotonic() - began < 100, "limited, with room for a busy machine"
            assert (away.value.code, away.value.retryable) == ("signer_unavailable", True), how
            assert at.what in away.value.message
        running.seconds += PATIENT.resume_seconds + 1
        signer._limits = PATIENT
        signer.public_key.verify(signer.sign(b"m"), b"m")
    signer.close()


def test_rel_08_a_service_that_is_down_is_not_asked_by_every_request(at: Place) -> None:
    running = HeldStopwatch()
    signer = at.open(running=running)
    asked: list[int] = []
    real = signer._service.sign

    def counted(alg: Algorithm, message: bytes) -> bytes:
        asked.append(1)
        return real(alg, message)

    signer._service.sign = counted  # type: ignore[method-assign] # only counts
    with at.down(at.downs[-1]):
        for _ in range(50):
            with pytest.raises(TransportError):
                signer.sign(b"m")
        assert len(asked) == PATIENT.attempts
        running.seconds += PATIENT.resume_seconds
        for _ in range(50):
            with pytest.raises(TransportError):
                signer.sign(b"m")
        assert len(asked) == 2 * PATIENT.attempts
    with pytest.raises(TransportError):
        signer.sign(b"m")  # nobody knows yet that it is back
    running.seconds += PATIENT.resume_seconds
    for _ in range(3):
        signer.sign(b"m")
    signer.close()


def test_rel_08_a_service_that_is_down_when_the_server_starts_is_said(at: Place) -> None:
    for how in at.downs:
        with at.down(how), pytest.raises(TransportError) as away:
            at.open(limits=HASTY)
        assert away.value.code == "signer_unavailable", how
    signer = at.open()
    assert signer.public_key == at.public_key
    signer.close()


def test_who_may_not_sign_is_told_what_to_do(at: Place) -> None:
    with at.forbidden() as environ, pytest.raises(StateError) as refused:
        open_remote(at.location, environ, limits=PATIENT)
    assert refused.value.code == "signer_refused"
    assert refused.value.fix
    assert at.what in refused.value.message


def test_sec_25_rights_that_are_taken_away_while_the_server_runs_are_said(at: Place) -> None:
    if at.what == "The PKCS#11 token":
        return  # who is logged in stays it
    running = HeldStopwatch()
    signer = at.open(running=running)
    with at.forbidden(), pytest.raises(StateError) as refused:
        signer.sign(b"m")
    assert refused.value.code == "signer_refused"
    running.seconds += PATIENT.resume_seconds
    signer.sign(b"m")
    signer.close()


def test_sec_25_lying_answers_are_found_before_anybody_gets_them(at: Place) -> None:
    running = HeldStopwatch()
    signer = at.open(running=running)
    for lie in at.lies:
        with at.down(lie), pytest.raises((StateError, TransportError)) as found:
            signer.sign(b"m")
        assert found.value.code in ("signer_wrong_signature", "signer_unavailable", "signer_refused"), lie
        if lie in ("other key", "short", "long", "empty", "garbage"):
            assert found.value.code == "signer_wrong_signature", lie
        running.seconds += PATIENT.resume_seconds + 1
    signer.public_key.verify(signer.sign(b"m"), b"m")
    signer.close()


def test_sec_25_whatever_comes_back_in_place_of_a_signature_is_found(at: Place) -> None:
    running = HeldStopwatch()
    signer = at.open(running=running)
    for lie in _NO_SIGNATURES:
        signer._service.sign = lambda *_, lie=lie: lie  # type: ignore[method-assign] # a token that lies
        with pytest.raises(StateError) as found:
            signer.sign(b"m")
        assert found.value.code == "signer_wrong_signature"
        running.seconds += PATIENT.resume_seconds
    signer.close()


def test_sec_25_no_secret_in_words_logs_or_objects(at: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    signer = at.open()
    said += [repr(signer), repr(signer._service), str(vars(signer))]
    signer.sign(b"m")
    weathers = (*at.downs, *at.lies)
    for how in weathers:
        with at.down(how):
            signer._limits = limits_for(how)
            for attempt in (signer._service.public_key, lambda: signer._service.sign("Ed25519", b"m")):
                try:
                    signer._asked(attempt, limits_for(how).seconds)
                except CarnetError as error:
                    said += [str(error), repr(error), repr(error.__cause__), repr(error.args)]
    with at.forbidden() as environ:
        try:
            open_remote(at.location, environ, limits=PATIENT)
        except CarnetError as error:
            said += [str(error), repr(error), repr(error.__cause__)]
    signer.close()
    everything = "\n".join([*said, caplog.text, at.location])
    for secret in at.secrets:
        assert secret not in everything


def test_sec_25_sealed_files_keep_the_same_contract(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    kek, seeds = bytes(range(32)), [bytes(range(1, 33))]
    name, content, made = make_key_file(
        ("token",), kek=kek, created_at=Instant(1), random=lambda count: seeds.pop() if seeds else os.urandom(count)
    )
    (tmp_path / name).write_bytes(content)
    places = KeyPlaces(folder=tmp_path, kek=kek, environ={})
    signer = open_signer(f"file:{name}", places, public_key=made.public_key)
    assert signer.kid == made.kid == name.removesuffix(".json")
    signatures: list[bytes] = []
    threads = [threading.Thread(target=lambda: signatures.append(signer.sign(b"m"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(signatures) == 16
    for signature in signatures:
        signer.public_key.verify(signature, b"m")
    with pytest.raises(StateError) as refused:
        open_signer(f"file:{name}", places, public_key=Ed25519Signer(bytes(32)).public_key)
    assert refused.value.code == "keys_do_not_match_root"
    with pytest.raises(MalformedError) as foreign:
        open_signer(f"file:{name}", KeyPlaces(folder=tmp_path, kek=bytes(32), environ={}))
    assert foreign.value.code == "bad_key_file"
    with pytest.raises(StateError) as missing:
        open_signer("file:another.json", places)
    assert missing.value.code == "missing_file"
    said = repr(signer) + repr(places) + str(refused.value) + str(foreign.value) + str(missing.value) + caplog.text
    for secret in (kek, bytes(range(1, 33))):
        assert secret not in content
        for spelling in (secret.hex(), repr(secret), b64url_encode(secret)):
            assert spelling not in said


def test_a_signer_is_not_copied_or_stored(signer: RemoteSigner) -> None:
    import pickle

    with pytest.raises(TypeError):
        pickle.dumps(signer)

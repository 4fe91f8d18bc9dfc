"""Whatever a key service answers: a key, a signature, or one of our errors, and nothing else (SEC-25)."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.errors import CarnetError, TransportError
from carnet.formats.jose_keys import public_pem
from carnet.formats.keys import Algorithm, Ed25519Signer, PublicKey
from carnet.server.signing.aws_kms import AwsKey
from carnet.server.signing.google_kms import GoogleKey
from carnet.server.signing.http_service import Answer, HttpService
from carnet.server.signing.jose_signatures import raw_ecdsa
from carnet.server.signing.locations import AwsLocation, GoogleLocation, VaultLocation
from carnet.server.signing.remote import Limits
from carnet.server.signing.vault import VaultKey

_ALGORITHMS: tuple[Algorithm, ...] = ("Ed25519", "ES256", "RS256")
_NAME = "projects/a/locations/l/keyRings/k/cryptoKeys/c/cryptoKeyVersions/1"
_PEM = public_pem(Ed25519Signer(bytes(range(32))).public_key)
_texts = st.sampled_from(
    ["", "ed25519", "ecdsa-p256", "rsa-2048", "EC_SIGN_ED25519", "EC_SIGN_P256_SHA256", "vault:v1:AAAA", "AAAA", _PEM]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | _texts | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["1", "public_key", "x"]), inner),
    max_leaves=8,
)
_names = ("type", "keys", "derived", "signature", "algorithm", "pem", "name", "data", "error", "errors")
_objects = st.dictionaries(st.sampled_from(_names), _values, max_size=6)


class Told:
    """In place of `HttpService.ask`: always the same answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.answer = Answer(status, body)

    def __call__(self, *_: object) -> Answer:
        return self.answer


def ask(key: AwsKey | GoogleKey | VaultKey) -> None:
    with suppress(CarnetError):
        assert isinstance(key.public_key(), PublicKey)
    for alg in _ALGORITHMS:
        with suppress(CarnetError):
            assert isinstance(key.sign(alg, b"m"), bytes)


@given(st.sampled_from([200, 201, 302, 400, 403, 404]), _objects, st.booleans())
def test_vault_and_google_may_answer_what_they_like(status: int, body: dict[str, Any], is_nested: bool) -> None:  # noqa: FBT001
    vault = VaultKey(
        VaultLocation(mount="transit", key="k", version=1),
        address="https://vault",
        token=lambda: "t",
        namespace=None,
        ca_file=None,
        limits=Limits(),
    )
    google = GoogleKey(GoogleLocation(name=_NAME), address="https://google", token=lambda: "t", limits=Limits())
    for key in (vault, google):
        key._http.ask = Told(status, {"data": body} if is_nested else body)  # type: ignore[assignment,method-assign]
        ask(key)


@given(
    st.dictionaries(
        st.sampled_from(["PublicKey", "Signature", "KeyUsage"]),
        _values | st.binary(max_size=80) | st.just("SIGN_VERIFY"),
    )
)
def test_aws_may_answer_what_it_likes(body: dict[str, Any]) -> None:
    key = AwsKey(AwsLocation(key="k", region="r"), Limits())
    key._call = lambda *_, **__: body  # type: ignore[method-assign]
    ask(key)


@given(st.binary(max_size=80))
def test_no_bytes_are_taken_for_an_ecdsa_signature_that_is_none(der: bytes) -> None:
    with suppress(CarnetError):
        assert len(raw_ecdsa(der, "It")) == 64


def test_rel_08_an_answer_that_comes_byte_by_byte_for_ever_keeps_no_thread() -> None:
    body = b'{"a":"' + b"x" * 60 + b'"}'
    given_up = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            for byte in body:
                connection.sendall(bytes([byte]))
                if given_up.wait(0.02):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=drip, args=(listening,))
        dripping.start()
        service = HttpService("It", f"http://127.0.0.1:{listening.getsockname()[1]}", Limits(open_seconds=0.2))
        try:
            with pytest.raises(TransportError, match="did not come to the end") as refused:
                service.ask("GET", "/", {})
            assert refused.value.code == "signer_unavailable"
        finally:
            given_up.set()
            service.close()
            dripping.join()

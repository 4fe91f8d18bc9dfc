"""SEC-05: two products, two installations, two devices: nothing grants anything in another's place."""

from __future__ import annotations

from itertools import product as every

import pytest

from carnet.core._base import replace
from carnet.core.decision import Evidence, Host
from carnet.core.errors import CarnetError, NotGenuineError
from carnet.core.instant import Instant
from carnet.core.model import Grant
from carnet.core.rules import decide
from carnet.formats.keys import Ed25519Signer, KeyRing, Role
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.formats.machine_file import open_machine_file, seal_machine_file
from carnet.formats.signed_key import issue_signed_key, verify_signed_key
from support import machine_files, signed_keys, tokens

PRODUCTS = ("hustl", "hustl-pro")
SIGNERS = (Ed25519Signer(bytes([7]) * 32), Ed25519Signer(bytes([8]) * 32))
DEVICES = (machine_files.FINGERPRINT, machine_files.FINGERPRINT[:-1] + "0")
WHERE = tuple(every(PRODUCTS, SIGNERS, DEVICES))
NOW = Instant(signed_keys.ISSUED_AT + 60)


def ring_of(role: Role, signer: Ed25519Signer) -> KeyRing:
    return KeyRing.single(role, signer.public_key)


def granted(grant: Grant, product: str, device: str, now: int) -> bool:
    evidence = Evidence(grants=(grant,), device=device)
    host = Host(product=product, edition="studio", app_version="1.0", domain="example.com")
    return decide(evidence, Instant(now), host).access == "full"


def token_passes(made: tuple[str, Ed25519Signer, str], asked: tuple[str, Ed25519Signer, str]) -> bool:
    token = issue_license_token(replace(tokens.GRANT, product=made[0], device=made[2], kid=None), made[1])
    grant = verify_license_token(token, ring_of("token", asked[1]))
    return granted(grant, asked[0], asked[2], tokens.ISSUED_AT + 60)


def machine_file_passes(made: tuple[str, Ed25519Signer, str], asked: tuple[str, Ed25519Signer, str]) -> bool:
    sealed = seal_machine_file(
        replace(machine_files.GRANT, product=made[0], device=made[2], kid=None),
        license_key=machine_files.LICENSE_KEY,
        device_name="",
        platform="",
        signer=made[1],
        entropy=bytes(16),
    )
    ring = ring_of("machine-file", asked[1])
    grant = open_machine_file(sealed.encode(), ring, license_key=machine_files.LICENSE_KEY, fingerprint=asked[2])
    return granted(grant, asked[0], asked[2], machine_files.ISSUED_AT + 60)


def signed_key_passes(made: tuple[str, Ed25519Signer, str], asked: tuple[str, Ed25519Signer, str]) -> bool:
    key = issue_signed_key(signed_keys.key_grant(product=made[0], device=made[2], kid=made[1].kid), made[1])
    return granted(verify_signed_key(key, ring_of("license-key", asked[1])), asked[0], asked[2], NOW)


@pytest.mark.parametrize("passes", [token_passes, machine_file_passes, signed_key_passes])
def test_sec_05_only_the_same_product_installation_and_device_pass(passes: object) -> None:
    assert callable(passes)
    for made, asked in every(WHERE, WHERE):
        try:
            outcome = passes(made, asked)
        except NotGenuineError as refused:
            assert (refused.code, made[1] is asked[1]) == ("unknown_key", False)  # noqa: PT017
            outcome = False
        except CarnetError as refused:
            assert (refused.code, made[2] == asked[2]) == ("does_not_open", False)  # noqa: PT017
            outcome = False
        assert outcome == (made == asked), (made, asked)


@pytest.mark.parametrize("near", ["Hustl", "hustl ", "hustl-", "hust", "hustl\u200b", "HUSTL", "hustl-pro", "*", ""])
def test_sec_05_a_product_is_compared_exactly(near: str) -> None:
    assert granted(tokens.GRANT, "hustl", tokens.DEVICE, tokens.ISSUED_AT + 60)
    assert not granted(tokens.GRANT, near, tokens.DEVICE, tokens.ISSUED_AT + 60)


@pytest.mark.parametrize(
    "near", [tokens.DEVICE.upper(), tokens.DEVICE[:-1], tokens.DEVICE + "0", " " + tokens.DEVICE, ""]
)
def test_sec_05_a_device_is_compared_exactly(near: str) -> None:
    assert not granted(tokens.GRANT, "hustl", near, tokens.ISSUED_AT + 60)

"""Beside each bound that an attack oversteps: the nearest value within it is accepted, so that the bound is exact."""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core.domains import canonical_domain, canonical_pattern, domain_matches
from carnet.core.instant import MAX_INSTANT
from carnet.formats.keys import Ed25519Signer, KeyRing
from carnet.formats.license_token import TYP, verify_license_token
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from support.attack_corpus import CLAIMS, EDDSA, IAT, compact, header_of
from support.tokens import RING, SIGNER


def accepted(**changes: Any) -> bool:
    token = compact(header_of(EDDSA), {**CLAIMS, **changes}, SIGNER)
    return verify_license_token(token, RING).kid == SIGNER.kid


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "jti", "act", "dev", "cus"])
def test_sec_04_texts_of_1_and_of_255_characters_are_accepted(name: str) -> None:
    assert accepted(**{name: "x"})
    assert accepted(**{name: "é" * 255})


def test_sec_04_the_first_and_the_last_second_are_accepted() -> None:
    assert accepted(lic_nbf=1, lic_exp=1)
    assert accepted(lic_nbf=MAX_INSTANT, lic_exp=MAX_INSTANT)
    assert accepted(iat=1, nbf=1, exp=2)
    assert accepted(iat=MAX_INSTANT - 1, nbf=MAX_INSTANT - 1, exp=MAX_INSTANT)
    assert accepted(iat=IAT, nbf=IAT + MAX_LIFETIME_SECONDS - 1, exp=IAT + MAX_LIFETIME_SECONDS)


@pytest.mark.parametrize("seconds", [0, MAX_LIFETIME_SECONDS])
@pytest.mark.parametrize("name", ["ttl", "grace", "term_grace", "refresh", "warn", "status_age"])
def test_sec_04_durations_of_nothing_and_of_ten_years_are_accepted(name: str, seconds: int) -> None:
    assert accepted(pol={**CLAIMS["pol"], name: seconds})


def test_sec_04_lists_of_500_are_accepted_and_one_more_is_not() -> None:
    keys = [{"key": f"k{number}"} for number in range(300)]
    assert accepted(ent=keys)
    assert accepted(pol={**CLAIMS["pol"], "domains": ["a"] * 500})
    with pytest.raises(Exception, match="domains"):
        accepted(pol={**CLAIMS["pol"], "domains": ["a"] * 501})


def test_sec_04_status_indices_of_0_and_of_2_31_minus_1_are_accepted() -> None:
    for index in (0, 2**31 - 1):
        assert accepted(status={"status_list": {"idx": index, "uri": "u"}}, act_status={"idx": index})


@pytest.mark.parametrize("kid", ["k", "x" * 64, "_-", "0"])
def test_sec_02_key_ids_of_1_and_of_64_characters_are_accepted(kid: str) -> None:
    signer = Ed25519Signer(bytes([9]) * 32, kid)
    token = compact({"alg": "EdDSA", "kid": kid, "typ": TYP}, CLAIMS, signer)
    assert verify_license_token(token, KeyRing.single("token", signer.public_key)).kid == kid


def test_sec_10_a_header_of_1_kib_and_a_token_of_8_kib_are_accepted() -> None:
    blanks = b" " * (1024 - len(b'{"alg":"EdDSA","kid":"","typ":""}') - len(SIGNER.kid) - len(TYP))
    header = b'{"alg":"EdDSA","kid":"%b","typ":"%b"%b}' % (SIGNER.kid.encode(), TYP.encode(), blanks)
    assert len(header) == 1024
    assert verify_license_token(compact(header, CLAIMS, SIGNER), RING).kid == SIGNER.kid
    with pytest.raises(Exception, match="header is larger"):
        verify_license_token(compact(header + b" ", CLAIMS, SIGNER), RING)
    made = [compact(header_of(EDDSA), {**CLAIMS, "x": "y" * size}, SIGNER) for size in range(5000, 5400)]
    longest = max((token for token in made if len(token) <= 8192), key=len)
    assert len(longest) in {8191, 8192}
    assert verify_license_token(longest, RING).kid == SIGNER.kid
    with pytest.raises(Exception, match="larger than 8192"):
        verify_license_token(min((token for token in made if len(token) > 8192), key=len), RING)


@pytest.mark.parametrize(
    ("typed", "pattern"),
    [
        ("*.example.com", "*.example.com"),
        (" *.Example.COM. ", "*.example.com"),
        ("*.a.b", "*.a.b"),
        ("*.com", None),
        ("*.1.2", None),
        ("*.*.example.com", None),
        ("*example.com", None),
        ("*", None),
        ("*.", None),
        ("example.com", "example.com"),
        ("example.com:80", None),
        ("*.example.com:80", None),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        ("a" * 64 + ".example", None),
        ("-a.example", None),
        ("a-.example", None),
        ("a..example", None),
        ("", None),
    ],
)
def test_r_27_a_pattern_has_one_spelling(typed: str, pattern: str | None) -> None:
    assert canonical_pattern(typed) == pattern


def test_r_27_a_host_name_has_at_most_253_characters_and_a_port_at_most_five_digits() -> None:
    name = ".".join(["a" * 49] * 5) + ".com"
    assert canonical_domain(name) == name
    assert canonical_domain("a" * (253 - len(name)) + name if len(name) < 253 else name) is not None
    assert canonical_domain("b." * 126 + "a") == "b." * 126 + "a"
    assert canonical_domain("b." * 126 + "ab") is None
    assert canonical_domain("example.com:65535") == "example.com"
    assert canonical_domain("example.com:655350") is None
    assert canonical_domain("example.com:8o") is None
    assert domain_matches("a.example.com", "*.example.com")
    assert not domain_matches("a.b.example.com", "*.example.com")
    assert not domain_matches("example.com", "*.example.com")

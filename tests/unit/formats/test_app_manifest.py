"""App manifests: what is sealed comes back, and nothing else passes (specs/app-manifest.md §4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import Instant
from carnet.formats.app_manifest import (
    MAGIC,
    MAX_PATH,
    TYP,
    AppManifest,
    is_path,
    issue_app_manifest,
    verify_app_manifest,
)
from carnet.formats.encoding import sha256_b64url, sha256_hex
from carnet.formats.jws import sign_jws
from carnet.formats.keys import Ed25519Signer, KeyRing, TrustedKey

SIGNER = Ed25519Signer(bytes(range(32)))
STRANGER = Ed25519Signer(bytes(range(1, 33)))
RING = KeyRing([TrustedKey(key=SIGNER.public_key, role="license-key", state="active")])
FILES = (("app/flightlog", sha256_hex(b"one")), ("app/lib/Überflug.so", sha256_hex(b"two")), ("z", sha256_hex(b"")))
MANIFEST = AppManifest(
    issuer="installation-1", product="hustl", version="2.1", issued_at=Instant(1_900_000_000), files=FILES
)
SEALED = issue_app_manifest(MANIFEST, SIGNER)


def refused(data: bytes, *, product: str = "hustl", ring: KeyRing = RING) -> str:
    with pytest.raises(CarnetError) as caught:
        verify_app_manifest(data, ring, product=product)
    assert isinstance(caught.value, MalformedError | NotGenuineError)
    assert caught.value.fix
    return caught.value.code


def sealed_list(listed: bytes, **claims: object) -> bytes:
    """A manifest of any list, under the genuine key."""
    told = {"iss": "i", "aud": "hustl", "iat": 1_900_000_000, "ver": "1", "files": listed.count(b"\n")}
    told |= {"list": sha256_b64url(listed), **claims}
    payload = {name: value for name, value in told.items() if value is not ...}
    return MAGIC + sign_jws(payload, typ=TYP, signer=SIGNER).encode() + b"\n" + listed


def line(path: str | bytes, digest: str = "0" * 64) -> bytes:
    return digest.encode() + b"  " + (path if isinstance(path, bytes) else path.encode()) + b"\n"


def test_what_is_sealed_comes_back_and_is_what_sha256sum_reads() -> None:
    assert verify_app_manifest(SEALED, RING, product="hustl") == MANIFEST
    listed = SEALED.split(b"\n", 2)[2].decode()
    assert listed.splitlines()[1] == f"{FILES[1][1]}  app/lib/Überflug.so"
    shuffled = replace(MANIFEST, files=(FILES[2], FILES[0], FILES[1]))
    assert issue_app_manifest(shuffled, SIGNER) == SEALED


def test_every_flipped_bit_and_every_truncation_is_noticed() -> None:
    for place in range(len(SEALED)):
        assert refused(SEALED[:place])
        for bit in (1, 0x20, 0x80):
            assert refused(SEALED[:place] + bytes([SEALED[place] ^ bit]) + SEALED[place + 1 :])
    assert refused(SEALED + b"\n") == "manifest_altered"
    assert refused(SEALED.replace(b"\n", b"\r\n"))


def test_another_product_key_or_role_is_not_believed() -> None:
    assert refused(SEALED, product="hustl2") == "wrong_manifest"
    assert refused(issue_app_manifest(MANIFEST, STRANGER)) == "unknown_key"
    for_tokens = KeyRing([TrustedKey(key=SIGNER.public_key, role="token", state="active")])
    assert refused(SEALED, ring=for_tokens)
    seal = SEALED.split(b"\n")[1]
    swapped = MAGIC + seal + b"\n" + line("another")
    assert refused(swapped) == "manifest_altered"


@pytest.mark.parametrize(
    "listed",
    [
        b"",
        b"\n",
        line("a")[:-1],
        line("a") + b"\n",
        line("b") + line("a"),
        line("a") + line("a"),
        line("a", "0" * 63),
        line("a", "0" * 63 + "G"),
        line("a", "A" * 64),
        line("a").replace(b"  ", b" "),
        line("a").replace(b"  ", b" *"),
        line(b"\xff"),
        line("/etc/passwd"),
        line("../a"),
        line("a/../b"),
        line("a//b"),
        line("./a"),
        line("a/"),
        line("a\\b"),
        line("a\tb"),
        line("a\u0085b"),
        line("x" * (MAX_PATH + 1)),
    ],
)
def test_a_sealed_list_of_another_form_is_refused_too(listed: bytes) -> None:
    assert refused(sealed_list(listed)) == "bad_manifest"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"files": 2}, "bad_manifest"),
        ({"files": True}, "bad_claim"),
        ({"ver": ""}, "bad_claim"),
        ({"ver": "x" * 65}, "bad_claim"),
        ({"ver": "1\n2"}, "bad_claim"),
        ({"iat": "now"}, "bad_claim"),
        ({"list": 1}, "bad_claim"),
        ({"iss": ...}, "missing_claim"),
        ({"list": ...}, "missing_claim"),
    ],
)
def test_a_seal_with_other_claims_is_refused(claims: dict[str, object], code: str) -> None:
    assert refused(sealed_list(line("a"), **claims)) == code


def test_a_token_of_the_same_key_is_no_seal() -> None:
    told = {"iss": "i", "aud": "hustl", "iat": 1, "ver": "1", "files": 1, "list": sha256_b64url(line("a"))}
    other = MAGIC + sign_jws(told, typ="carnet-license+jwt", signer=SIGNER).encode() + b"\n" + line("a")
    assert refused(other)


@pytest.mark.parametrize(
    "change",
    [
        {"files": ()},
        {"files": (("a", "0" * 64), ("a", "1" * 64))},
        {"files": (("../a", "0" * 64),)},
        {"files": (("half\udcff", "0" * 64),)},
        {"files": (("a", "x"),)},
        {"version": ""},
        {"product": ""},
    ],
)
def test_what_no_reader_takes_is_not_signed(change: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        issue_app_manifest(replace(MANIFEST, **change), SIGNER)
    assert caught.value.code == "bad_manifest"


_parts = st.text(st.characters(exclude_categories=["C"], exclude_characters="/\\"), min_size=1, max_size=20)


@given(st.sets(st.lists(_parts, min_size=1, max_size=4).map("/".join).filter(is_path), min_size=1, max_size=20))
def test_any_tree_of_files_comes_back(paths: set[str]) -> None:
    files = tuple(sorted(((path, sha256_hex(path.encode())) for path in paths), key=lambda f: f[0].encode()))
    manifest = replace(MANIFEST, files=files)
    sealed = issue_app_manifest(manifest, SIGNER)
    assert verify_app_manifest(sealed, RING, product="hustl") == manifest
    assert issue_app_manifest(manifest, SIGNER) == sealed

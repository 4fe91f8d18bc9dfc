"""Where a key lives, as a URI: read strictly, and without ever holding or repeating a secret (R-63)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carnet.core.errors import UsageError
from carnet.server.signing.locations import (
    MAX_LOCATION,
    AwsLocation,
    FileLocation,
    GoogleLocation,
    Pkcs11Location,
    VaultLocation,
    parse_location,
)

_ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
_GOOGLE = "projects/acme/locations/europe-west3/keyRings/carnet/cryptoKeys/token/cryptoKeyVersions/1"


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("file:CUmGJ_dyJDnDuvDrObhstGvTnBgfEA6b38z58Y9s5jE.json", "CUmGJ_dyJDnDuvDrObhstGvTnBgfEA6b38z58Y9s5jE.json"),
        (f"awskms:{_ARN}", AwsLocation(key=_ARN, region="eu-central-1")),
        (f"awskms:{_ARN}?region=eu-central-1", AwsLocation(key=_ARN, region="eu-central-1")),
        ("awskms:alias/carnet/token?region=us-east-1", AwsLocation(key="alias/carnet/token", region="us-east-1")),
        ("awskms:mrk-1234abcd?region=us-east-1", AwsLocation(key="mrk-1234abcd", region="us-east-1")),
        (f"gcpkms:{_GOOGLE}", GoogleLocation(name=_GOOGLE)),
        ("vault:transit/carnet-token#2", VaultLocation(mount="transit", key="carnet-token", version=2)),
        ("vault:teams/a/transit/token#12", VaultLocation(mount="teams/a/transit", key="token", version=12)),
        (
            "pkcs11:token=The%20Token;object=a%3Bb;id=%01%ff?module-path=/usr/x.so&pin-source=file:/run/secrets/pin",
            Pkcs11Location(
                token="The Token",
                object="a;b",
                id=b"\x01\xff",
                module=Path("/usr/x.so"),
                pin_file=Path("/run/secrets/pin"),
            ),
        ),
        (
            "pkcs11:serial=0123;manufacturer=Acme;model=One;type=private;id=a",
            Pkcs11Location(serial="0123", manufacturer="Acme", model="One", id=b"a"),
        ),
        (
            "pkcs11:token=t;object=o?pin-source=/run/pin",
            Pkcs11Location(token="t", object="o", pin_file=Path("/run/pin")),
        ),
    ],
)
def test_each_kind_of_place_has_its_one_form(uri: str, location: object) -> None:
    found = parse_location(uri)
    assert (found.name if isinstance(found, FileLocation) else found) == location


@pytest.mark.parametrize(
    "uri",
    [
        *("", "x", "file", "http://example.com/key", "FILE:a.json", "file:../a.json", "file:/a.json", "file:a"),
        *("awskms:alias/x", "awskms:", "awskms:a?region=", "awskms:a?region=EU", "awskms:a?zone=eu", "awskms:a b"),
        *(f"awskms:{_ARN}?region=us-east-1", f"awskms:{_ARN[:-37]}", "awskms:arn:aws:s3:eu:111122223333:key/a"),
        *("gcpkms:", f"gcpkms:{_GOOGLE[:-1]}0", f"gcpkms:{_GOOGLE}:asymmetricSign", f"gcpkms:{_GOOGLE[:-20]}"),
        *(f"gcpkms:{_GOOGLE}/../2", "gcpkms:projects/a?b/locations/l/keyRings/k/cryptoKeys/c/cryptoKeyVersions/1"),
        *("vault:transit/key", "vault:key#1", "vault:transit/key#0", "vault:transit/key#01", "vault:transit//key#1"),
        *("vault:transit/../key#1", "vault:./key#1", "vault:transit/key?x=1#1", "vault:transit/k%2Fy#1"),
        *("pkcs11:", "pkcs11:token=t", "pkcs11:object=o", "pkcs11:token=t;object=", "pkcs11:token=t;token=t;object=o"),
        *("pkcs11:token=t;object=o;slot-id=1", "pkcs11:token=t;object=o;type=public", "pkcs11:token=t;object=%zz"),
        *("pkcs11:token=t;object=%ff", "pkcs11:token=t;object=a%00", "pkcs11:token=t;object=o?module-path=x.so"),
        *(
            "pkcs11:token=t;object=o?pin-source=pin",
            "pkcs11:token=t;object=o?pin-source=%7Ccat",
            "pkcs11:token;object=o",
        ),
        *(
            "vault:transit/k\u00e9y#1",
            "vault:transit/key#1\n",
            " vault:transit/key#1",
            f"vault:{'a' * MAX_LOCATION}/k#1",
        ),
    ],
)
def test_anything_else_is_refused_with_what_to_do(uri: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_location(uri)
    assert refused.value.code == "bad_key_location"
    assert refused.value.fix


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=t;object=o?pin-value=p14nted",
        "pkcs11:token=t;object=o;pin-value=p14nted",
        "pkcs11:token=t;object=o?module-path=/x&pin-value=p14nted",
    ],
)
def test_sec_25_a_location_with_a_pin_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_location(uri)
    assert refused.value.code == "secret_in_location"
    assert "p14nted" not in str(refused.value) + repr(refused.value)


_text = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=12)


@given(_text, _text, st.binary(min_size=1, max_size=20))
@example("a;b", "object=o", b"\0%;&?")
def test_rfc_7512_values_are_read_as_they_were_encoded(token: str, name: str, key_id: bytes) -> None:
    uri = f"pkcs11:token={quote(token, safe='')};object={quote(name, safe='')};id={quote(key_id, safe='')}"
    assert parse_location(uri) == Pkcs11Location(token=token, object=name, id=key_id)


@given(st.text(max_size=60), st.sampled_from(["", "file:", "pkcs11:", "awskms:", "gcpkms:", "vault:", "pkcs11:token="]))
@example("?pin-source=%", "pkcs11:token=")
def test_no_text_does_more_than_be_refused(text: str, scheme: str) -> None:
    with suppress(UsageError):
        parse_location(scheme + text)

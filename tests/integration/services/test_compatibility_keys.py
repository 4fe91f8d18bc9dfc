"""Compatibility keys on real installations: SQLite, sealed files, and PyJWT as the client that pins one key."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, StateError, UsageError
from carnet.core.model import Grant
from carnet.formats.encoding import b64url_decode
from carnet.formats.jose_keys import public_key_from_pem, public_pem
from carnet.formats.keys import COMPATIBLE_ROLES, KeyRing, public_key_from_jwk
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.formats.strict_json import parse_object
from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.domain.keys.commands import ALGORITHMS, CreateKey, ImportKey
from carnet.server.domain.keys.service import jwk_of, pem_of
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR, Actor, CompatibilityKey
from carnet.server.signing.sealing import unseal
from support.installations import PRODUCT, START, HeldClock, opened, query, settings_in
from support.tokens import GRANT

VENDOR = Actor(kind="vendor", id="key-1")
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def tell(folder: Path, story: Callable[[Installation], Awaitable[None]]) -> None:
    """A story on an installation with two products."""

    async def run() -> None:
        async with opened(folder, HeldClock()) as installation:
            if not (await installation.products.list()).items:
                for product in (PRODUCT, "plug-in"):
                    await installation.products.create(CreateProduct(id=product), OPERATOR)
            await story(installation)

    asyncio.run(run())


def pem_from(private: Any, secret: bytes | None = None, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    encryption = NoEncryption() if secret is None else BestAvailableEncryption(secret)
    return bytes(private.private_bytes(Encoding.PEM, form, encryption))


def numbers_of(private: Private) -> list[bytes]:
    """The secret numbers of a private key as bytes."""
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return [private.private_bytes_raw()]
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return [private.private_numbers().private_value.to_bytes(32, "big")]
    secret = private.private_numbers()
    return [value.to_bytes((value.bit_length() + 7) // 8, "big") for value in (secret.p, secret.q, secret.d)]


def searched_for(private: Private) -> set[bytes]:
    """Every spelling in which a private key could lie around: raw, DER and PEM, each also in hex and both base64."""
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    spelled: set[bytes] = set()
    for secret in (*numbers_of(private), der, pem_from(private)):
        encoded = base64.b64encode(secret).rstrip(b"=")
        spelled |= {
            secret,
            secret.hex().encode(),
            secret.hex().upper().encode(),
            encoded,
            base64.urlsafe_b64encode(secret),
        }
    # The first line of an RSA key in PEM holds its public modulus; the middle of the text is secret throughout.
    lines = pem_from(private).splitlines()[1:-1]
    return spelled | {lines[len(lines) // 2]}


def grant() -> Grant:
    return replace(GRANT, product=PRODUCT)


async def refused(kind: type[CarnetError], code: str, asked: Awaitable[object]) -> CarnetError:
    with pytest.raises(kind) as caught:
        await asked
    assert caught.value.code == code
    assert caught.value.fix
    return caught.value


def key_files(installation: Installation) -> list[Path]:
    return sorted((installation.settings.data / "keys").glob("compatibility-*.key"))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_sec_01_a_token_of_a_stored_key_verifies_under_the_exported_pem_alone(tmp_path: Path, alg: Any) -> None:
    async def story(installation: Installation) -> None:
        added = await installation.keys.create(CreateKey(product=PRODUCT, alg=alg), OPERATOR)
        key = added.key
        assert (key.alg, key.state, key.origin, key.product, key.created_at) == (
            alg,
            "active",
            "created",
            PRODUCT,
            START,
        )
        assert added.former is None
        token = issue_license_token(grant(), await installation.keys.signer(key.kid))
        header = jwt.get_unverified_header(token)
        assert (header["alg"], header["kid"]) == (alg, key.kid)
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        for pinned in (pem_of(key), jwt.PyJWK(jwk_of(key)).key):
            claims = jwt.decode(token, pinned, algorithms=[alg], audience=PRODUCT, options=options)
            assert claims["jti"] == grant().id
        others = [each for each in ALGORITHMS if each != alg]
        with pytest.raises(jwt.InvalidAlgorithmError):
            jwt.decode(token, pem_of(key), algorithms=others, audience=PRODUCT, options=options)
        ours = KeyRing.single("token", public_key_from_pem(pem_of(key), key.kid))
        assert verify_license_token(token, ours).id == grant().id
        assert public_key_from_jwk(jwk_of(key)) == public_key_from_pem(pem_of(key), key.kid)
        assert public_key_from_pem(pem_of(key)).kid == key.kid  # SEC-02: the thumbprint
        assert jwk_of(key)["carnet_product"] == PRODUCT

    tell(tmp_path, story)


def test_an_imported_key_keeps_its_id_and_signs_also_after_a_restart(tmp_path: Path) -> None:
    private = rsa.generate_private_key(65537, 2048)
    plain = pem_from(private, form=PrivateFormat.TraditionalOpenSSL)

    async def take(installation: Installation) -> None:
        command = ImportKey(
            product=PRODUCT, pem=pem_from(private, b"canary"), passphrase=b"canary", kid="vendor_2019-a"
        )
        key = (await installation.keys.import_pem(command, VENDOR)).key
        assert (key.kid, key.alg, key.origin, key.state) == ("vendor_2019-a", "RS256", "imported", "active")
        # The same key in another spelling, under another id, for another product: still the same key.
        again = ImportKey(product="plug-in", pem=plain, kid="another")
        await refused(UsageError, "key_exists", installation.keys.import_pem(again, OPERATOR))
        # Another key under the same id.
        other = ImportKey(product="plug-in", pem=pem_from(ec.generate_private_key(ec.SECP256R1())), kid="vendor_2019-a")
        await refused(UsageError, "key_exists", installation.keys.import_pem(other, OPERATOR))
        assert len(key_files(installation)) == 1  # a refusal leaves nothing

    async def sign(installation: Installation) -> None:
        signer = await installation.keys.signer("vendor_2019-a")
        assert await installation.keys.signer("vendor_2019-a") is signer
        token = issue_license_token(grant(), signer)
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        jwt.decode(token, private.public_key(), algorithms=["RS256"], audience=PRODUCT, options=options)

    tell(tmp_path, take)
    tell(tmp_path, sign)


def test_another_key_makes_the_former_verify_only_for_its_product_alone(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        keys = installation.keys
        first = (await keys.create(CreateKey(product=PRODUCT, alg="EdDSA"), OPERATOR)).key
        elsewhere = (await keys.create(CreateKey(product="plug-in", alg="EdDSA"), OPERATOR)).key
        await keys.signer(first.kid)
        added = await keys.create(CreateKey(product=PRODUCT, alg="ES256"), VENDOR)
        assert added.former == replace(first, state="verify-only", replaced_at=START)
        assert await keys.get(first.kid) == added.former
        assert (await keys.get(elsewhere.kid)).state == "active"
        # It signs nothing new, not even where its signer was open before.
        await refused(UsageError, "key_not_active", keys.signer(first.kid))
        assert (await keys.list(PRODUCT)).items == (added.key, added.former)
        assert (await keys.list("plug-in")).items == (elsewhere,)
        assert [key.kid for key in (await keys.list()).items] == [added.key.kid, elsewhere.kid, first.kid]
        page = await keys.list(limit=2)
        assert page.next_after is not None
        assert (await keys.list(after=page.next_after)).items == (added.former,)
        # What it signed stays genuine: it is still published.
        shown = {jwk["kid"]: jwk for jwk in (await installation.trust.jwks())["keys"]}
        assert {first.kid, elsewhere.kid, added.key.kid} <= set(shown)

        entries = await installation.audit.list(AuditFilter(object_id=added.key.kid))
        assert [(e.action, e.actor, dict(e.details)) for e in entries.items] == [
            ("key.created", VENDOR, {"product": PRODUCT, "alg": "ES256", "replaces": first.kid})
        ]
        entries = await installation.audit.list(AuditFilter(object_id=first.kid))
        assert [(e.action, dict(e.details)) for e in entries.items] == [
            ("key.replaced", {"product": PRODUCT, "replaced_by": added.key.kid}),
            ("key.created", {"product": PRODUCT, "alg": "EdDSA"}),
        ]

    tell(tmp_path, story)


def test_of_keys_made_at_once_exactly_one_is_active(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        made = [installation.keys.create(CreateKey(product=PRODUCT, alg="EdDSA"), OPERATOR) for _ in range(8)]
        added = await asyncio.gather(*made)
        states = [key.state for key in (await installation.keys.list(PRODUCT)).items]
        assert sorted(states) == ["active"] + ["verify-only"] * 7
        assert sorted(each.former.kid for each in added if each.former) == sorted(
            key.kid for key in (await installation.keys.list(PRODUCT)).items if key.state == "verify-only"
        )

    tell(tmp_path, story)


def test_of_one_key_imported_twice_at_once_one_wins_and_its_private_half_stays(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        command = ImportKey(product=PRODUCT, pem=pem_from(ec.generate_private_key(ec.SECP256R1())), kid="mine")
        tries = (installation.keys.import_pem(command, OPERATOR) for _ in range(4))
        ended = await asyncio.gather(*tries, return_exceptions=True)
        assert sorted(type(each).__name__ for each in ended) == ["AddedKey", *["UsageError"] * 3]
        assert len(key_files(installation)) == 1
        assert (await installation.keys.signer("mine")).kid == "mine"

    tell(tmp_path, story)


def test_sec_13_the_jwks_has_the_roots_keys_and_the_products_marked(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        before = (await installation.trust.jwks())["keys"]
        assert not any("carnet_product" in jwk for jwk in before)
        for alg in ALGORITHMS:
            await installation.keys.create(CreateKey(product=PRODUCT, alg=alg), OPERATOR)
        jwks = (await installation.trust.jwks())["keys"]
        assert jwks[: len(before)] == before
        added = jwks[len(before) :]
        assert [(jwk["kty"], jwk["alg"], jwk["use"]) for jwk in added] == [
            ("RSA", "RS256", "sig"),
            ("EC", "ES256", "sig"),
            ("OKP", "EdDSA", "sig"),
        ]
        assert all(jwk["carnet_product"] == PRODUCT for jwk in added)
        for jwk in jwks:
            assert {"d", "p", "q", "dp", "dq", "qi", "k"}.isdisjoint(jwk)
            public_key_from_jwk(jwk)
        # None of them is trusted by whoever follows the root.
        kids = {jwk["kid"] for jwk in added}
        assert kids.isdisjoint(trusted.key.kid for trusted in installation.ring.keys())  # noqa: SIM118

    tell(tmp_path, story)


def test_sec_06_keys_that_must_not_be_used_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    good = pem_from(ec.generate_private_key(ec.SECP256R1()))
    sealed = pem_from(ec.generate_private_key(ec.SECP256R1()), b"right")
    public = public_pem(public_key_from_pem(_public_of(good))).encode()
    wrong_ones: list[tuple[type[CarnetError], str, dict[str, Any]]] = [
        (MalformedError, "bad_key", {"pem": b"no key at all"}),
        (MalformedError, "bad_key", {"pem": b""}),
        (MalformedError, "bad_key", {"pem": public}),
        (MalformedError, "bad_key", {"pem": pem_from(ec.generate_private_key(ec.SECP384R1()))}),
        (MalformedError, "bad_key", {"pem": pem_from(rsa.generate_private_key(65537, 1024))}),  # noqa: S505 - made to be refused
        (MalformedError, "bad_key", {"pem": pem_from(rsa.generate_private_key(3, 2048))}),
        (MalformedError, "bad_key", {"pem": pem_from(dsa.generate_private_key(1024))}),  # noqa: S505
        (MalformedError, "too_large", {"pem": good + b"\n" * 16384}),
        (MalformedError, "bad_kid", {"pem": good, "kid": "../../carnet"}),
        (MalformedError, "bad_kid", {"pem": good, "kid": ""}),
        (MalformedError, "bad_kid", {"pem": good, "kid": "k" * 65}),
        (UsageError, "passphrase_needed", {"pem": sealed}),
        (UsageError, "wrong_passphrase", {"pem": sealed, "passphrase": b"wrong"}),
        (UsageError, "product_not_found", {"pem": good, "product": "nothing"}),
        (UsageError, "invalid_argument", {"pem": good, "product": "../x"}),
    ]

    async def story(installation: Installation) -> None:
        rows = (await installation.audit.list()).items
        for kind, code, changes in wrong_ones:
            command = ImportKey(**{"product": PRODUCT, **changes})
            error = await refused(kind, code, installation.keys.import_pem(command, OPERATOR))
            assert "wrong" not in error.message.replace("wrong_passphrase", "")
        for changes, code in (({"alg": "HS256"}, "invalid_argument"), ({"product": "nothing"}, "product_not_found")):
            wanted: Any = {"product": PRODUCT, "alg": "ES256", **changes}
            await refused(UsageError, code, installation.keys.create(CreateKey(**wanted), OPERATOR))
        assert (await installation.keys.list()).items == ()
        assert key_files(installation) == []
        assert (await installation.audit.list()).items == rows
        await refused(UsageError, "key_not_found", installation.keys.get("nothing"))
        await refused(UsageError, "key_not_found", installation.keys.signer("nothing"))
        await refused(UsageError, "product_not_found", installation.keys.list("nothing"))
        assert (await installation.keys.list(PRODUCT)).items == ()

    tell(tmp_path, story)


def _public_of(private: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import PublicFormat

    loaded = load_pem_private_key(private, None)
    return loaded.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_the_installations_own_keys_never_become_compatibility_keys(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        own = installation.ring.usable("machine-file")[0]
        stranger = pem_from(ed25519.Ed25519PrivateKey.generate())
        named = ImportKey(product=PRODUCT, pem=stranger, kid=own.kid)
        await refused(UsageError, "key_exists", installation.keys.import_pem(named, OPERATOR))
        kek = b64url_decode((installation.settings.data / "secrets" / "signing").read_bytes().strip(), "x")
        content = parse_object(
            (installation.settings.data / "keys" / f"{own.kid}.json").read_bytes(), max_bytes=65536, what="x"
        )
        context = "\0".join(("carnet/v1/signing-key", own.kid, *content["roles"])).encode()
        seed = unseal(b64url_decode(content["sealed"], "x"), kek, context)
        assert seed is not None
        stolen = ImportKey(
            product=PRODUCT, pem=pem_from(ed25519.Ed25519PrivateKey.from_private_bytes(seed)), kid="renamed"
        )
        await refused(UsageError, "key_exists", installation.keys.import_pem(stolen, OPERATOR))
        assert key_files(installation) == []

    tell(tmp_path, story)


def test_sec_01_a_record_or_file_that_was_changed_signs_nothing(tmp_path: Path) -> None:
    """Whoever can write to the database or to the folder still cannot make a key sign as another."""
    made: list[CompatibilityKey] = []

    async def make(installation: Installation) -> None:
        commands = (CreateKey(product=product, alg="ES256") for product in (PRODUCT, "plug-in"))
        made.extend([(await installation.keys.create(command, OPERATOR)).key for command in commands])

    def told(code: str) -> None:
        async def story(installation: Installation) -> None:
            await refused(MalformedError if code != "missing_file" else StateError, code, installation.keys.signer(kid))

        tell(tmp_path, story)

    tell(tmp_path, make)
    kid, other = made[0].kid, made[1]
    data = settings_in(tmp_path).data
    file = data / "keys" / f"compatibility-{made[0].id}.key"
    whole = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600

    file.write_bytes((data / "keys" / f"compatibility-{other.id}.key").read_bytes())
    told("bad_key_file")
    file.write_bytes(whole.replace(b'"sealed":"', b'"sealed":"AAAA'))
    told("bad_key_file")
    file.write_bytes(b"{}")
    told("bad_key_file")
    file.unlink()
    told("missing_file")
    file.write_bytes(whole)
    for changed in ("alg = 'RS256'", f"product_id = '{other.product}', state = 'active'", "public_pem = 'x'"):
        query(tmp_path, "CREATE TABLE aside AS SELECT * FROM compatibility_keys")
        query(tmp_path, f"UPDATE compatibility_keys SET state = 'verify-only' WHERE kid = '{other.kid}'")  # noqa: S608
        query(tmp_path, f"UPDATE compatibility_keys SET {changed} WHERE kid = '{kid}'")  # noqa: S608
        told("bad_key" if changed.startswith("public_pem") else "bad_key_file")
        query(tmp_path, f"DELETE FROM compatibility_keys WHERE kid = '{kid}'")  # noqa: S608
        query(tmp_path, f"INSERT INTO compatibility_keys SELECT * FROM aside WHERE kid = '{kid}'")  # noqa: S608
        query(tmp_path, "DROP TABLE aside")

    async def works(installation: Installation) -> None:
        assert (await installation.keys.signer(kid)).kid == kid
        assert (await installation.keys.get(kid)) == made[0]

    tell(tmp_path, works)


def test_a_record_of_another_algorithm_than_its_key_is_not_exported(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        key = (await installation.keys.create(CreateKey(product=PRODUCT, alg="ES256"), OPERATOR)).key
        for export in (pem_of, jwk_of):
            with pytest.raises(MalformedError) as caught:
                export(replace(key, alg="RS256"))
            assert caught.value.code == "bad_key"

    tell(tmp_path, story)


@pytest.mark.sqlite_file
def test_sec_25_33_no_private_key_in_database_wal_audit_or_log(tmp_path: Path) -> None:
    imported: list[Private] = [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(65537, 2048),
    ]
    secrets = {b"canary passphrase"}
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)

    async def story(installation: Installation) -> None:
        data = installation.settings.data
        for private in imported:
            pem = pem_from(private, b"canary passphrase")
            command = ImportKey(product=PRODUCT, pem=pem, passphrase=b"canary passphrase")
            logging.getLogger("test").info("%r", command)
            added = await installation.keys.import_pem(command, OPERATOR)
            logging.getLogger("test").info("%r %r", added, await installation.keys.signer(added.key.kid))
            with pytest.raises(UsageError) as caught:
                await installation.keys.import_pem(command, OPERATOR)
            logging.getLogger("test").error("refused", exc_info=caught.value)
        for alg in ALGORITHMS:
            key = (await installation.keys.create(CreateKey(product=PRODUCT, alg=alg), OPERATOR)).key
            issue_license_token(grant(), await installation.keys.signer(key.kid))
            imported.append(_unsealed(data, key))
        logging.getLogger("test").info("%r", (await installation.audit.list()).items)
        (data / "copy-of-the-wal").write_bytes((data / "carnet.db-wal").read_bytes())

    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        tell(tmp_path, story)
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
    for private in imported:
        secrets |= searched_for(private)
    data = settings_in(tmp_path).data
    searched = {path.name: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    searched["the log"] = logged.getvalue().encode()
    assert {"carnet.db", "copy-of-the-wal"} <= set(searched)
    assert len([name for name in searched if name.startswith("compatibility-")]) == len(imported) == 6
    kid = public_key_from_pem(_public_of(pem_from(imported[0]))).kid.encode()
    assert all(kid in searched[name] for name in ("carnet.db", "copy-of-the-wal", "the log"))  # the search finds
    for secret in secrets:
        assert len(secret) >= 16
        for name, content in searched.items():
            assert secret not in content, f"a private key stands in {name}"


def _unsealed(data: Path, key: CompatibilityKey) -> Private:
    """The private key of *key*, as whoever has `secrets/` too could read it."""
    kek = b64url_decode((data / "secrets" / "signing").read_bytes().strip(), "x")
    content = parse_object((data / "keys" / f"compatibility-{key.id}.key").read_bytes(), max_bytes=65536, what="x")
    context = f"carnet/v1/compatibility-key\0{key.id}\0{key.product}\0{key.kid}\0{key.alg}".encode()
    pem = unseal(b64url_decode(content["sealed"], "x"), kek, context)
    assert pem is not None
    private = load_pem_private_key(pem, None)
    assert isinstance(private, Private)
    return private


def test_sec_03_compatibility_keys_are_for_tokens_only() -> None:
    assert frozenset(("token",)) == COMPATIBLE_ROLES

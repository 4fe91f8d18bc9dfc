"""A license token is an ordinary JWT: other libraries verify it with the public key alone (R-10)."""

from __future__ import annotations

import json
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

import jwt
import nacl.exceptions
import nacl.signing
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jwt as joserfc_jwt
from joserfc.errors import BadSignatureError, SecurityWarning
from joserfc.jwk import OKPKey

from carnet.core._base import replace
from carnet.core.instant import DAY, Instant
from carnet.formats.encoding import b64url_decode
from carnet.formats.keys import public_key_from_jwk
from carnet.formats.license_token import TYP, issue_license_token, verify_license_token
from support.tokens import DEVICE, GRANT, OTHER_SIGNER, RING, SIGNER

NODE = Path(__file__).parent / "node"
JWK = SIGNER.public_key.to_jwk()


def current_token() -> str:
    """A token that is valid now, by this machine's clock: these libraries read it."""
    issued_at = int(time.time()) - 60
    grant = replace(
        GRANT,
        issued_at=Instant(issued_at),
        not_before=Instant(issued_at),
        offline_until=Instant(issued_at + 7 * DAY),
    )
    return issue_license_token(grant, SIGNER)


def spoiled(token: str) -> str:
    """The same token with other claims under the old signature."""
    header, payload, signature = token.split(".")
    other = issue_license_token(replace(GRANT, license_id="license-2"), SIGNER).split(".")[1]
    assert other != payload
    return f"{header}.{other}.{signature}"


def check_claims(claims: dict[str, Any], token: str) -> None:
    assert claims["iss"] == "installation-1"
    assert claims["aud"] == "hustl"
    assert claims["sub"] == "license-1"
    assert claims["dev"] == DEVICE
    assert claims["exp"] == verify_license_token(token, RING).offline_until


def test_pyjwt_verifies_a_license_token() -> None:
    token = current_token()
    key = Ed25519PublicKey.from_public_bytes(SIGNER.public_key.raw)
    options = {"algorithms": ["EdDSA"], "audience": "hustl", "issuer": "installation-1"}
    check_claims(jwt.decode(token, key, **options), token)  # type: ignore[arg-type]
    check_claims(jwt.decode(token, jwt.PyJWK(JWK), **options), token)  # type: ignore[arg-type]
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": SIGNER.kid, "typ": TYP}
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(spoiled(token), key, **options)  # type: ignore[arg-type]
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, key, algorithms=["EdDSA"], audience="hustl2")


def test_pynacl_verifies_a_license_token() -> None:
    token = current_token()
    key = nacl.signing.VerifyKey(SIGNER.public_key.raw)
    for text, good in ((token, True), (spoiled(token), False)):
        signed, _, signature = text.rpartition(".")
        if good:
            key.verify(signed.encode(), b64url_decode(signature, "It"))
            check_claims(json.loads(b64url_decode(signed.split(".")[1], "It")), token)
        else:
            with pytest.raises(nacl.exceptions.BadSignatureError):
                key.verify(signed.encode(), b64url_decode(signature, "It"))


def test_joserfc_verifies_a_license_token() -> None:
    token = current_token()
    key = OKPKey.import_key(dict(JWK))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # it prefers the newer name Ed25519 over EdDSA (RFC 9864)
        check_claims(joserfc_jwt.decode(token, key, algorithms=["EdDSA"]).claims, token)
        with pytest.raises(BadSignatureError):
            joserfc_jwt.decode(spoiled(token), key, algorithms=["EdDSA"])


def test_joserfc_computes_the_same_key_id() -> None:
    assert OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": JWK["x"]}).thumbprint() == SIGNER.kid
    assert public_key_from_jwk(JWK) == SIGNER.public_key


@pytest.mark.node
def test_npm_jose_verifies_a_license_token(node_folder: Path) -> None:
    def ask(token: str, **change: Any) -> Any:
        question = {"token": token, "jwk": JWK, "typ": TYP, "issuer": "installation-1", "audience": "hustl", **change}
        done = subprocess.run(
            ["node", "verify.mjs"],
            cwd=node_folder,
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    token = current_token()
    check_claims(ask(token)["payload"], token)
    assert ask(spoiled(token)) == {"code": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"}
    assert ask(token, jwk=OTHER_SIGNER.public_key.to_jwk()) == {"code": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"}
    assert ask(token, audience="hustl2") == {"code": "ERR_JWT_CLAIM_VALIDATION_FAILED"}
    assert ask(token, typ="carnet-answer+jwt") == {"code": "ERR_JWT_CLAIM_VALIDATION_FAILED"}


def test_the_lock_file_of_the_javascript_library_names_no_registry() -> None:
    lock = json.loads((NODE / "package-lock.json").read_text("utf-8"))
    assert all("resolved" not in package for package in lock["packages"].values())
    assert lock["packages"]["node_modules/jose"]["integrity"].startswith("sha512-")
    assert "omit-lockfile-registry-resolved=true" in (NODE / ".npmrc").read_text("utf-8")

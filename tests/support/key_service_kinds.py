"""The three services of `key_services` that have a wire: each by its own documentation."""

from __future__ import annotations

import base64
import json
import re
import secrets
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from carnet.formats.keys import Algorithm
from support.key_services import KeyServiceStub, Refusal, encoded, pem_of, private_key

REGION = "eu-central-1"
_AUDIENCE = "https://oauth2.googleapis.com/token"
"""What service accounts say whom they speak to, wherever that answers."""


class AwsStub(KeyServiceStub):
    """
    AWS KMS (API reference: GetPublicKey, Sign, "Common errors"): JSON 1.1, the operation in `X-Amz-Target`.

    moto knows no Ed25519 keys; for the others it checks the same signer (test_signers_against_moto.py).
    """

    what = "AWS KMS"
    scheme = "awskms"
    secrets = ("wJalrXUtnFEMI/K7MDENG/a-planted-secret",)
    media_type = "application/x-amz-json-1.1"
    throttled, forbidden, missing = 400, 400, 400
    names: ClassVar[dict[str, str]] = {
        "5xx": "KMSInternalException",
        "throttled": "ThrottlingException",
        "forbidden": "AccessDeniedException",
        "missing": "NotFoundException",
    }
    arn = f"arn:aws:kms:{REGION}:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    _kinds: ClassVar[dict[Algorithm, tuple[str, str]]] = {
        "Ed25519": ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
        "ES256": ("ECC_NIST_P256", "ECDSA_SHA_256"),
        "RS256": ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256"),
    }

    def environ(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": self.secrets[0],
            "AWS_ENDPOINT_URL_KMS": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }

    def location(self) -> str:
        return f"awskms:{self.arn}"

    def handle(self, method: str, path: str, headers: Any, body: Any) -> dict[str, Any]:
        scope = f"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/[0-9]{{8}}/{REGION}/kms/aws4_request, "
        if (method, path) != ("POST", "/") or not re.match(scope, headers["Authorization"] or ""):
            raise Refusal(400, "IncompleteSignatureException")
        asked = json.loads(body)
        if asked.pop("KeyId") != self.arn:
            raise Refusal(400, "NotFoundException")
        spec, algorithm = self._kinds[self.alg]
        if headers["X-Amz-Target"] == "TrentService.GetPublicKey":
            der = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return {
                "KeyId": self.arn,
                "PublicKey": encoded(der),
                "KeySpec": spec,
                "CustomerMasterKeySpec": spec,
                "KeyUsage": "SIGN_VERIFY",
                "SigningAlgorithms": [algorithm],
            }
        assert headers["X-Amz-Target"] == "TrentService.Sign"
        message = base64.b64decode(asked["Message"])
        is_raw = asked.get("MessageType", "RAW") == "RAW"
        if asked["SigningAlgorithm"] != algorithm:
            raise Refusal(400, "InvalidKeyUsageException")
        is_fit = is_raw or (len(message) == 32 and self.alg != "Ed25519")
        if not (1 <= len(message) <= 4096 and is_fit):
            raise Refusal(400, "ValidationException")
        signature = self.signed(message if is_raw else None, None if is_raw else message)
        return {"KeyId": self.arn, "Signature": encoded(signature), "SigningAlgorithm": algorithm}

    def problem(self, refusal: Refusal) -> dict[str, Any]:
        return {"__type": refusal.name, "message": f"User: {self.secrets[0]} is not authorized to do that"}


class GoogleStub(KeyServiceStub):
    """
    Google Cloud KMS (REST v1: cryptoKeyVersions.getPublicKey, asymmetricSign) and the token endpoint of its accounts
    (RFC 7523): a service account signs for itself, and gets an access token.
    """

    what = "Google Cloud KMS"
    scheme = "gcpkms"
    secrets = ("ya29.a-planted-access-token",)
    names: ClassVar[dict[str, str]] = {
        "5xx": "INTERNAL",
        "throttled": "RESOURCE_EXHAUSTED",
        "forbidden": "PERMISSION_DENIED",
        "missing": "NOT_FOUND",
    }
    name = "projects/acme/locations/europe-west3/keyRings/carnet/cryptoKeys/token/cryptoKeyVersions/1"
    _kinds: ClassVar[dict[Algorithm, str]] = {
        "Ed25519": "EC_SIGN_ED25519",
        "ES256": "EC_SIGN_P256_SHA256",
        "RS256": "RSA_SIGN_PKCS1_2048_SHA256",
    }

    def __init__(self, alg: Algorithm = "Ed25519") -> None:
        super().__init__(alg)
        account = private_key("RS256")
        assert isinstance(account, rsa.RSAPrivateKey)
        self._account = account
        self.tokens = 0

    def account_file(self, folder: Path) -> Path:
        """The service account's key file, as Google hands it out."""
        pem = self._account.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        file = folder / "service-account.json"
        said = {
            "type": "service_account",
            "project_id": "acme",
            "private_key_id": "0123",
            "private_key": pem,
            "client_email": "carnet@acme.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }
        file.write_text(json.dumps(said))
        return file

    def environ(self) -> dict[str, str]:
        return {"CARNET_GOOGLE_KMS_URL": self.url}

    def location(self) -> str:
        return f"gcpkms:{self.name}"

    def handle(self, method: str, path: str, headers: Any, body: Any) -> dict[str, Any]:
        if (method, path) == ("POST", "/token"):
            return self._token(parse_qs(body.decode()))
        if headers["Authorization"] != f"Bearer {self.secrets[0]}":
            raise Refusal(401, "UNAUTHENTICATED")
        if (method, path) == ("GET", f"/v1/{self.name}/publicKey"):
            return {
                "pem": pem_of(self.private),
                "algorithm": self._kinds[self.alg],
                "pemCrc32c": "1",
                "name": self.name,
                "protectionLevel": "HSM",
            }
        if (method, path) != ("POST", f"/v1/{self.name}:asymmetricSign"):
            raise Refusal(404, "NOT_FOUND")
        asked = json.loads(body)
        if self.alg == "Ed25519":
            if asked.keys() != {"data"}:
                raise Refusal(400, "INVALID_ARGUMENT")
            made = self.signed(base64.b64decode(asked["data"]), None)
        else:
            digest = base64.b64decode(asked.get("digest", {}).get("sha256", ""))
            if asked.keys() != {"digest"} or len(digest) != 32:
                raise Refusal(400, "INVALID_ARGUMENT")
            made = self.signed(None, digest)
        return {"signature": encoded(made), "signatureCrc32c": "1", "name": self.name, "protectionLevel": "HSM"}

    def _token(self, asked: dict[str, list[str]]) -> dict[str, Any]:
        assert asked["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        key = load_pem_public_key(pem_of(self._account).encode())
        assert isinstance(key, rsa.RSAPublicKey)
        claims = jwt.decode(asked["assertion"][0], key, algorithms=["RS256"], audience=_AUDIENCE)
        assert claims["scope"] == "https://www.googleapis.com/auth/cloudkms"
        self.tokens += 1
        return {"access_token": self.secrets[0], "expires_in": 3599, "token_type": "Bearer"}

    def problem(self, refusal: Refusal) -> dict[str, Any]:
        message = f"Permission denied for {self.secrets[0]}"
        return {"error": {"code": refusal.status, "message": message, "status": refusal.name}}


class VaultStub(KeyServiceStub):
    """The transit engine of HashiCorp Vault (HTTP API: read key, sign data), with two versions of its key."""

    what = "Vault"
    scheme = "vault"
    secrets = ("hvs.CAESI-a-planted-token",)
    names: ClassVar[dict[str, str]] = {
        "5xx": "internal error",
        "throttled": "request path has exceeded its quota",
        "forbidden": "permission denied",
        "missing": "",
    }
    _kinds: ClassVar[dict[Algorithm, str]] = {"Ed25519": "ed25519", "ES256": "ecdsa-p256", "RS256": "rsa-2048"}

    def __init__(self, alg: Algorithm = "Ed25519") -> None:
        super().__init__(alg)
        self.token = self.secrets[0]
        self.derived = False
        self.namespace: str | None = None

    def environ(self) -> dict[str, str]:
        return {"VAULT_ADDR": self.url, "VAULT_TOKEN": self.secrets[0]}

    def location(self) -> str:
        return "vault:transit/carnet-token#2"

    def handle(self, method: str, path: str, headers: Any, body: Any) -> dict[str, Any]:
        if headers["X-Vault-Token"] != self.token or headers.get("X-Vault-Namespace") != self.namespace:
            raise Refusal(403, "permission denied")
        if (method, path) == ("GET", "/v1/transit/keys/carnet-token"):
            versions = {
                number: {"creation_time": "2026-11-22T00:00:00Z", "name": self._kinds[self.alg], "public_key": written}
                for number, written in (("1", self._written(self.other)), ("2", self._written(self.private)))
            }
            return self._reply(
                {
                    "type": self._kinds[self.alg],
                    "derived": self.derived,
                    "exportable": False,
                    "keys": versions,
                    "latest_version": 2,
                    "min_decryption_version": 1,
                    "name": "carnet-token",
                    "supports_signing": True,
                }
            )
        if (method, path) != ("POST", "/v1/transit/sign/carnet-token"):
            raise Refusal(404, "")
        asked = json.loads(body)
        assert asked["prehashed"] is False
        assert asked["key_version"] == 2
        assert self.alg == "Ed25519" or asked["hash_algorithm"] == "sha2-256"
        made = self.signed(base64.b64decode(asked["input"]), None)
        text = encoded(made)
        if self.alg == "ES256" and asked.get("marshaling_algorithm") == "jws" and self.weather in ("fine", "other key"):
            r, s = decode_dss_signature(made)
            raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
            text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        assert self.alg != "RS256" or asked["signature_algorithm"] == "pkcs1v15"
        return self._reply({"signature": f"vault:v2:{text}", "key_version": 2})

    def problem(self, refusal: Refusal) -> dict[str, Any]:
        return {"errors": [f"{refusal.name} for {self.secrets[0]}"] if refusal.name else []}

    def _written(self, private: Any) -> str:
        if self.alg == "Ed25519":
            return encoded(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        return pem_of(private)

    @staticmethod
    def _reply(said: dict[str, Any]) -> dict[str, Any]:
        return {
            "request_id": secrets.token_hex(16),
            "lease_id": "",
            "renewable": False,
            "lease_duration": 0,
            "data": said,
            "wrap_info": None,
            "warnings": None,
            "auth": None,
        }


KINDS: dict[str, type[KeyServiceStub]] = {"aws": AwsStub, "google": GoogleStub, "vault": VaultStub}

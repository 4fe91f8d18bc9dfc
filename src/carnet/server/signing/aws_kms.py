"""
A key in AWS KMS, by `boto3` (the extra ``aws``), which finds credentials wherever AWS puts them (R-63, SEC-25).

Ed25519 (ECC_NIST_EDWARDS25519 with ED25519_SHA_512), P-256 and RSA. KMS takes at most 4,096 bytes of a message. Of
longer ones the others sign a digest that is made here; Ed25519 signs nothing but the message, and cannot.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from carnet.core.errors import UsageError
from carnet.formats.jose_keys import public_key_from_pem
from carnet.formats.keys import Algorithm, PublicKey
from carnet.server.signing.jose_signatures import raw_ecdsa
from carnet.server.signing.locations import AwsLocation
from carnet.server.signing.remote import Limits, no_such_key, not_installed, refused, unavailable, unsuitable

_T = TypeVar("_T")

WHAT: Final = "AWS KMS"
MAX_MESSAGE: Final = 4096
"""`Message` of the Sign call: 1 to 4,096 bytes (AWS KMS API reference, Sign)."""

_CONNECT_SECONDS: Final = 1
_READ_SECONDS: Final = 2
_SIGNING: Final[dict[Algorithm, str]] = {
    "Ed25519": "ED25519_SHA_512",
    "ES256": "ECDSA_SHA_256",
    "RS256": "RSASSA_PKCS1_V1_5_SHA_256",
}
_BUSY: Final = frozenset(
    (
        "DependencyTimeoutException",
        "InternalFailure",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    )
)
"""Error codes after which the same call may succeed (AWS KMS API reference, "Common errors" and Sign)."""


class AwsKey:
    """`remote.KeyService` over AWS KMS."""

    def __init__(self, location: AwsLocation, limits: Limits) -> None:
        self.what = WHAT
        self.max_message = MAX_MESSAGE
        self._location = location
        self._limits = limits
        self._lock = threading.Lock()
        self._client: Any = None
        self._is_closed = False

    def public_key(self) -> PublicKey:
        """See `remote.KeyService`."""
        answer = self._call("get_public_key", KeyId=self._location.key)
        if answer.get("KeyUsage") != "SIGN_VERIFY":
            raise unsuitable(WHAT, "is not for signing")
        der = answer.get("PublicKey")
        if type(der) is not bytes:
            raise unavailable(WHAT, "gave no answer that can be used")
        pem = base64.encodebytes(der).decode()
        return public_key_from_pem(f"-----BEGIN PUBLIC KEY-----\n{pem}-----END PUBLIC KEY-----\n")

    def sign(self, alg: Algorithm, message: bytes) -> bytes:
        """See `remote.KeyService`."""
        if len(message) <= MAX_MESSAGE:
            sent = {"Message": message, "MessageType": "RAW"}
        elif alg == "Ed25519":
            raise UsageError(
                "message_too_long",
                f"AWS KMS signs {MAX_MESSAGE} bytes with Ed25519 at most, and this artifact has {len(message)}.",
                "Use fewer or shorter entitlements, or keep the key for this kind of artifact elsewhere"
                " (docs/how-to/signers.md).",
            )
        else:
            sent = {"Message": hashlib.sha256(message).digest(), "MessageType": "DIGEST"}
        said = self._call("sign", KeyId=self._location.key, SigningAlgorithm=_SIGNING[alg], **sent)
        signature = said.get("Signature")
        if type(signature) is not bytes:
            raise unavailable(WHAT, "gave no answer that can be used")
        return raw_ecdsa(signature, WHAT) if alg == "ES256" else signature

    def forked(self) -> None:
        """See `remote.KeyService`."""
        self._lock = threading.Lock()
        self._client = None

    def close(self) -> None:
        """See `remote.KeyService`. A call that was left behind opens no other connections."""
        with self._lock:
            self._is_closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _call(self, name: str, **arguments: Any) -> dict[str, Any]:
        return _in_our_words(lambda: getattr(self._connected(), name)(**arguments))

    def _connected(self) -> Any:
        with self._lock:  # clients are safe for threads, making them is not (boto3, "Multithreading")
            if self._is_closed:
                raise unavailable(WHAT, "is not asked any more")
            if self._client is None:
                self._client = _client(self._location.region, self._limits)
            return self._client


def _client(region: str, limits: Limits) -> Any:
    try:
        import boto3.session
        from botocore.config import Config
    except ImportError:
        raise not_installed(WHAT, "aws") from None
    logging.getLogger("botocore").setLevel(logging.INFO)  # below that it writes down whole requests and answers
    config = Config(
        region_name=region,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},  # `remote.Limits` says how often
        max_pool_connections=limits.at_once,
    )
    return boto3.session.Session().client("kms", config=config)


def _in_our_words(call: Callable[[], _T]) -> _T:
    """What *call* returns; errors by their codes only, because their texts name accounts, users and keys."""
    try:
        import botocore.exceptions as problems
    except ImportError:
        raise not_installed(WHAT, "aws") from None
    try:
        return call()
    except problems.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        shown = code if code.isascii() and code.isalnum() and len(code) <= 64 else "an unknown error"
        if code in _BUSY or status >= 500 or status == 429:
            raise unavailable(WHAT, f"cannot sign now ({shown})") from None
        if code == "NotFoundException":
            raise no_such_key(WHAT) from None
        if code in ("InvalidKeyUsageException", "UnsupportedOperationException"):
            raise unsuitable(WHAT, f"cannot sign ({shown})") from None
        raise refused(
            WHAT,
            f"refuses ({shown})",
            "Allow kms:GetPublicKey and kms:Sign on it to who runs the server, and check that the key is enabled.",
        ) from None
    except (problems.NoCredentialsError, problems.PartialCredentialsError, problems.CredentialRetrievalError):
        raise refused(
            WHAT,
            "was not asked: there are no AWS credentials here",
            "Give the server a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        ) from None
    except (problems.BotoCoreError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unavailable(WHAT, f"gave no answer that can be used ({type(error).__name__})") from None

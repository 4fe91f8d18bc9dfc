"""
A key in Google Cloud KMS (R-63, SEC-25).

Two calls of its REST API, ``publicKey`` and ``asymmetricSign``, by the HTTP library that is here anyway. Who asks is
found by `google-auth` (the extra ``gcp``): a service account's file, the machine's own identity, or a federated one.
The client library `google-cloud-kms` would bring twenty packages for the same two calls (docs/decisions/0085).
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from carnet.core.errors import CarnetError
from carnet.formats.jose_keys import public_key_from_pem
from carnet.formats.keys import Algorithm, PublicKey
from carnet.server.signing.http_service import Answer, HttpService
from carnet.server.signing.jose_signatures import raw_ecdsa
from carnet.server.signing.locations import GoogleLocation
from carnet.server.signing.remote import Limits, no_such_key, not_installed, refused, unavailable, unsuitable

WHAT: Final = "Google Cloud KMS"
ADDRESS: Final = "https://cloudkms.googleapis.com"

_SCOPE: Final = "https://www.googleapis.com/auth/cloudkms"
_ALGORITHMS: Final[dict[str, Algorithm]] = {
    "EC_SIGN_ED25519": "Ed25519",
    "EC_SIGN_P256_SHA256": "ES256",
    "RSA_SIGN_PKCS1_2048_SHA256": "RS256",
    "RSA_SIGN_PKCS1_3072_SHA256": "RS256",
    "RSA_SIGN_PKCS1_4096_SHA256": "RS256",
}
"""CryptoKeyVersionAlgorithm: those of ours. One with another digest or padding signs nothing that verifies here."""


class GoogleKey:
    """
    `remote.KeyService` over a CryptoKeyVersion.

    Args:
        location: Which.
        address: Where the API answers: Google's, or a private endpoint.
        token: Gives the access token for a call; None finds the credentials of this machine.
        limits: How many connections.
    """

    def __init__(
        self, location: GoogleLocation, *, address: str, token: Callable[[], str] | None, limits: Limits
    ) -> None:
        self.what = WHAT
        self.max_message = None
        self._location = location
        self._http = HttpService(WHAT, address, limits)
        self._given = token
        self._token = token or _Credentials().token

    def public_key(self) -> PublicKey:
        """See `remote.KeyService`."""
        said = self._ask("GET", "/publicKey")
        kind = said.get("algorithm")
        if type(kind) is not str or kind not in _ALGORITHMS:
            raise unsuitable(WHAT, "is of a kind that Carnet does not sign with")
        pem = said.get("pem")
        if type(pem) is not str:
            raise self._http.unusable()
        return public_key_from_pem(pem)

    def sign(self, alg: Algorithm, message: bytes) -> bytes:
        """See `remote.KeyService`."""
        if alg == "Ed25519":
            body: dict[str, Any] = {"data": base64.b64encode(message).decode()}
        else:
            body = {"digest": {"sha256": base64.b64encode(hashlib.sha256(message).digest()).decode()}}
        said = self._ask("POST", ":asymmetricSign", body)
        if said.get("name", self._location.name) != self._location.name:
            raise self._http.unusable()
        signature = self._http.decoded(said.get("signature"))
        return raw_ecdsa(signature, WHAT) if alg == "ES256" else signature

    def forked(self) -> None:
        """See `remote.KeyService`."""
        self._http.forked()
        self._token = self._given or _Credentials().token

    def close(self) -> None:
        """See `remote.KeyService`."""
        self._http.close()

    def _ask(self, method: str, what: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token()}"}
        answer = self._http.ask(method, f"/v1/{self._location.name}{what}", headers, body)
        if answer.status != 200:
            raise _refusal(answer)
        return answer.body


def _refusal(answer: Answer) -> CarnetError:
    if answer.status == 404:
        return no_such_key(WHAT)
    if answer.status in (401, 403):
        return refused(
            WHAT,
            "does not allow this",
            "Give who runs the server the role roles/cloudkms.signerVerifier on this key.",
        )
    return refused(
        WHAT, f"refuses (status {answer.status})", "Check that this version of the key is enabled and for signing."
    )


class _Credentials:
    """An access token of this machine's identity, renewed when it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Any = None

    def token(self) -> str:
        try:
            import google.auth
            import google.auth.exceptions as problems
        except ImportError:
            raise not_installed(WHAT, "gcp") from None
        with self._lock:
            try:
                if self._found is None:
                    self._found, _ = google.auth.default(scopes=[_SCOPE])
                if not self._found.valid:
                    self._found.refresh(_transport())
            except problems.DefaultCredentialsError:
                raise refused(
                    WHAT,
                    "was not asked: there are no Google credentials here",
                    "Give the server a service account: GOOGLE_APPLICATION_CREDENTIALS, or the machine's own.",
                ) from None
            except problems.TransportError:
                raise unavailable(WHAT, "gave no access token: the way to it is cut") from None
            except problems.GoogleAuthError as error:
                if getattr(error, "retryable", False):
                    raise unavailable(WHAT, "gave no access token now") from None
                raise refused(
                    WHAT, "gave no access token", "Check the service account, and whether its key was disabled."
                ) from None
            except (ValueError, TypeError, KeyError, AttributeError):  # what no token endpoint answers
                raise unavailable(WHAT, "gave no access token that can be used") from None
            return str(self._found.token)


def _transport() -> Callable[..., Any]:
    """What `google.auth.transport.Request` is: one HTTP exchange, by the library that is here."""
    import httpx2
    from google.auth import transport
    from google.auth.exceptions import TransportError as NoConnection

    class Received(transport.Response):
        def __init__(self, answer: Any) -> None:
            self._answer = answer

        @property
        def status(self) -> int:
            return int(self._answer.status_code)

        @property
        def headers(self) -> Any:
            return self._answer.headers

        @property
        def data(self) -> bytes:
            return bytes(self._answer.content)

    def ask(
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: Any = None,
        timeout: float | None = None,
        **_: Any,
    ) -> Any:
        try:
            return Received(httpx2.request(method, url, content=body, headers=headers, timeout=timeout or 4.0))
        except (httpx2.HTTPError, OSError) as error:
            raise NoConnection(type(error).__name__) from None  # type: ignore[no-untyped-call]

    return ask

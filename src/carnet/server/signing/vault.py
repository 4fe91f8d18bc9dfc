"""
A key in the transit engine of HashiCorp Vault or OpenBao (R-63, SEC-25).

Two calls of its HTTP API: ``GET /v1/MOUNT/keys/KEY`` and ``POST /v1/MOUNT/sign/KEY``. How the server comes by its
token is Vault's own business: an agent beside it writes one into a file, which is read for every call.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

from carnet.core.errors import CarnetError
from carnet.formats.encoding import b64url_decode
from carnet.formats.jose_keys import public_key_from_pem
from carnet.formats.keys import Algorithm, PublicKey, load_ed25519
from carnet.server.signing.http_service import Answer, HttpService
from carnet.server.signing.locations import VaultLocation
from carnet.server.signing.remote import Limits, no_such_key, refused, unsuitable

WHAT: Final = "Vault"

_KINDS: Final[dict[str, Algorithm]] = {
    "ed25519": "Ed25519",
    "ecdsa-p256": "ES256",
    "rsa-2048": "RS256",
    "rsa-3072": "RS256",
    "rsa-4096": "RS256",
}


class VaultKey:
    """
    `remote.KeyService` over a transit key.

    Args:
        location: Which key, in which version.
        address: Where Vault answers.
        token: Gives the token for a call.
        namespace: Vault's namespace, where it has some.
        ca_file: Authorities besides the system's.
        limits: How many connections.
    """

    def __init__(
        self,
        location: VaultLocation,
        *,
        address: str,
        token: Callable[[], str],
        namespace: str | None,
        ca_file: str | None,
        limits: Limits,
    ) -> None:
        self.what = WHAT
        self.max_message = None
        self._location = location
        self._token = token
        self._namespace = namespace
        self._http = HttpService(WHAT, address, limits, ca_file=ca_file)

    def public_key(self) -> PublicKey:
        """See `remote.KeyService`."""
        said = self._ask("GET", "keys")
        kind, versions = said.get("type"), said.get("keys")
        if type(kind) is not str or kind not in _KINDS:
            raise unsuitable(WHAT, "is of a kind that Carnet does not sign with")
        if said.get("derived") is True:
            raise unsuitable(WHAT, "is a derived one: each context would sign with another key")
        version = versions.get(str(self._location.version)) if isinstance(versions, dict) else None
        if not isinstance(version, dict):
            raise no_such_key(WHAT)
        written = version.get("public_key")
        if kind == "ed25519":
            return load_ed25519(self._http.decoded(written))
        if type(written) is not str:
            raise self._http.unusable()
        return public_key_from_pem(written)

    def sign(self, alg: Algorithm, message: bytes) -> bytes:
        """See `remote.KeyService`. Ed25519 signs the message itself; of the others Vault makes the digest."""
        body: dict[str, Any] = {
            "input": base64.b64encode(message).decode(),
            "key_version": self._location.version,
            "prehashed": False,
        }
        if alg != "Ed25519":
            body["hash_algorithm"] = "sha2-256"
        if alg == "ES256":
            body["marshaling_algorithm"] = "jws"
        if alg == "RS256":
            body["signature_algorithm"] = "pkcs1v15"
        written = self._ask("POST", "sign", body).get("signature")
        head = f"vault:v{self._location.version}:"
        if type(written) is not str or not written.startswith(head):
            raise self._http.unusable()
        encoded = written.removeprefix(head)
        if alg != "ES256":
            return self._http.decoded(encoded)
        try:
            return b64url_decode(encoded, "The signature")
        except CarnetError:
            raise self._http.unusable() from None

    def forked(self) -> None:
        """See `remote.KeyService`."""
        self._http.forked()

    def close(self) -> None:
        """See `remote.KeyService`."""
        self._http.close()

    def _ask(self, method: str, verb: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self._namespace is not None:
            headers["X-Vault-Namespace"] = self._namespace
        path = f"/v1/{self._location.mount}/{verb}/{self._location.key}"
        answer = self._http.ask(method, path, headers, body)
        if answer.status != 200:
            raise _refusal(answer)
        said = answer.body.get("data")
        if not isinstance(said, dict):
            raise self._http.unusable()
        return said


def _refusal(answer: Answer) -> CarnetError:
    if answer.status == 404:
        return no_such_key(WHAT)
    if answer.status in (401, 403):
        return refused(
            WHAT,
            "does not accept the token, or the token's policy does not allow this",
            "Renew the token, and give it a policy with read on MOUNT/keys/KEY and update on MOUNT/sign/KEY.",
        )
    return refused(
        WHAT,
        f"refuses (status {answer.status})",
        "Check that this version of the key exists, may sign, and that the mount is a transit engine.",
    )

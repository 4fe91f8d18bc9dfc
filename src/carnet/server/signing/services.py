"""
From a location outside this installation to its signer (R-63), and `generate` for a token that has no key yet.

PINs, tokens and addresses come from the environment, by the names that each service's own tools use where there are
some. A secret may stand in a file by the same name with `_FILE` appended, as for every setting of the server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from carnet.core.errors import UsageError
from carnet.formats.keys import Algorithm, PublicKey
from carnet.server.signing.locations import (
    AwsLocation,
    GoogleLocation,
    Pkcs11Location,
    VaultLocation,
    parse_location,
)
from carnet.server.signing.remote import KeyService, Limits, RemoteSigner

if TYPE_CHECKING:
    from carnet.server.signing.pkcs11_key import Pkcs11Key

PKCS11_MODULE: Final = "CARNET_PKCS11_MODULE"
PKCS11_PIN: Final = "CARNET_PKCS11_PIN"
GOOGLE_ADDRESS: Final = "CARNET_GOOGLE_KMS_URL"
VAULT_ADDRESS: Final = "VAULT_ADDR"
VAULT_TOKEN: Final = "VAULT_TOKEN"  # noqa: S105 - a variable's name
VAULT_NAMESPACE: Final = "VAULT_NAMESPACE"
VAULT_CA: Final = "VAULT_CACERT"

_MAX_SECRET: Final = 8192
"""Bytes of a file with a PIN or a token; Vault's batch tokens are the longest."""


def open_service(location: str, environ: Mapping[str, str], limits: Limits) -> KeyService:
    """
    The service that keeps the key at *location*.

    Args:
        location: ``pkcs11:``, ``awskms:``, ``gcpkms:`` or ``vault:``.
        environ: Usually `os.environ`.
        limits: How long and how often it is asked.

    Raises:
        UsageError: ``bad_key_location``, ``secret_in_location``, ``bad_pkcs11_module``, ``bad_key_service``,
            ``signer_not_installed``.
        TransportError: ``signer_unavailable``: a PKCS#11 module does not start.
    """
    where = parse_location(location)
    if isinstance(where, Pkcs11Location):
        return _pkcs11_key(where, environ)
    if isinstance(where, AwsLocation):
        from carnet.server.signing.aws_kms import AwsKey

        return AwsKey(where, limits)
    if isinstance(where, GoogleLocation):
        from carnet.server.signing import google_kms

        address = environ.get(GOOGLE_ADDRESS) or google_kms.ADDRESS
        return google_kms.GoogleKey(where, address=address, token=None, limits=limits)
    if isinstance(where, VaultLocation):
        from carnet.server.signing.vault import VaultKey

        vault = environ.get(VAULT_ADDRESS)
        if not vault:
            raise _bad_service("Nobody said where Vault answers", f"Set {VAULT_ADDRESS}, as for Vault's own tools.")
        return VaultKey(
            where,
            address=vault,
            token=secret_of(environ, VAULT_TOKEN),
            namespace=environ.get(VAULT_NAMESPACE) or None,
            ca_file=environ.get(VAULT_CA) or None,
            limits=limits,
        )
    raise UsageError(
        "bad_key_location",
        "A sealed file is in this installation, not with a service.",
        "Give a location that begins with pkcs11:, awskms:, gcpkms: or vault:.",
    )


def open_remote(
    location: str, environ: Mapping[str, str], *, kid: str | None = None, limits: Limits | None = None
) -> RemoteSigner:
    """
    The signer of the key at *location*, its public half read and checked; it has not signed yet.

    Args:
        location: Where the private key is.
        environ: Usually `os.environ`.
        kid: The key's id where it is not the thumbprint.
        limits: How long and how often the service is asked.

    Raises:
        UsageError: As `open_service`; ``no_key_at_location``, ``unsuitable_key``.
        StateError: ``signer_refused``: the PIN, the token or the rights.
        TransportError: ``signer_unavailable``.
        MalformedError: ``bad_key``: a public key that SEC-06 refuses.
    """
    limits = limits or Limits()
    return RemoteSigner(open_service(location, environ, limits), kid=kid, limits=limits)


def generate(location: str, environ: Mapping[str, str], *, alg: Algorithm = "Ed25519") -> PublicKey:
    """
    Make a key pair at *location* that never leaves there. PKCS#11 only: of the others the location names a key that
    their own tools made, with rights that are theirs to give (docs/how-to/signers.md).

    Raises:
        UsageError: ``bad_key_location``: another kind of place; ``key_exists``; StateError ``signer_refused``;
            TransportError ``signer_unavailable``.
    """
    where = parse_location(location)
    if not isinstance(where, Pkcs11Location):
        raise UsageError(
            "bad_key_location",
            "Keys in clouds and vaults are made by those who give rights to them.",
            "Make an Ed25519 signing key with the service's own tool, then name it here.",
        )
    key = _pkcs11_key(where, environ)
    try:
        return key.generate(alg)
    finally:
        key.close()


def secret_of(environ: Mapping[str, str], name: str, file: Path | None = None) -> Callable[[], str]:
    """
    What reads the secret *name* each time it is needed: a file may be written anew while the server runs.

    Args:
        environ: The environment.
        name: The variable; with `_FILE` appended, the one that names a file.
        file: The file, where a location names it.

    Returns:
        A function that raises `UsageError` ``bad_setting`` where there is no secret, and names the variable only.
    """
    path = file or (Path(environ[f"{name}_FILE"]) if environ.get(f"{name}_FILE") else None)
    given = environ.get(name) or None
    shown = f"{name}_FILE" if path is not None and file is None else "pin-source" if file is not None else name

    def read() -> str:
        if path is None:
            if given is None:
                raise _bad_secret(name, "is not set", f"Set {name}_FILE to the file that holds it.")
            return given
        try:
            with path.open("rb") as opened:
                content = opened.read(_MAX_SECRET + 1)
        except OSError as error:
            raise _bad_secret(
                shown, f"cannot be read ({error.strerror})", "Check the path and that this user may read it."
            ) from None
        text = content.decode("utf-8", "replace").rstrip("\r\n")
        if not text or len(content) > _MAX_SECRET or not text.isprintable():
            raise _bad_secret(shown, "holds no secret", "Put the secret into it, on one line.")
        return text

    if path is not None and given is not None and file is None:
        raise _bad_secret(name, "and its _FILE variant are both set", "Keep one of them.")
    return read


def _pkcs11_key(where: Pkcs11Location, environ: Mapping[str, str]) -> Pkcs11Key:
    from carnet.server.signing.pkcs11_key import Pkcs11Key

    module = environ.get(PKCS11_MODULE)
    has_pin = where.pin_file is not None or environ.get(PKCS11_PIN) or environ.get(f"{PKCS11_PIN}_FILE")
    pin = secret_of(environ, PKCS11_PIN, where.pin_file) if has_pin else lambda: None
    return Pkcs11Key(where, module=Path(module) if module else None, pin=pin)


def _bad_secret(name: str, problem: str, fix: str) -> UsageError:
    return UsageError("bad_setting", f"{name} {problem}.", fix)


def _bad_service(problem: str, fix: str) -> UsageError:
    return UsageError("bad_key_service", f"{problem}.", fix)

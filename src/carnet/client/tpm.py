"""
The device's TPM in place of a keychain, for the same one secret: the seed of the device key (R-37). Experimental.

The seed is sealed by the chip into the file ``device-key.tpm`` beside the state; only this chip opens it again, and
not after it was cleared. So a copied disk lacks the key that refresh and return need a proof by (SEC-45). It guards
against copies, not against programs on this device: those can ask the TPM as we do (docs/decisions/0075).

Nothing is kept in the chip itself, no password and no state of the boot is asked for: an update of the firmware or the
system changes nothing. Linux only, by the optional extra ``tpm`` (`tpm2_pytss`, which needs the TSS libraries). The
methods are those of a keychain (`carnet.client.keychain.Keyring`), and fail as one does: `Keychain` makes "not here"
of every error, and the state file then holds the key.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Thread
from typing import Any, TypeVar

from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.strict_json import dump_json, parse_object

FILE = "device-key.tpm"
NODE = "/dev/tpmrm0"
"""The kernel's resource manager, which lets many programs use one TPM; ``/dev/tpm0`` is for one alone."""

LIMIT_SECONDS = 10
"""How long the chip may take for one call. Chips take up to a second; one that hangs must not hold the app."""

_MAX_BYTES = 4096
_T = TypeVar("_T")


class TpmError(Exception):
    """There is no TPM that answers here, in time, as a sentence. Never leaves `carnet.client.keychain.Keychain`."""


class Tpm:
    """
    The TPM of this device, for one product. Making one opens nothing.

    Every method raises what it meets: no node, no right, no library, an owner's password, a chip that was cleared or
    changed, damaged files.
    """

    def __init__(self, directory: str, connection: str | None = None) -> None:
        """
        Args:
            directory: The product's state directory.
            connection: How the TSS libraries reach the TPM, in place of the kernel's resource manager, for tests:
                ``name:configuration``.
        """
        self._path = os.path.join(directory, FILE)
        self._connection = connection
        self._is_stuck = False

    def get_password(self, service: str, username: str) -> str | None:
        """
        The secret that `set_password` kept, or None where nothing is kept under these names.

        Args:
            service: ``carnet/`` and the product id.
            username: The device's enrolled fingerprint.

        Raises:
            TpmError, OSError, CarnetError, and those of `tpm2_pytss`: this device's TPM does not open it, now.
        """
        try:
            with open(self._path, "rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        members = parse_object(data, max_bytes=_MAX_BYTES, what="The sealed device key")
        if (members.get("service"), members.get("name")) != (service, username):
            return None
        public, private = (b64url_decode(str(members.get(name)), "A sealed part") for name in ("public", "private"))
        return self._in_time(lambda: self._unseal(public, private)).decode("ascii")

    def set_password(self, service: str, username: str, password: str) -> None:
        """
        Seal *password* and keep it in place of what was kept.

        Args:
            service, username: As for `get_password`.
            password: At most 128 ASCII characters, by the TPM's own limit.

        Raises:
            As `get_password`; the file is then as it was.
        """
        public, private = self._in_time(lambda: self._seal(password.encode("ascii")))
        sealed = {"service": service, "name": username}
        sealed |= {"public": b64url_encode(public), "private": b64url_encode(private)}
        _replace(self._path, dump_json(sealed))

    def _seal(self, secret: bytes) -> tuple[bytes, bytes]:
        with self._session() as (tss, tpm, parent, session):
            flags = tss.TPMA_OBJECT
            # No password and no policy; and not subject to the lockout, which others' wrong passwords cause.
            template = tss.TPM2B_PUBLIC.parse(
                "keyedhash", objectAttributes=flags.FIXEDTPM | flags.FIXEDPARENT | flags.USERWITHAUTH | flags.NODA
            )
            held = tss.TPMS_SENSITIVE_CREATE(data=tss.TPM2B_SENSITIVE_DATA(secret))
            private, public, *_ = tpm.create(parent, tss.TPM2B_SENSITIVE_CREATE(held), template, session1=session)
            return public.marshal(), private.marshal()

    def _unseal(self, public: bytes, private: bytes) -> bytes:
        with self._session() as (tss, tpm, parent, session):
            parts = tss.TPM2B_PRIVATE.unmarshal(private)[0], tss.TPM2B_PUBLIC.unmarshal(public)[0]
            if [part.marshal() for part in parts] != [private, public]:
                raise TpmError("The sealed device key was altered.")  # in a length, which the binding overlooks
            handle = tpm.load(parent, *parts)
            try:
                # `unseal` takes nothing that could be encrypted: only its answer is.
                tpm.trsess_set_attributes(session, tss.TPMA_SESSION.CONTINUESESSION | tss.TPMA_SESSION.ENCRYPT)
                return bytes(tpm.unseal(handle, session1=session))
            finally:
                tpm.flush_context(handle)

    @contextmanager
    def _session(self) -> Iterator[tuple[Any, Any, Any, Any]]:
        """
        The binding, the TPM, the storage key that seals, and a session that encrypts what passes on the bus.

        The storage key is derived from the chip's seed anew each time, by the template of specs/state.md §12; clearing
        the TPM changes that seed, and with it the key.
        """
        connection = self._connection
        if connection is None:
            # Before a library is loaded: the usual cases are no node, and no right to it.
            if sys.platform != "linux" or not os.access(NODE, os.R_OK | os.W_OK):
                raise TpmError("There is no TPM here that this user may use.")
            connection = f"device:{NODE}"
        name, _, configuration = connection.partition(":")
        tss = import_module("tpm2_pytss")
        with tss.TCTILdr(name, configuration) as tcti, tss.ESAPI(tcti) as tpm:
            flags, marks = tss.TPMA_OBJECT, tss.TPMA_SESSION
            kinds = flags.FIXEDTPM | flags.FIXEDPARENT | flags.SENSITIVEDATAORIGIN | flags.USERWITHAUTH | flags.NODA
            template = tss.TPM2B_PUBLIC.parse(
                "ecc256:aes128cfb", objectAttributes=kinds | flags.RESTRICTED | flags.DECRYPT
            )
            parent, *_ = tpm.create_primary(tss.TPM2B_SENSITIVE_CREATE(), template, tss.ESYS_TR.OWNER)
            try:
                cipher = tss.TPMT_SYM_DEF(
                    algorithm=tss.TPM2_ALG.AES,
                    keyBits=tss.TPMU_SYM_KEY_BITS(aes=128),
                    mode=tss.TPMU_SYM_MODE(aes=tss.TPM2_ALG.CFB),
                )
                session = tpm.start_auth_session(
                    parent, tss.ESYS_TR.NONE, tss.TPM2_SE.HMAC, cipher, tss.TPM2_ALG.SHA256
                )
                try:
                    tpm.trsess_set_attributes(session, marks.CONTINUESESSION | marks.ENCRYPT | marks.DECRYPT)
                    yield tss, tpm, parent, session
                finally:
                    tpm.flush_context(session)
            finally:
                tpm.flush_context(parent)

    def _in_time(self, work: Callable[[], _T]) -> _T:
        """What *work* gives, unless the chip hangs: then its thread is left behind, and the chip not asked again."""
        if self._is_stuck:
            raise TpmError("The TPM does not answer.")
        given: list[_T] = []
        problems: list[Exception] = []

        def run() -> None:
            try:
                given.append(work())
            except Exception as error:  # noqa: BLE001 - raised again below, where it is waited for
                problems.append(error)

        thread = Thread(target=run, name="carnet-tpm", daemon=True)
        thread.start()
        thread.join(LIMIT_SECONDS)
        self._is_stuck = thread.is_alive()
        if given:
            return given[0]
        raise problems[0] if problems else TpmError("The TPM does not answer.")


def _replace(path: str, data: bytes) -> None:
    """Put *data* in place of the file, or leave it; as `attempts.py` does, but on the disk before it counts."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    draft = f"{path}.{os.urandom(8).hex()}.draft"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(draft, flags, 0o600)
    try:
        try:
            os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            os.unlink(draft)
        raise

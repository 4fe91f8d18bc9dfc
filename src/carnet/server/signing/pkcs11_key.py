"""
A key in a PKCS#11 token: a smart card, an HSM, SoftHSM (R-63, SEC-25).

Ed25519 (CKM_EDDSA), P-256 (CKM_ECDSA over a SHA-256 made here: SoftHSM has no combined mechanism) and RSA
(CKM_SHA256_RSA_PKCS). Each call has a session of its own, lent from those that are open and free.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives import hashes

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, UsageError
from carnet.formats.jose_keys import RSA_NEW_BITS, load_p256, load_rsa
from carnet.formats.keys import Algorithm, PublicKey, load_ed25519
from carnet.server.signing.locations import Pkcs11Location
from carnet.server.signing.pkcs11_module import WHAT, Module, Wanted, module_at
from carnet.server.signing.remote import no_such_key, refused, unavailable, unsuitable

_T = TypeVar("_T")

_ED25519: Final = (bytes.fromhex("06032b6570"), bytes.fromhex("130c656477617264733235353139"))
"""CKA_EC_PARAMS of Ed25519: its OID (RFC 8410 §3), or the name ``edwards25519`` (PKCS #11 v3.0 §2.3.10)."""
_P256: Final = bytes.fromhex("06082a8648ce3d030107")
"""CKA_EC_PARAMS of P-256: its OID (RFC 5480 §2.1.1.1)."""


class _Session(Struct):
    """An open session, the private key in it, and the module's life that it belongs to."""

    session: Any
    key: Any
    generation: int


class Pkcs11Key:
    """
    `remote.KeyService` over a token.

    Args:
        location: Which key.
        module: The PKCS#11 module, where the location names none.
        pin: Gives the PIN; asked once, when the token is logged in to.
    """

    def __init__(self, location: Pkcs11Location, *, module: Path | None, pin: Callable[[], str | None]) -> None:
        path = location.module or module
        if path is None:
            raise UsageError(
                "bad_pkcs11_module",
                "No PKCS#11 module was named.",
                "Name the one that came with the token: module-path= in the location, or CARNET_PKCS11_MODULE.",
            )
        self.what = WHAT
        self.max_message = None
        self._location = location
        self._path = path
        self._pin = pin
        self._wanted = Wanted(
            token=location.token, serial=location.serial, manufacturer=location.manufacturer, model=location.model
        )
        self._lock = threading.Lock()
        self._free: list[_Session] = []
        self._module = module_at(path)

    def public_key(self) -> PublicKey:
        """See `remote.KeyService`. The public object beside the private one, by the same label and id."""
        self.close()  # in a session of now: a search in one that was lost leaves the binding complaining at its end
        return self._with_session(lambda held: _public_key(held.session, self._named()))

    def sign(self, alg: Algorithm, message: bytes) -> bytes:
        """See `remote.KeyService`."""
        return self._with_session(lambda held: _sign(held.key, alg, message))

    def generate(self, alg: Algorithm) -> PublicKey:
        """
        Make the pair at this location: never to be read, copied or changed outside the token.

        Raises:
            UsageError: ``key_exists``: something is there already.
            StateError: ``signer_refused``; TransportError: ``signer_unavailable``.
        """
        import pkcs11

        def make(module: Module) -> PublicKey:
            session = module.session(self._wanted, self._pin(), rw=True)
            try:
                if any(True for _ in session.get_objects(self._named())):
                    raise UsageError(
                        "key_exists", "There is a key at this location already.", "Choose another object= or id=."
                    )
                _generate(session, alg, self._location)
                return _public_key(session, self._named())
            finally:
                with suppress(pkcs11.PKCS11Error):
                    session.close()

        for is_last in (False, True):
            generation = self._module.generation
            try:
                with self._module.call():
                    return _in_our_words(lambda: make(self._module))
            except CarnetError as error:
                if is_last or not error.retryable:
                    raise
                self._module.renew(generation)  # a token that was put in since
        raise AssertionError  # the last attempt returned or raised

    def forked(self) -> None:
        """See `remote.KeyService`."""
        self._lock = threading.Lock()
        self._free = []
        self._module = module_at(self._path)

    def close(self) -> None:
        """See `remote.KeyService`. The token stays logged in to for its other keys."""
        with self._lock:
            free, self._free = self._free, []
        for held in free:
            self._drop(held)

    def _with_session(self, use: Callable[[_Session], _T]) -> _T:
        """What *use* makes of a session; one after whose use nobody knows its state is not used again."""
        module = self._module
        generation = module.generation
        try:
            with module.call() as generation:
                held = self._take(generation)
                try:
                    made = _in_our_words(lambda: use(held))
                except BaseException:
                    self._drop(held)
                    raise
                with self._lock:
                    self._free.append(held)
                return made
        except CarnetError as error:
            if error.retryable:
                self.close()  # what went wrong with one session will have with the others
                module.renew(generation)
            raise

    def _take(self, generation: int) -> _Session:
        with self._lock:
            while self._free:
                held = self._free.pop()
                if held.generation == generation:
                    return held
        session = _in_our_words(lambda: self._module.session(self._wanted, self._pin()))
        try:
            key = _in_our_words(lambda: _private_key(session, self._named()))
        except BaseException:
            with suppress(Exception):
                session.close()
            raise
        return _Session(session=session, key=key, generation=generation)

    def _drop(self, held: _Session) -> None:
        with suppress(Exception):  # it may be gone already
            if held.generation == self._module.generation:
                held.session.close()

    def _named(self) -> dict[Any, Any]:
        from pkcs11 import Attribute

        named = {Attribute.LABEL: self._location.object, Attribute.ID: self._location.id}
        return {attribute: value for attribute, value in named.items() if value is not None}


def _in_our_words(work: Callable[[], _T]) -> _T:
    """
    What *work* returns; what the binding raises becomes an error of ours.

    Raises:
        StateError: ``signer_refused``: the key or its user may not do this.
        TransportError: ``signer_unavailable``: anything else, a lost session or token among it.
    """
    import pkcs11

    try:
        return work()
    except CarnetError:
        raise
    except (pkcs11.NoSuchKey, pkcs11.MultipleObjectsReturned):
        raise no_such_key(WHAT) from None
    except (pkcs11.MechanismInvalid, pkcs11.KeyTypeInconsistent, pkcs11.MechanismParamInvalid):
        raise unsuitable(WHAT, "cannot sign the way that its kind has to; the token lacks the mechanism") from None
    except (pkcs11.PinExpired, pkcs11.FunctionRejected, pkcs11.TokenWriteProtected, pkcs11.AttributeValueInvalid):
        raise refused(WHAT, "does not allow this", "Check the key's attributes: it must be allowed to sign.") from None
    except (pkcs11.PKCS11Error, OSError) as error:
        raise unavailable(WHAT, f"failed ({type(error).__name__})") from None


def _private_key(session: Any, named: dict[Any, Any]) -> Any:
    from pkcs11 import Attribute, ObjectClass

    found = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, **named}))
    if len(found) != 1:
        raise no_such_key(WHAT)
    return found[0]


def _public_key(session: Any, named: dict[Any, Any]) -> PublicKey:
    from pkcs11 import Attribute, KeyType, ObjectClass

    _private_key(session, named)
    found = list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, **named}))
    if len(found) != 1:
        raise unsuitable(WHAT, "has no public object beside it with the same label and id")
    key = found[0]
    kind = key[Attribute.KEY_TYPE]
    if kind == KeyType.RSA:
        modulus = int.from_bytes(key[Attribute.MODULUS], "big")
        return load_rsa(modulus, int.from_bytes(key[Attribute.PUBLIC_EXPONENT], "big"))
    if kind not in (KeyType.EC, KeyType.EC_EDWARDS):
        raise unsuitable(WHAT, "is of a kind that Carnet does not sign with")
    curve, point = bytes(key[Attribute.EC_PARAMS]), bytes(key[Attribute.EC_POINT])
    size = 32 if curve in _ED25519 else 65
    if len(point) == size + 2 and point[:2] == bytes((4, size)):  # in a DER OCTET STRING, or as it is (v3.0, v2.40)
        point = point[2:]
    if kind == KeyType.EC_EDWARDS and curve in _ED25519:
        return load_ed25519(point)
    if kind == KeyType.EC and curve == _P256:
        return load_p256(point)
    raise unsuitable(WHAT, "is on another curve than Ed25519 and P-256")


def _sign(key: Any, alg: Algorithm, message: bytes) -> bytes:
    from pkcs11 import Mechanism

    if alg == "Ed25519":
        return bytes(key.sign(message, mechanism=Mechanism.EDDSA))
    if alg == "ES256":
        digest = hashes.Hash(hashes.SHA256())
        digest.update(message)
        return bytes(key.sign(digest.finalize(), mechanism=Mechanism.ECDSA))  # r ‖ s, as JOSE has it
    return bytes(key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS))


def _generate(session: Any, alg: Algorithm, location: Pkcs11Location) -> None:
    from pkcs11 import Attribute, KeyType, Mechanism

    private = {
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.SIGN: True,
        Attribute.DECRYPT: False,
        Attribute.UNWRAP: False,
        Attribute.DERIVE: False,
    }
    shared: dict[str, Any] = {
        "store": True,
        "id": location.id,
        "label": location.object,
        "private_template": private,
        "public_template": {Attribute.TOKEN: True, Attribute.VERIFY: True},
    }
    if alg == "RS256":
        session.generate_keypair(KeyType.RSA, RSA_NEW_BITS, **shared)
        return
    kind, curve = (KeyType.EC_EDWARDS, _ED25519[0]) if alg == "Ed25519" else (KeyType.EC, _P256)
    mechanism = Mechanism.EC_EDWARDS_KEY_PAIR_GEN if alg == "Ed25519" else Mechanism.EC_KEY_PAIR_GEN
    parameters = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: curve}, local=True)
    parameters.generate_keypair(mechanism=mechanism, **shared)

"""
A PKCS#11 module in this process: loaded once, initialised for threads, its sessions lent and taken back.

One module serves every key of every token behind it, and its state is the process's: who logs in or out does so for
all sessions of that token (PKCS #11 v2.40, C_Login), and C_Finalize ends all of them. So this is the one place that
does either.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, UsageError
from carnet.server.signing.remote import not_installed, refused, unavailable

WHAT: Final = "The PKCS#11 token"

_OS_LOCKING_OK: Final = 0x00000002
_OK: Final = 0x00000000
_ALREADY_INITIALIZED: Final = 0x00000191

_RENEW_SECONDS: Final = 1.0
"""How long a fresh start of the module waits for calls that are under way."""


class Wanted(Struct):
    """Which token: those of these that are given have to fit."""

    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None

    def fits(self, token: Any) -> bool:
        """Whether *token* is the one that is meant."""
        serial = token.serial.decode("utf-8", "replace") if isinstance(token.serial, bytes) else token.serial
        said: tuple[tuple[str | None, Any], ...] = (
            (self.token, token.label),
            (self.serial, serial),
            (self.manufacturer, token.manufacturer_id),
            (self.model, token.model),
        )
        return all(wanted is None or wanted == str(found).strip() for wanted, found in said)


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    if sys.platform == "win32":
        _pack_ = 1  # PKCS #11 v2.40 §2.1: structures are packed there, and only there
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("create", "destroy", "lock", "unlock")),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


class _Functions(ctypes.Structure):
    """The head of CK_FUNCTION_LIST."""

    if sys.platform == "win32":
        _pack_ = 1
    _fields_ = (("version", ctypes.c_ubyte * 2), ("initialize", ctypes.c_void_p), ("finalize", ctypes.c_void_p))


class Module:
    """
    A loaded module. Get one with `module_at`.

    Attributes:
        generation: Counts up when the module was started afresh; sessions of an older one are gone.
    """

    def __init__(self, path: Path) -> None:
        self.generation = 0
        self._path = path
        self._changed = threading.Condition()
        self._calls = 0
        self._renewing = False
        self._logged_in: dict[tuple[str, bytes], Any] = {}
        self._refused: dict[tuple[str, bytes], CarnetError] = {}
        self._lib = _load(path)

    @contextmanager
    def call(self) -> Iterator[int]:
        """For the length of a `with` the module is not started afresh; gives its generation."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._renewing, _RENEW_SECONDS):
                raise unavailable(WHAT, "is being started afresh")
            self._calls += 1
        try:
            yield self.generation
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    def session(self, wanted: Wanted, pin: str | None, *, rw: bool = False) -> Any:
        """
        A new session that is logged in; within `call`.

        Raises:
            TransportError: ``signer_unavailable``: no such token now, or it opens no session.
            StateError: ``signer_refused``: the PIN; it is not tried again, because tokens lock after a few.
        """
        import pkcs11

        token = self._token(wanted)
        key = (token.label, token.serial)
        with self._changed:  # one logs in for all
            if key in self._refused:
                raise self._refused[key]
            if key not in self._logged_in and token.flags & pkcs11.TokenFlag.LOGIN_REQUIRED:
                try:
                    self._logged_in[key] = _log_in(token, pin)
                except CarnetError as error:
                    self._refused[key] = error
                    raise
        return token.open(rw=rw)

    def renew(self, generation: int) -> None:
        """
        Start the module afresh, unless somebody did since *generation*: a token that was away is looked for anew.

        Raises:
            TransportError: ``signer_unavailable``: calls are under way that do not end.
        """
        with self._changed:
            if self._renewing or generation != self.generation:
                return
            self._renewing = True
            try:
                if not self._changed.wait_for(lambda: self._calls == 0, _RENEW_SECONDS):
                    raise unavailable(WHAT, "does not end calls that are under way")
                self._logged_in.clear()
                with suppress(Exception):
                    self._lib.finish()
                self.generation += 1
                self._lib.initialize()
            finally:
                self._renewing = False
                self._changed.notify_all()

    def _token(self, wanted: Wanted) -> Any:
        import pkcs11

        found = []
        for slot in self._lib.get_slots(token_present=True):
            with suppress(pkcs11.PKCS11Error):  # a slot that was emptied since
                token = slot.get_token()
                if token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED and wanted.fits(token):
                    found.append(token)
        if not found:
            raise unavailable(WHAT, "is not there")
        if len(found) > 1:
            raise UsageError(
                "bad_key_location",
                f"{len(found)} PKCS#11 tokens fit this location.",
                "Name the one that is meant by its serial= as well.",
            )
        return found[0]


def module_at(path: Path) -> Module:
    """
    The module at *path*, loaded and initialised in this process.

    Raises:
        UsageError: ``signer_not_installed``: no library for PKCS#11; ``bad_pkcs11_module``: no such module.
        TransportError: ``signer_unavailable``: it does not start.
    """
    with _loading:
        found = _modules.get((os.getpid(), path))  # a forked process starts its own: PKCS #11 v2.40, section 5.4
        if found is None:
            found = _modules[os.getpid(), path] = Module(path)
        return found


_loading = threading.Lock()
_modules: dict[tuple[int, Path], Module] = {}


def _load(path: Path) -> Any:
    try:
        from pkcs11 import PKCS11Error, _pkcs11
    except ImportError:
        raise not_installed("PKCS#11 tokens", "pkcs11") from None

    def call(name: str, arguments: Any) -> int:
        functions = ctypes.POINTER(_Functions)()
        status = int(ctypes.CDLL(str(path)).C_GetFunctionList(ctypes.byref(functions)))
        if status != _OK:
            return status
        function = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)(getattr(functions.contents, name))
        return int(function(arguments))

    class Threaded(_pkcs11.lib):
        """
        The binding's library, initialised for many threads.

        The binding itself calls C_Initialize without arguments, which promises the module that one thread uses it, and
        then lets go of the interpreter's lock in every call: SoftHSM died of that (docs/decisions/0084).
        """

        def initialize(self) -> None:
            arguments = _InitializeArguments(flags=_OS_LOCKING_OK)
            status = call("initialize", ctypes.addressof(arguments))
            if status not in (_OK, _ALREADY_INITIALIZED):
                raise unavailable(WHAT, f"does not start for several threads (0x{status:x})")

        def finish(self) -> None:
            call("finalize", None)

    try:
        return Threaded(str(path))
    except PKCS11Error as error:
        raise UsageError(
            "bad_pkcs11_module",
            f"{path} cannot be used as a PKCS#11 module ({type(error).__name__}).",
            "Name the module that came with the token: module-path= in the location, or CARNET_PKCS11_MODULE.",
        ) from None


def _log_in(token: Any, pin: str | None) -> Any:
    """The session that keeps the token logged in. Never closed: closing it would log everybody out."""
    import pkcs11

    if pin is None:
        raise refused(
            WHAT, "asks for a PIN, and none was given", "Name the file that holds it: CARNET_PKCS11_PIN_FILE."
        )
    if token.flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
        raise refused(WHAT, "has locked its PIN after wrong ones", "Unlock it with its own tool and its SO PIN.")
    if token.flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY:
        raise refused(
            WHAT,
            "locks its PIN at the next wrong one, so it was not tried",
            "Log in once with the token's own tool, which shows that the PIN is right; then start again.",
        )
    try:
        return token.open(user_pin=pin)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open()
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
        raise refused(
            WHAT,
            "does not take this PIN; it was tried once and is not tried again",
            "Correct the PIN file, then start again.",
        ) from None
    except pkcs11.PinLocked:
        raise refused(WHAT, "has locked its PIN", "Unlock it with its own tool and its SO PIN.") from None
    except (pkcs11.PinExpired, pkcs11.UserPinNotInitialized):
        raise refused(WHAT, "wants its PIN set first", "Set it with the token's own tool.") from None

"""Where a signing key can be, one face for all: real tokens of SoftHSM, and services on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from carnet.formats.keys import Algorithm, PublicKey
from carnet.server.signing.remote import Limits, RemoteSigner
from carnet.server.signing.services import generate, open_remote
from support.key_service_kinds import KINDS, GoogleStub
from support.key_services import DOWN, LIES, KeyServiceStub, Weather
from support.softhsm import MISSING, PIN, SoftToken, lose_sessions

ALGORITHMS: tuple[Algorithm, ...] = ("Ed25519", "ES256", "RS256")
PATIENT = Limits(seconds=60, open_seconds=60, attempts=2, pause_seconds=0.01)
"""For whatever answers: a busy machine may take its time."""
HASTY = Limits(seconds=0.5, open_seconds=0.5, attempts=2, pause_seconds=0.01)
"""For what never answers: so long a test waits."""


class HeldStopwatch:
    """A running clock that stands until the test moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Place:
    """
    A key of one algorithm, somewhere.

    Attributes:
        location: Its URI.
        environ: What opening it needs.
        secrets: What nobody may ever see.
        public_key: The truth about its public half.
        what: Its name in sentences.
    """

    location: str
    environ: dict[str, str]
    secrets: tuple[str, ...]
    public_key: PublicKey
    what: str
    downs: tuple[str, ...]
    lies: tuple[Weather, ...] = ()

    def open(self, *, limits: Limits = PATIENT, running: HeldStopwatch | None = None) -> RemoteSigner:
        """A signer of this key."""
        from carnet.server.signing.services import open_service

        if running is None:
            return open_remote(self.location, self.environ, limits=limits)
        return RemoteSigner(open_service(self.location, self.environ, limits), limits=limits, running=running)

    @contextmanager
    def down(self, how: str) -> Iterator[None]:
        """For the length of a `with` it cannot be reached, or lies, as *how* says: one of `downs` and `lies`."""
        raise NotImplementedError

    @contextmanager
    def forbidden(self) -> Iterator[dict[str, str]]:
        """It does not let us; gives the environment to open it with."""
        raise NotImplementedError


class TokenPlace(Place):
    """A key in a SoftHSM token."""

    what = "The PKCS#11 token"
    downs = ("pulled out",)

    def __init__(self, alg: Algorithm) -> None:
        self.token = SoftToken()
        self.location = self.token.location()
        self.environ = self.token.environ()
        self.secrets = (PIN,)
        self.public_key = generate(self.location, self.environ, alg=alg)

    @contextmanager
    def down(self, how: str) -> Iterator[None]:
        assert how == "pulled out"
        self.token.pull_out()
        try:
            yield
        finally:
            self.token.put_back()

    @contextmanager
    def forbidden(self) -> Iterator[dict[str, str]]:
        lose_sessions()  # and the login with the right PIN with them
        try:
            yield self.token.environ(pin="a pin that is wrong")
        finally:
            lose_sessions()


class ServicePlace(Place):
    """A key of a service on the wire."""

    downs = DOWN
    lies = LIES

    def __init__(self, stub: KeyServiceStub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stub = stub
        self.what = stub.what
        self.location = stub.location()
        self.environ = stub.environ()
        self.secrets = stub.secrets
        self.public_key = stub.public_key
        for name, value in self.environ.items():
            monkeypatch.setenv(name, value)  # boto3 looks nowhere else
        if isinstance(stub, GoogleStub):
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(stub.account_file(folder)))

    @contextmanager
    def down(self, how: str) -> Iterator[None]:
        with self.stub.being(next(each for each in (*DOWN, *LIES) if each == how)):
            yield

    @contextmanager
    def forbidden(self) -> Iterator[dict[str, str]]:
        with self.stub.being("forbidden"):
            yield self.environ


def limits_for(how: str) -> Limits:
    """What to wait for in a weather."""
    return HASTY if how == "slow" else PATIENT


PLACES = ("softhsm", *KINDS)


@contextmanager
def place(kind: str, alg: Algorithm, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place of *kind* with a key for *alg*; the test says why where there is none."""
    if kind == "softhsm":
        if MISSING is not None:
            pytest.skip(f"not run here: {MISSING}")
        made = TokenPlace(alg)
        try:
            yield made
        finally:
            made.token.drop()
        return
    with KINDS[kind](alg) as stub:
        yield ServicePlace(stub, folder, monkeypatch)

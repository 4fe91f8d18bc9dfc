"""
An installation of Carnet on this machine: made once by `create_installation`, opened by every process that serves or
administers it. The composition root of keys, storage and services.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.formats.keys import KeyRing
from carnet.server.domain.activations.service import ActivationService
from carnet.server.domain.apikeys.service import ApiKeyService
from carnet.server.domain.audit.service import AuditService
from carnet.server.domain.customers.service import CustomerService
from carnet.server.domain.licenses.service import LicenseService
from carnet.server.domain.policies.service import PolicyService
from carnet.server.domain.products.service import ProductService
from carnet.server.settings import Settings


class InitOptions(Struct):
    """
    How the root ceremony of `carnet init` goes.

    Attributes:
        root_keys: Where the root keys are written; never inside the data directory.
        root_key_count: How many root keys, 1–16.
        root_threshold: How many of them must sign a root, 1 … count.
        root_passphrase: Seals the root key files; None leaves them readable by whoever holds them.
    """

    root_keys: Path = Path("./carnet-root")
    root_key_count: int = 1
    root_threshold: int = 1
    root_passphrase: bytes | None = None


class InitReport(Struct):
    """
    What `carnet init` made. `admin_token` is shown here and nowhere else. `notes` are sentences for the person who ran it.
    """

    data: Path
    issuer: str
    anchor: str
    root_path: Path
    root_key_paths: tuple[Path, ...]
    root_threshold: int
    root_expires_at: Instant
    admin_token: str
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"InitReport(data={str(self.data)!r}, anchor={self.anchor!r})"


class Check(Struct):
    """One part of readiness: its name, whether it works, and what is wrong if not (REL-14)."""

    name: str
    ok: bool
    problem: str = ""


class Installation:
    """
    An open installation.

    Attributes:
        settings: As opened.
        issuer: This installation's id, as artifacts carry it.
        roots: Every root file, version 1 first, as text.
        ring: Public keys by role under the newest root: for JWKS and for checking own output.
    """

    settings: Settings
    issuer: str
    created_at: Instant
    roots: tuple[str, ...]
    ring: KeyRing
    products: ProductService
    policies: PolicyService
    customers: CustomerService
    licenses: LicenseService
    activations: ActivationService
    audit: AuditService
    apikeys: ApiKeyService

    async def checks(self) -> tuple[Check, ...]:
        """Whether each part works now: ``database`` (a durable write), ``signer`` (signs and verifies)."""
        raise NotImplementedError


def create_installation(settings: Settings, options: InitOptions | None = None) -> InitReport:
    """
    Make an installation: root ceremony, signing keys, secrets, database, first admin token.

    All or nothing: killed at any moment, running it again clears what is half-finished and starts afresh.

    Raises:
        UsageError: ``already_initialised`` (nothing is changed), ``invalid_argument``, ``root_keys_inside_data``.
        StateError: ``data_not_writable``, ``data_not_empty``, ``root_keys_exist``.
    """
    raise NotImplementedError


@asynccontextmanager
async def open_installation(settings: Settings, *, say: Callable[[str], None] | None = None) -> AsyncIterator[Installation]:
    """
    Open an installation and close it at the end.

    Args:
        settings: Where it is, and the passphrase if its keys need one.
        say: Told a sentence before anything slow or lasting happens (a database upgrade).

    Raises:
        StateError: ``not_initialised``, ``half_initialised``, ``missing_file``, ``wrong_passphrase``,
            ``passphrase_needed``, ``keys_do_not_match_root``, ``database_too_new``, ``data_not_writable``,
            ``data_not_readable``.
    """
    raise NotImplementedError
    yield

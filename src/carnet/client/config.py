"""
What an app tells the SDK, and what it leaves to the environment (design.md §8). Nothing is opened here.

Each value is checked when it is first needed, and one that is missing says how to give it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from carnet.core._base import Struct
from carnet.core.decision import Host
from carnet.core.errors import UsageError

if TYPE_CHECKING:
    from carnet.client.keychain import Keyring

_PRODUCT_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_MAX_PRODUCT = 100


class Config(Struct):
    """
    The SDK's settings: arguments first, then the environment as it was when the client was made.

    Attributes:
        product: The product id.
        server: Base address of the license server.
        root: Root file version 1, as text or bytes, or a path to it.
        state: Directory for the state of all products.
        device_id: A declared device id.
        license_key: The key that `start()` activates with.
        app_version, edition, domain: What the app says of itself.
        max_offline_seconds, max_grace_seconds: How the app tightens the signed policy.
        proxy: Address of a proxy; an empty text for none, whatever the system says.
        ca_file: Certificates of an authority to trust beside the system's.
        keychain: Whether the device key is kept in the system's keychain; ``tpm`` for the TPM; or the keychain.
        environ: The environment.
        status_lists: A file with status lists that the app brings with it, its content or a path to it.
        status_mirror: Base address of a mirror of the status lists.
    """

    product: str | None
    server: str | None
    root: str | bytes | os.PathLike[str] | None
    state: str | os.PathLike[str] | None
    device_id: str | None
    license_key: str | None
    app_version: str | None
    edition: str | None
    domain: str | None
    max_offline_seconds: int | None
    max_grace_seconds: int | None
    proxy: str | None
    ca_file: str | os.PathLike[str] | None
    keychain: bool | Literal["tpm"] | Keyring
    environ: Mapping[str, str]
    status_lists: bytes | str | os.PathLike[str] | None = None
    status_mirror: str | None = None

    def __repr__(self) -> str:
        return f"Config(product={self.product!r}, server={self.server!r})"  # never the license key

    def product_id(self) -> str:
        """
        The product id, fit to name a directory.

        Raises:
            UsageError: ``product_required``, ``bad_product``.
        """
        product = self._given("product", self.product)
        if len(product) > _MAX_PRODUCT or not _PRODUCT_CHARACTERS.issuperset(product) or product[0] in ".-":
            raise UsageError(
                "bad_product",
                f"{product[:_MAX_PRODUCT]!r} is not a product id.",
                "Use the id that `carnet product list` shows: lower-case letters, digits and hyphens.",
            )
        return product

    def server_address(self) -> str:
        """
        The license server's base address, not checked yet.

        Raises:
            UsageError: ``server_required``.
        """
        return self._given("server", self.server)

    def proxy_address(self) -> str | None:
        """The proxy to use; an empty text for none; None for what the system says. Not checked yet."""
        return self.environ.get("CARNET_PROXY") if self.proxy is None else self.proxy

    def authority_file(self) -> str | None:
        """Certificates to trust beside the system's, or None."""
        given = self.environ.get("CARNET_CA_FILE") if self.ca_file is None else os.fspath(self.ca_file)
        return given or None

    def root_file(self) -> bytes:
        """
        The embedded root file.

        Raises:
            UsageError: ``root_required``; ``root_unreadable``: it was given as a path that cannot be read.
        """
        root = self.root if self.root is not None else self.environ.get("CARNET_ROOT")
        if isinstance(root, bytes):
            return root
        if isinstance(root, str) and root.lstrip("\ufeff \t\r\n").startswith("{"):
            return root.encode()
        if root is None or not os.fspath(root):
            raise _missing("root", "the root file that `carnet init` made, as text or as a path")
        try:
            with open(root, "rb") as file:
                return file.read()
        except OSError as error:
            raise UsageError(
                "root_unreadable",
                f"The root file {os.fspath(root)} cannot be read: {error.strerror}.",
                "Give its path, or its text itself.",
            ) from error

    def status_list_file(self) -> bytes | str | None:
        """The status lists that the app or its operator brings, as content or as a path; None for none."""
        given = self.status_lists
        if given is None:
            return self.environ.get("CARNET_STATUS_LISTS") or None
        return given if isinstance(given, bytes) else os.fspath(given)

    def mirror_address(self) -> str | None:
        """Who is asked for status lists in place of the license server, not checked yet; None for the server itself."""
        return self.status_mirror or self.environ.get("CARNET_STATUS_MIRROR") or None

    def activation_key(self) -> str | None:
        """The license key for an unattended activation, or None."""
        return self.license_key or self.environ.get("CARNET_LICENSE_KEY") or None

    def state_directory(self) -> str:
        """
        The directory of all products' state.

        Raises:
            UsageError: ``no_state_directory``.
        """
        from carnet.client.state import state_root

        given = self.environ.get("CARNET_STATE") if self.state is None else os.fspath(self.state)
        return state_root(given)

    def host(self) -> Host:
        """What the app says of itself, for `decide`."""
        return Host(
            product=self.product_id(),
            domain=self.domain,
            app_version=self.app_version,
            edition=self.edition,
            max_offline_seconds=self.max_offline_seconds,
            max_grace_seconds=self.max_grace_seconds,
        )

    def _given(self, name: str, argument: str | None) -> str:
        value = argument or self.environ.get(f"CARNET_{name.upper()}")
        if not value:
            examples = {"product": "for example hustl", "server": "for example https://license.example.com"}
            raise _missing(name, examples[name])
        return value


def _missing(name: str, what: str) -> UsageError:
    return UsageError(
        f"{name}_required",
        f"The {name} is not known.",
        f"Pass {name}= or set CARNET_{name.upper()}: {what}.",
    )

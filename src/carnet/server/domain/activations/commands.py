"""What devices can ask of their activation, and what they are answered."""

from __future__ import annotations

from collections.abc import Mapping

from carnet.core._base import Struct
from carnet.core.decision import Decision
from carnet.core.instant import Instant
from carnet.server.domain.licenses.commands import LicenseView
from carnet.server.domain.reissue.held import HeldArtifact


class DeviceClaim(Struct):
    """
    What a device says of itself. None of it is trusted beyond being compared.

    Attributes:
        fingerprint: 64 lower-case hex characters, not a placeholder (SEC-16).
        name: For people, 1 to 64 printable characters; empty if unknown.
        platform: For people and files, e.g. ``linux``; at most 64 printable characters; empty if unknown.
        public_key: The device's Ed25519 public key, 32 bytes as unpadded base64url; None if it has none. Once
            registered, refresh and deactivate need a proof by it (SEC-45).
        components: (kind, digest) of hardware parts, salted digests only (SEC-19); at most 64 pairs of 64 and 128
            characters.
    """

    fingerprint: str
    name: str = ""
    platform: str = ""
    public_key: str | None = None
    components: tuple[tuple[str, str], ...] = ()


class DeviceProofInput(Struct):
    """
    The `Carnet-Device-Proof` header with the request it must fit, exactly as received.

    Attributes:
        proof: The header's text.
        method: Upper-case HTTP method.
        path: Path of the request as sent, without query.
        body: The body's exact bytes.
    """

    proof: str
    method: str
    path: str
    body: bytes


class _Keyed(Struct):
    def __repr__(self) -> str:
        return f"{type(self).__name__}(product={getattr(self, 'product', None)!r})"  # never the license key


class ActivateCommand(_Keyed):
    """
    Take a seat for a device, or answer with the one it holds.

    Attributes:
        license_key: As typed; at most 512 characters. An enrolment token takes its place (users-ask 14).
        product: The product's slug; compared exactly (SEC-05).
        device: The device.
        nonce: 1 to 128 visible ASCII characters; asks for a proof bound to it.
        root_version: The newest root the device knows; newer ones are sent along.
        user: Who uses it, opaque, at most 255 characters.
        domain: Host name for domain licenses, at most 253 characters.
        app_version: The app's version, at most 64 characters.
        ttl_seconds: A wanted offline window, ≥ 1; the policy caps it.
        replaces: Ids of activations whose seats the device takes in the same step; at most 100.
        replaces_all: It takes those of all other devices.
        address: The network address the request came from, as the edge saw it; for enrolment tokens.
        held: What it says that it holds, at most `MAX_HELD` artifacts; looked up later (SEC-24).
        status_versions: The versions of the status lists that the device has, by address; newer ones are sent along.
            None: it wants none.
    """

    license_key: str
    product: str
    device: DeviceClaim
    nonce: str | None = None
    root_version: int | None = None
    user: str | None = None
    domain: str | None = None
    app_version: str | None = None
    ttl_seconds: int | None = None
    replaces: tuple[str, ...] = ()
    replaces_all: bool = False
    address: str | None = None
    held: tuple[HeldArtifact, ...] = ()
    status_versions: Mapping[str, tuple[int, int]] | None = None


class RefreshCommand(_Keyed):
    """
    Ask for fresh artifacts for the seat a device holds.

    Give `activation_id` or `license_key` (both must agree). Without a registered device key, the license key is needed.
    `stamp` is the one of the newest answer that the device took in (SEC-45). Other attributes as in `ActivateCommand`.
    """

    product: str
    device: DeviceClaim
    activation_id: str | None = None
    license_key: str | None = None
    nonce: str | None = None
    root_version: int | None = None
    domain: str | None = None
    app_version: str | None = None
    ttl_seconds: int | None = None
    held: tuple[HeldArtifact, ...] = ()
    device_proof: DeviceProofInput | None = None
    stamp: str | None = None
    status_versions: Mapping[str, tuple[int, int]] | None = None


class DeactivateCommand(_Keyed):
    """Give a seat back. As `RefreshCommand`; repeating it answers the same."""

    product: str
    device: DeviceClaim
    activation_id: str | None = None
    license_key: str | None = None
    nonce: str | None = None
    device_proof: DeviceProofInput | None = None


class ValidateCommand(_Keyed):
    """Ask what the server's own records say about a license, and about a device if one is named. Changes nothing."""

    license_key: str
    product: str
    device: DeviceClaim | None = None
    domain: str | None = None
    app_version: str | None = None
    nonce: str | None = None


class ActivationView(Struct):
    """
    An activation as the key owner and the vendor may see it. `device` is the fingerprint; `forks` how often a copy of
    the device was seen.
    """

    id: str
    license_id: str
    product: str
    device: str
    device_name: str
    platform: str
    created_at: Instant
    refreshed_at: Instant
    covered_until: Instant
    deactivated_at: Instant | None
    forks: int = 0


class ActivationResult(Struct):
    """
    A seat with its artifacts, from activate (`created` says whether the seat is new) or refresh (always False).

    `roots` are the root files newer than the request's `root_version`, oldest first, as text; `status_lists` those of
    the seat's status lists that are newer than the request's `status_versions`, None if it had none. `renew_after` is
    when the device should come again.
    """

    created: bool
    activation: ActivationView
    license: LicenseView
    token: str
    machine_file: str
    renew_after: Instant
    server_time: Instant
    roots: tuple[str, ...]
    status_lists: tuple[str, ...] | None = None
    stamp: str | None = None

    def __repr__(self) -> str:
        return f"ActivationResult(created={self.created!r}, activation={self.activation!r})"


class DeactivationResult(Struct):
    """A seat given back; `deactivated_at` is when it first was."""

    activation: ActivationView
    deactivated_at: Instant
    server_time: Instant


class ValidationResult(Struct):
    """What the server decides by its own records. `valid` is `bool(decision)`."""

    valid: bool
    decision: Decision
    license: LicenseView
    activation: ActivationView | None
    server_time: Instant

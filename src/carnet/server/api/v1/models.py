"""
The bodies of the device calls.

Unknown members of requests are ignored: an older server must not turn away a newer SDK (specs/http-api.md §2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, TypeAlias

import msgspec
from msgspec import Meta

from carnet.core.model import LicenseStatus, LicenseType
from carnet.formats.limits import MAX_DEVICE_NAME, MAX_ID, MAX_JSON_INTEGER, MAX_KID, MAX_LICENSE_KEY_TYPED
from carnet.server.api import wire
from carnet.server.api.wire import DecisionWire, EntitlementWire, SeatsWire, Seconds, Time, WrittenTime
from carnet.server.domain.activations.commands import (
    ActivationResult,
    ActivationView,
    DeactivationResult,
    DeviceClaim,
    ValidationResult,
)
from carnet.server.domain.licenses.commands import LicenseView
from carnet.server.domain.reissue.held import HELD_KINDS, MAX_HELD, HeldArtifact

EXAMPLE_KEY: Final = "1CR5A-YMZRK-MGWCT-RFPHC-V7PV7"
EXAMPLE_FINGERPRINT: Final = "9a850c399c0bfb4053d568ac1a93dd82daf83514a0cc556d011f92bf7faa9148"

LicenseKey: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_LICENSE_KEY_TYPED,
        description="The license key as typed. Never put it into an address.",
        examples=[EXAMPLE_KEY],
    ),
]
ProductSlug: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100, examples=["hustl"])]
Fingerprint: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        description="The device's fingerprint for this product: 64 lower-case hex characters (specs/fingerprint.md).",
        examples=[EXAMPLE_FINGERPRINT],
    ),
]
Nonce: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="Visible ASCII, fresh for every request; asks for a `proof` bound to it.",
        examples=["q83vEjRWeJCrze8SNFZ4kA"],
    ),
]
Domain: TypeAlias = Annotated[str, Meta(max_length=253, description="Host name, for domain licenses.")]
AppVersion: TypeAlias = Annotated[str, Meta(max_length=64, description="The app's version.", examples=["3.1.0"])]
RootVersion: TypeAlias = Annotated[
    int, Meta(ge=1, le=2**31, description="The newest root the device knows; newer ones are sent along in `roots`.")
]
_ListVersion: TypeAlias = Annotated[
    list[Annotated[int, Meta(ge=0, le=MAX_JSON_INTEGER)]], Meta(min_length=2, max_length=2)
]
StatusVersions: TypeAlias = Annotated[
    dict[str, _ListVersion],
    Meta(
        max_length=64,
        description="The versions (epoch and number) of the status lists that the device has, by address; newer ones "
        "are sent along in `status_lists`. Empty: it has none yet.",
        examples=[{"https://license.example.com/v1/status/0": [0, 17]}],
    ),
]
ActivationId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


Stamp: TypeAlias = Annotated[
    str,
    Meta(
        max_length=64,
        description="The `stamp` of the newest proof that the device took in (specs/answer.md §7). It tells the vendor "
        "of copies of the device, and changes nothing else.",
        examples=["17.q83vEjRWeJCrze8S"],
    ),
]


class ComponentWire(msgspec.Struct, kw_only=True):
    """A hardware part, as a salted digest; never the raw value (SEC-19)."""

    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    digest: Annotated[str, Meta(min_length=1, max_length=128)]


class DeviceWire(msgspec.Struct, kw_only=True):
    """What a device says of itself."""

    fingerprint: Fingerprint
    name: Annotated[str, Meta(max_length=MAX_DEVICE_NAME, description="For people.")] | None = None
    platform: Annotated[str, Meta(max_length=64, description="For people, for example `linux`.")] | None = None
    public_key: (
        Annotated[
            str,
            Meta(
                max_length=64,
                description="Ed25519 public key, 32 bytes as unpadded base64url. Once registered, refresh and "
                "deactivate need a `Carnet-Device-Proof` by it.",
            ),
        ]
        | None
    ) = None
    components: Annotated[list[ComponentWire], Meta(max_length=64)] | None = None

    def claim(self) -> DeviceClaim:
        """As the services take it."""
        return DeviceClaim(
            fingerprint=self.fingerprint,
            name=self.name or "",
            platform=self.platform or "",
            public_key=self.public_key,
            components=tuple((part.kind, part.digest) for part in self.components or ()),
        )


class HeldWire(msgspec.Struct, kw_only=True):
    """An artifact that the device holds and finds genuine: what it says of itself, never the artifact."""

    kind: Annotated[str, Meta(min_length=1, max_length=32, examples=["token", "machine-file"])]
    jti: Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
    kid: Annotated[str, Meta(min_length=1, max_length=MAX_KID)]
    issued_at: WrittenTime
    expires_at: WrittenTime


Held: TypeAlias = Annotated[
    list[HeldWire],
    Meta(
        max_length=MAX_HELD,
        description="What the device holds: by this the vendor learns of artifacts that nobody issued. It changes "
        "nothing in the answer.",
    ),
]


class ActivateRequest(msgspec.Struct, kw_only=True):
    """Take a seat for a device, or be answered with the one it holds."""

    example: ClassVar[dict[str, Any]] = {
        "license_key": EXAMPLE_KEY,
        "product": "hustl",
        "device": {"fingerprint": EXAMPLE_FINGERPRINT, "name": "Line 4", "platform": "linux"},
        "nonce": "q83vEjRWeJCrze8SNFZ4kA",
    }

    license_key: LicenseKey
    product: ProductSlug
    device: DeviceWire
    nonce: Nonce | None = None
    root_version: RootVersion | None = None
    user: Annotated[str, Meta(max_length=255, description="Who uses it, opaque.")] | None = None
    domain: Domain | None = None
    app_version: AppVersion | None = None
    ttl_seconds: Seconds | None = None
    held: Held | None = None
    status_versions: StatusVersions | None = None
    replaces: (
        Annotated[
            list[ActivationId],
            Meta(max_length=100, description="Activations whose seats this device takes in the same step."),
        ]
        | None
    ) = None
    replaces_all: Annotated[bool, Meta(description="It takes the seats of all other devices.")] = False


class ValidateRequest(msgspec.Struct, kw_only=True):
    """Ask what the server's records say. Changes nothing."""

    example: ClassVar[dict[str, Any]] = {
        "license_key": EXAMPLE_KEY,
        "product": "hustl",
        "device": {"fingerprint": EXAMPLE_FINGERPRINT},
    }

    license_key: LicenseKey
    product: ProductSlug
    device: DeviceWire | None = None
    domain: Domain | None = None
    app_version: AppVersion | None = None
    nonce: Nonce | None = None


class RefreshRequest(msgspec.Struct, kw_only=True):
    """Ask for fresh artifacts for a seat: by `activation_id`, by `license_key`, or both when they agree."""

    example: ClassVar[dict[str, Any]] = {
        "activation_id": "0193f2d4-7c1e-7d30-9e9b-0f5c3f7b2a10",
        "product": "hustl",
        "device": {"fingerprint": EXAMPLE_FINGERPRINT},
        "nonce": "q83vEjRWeJCrze8SNFZ4kA",
        "root_version": 1,
    }

    product: ProductSlug
    device: DeviceWire
    activation_id: ActivationId | None = None
    license_key: LicenseKey | None = None
    nonce: Nonce | None = None
    root_version: RootVersion | None = None
    domain: Domain | None = None
    app_version: AppVersion | None = None
    ttl_seconds: Seconds | None = None
    held: Held | None = None
    stamp: Stamp | None = None
    status_versions: StatusVersions | None = None


class DeactivateRequest(msgspec.Struct, kw_only=True):
    """Give a seat back: by `activation_id`, by `license_key`, or both when they agree."""

    example: ClassVar[dict[str, Any]] = {
        "activation_id": "0193f2d4-7c1e-7d30-9e9b-0f5c3f7b2a10",
        "product": "hustl",
        "device": {"fingerprint": EXAMPLE_FINGERPRINT},
    }

    product: ProductSlug
    device: DeviceWire
    activation_id: ActivationId | None = None
    license_key: LicenseKey | None = None
    nonce: Nonce | None = None
    root_version: RootVersion | None = None


class DeviceActivation(msgspec.Struct, kw_only=True):
    """A device's seat. `covered_until` is how long the newest machine file opens the app without contact."""

    id: str
    created_at: Time
    covered_until: Time
    device: str


class DeviceLicense(msgspec.Struct, kw_only=True):
    """The license, as the holder of its key may see it. `expires_at` null means that it does not end."""

    id: str
    type: LicenseType
    status: LicenseStatus
    policy: str
    expires_at: Time | None
    seats: SeatsWire
    entitlements: list[EntitlementWire]


class ActivateReply(msgspec.Struct, kw_only=True):
    """
    A seat with its artifacts. Keep `token` and `machine_file`: they are what works offline.

    `roots` are root files newer than `root_version`, oldest first, each as text. `status_lists` comes when there were
    `status_versions`: the signed lists of this seat that are newer. `proof` comes when there was a nonce.
    """

    activation: DeviceActivation
    license: DeviceLicense
    token: str
    machine_file: str
    renew_after: Time
    server_time: Time
    roots: list[str]
    status_lists: list[str] | msgspec.UnsetType = msgspec.UNSET
    proof: str | msgspec.UnsetType = msgspec.UNSET


class ValidateReply(msgspec.Struct, kw_only=True):
    """What the server decides by its own records. `valid` is true unless `decision.access` is `none`."""

    valid: bool
    decision: DecisionWire
    license: DeviceLicense
    proof: str | msgspec.UnsetType = msgspec.UNSET


class EndedActivation(msgspec.Struct, kw_only=True):
    """A seat given back."""

    id: str
    deactivated_at: Time


class DeactivateReply(msgspec.Struct, kw_only=True):
    """A seat given back; repeating the call answers the same. `roots` comes where there are newer ones."""

    activation: EndedActivation
    proof: str | msgspec.UnsetType = msgspec.UNSET
    roots: list[str] | msgspec.UnsetType = msgspec.UNSET


def _proof(value: str | None) -> str | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value


def _activation(view: ActivationView) -> DeviceActivation:
    return DeviceActivation(
        id=view.id, created_at=str(view.created_at), covered_until=str(view.covered_until), device=view.device
    )


def _license(view: LicenseView) -> DeviceLicense:
    return DeviceLicense(
        id=view.id,
        type=view.type,
        status=view.status,
        policy=view.policy,
        expires_at=wire.text(view.expires_at),
        seats=SeatsWire(limit=view.seats.limit, used=view.seats.used),
        entitlements=wire.entitlements(view.entitlements),
    )


def held_artifacts(held: list[HeldWire] | None) -> tuple[HeldArtifact, ...]:
    """`held` as the services take it; of kinds that a newer SDK may know, nothing is looked up here."""
    return tuple(
        HeldArtifact(kind=one.kind, jti=one.jti, kid=one.kid, issued_at=one.issued_at, expires_at=one.expires_at)
        for one in held or ()
        if one.kind in HELD_KINDS
    )


def list_versions(asked: dict[str, list[int]] | None) -> dict[str, tuple[int, int]] | None:
    """`status_versions` as the services take it."""
    return None if asked is None else {uri: (epoch, number) for uri, (epoch, number) in asked.items()}


def activate_reply(result: ActivationResult, proof: str | None) -> ActivateReply:
    """The 2xx of activate and refresh."""
    return ActivateReply(
        activation=_activation(result.activation),
        license=_license(result.license),
        token=result.token,
        machine_file=result.machine_file,
        renew_after=str(result.renew_after),
        server_time=str(result.server_time),
        roots=list(result.roots),
        status_lists=msgspec.UNSET if result.status_lists is None else list(result.status_lists),
        proof=_proof(proof),
    )


def validate_reply(result: ValidationResult, proof: str | None) -> ValidateReply:
    """The 2xx of validate."""
    return ValidateReply(
        valid=result.valid,
        decision=wire.decision(result.decision),
        license=_license(result.license),
        proof=_proof(proof),
    )


def deactivate_reply(result: DeactivationResult, proof: str | None, roots: Sequence[str]) -> DeactivateReply:
    """The 2xx of deactivate."""
    return DeactivateReply(
        activation=EndedActivation(id=result.activation.id, deactivated_at=str(result.deactivated_at)),
        proof=_proof(proof),
        roots=list(roots) or msgspec.UNSET,
    )

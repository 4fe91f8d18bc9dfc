"""
The bodies of the lease calls (specs/http-api.md §4.7).

Unknown members of requests are ignored: an older server must not turn away a newer SDK (specs/http-api.md §2).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec
from msgspec import Meta

from carnet.core.lease_terms import MAX_BORROW_SECONDS, MAX_HOLDER_ID, HolderKind, LeaseHolder
from carnet.formats.lease import MAX_LEASE_TOKEN
from carnet.server.api.v1.models import EXAMPLE_FINGERPRINT, EXAMPLE_KEY, LicenseKey, Nonce, ProductSlug
from carnet.server.api.wire import Time
from carnet.server.domain.leases.commands import LeaseResult, ReleaseResult

_EXAMPLE_HOLDER = {"kind": "device", "id": EXAMPLE_FINGERPRINT}

HolderId: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_HOLDER_ID,
        description="Compared exactly: a fingerprint, a process's own id, a user's name.",
        examples=[EXAMPLE_FINGERPRINT],
    ),
]
LeaseSeconds: TypeAlias = Annotated[
    int,
    Meta(
        ge=1,
        le=MAX_BORROW_SECONDS,
        description="For how long; brought within the bounds of the license's terms. Send the same at every renewal.",
    ),
]
LeaseTokenText: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_LEASE_TOKEN,
        description="A token of this very lease, in place of the license key; one that ran out still proves it.",
    ),
]
Borrow: TypeAlias = Annotated[
    bool, Meta(description="Take it along for travel: nobody waits for a renewal before its end.")
]


class HolderWire(msgspec.Struct, kw_only=True):
    """Who holds a lease: a device, one process, or a user."""

    kind: HolderKind
    id: HolderId

    def holder(self) -> LeaseHolder:
        """As the services take it."""
        return LeaseHolder(kind=self.kind, id=self.id)


class ClaimingHolder(HolderWire, kw_only=True):
    """Who claims a lease, and what people know it as."""

    name: Annotated[str, Meta(max_length=64, description="For people, for example a host name.")] | None = None


class ClaimRequest(msgspec.Struct, kw_only=True):
    """Take a floating seat for a while, or go on with the one that the holder has."""

    example: ClassVar[dict[str, Any]] = {
        "license_key": EXAMPLE_KEY,
        "product": "hustl",
        "holder": {**_EXAMPLE_HOLDER, "name": "render-07"},
        "ttl_seconds": 600,
        "nonce": "q83vEjRWeJCrze8SNFZ4kA",
    }

    license_key: LicenseKey
    product: ProductSlug
    holder: ClaimingHolder
    ttl_seconds: LeaseSeconds | None = None
    borrow: Borrow = False
    nonce: Nonce | None = None


class RenewRequest(msgspec.Struct, kw_only=True):
    """Go on with a lease. The license key or a token of the lease proves that it is the caller's."""

    example: ClassVar[dict[str, Any]] = {
        "license_key": EXAMPLE_KEY,
        "product": "hustl",
        "holder": _EXAMPLE_HOLDER,
        "ttl_seconds": 600,
    }

    product: ProductSlug
    holder: HolderWire
    license_key: LicenseKey | None = None
    token: LeaseTokenText | None = None
    ttl_seconds: LeaseSeconds | None = None
    borrow: Borrow = False
    nonce: Nonce | None = None


class ReleaseRequest(msgspec.Struct, kw_only=True):
    """Give a lease back, also a borrowed one before its end."""

    example: ClassVar[dict[str, Any]] = {"license_key": EXAMPLE_KEY, "product": "hustl", "holder": _EXAMPLE_HOLDER}

    product: ProductSlug
    holder: HolderWire
    license_key: LicenseKey | None = None
    token: LeaseTokenText | None = None
    nonce: Nonce | None = None


class LeaseWire(msgspec.Struct, kw_only=True):
    """A floating seat. `token` opens the app until `expires_at`; come again from `renew_after` on."""

    id: str
    holder: HolderWire
    expires_at: Time
    renew_after: Time
    borrowed: bool
    token: str


class LeaseReply(msgspec.Struct, kw_only=True):
    """A lease. `proof` comes when there was a nonce; it covers `token`, and names the holder and the lease."""

    lease: LeaseWire
    server_time: Time
    proof: str | msgspec.UnsetType = msgspec.UNSET


class EndedLease(msgspec.Struct, kw_only=True):
    """A lease that was given back."""

    id: str
    released_at: Time


class ReleaseReply(msgspec.Struct, kw_only=True):
    """A lease given back; repeating the call answers the same. With a nonce, `proof` is the receipt of the return."""

    lease: EndedLease
    proof: str | msgspec.UnsetType = msgspec.UNSET


def lease_reply(result: LeaseResult, proof: str | None) -> LeaseReply:
    """The reply to a claim or a renewal."""
    return LeaseReply(
        lease=LeaseWire(
            id=result.lease_id,
            holder=HolderWire(kind=result.holder.kind, id=result.holder.id),
            expires_at=str(result.expires_at),
            renew_after=str(result.renew_after),
            borrowed=result.is_borrowed,
            token=result.token,
        ),
        server_time=str(result.server_time),
        proof=msgspec.UNSET if proof is None else proof,
    )


def release_reply(result: ReleaseResult, proof: str | None) -> ReleaseReply:
    """The reply to a return."""
    return ReleaseReply(
        lease=EndedLease(id=result.lease_id, released_at=str(result.released_at)),
        proof=msgspec.UNSET if proof is None else proof,
    )

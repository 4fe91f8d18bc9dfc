"""What holders and the vendor can ask of leases, and what they are answered."""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.core.lease_terms import LeaseHolder, LeaseTerms


class _Keyed(Struct):
    def __repr__(self) -> str:
        return f"{type(self).__name__}(product={getattr(self, 'product', None)!r})"  # never key or token


class ClaimLease(_Keyed):
    """
    Take a seat of a license's pool for a while, or go on with the one that the holder has.

    Attributes:
        license_key: As typed; at most 512 characters.
        product: The product's slug; compared exactly (SEC-05).
        holder: Who holds it.
        name: What people know the holder as, e.g. a host name; at most 64 printable characters.
        ttl_seconds: A wanted time, ≥ 1, brought within the terms' bounds; None: the terms' default.
        borrow: Take it along for travel.
        nonce: 1 to 128 visible ASCII characters; asks for a proof bound to it.
    """

    license_key: str
    product: str
    holder: LeaseHolder
    name: str = ""
    ttl_seconds: int | None = None
    borrow: bool = False
    nonce: str | None = None


class RenewLease(_Keyed):
    """
    Go on with a lease. Its id alone proves nothing: give the `license_key`, or a genuine `token` of this very lease.

    Other attributes as in `ClaimLease`.
    """

    lease_id: str
    product: str
    holder: LeaseHolder
    license_key: str | None = None
    token: str | None = None
    ttl_seconds: int | None = None
    borrow: bool = False
    nonce: str | None = None


class ReleaseLease(_Keyed):
    """Give a lease back. As `RenewLease`; repeating it answers the same."""

    lease_id: str
    product: str
    holder: LeaseHolder
    license_key: str | None = None
    token: str | None = None
    nonce: str | None = None


class LeaseView(Struct):
    """A lease as its holder, the key owner and the vendor may see it (users-ask 11)."""

    id: str
    license_id: str
    slot: int
    holder: LeaseHolder
    name: str
    is_borrowed: bool
    claimed_at: Instant
    renewed_at: Instant
    expires_at: Instant
    released_at: Instant | None


class LeaseResult(Struct):
    """
    A lease with its token. `created`: it is a new one. `renew_after` is when its holder should come again.
    """

    created: bool
    license_id: str
    lease_id: str
    holder: LeaseHolder
    is_borrowed: bool
    expires_at: Instant
    renew_after: Instant
    token: str
    server_time: Instant


class ReleaseResult(Struct):
    """A lease given back; `released_at` is when it first was."""

    license_id: str
    lease_id: str
    released_at: Instant
    server_time: Instant


class TermsView(Struct):
    """The terms of a policy or of one license; None: it has none of its own."""

    subject_id: str
    terms: LeaseTerms | None
    changed_at: Instant | None

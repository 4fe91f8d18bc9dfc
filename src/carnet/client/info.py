"""What the SDK can tell about itself and this device, for a status page, a support mail, or `carnet fingerprint`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnet.client.fingerprint import Identity
from carnet.client.state_file import Condition
from carnet.core._base import Struct
from carnet.core.instant import MAX_INSTANT, Instant

if TYPE_CHECKING:
    from carnet.client.device import View
    from carnet.core.decision import Evidence


class HeldList(Struct):
    """
    The newest genuine status list of one address that this device holds, or that the app brought (R-83, SEC-28).

    Attributes:
        uri: Which list it is, as artifacts name it.
        version: Epoch and number.
        issued_at: Everything that the vendor changed before this moment is in it.
        age_seconds: How long ago that was, by the best guess of the present time; never negative.
        is_too_old: Older than the policy's `max_revocation_age_seconds` allows. By itself that takes nothing away: the
            license may have been issued later, which is a check as well. `Info.revocation_check_by` counts both.
    """

    uri: str
    version: tuple[int, int]
    issued_at: Instant
    age_seconds: int
    is_too_old: bool


class Info(Struct):
    """
    The facts behind a decision. Holds no secret and no raw identifier.

    Attributes:
        product: The product id.
        fingerprint: What the server knows this device by; None where nothing identifies it.
        identity: Where that comes from, what gave nothing and why, and what would make it better.
        state_directory: Where this product's state is.
        condition: What was found there.
        copies: The condition of each of the two copies.
        activation_id: The seat, where there is one.
        license_key_hint: Last four characters of the stored license key.
        root_version: The newest trusted root.
        root_expires_at: From when on it vouches for no keys that are new to this device; None where there is no root.
        last_contact_at: Signed time of the newest authentic answer.
        trusted_at: The proven lower bound of the present time.
        prepared_until: Until when the user prepared to be offline.
        status_lists: The status lists that are held here for this license, by address; none where none came yet.
        revocation_checked_at: When it was last sure that the license is not revoked: it was issued then, or the lists
            that know it were; None without a genuine license.
        revocation_check_by: From when on the policy has the app ask for a connection, unless it is checked before
            (SEC-28); None where the policy does not ask for checks.
    """

    product: str
    fingerprint: str | None
    identity: Identity
    state_directory: str
    condition: Condition
    copies: tuple[Condition, ...]
    activation_id: str | None
    license_key_hint: str | None
    root_version: int
    root_expires_at: Instant | None
    last_contact_at: Instant | None
    trusted_at: Instant | None
    prepared_until: Instant | None
    status_lists: tuple[HeldList, ...] = ()
    revocation_checked_at: Instant | None = None
    revocation_check_by: Instant | None = None


def checks_of(view: View, evidence: Evidence, tokens: tuple[str, ...]) -> dict[str, Any]:
    """
    The members of `Info` about revocation, by the rule of `core.rules.decide` and at its time.

    Args:
        view: This device now.
        evidence: What is known here.
        tokens: The status lists that count for it.
    """
    now = view.wall if evidence.trusted_at is None else max(view.wall, evidence.trusted_at)
    grant = max(evidence.grants, key=lambda grant: grant.issued_at, default=None)
    allowed = None if grant is None else grant.policy.max_revocation_age_seconds
    lists: tuple[HeldList, ...] = ()
    if tokens:
        from carnet.client.status_lists import newest_of

        lists = tuple(
            HeldList(
                uri=listed.uri,
                version=listed.version,
                issued_at=listed.issued_at,
                age_seconds=max(0, now - listed.issued_at),
                is_too_old=allowed is not None and now >= listed.issued_at + allowed,
            )
            for listed in sorted(newest_of(tokens, view.root.ring()), key=lambda listed: listed.uri)
        )
    checked_at = None if grant is None else Instant(max(grant.issued_at, evidence.revocation_checked_at or 0))
    by = None if checked_at is None or allowed is None else Instant(min(checked_at + allowed, MAX_INSTANT))
    return {"status_lists": lists, "revocation_checked_at": checked_at, "revocation_check_by": by}

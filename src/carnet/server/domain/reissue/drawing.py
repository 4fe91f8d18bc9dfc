"""
What takes the place of an artifact whose key is lost: the same terms, the same ends, another id, another key.

Pure. What a device was granted stays granted, and nothing more is: a license that was renewed, or a policy that was
changed meanwhile, comes with the device's next refresh.
"""

from __future__ import annotations

from carnet.core._base import replace
from carnet.core.instant import Instant
from carnet.core.model import BACKDATE_SECONDS, Grant
from carnet.core.terms import term_ends_at


def is_over(grant: Grant, now: Instant) -> bool:
    """Whether *grant* is worth nothing any more: its window and its grace have ended, or its license's term has."""
    policy, end = grant.policy, grant.offline_until
    if end is None or now >= end + max(0, policy.grace_seconds):
        return True
    return grant.license_expires_at is not None and now >= term_ends_at(policy, grant.license_expires_at)


def drawn_again(grant: Grant, *, id_: str, kid: str, now: Instant) -> Grant | None:
    """
    What takes the place of *grant*.

    It is issued later than what it replaces, so that it counts as the newer one wherever both are seen, and before its
    own end, as every artifact is; dated back like all (SEC-04).

    Args:
        grant: Of an activation: a token, or a machine file.
        id_: A fresh id.
        kid: The key that will sign.
        now: The server's time.

    Returns:
        None where there is no second left between the two.
    """
    assert grant.offline_until is not None  # noqa: S101 - artifacts of activations end
    issued_at = Instant(min(max(now - BACKDATE_SECONDS, grant.issued_at + 1), grant.offline_until - 1))
    if issued_at <= grant.issued_at or issued_at < 0:
        return None
    return replace(grant, id=id_, kid=kid, issued_at=issued_at, not_before=max(grant.not_before, issued_at))

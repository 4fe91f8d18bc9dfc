"""
Signed license keys of stored licenses: drawn up before the commit, signed after it (R-13b, design.md §2 rule 7).

Drawing is pure but for the name of the key that signs; signing turns drawn grants into text, the same for the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from carnet.core._base import replace
from carnet.core.errors import CarnetError, UsageError
from carnet.core.instant import Instant
from carnet.core.model import BACKDATE_SECONDS, Grant
from carnet.formats.fingerprint import check_device_identifier
from carnet.formats.keys import Ed25519Signer, KeyRing
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from carnet.formats.signed_key import issue_signed_key, issue_signed_keys, signed_key_grant, verify_signed_key
from carnet.server.domain.activations.issuing import grant_from_json, signing_failed
from carnet.server.domain.artifacts.commands import SignedKeyOptions
from carnet.server.domain.status.allocation import SHARD_SIZE, StatusAllocator
from carnet.server.ports import SigningKeys
from carnet.server.records import Issuance, License


class SignedKeys:
    """
    Draws up and signs.

    Args:
        keys: The signing keys.
        ring: The public keys of the newest root, to check what was made.
        status: Where status bits stand.
    """

    def __init__(self, keys: SigningKeys, ring: KeyRing, status: StatusAllocator) -> None:
        self._keys = keys
        self._ring = ring
        self._status = status

    def draw(self, license_: License, options: SignedKeyOptions, issued_at: Instant) -> Grant:
        """
        What the signed key of *license_* says if it is dated *issued_at*.

        The customer is left out: the license's id says to the vendor whose it is, and every character is typed.
        """
        return signed_key_grant(
            product=license_.product,
            license_id=license_.id,
            policy=license_.effective,
            issued_at=issued_at,
            kid=self._keys.signer("license-key").kid,
            expires_at=license_.expires_at,
            starts_at=license_.starts_at,
            entitlements=license_.effective.entitlements,
            device=options.device,
            status=self._status.ref(license_.status_index) if options.revocable else None,
        )

    def check(self, grant: Grant) -> None:
        """
        Refuse a grant that no key can carry, before its license is stored: after the commit is too late.

        The license's place in the status list is taken for the widest; so one check speaks for a whole batch.

        Raises:
            UsageError: ``bad_grant``.
        """
        ref = grant.license_status_ref
        widest = None if ref is None else replace(ref, index=SHARD_SIZE - 1)
        signer = _throwaway()
        issue_signed_key(replace(grant, license_status_ref=widest, kid=signer.kid, issuer=signer.kid), signer)

    def sign(self, grants: Sequence[Grant]) -> tuple[str, ...]:
        """
        The keys that *grants* are, in order.

        Raises:
            StateError: ``signing_failed``: one cannot be signed, or does not verify under the root; none leaves.
        """
        try:
            keys = tuple(issue_signed_keys(grants, self._keys.signer("license-key")))
            looked_at = {0, len(grants) - 1} if grants else set()  # `issue_signed_keys` checks more of them itself
            is_sound = all(verify_signed_key(keys[at], self._ring) == grants[at] for at in looked_at)
        except CarnetError as error:
            raise signing_failed() from error
        if not is_sound:
            raise signing_failed()
        return keys


def check_options(options: SignedKeyOptions) -> None:
    """
    Check what was asked for.

    Raises:
        MalformedError: ``bad_fingerprint``, ``placeholder_fingerprint``.
    """
    if options.device is not None:
        check_device_identifier(options.device)


def dated_back(now: Instant, expires_at: Instant | None) -> Instant:
    """
    When a key made *now* says that it was issued: a minute ago (SEC-04).

    A license of exactly ten years is dated back less, so that its key does not live longer than a key may.

    Raises:
        UsageError: ``bad_grant``: the license ends later than a key may.
    """
    issued_at = max(now - BACKDATE_SECONDS, 1)
    if expires_at is not None:
        issued_at = max(issued_at, expires_at - MAX_LIFETIME_SECONDS)
    if issued_at > now:
        raise UsageError(
            "bad_grant",
            "A signed key holds for ten years at most, and this license ends later.",
            "Give the license an earlier end, or none: a perpetual license has a signed key without an end.",
        )
    return Instant(issued_at)


def says_the_same(last: Issuance, draw: Callable[[Instant], Grant]) -> bool:
    """Whether the signed key *last* would say the same today."""
    grant = grant_from_json(last.claims)
    return draw(grant.issued_at) == grant


def next_second(last: Issuance | None, license_: License, now: Instant) -> Instant:
    """When a further signed key says that it was issued: later than the one before, because that second is its id."""
    issued_at = dated_back(now, license_.expires_at)
    if last is not None:
        issued_at = Instant(max(issued_at, last.issued_at + 1))
    if issued_at > now:
        raise UsageError("conflict", "Too many signed keys of this license were made just now.", "Wait for a minute.")
    return issued_at


@lru_cache(maxsize=1)
def _throwaway() -> Ed25519Signer:
    return Ed25519Signer(bytes(range(32)))  # only sizes and bounds matter

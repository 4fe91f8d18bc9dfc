"""
Artifacts in, `Evidence` out: the one place on the client that turns bytes into what `decide` may judge.

Used by `check()` for what is stored and by `carnet verify` for a file from anywhere, so that both say the same. Every
artifact is verified here at every call, under the keys given now (SEC-23): nothing is trusted for having been stored.
What fails becomes no grant, and stops no other (R-31).
Opens no file, reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from carnet.core._base import Struct
from carnet.core.decision import Evidence
from carnet.core.errors import CarnetError, UsageError
from carnet.core.instant import Instant
from carnet.core.model import Fault, Grant, Refusal
from carnet.formats.keys import KeyRing


class Offer(Struct):
    """
    An artifact of another kind than `gather` has a parameter for.

    Attributes:
        artifact: What it is, in words: ``offline token``.
        read: Verifies it under a ring; raises a `CarnetError` where it does not pass.
    """

    artifact: str
    read: Callable[[KeyRing], Grant]


def gather(
    *,
    ring: KeyRing,
    token: str | bytes | None = None,
    machine_file: str | bytes | None = None,
    license_key: str | None = None,
    signed_key: str | None = None,
    others: Iterable[Offer] = (),
    fingerprint: str | None = None,
    refusals: tuple[str, ...] = (),
    foreign_state: bool = False,
    trusted_at: Instant | None = None,
    clock_suspect: bool = False,
    clock_suspect_at: Instant | None = None,
    issue_times_count: bool = False,
) -> Evidence:
    """
    Verify what is at hand and collect it.

    Args:
        ring: The keys of the current root, or a pinned one.
        token: A license token exactly as received.
        machine_file: A machine file; edges and line ends are read kindly.
        license_key: What the machine file opens with; without it a machine file is a fault.
        signed_key: A signed license key, as typed; it grants by itself.
        others: Further artifacts, with what verifies each.
        fingerprint: This device's native fingerprint, or None where it is not known. A signed key for one device is
            refused where it is not: nothing then says that this is the one.
        refusals: Proofs of refusals that were bound to a request of this device when they came.
        foreign_state: The state directory was made on another device.
        trusted_at: A proven lower bound of the present time.
        clock_suspect: What the clock guard says.
        clock_suspect_at: When it will say so, while the clock is counted down.
        issue_times_count: Whether the issue times of genuine artifacts raise `trusted_at`: they do where the present
            moment is judged (SEC-29), and not where a caller asks about another one.

    Returns:
        Evidence for `carnet.core.rules.decide`. Artifacts that did not pass are its faults; a refusal that is not
        authentic under *ring* is nothing at all.

    Does not judge product, device, time or policy: that is `decide`'s.
    """
    grants: list[Grant] = []
    faults: list[Fault] = []
    if token is not None:
        from carnet.formats.license_token import verify_license_token

        try:
            grants.append(verify_license_token(token, ring))
        except CarnetError as error:
            faults.append(_fault(error, "license token"))
    if machine_file is not None:
        try:
            grants.append(_open(machine_file, ring, license_key, fingerprint))
        except CarnetError as error:
            faults.append(_fault(error, "machine file"))
    offers = others if signed_key is None else (_signed_key_offer(signed_key), *others)
    for offer in offers:
        try:
            grant = offer.read(ring)
        except CarnetError as error:
            faults.append(_fault(error, offer.artifact))
            continue
        if grant.kind == "license-key" and grant.device is not None and fingerprint is None:
            faults.append(_NO_DEVICE)
        else:
            grants.append(grant)
    authentic = _verified_refusals(refusals, ring, fingerprint) if refusals else ()
    if issue_times_count:
        seen = [grant.issued_at for grant in grants] + [refusal.at for refusal in authentic]
        trusted_at = max((*seen, *(() if trusted_at is None else (trusted_at,))), default=None)
    return Evidence(
        grants=tuple(grants),
        faults=tuple(faults),
        refusals=authentic,
        device=fingerprint,
        foreign_state=foreign_state,
        trusted_at=trusted_at,
        clock_suspect=clock_suspect,
        clock_suspect_at=clock_suspect_at,
    )


_LEAST_CHARACTERS = 118
"""A license key with fewer carries no signature (specs/signed-license-key.md §4)."""


def is_signed_key(license_key: str) -> bool:
    """Whether *license_key* is meant to be a signed one, perhaps mistyped. Loads its reader only for a long text."""
    if len(license_key) < _LEAST_CHARACTERS:
        return False
    from carnet.formats.signed_key import looks_like_signed_key

    return looks_like_signed_key(license_key)


_NO_DEVICE = Fault(
    code="wrong_device",
    message="This license key is for one device, and nothing identifies this one.",
    fix="Set CARNET_DEVICE_ID, or mount /etc/carnet/device-id, with the text that the key was made for.",
    artifact="license key",
)


def _signed_key_offer(text: str) -> Offer:
    from carnet.formats.signed_key import verify_signed_key

    return Offer(artifact="license key", read=lambda ring: verify_signed_key(text, ring))


def _open(machine_file: str | bytes, ring: KeyRing, license_key: str | None, fingerprint: str | None) -> Grant:
    from carnet.formats.machine_file import open_machine_file

    if license_key is None or fingerprint is None:
        missing = "license key" if license_key is None else "device fingerprint"
        raise UsageError(f"{missing.replace(' ', '_')}_required", f"A machine file opens only with the {missing}.")
    data = machine_file.encode() if isinstance(machine_file, str) else machine_file
    return open_machine_file(data, ring, license_key=license_key, fingerprint=fingerprint)


def _verified_refusals(proofs: tuple[str, ...], ring: KeyRing, fingerprint: str | None) -> tuple[Refusal, ...]:
    from carnet.formats.answer import answer_to_refusal, verify_answer

    found: list[Refusal] = []
    for proof in proofs:
        try:
            answer = verify_answer(proof, ring)
            if answer.outcome == "refused" and (fingerprint is None or answer.device in {None, fingerprint}):
                found.append(answer_to_refusal(answer))
        except CarnetError:
            continue  # not authentic under the keys of today: it neither grants nor refuses (REL-16, SEC-23)
    return tuple(found)


def _fault(error: CarnetError, artifact: str) -> Fault:
    return Fault(code=error.code, message=error.message, fix=error.fix, artifact=artifact)

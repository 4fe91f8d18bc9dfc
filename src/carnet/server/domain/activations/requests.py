"""
What the device calls have in common: checking what they carry, and finding out whether the caller may speak for the
activation (SEC-45).
"""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.decision import Refused
from carnet.core.errors import CarnetError
from carnet.core.instant import Instant
from carnet.core.seats import HeldSeat, LicenseFacts, SeatRequest
from carnet.formats.device_proof import DeviceProof, verify_device_proof
from carnet.formats.encoding import b64url_decode
from carnet.formats.fingerprint import check_fingerprint
from carnet.formats.keys import load_ed25519
from carnet.formats.limits import MAX_DEVICE_NAME
from carnet.server.domain.activations.commands import DeviceClaim, DeviceProofInput
from carnet.server.domain.activations.refusals import refuse
from carnet.server.domain.checks import check_text, invalid
from carnet.server.ports import ProofUse, SeatFacts
from carnet.server.records import Activation, License

PROOF_LEEWAY_SECONDS = 300
"""How far a device's clock may be off for its proofs to count."""

_MAX_COMPONENTS = 64
_MAX_COMPONENT_KIND = 64
_MAX_COMPONENT_DIGEST = 128


class Authorized(Struct):
    """
    The caller may speak for the activation; `use` must be written with whatever it changes. `by_key`: it showed the
    license key itself, and not an enrolment token or only its device key.
    """

    use: ProofUse | None = None
    by_key: bool = False


def check_device(device: DeviceClaim) -> bytes | None:
    """
    Check what a device says of itself.

    Returns:
        Its public key, 32 bytes; None if it has none.

    Raises:
        MalformedError: ``bad_fingerprint``, ``placeholder_fingerprint``, ``bad_base64``, ``bad_key``.
        UsageError: ``invalid_argument``.
    """
    check_fingerprint(device.fingerprint)
    check_text("device.name", device.name, least=0, most=MAX_DEVICE_NAME)
    check_text("device.platform", device.platform, least=0, most=MAX_DEVICE_NAME)
    if len(device.components) > _MAX_COMPONENTS:
        raise invalid("device.components", f"at most {_MAX_COMPONENTS} entries")
    for kind, digest in device.components:
        check_text("device.components.kind", kind, most=_MAX_COMPONENT_KIND)
        check_text("device.components.digest", digest, most=_MAX_COMPONENT_DIGEST)
    if device.public_key is None:
        return None
    return load_ed25519(b64url_decode(device.public_key, "The device's public key")).raw


def license_facts(license_: License) -> LicenseFacts:
    """The license as `core.seats` needs it."""
    return LicenseFacts(
        id=license_.id,
        product=license_.product,
        policy=license_.effective,
        status=license_.status,
        starts_at=license_.starts_at,
        expires_at=license_.expires_at,
        seats_used=license_.seats_used,
    )


def held_seats(facts: SeatFacts) -> tuple[HeldSeat, ...]:
    """The asking device's own seat, and the other holders where they were read."""
    own = facts.activation
    seats = [own] if own is not None and own.deactivated_at is None else []
    seats += [holder for holder in facts.holders if own is None or holder.id != own.id]
    return tuple(
        HeldSeat(
            activation_id=each.id,
            device=each.fingerprint,
            device_name=each.device_name,
            activated_at=each.created_at,
        )
        for each in seats
    )


def seat_request(product: str, device: DeviceClaim, domain: str | None) -> SeatRequest:
    """The question as `core.seats` needs it."""
    return SeatRequest(product=product, device=device.fingerprint, domain=domain)


def authorize(
    facts: SeatFacts,
    *,
    product: str,
    device: DeviceClaim,
    lookups: tuple[bytes, ...],
    enrolment: bytes | None = None,
    proof: DeviceProofInput | None,
    now: Instant,
) -> Authorized | Refused:
    """
    Whether the caller may speak for the activation in *facts*: it knows the license key or, once the activation has a
    device key, proves that key (SEC-45). Nothing about the license is told to anybody else.

    Args:
        facts: What storage found.
        product: As the caller named it.
        device: As the caller says.
        lookups: Hashes of the license key it gave; empty if it gave none.
        enrolment: Hash of what it gave, if that may be an enrolment token. A token speaks for the activations that came
            with it, and for no others of its license.
        proof: The proof it gave.
        now: The server's time.
    """
    activation, license_ = facts.activation, facts.license
    if license_ is None:
        return refuse("license_not_found" if lookups else "activation_not_found")
    by_key = license_.key_lookup in lookups
    if lookups and not by_key and not is_its_token(facts, enrolment):
        return refuse("license_not_found")  # the key is not that of the activation's license
    if activation is None:
        wrong = license_.product != product
        return refuse("wrong_product", product=product) if wrong else refuse("activation_not_found")
    use = None
    if activation.public_key is not None:
        checked = _check_proof(activation, proof, now)
        if isinstance(checked, Refused):
            return checked
        use = ProofUse(id=_proof_id(activation, checked), at=now, until=Instant(checked.at + 2 * PROOF_LEEWAY_SECONDS))
    elif not lookups:
        return refuse("license_key_required")
    known = {"license_id": license_.id, "activation_id": activation.id}
    if license_.product != product:
        return refuse("wrong_product", product=product, **known)
    if activation.fingerprint != device.fingerprint:
        return refuse("wrong_device", **known)
    return Authorized(use=use, by_key=by_key)


def still_authorized(authorized: Authorized, seen: SeatFacts, now_seen: SeatFacts) -> bool:
    """
    Whether what `authorize` decided on *seen* still holds under the lock, on *now_seen*: the same activation with the
    same device key, and the proof still unused.
    """
    before, after = seen.activation, now_seen.activation
    if before is None or after is None or now_seen.license is None:
        return False
    same = before.id == after.id and before.public_key == after.public_key
    return same and not (authorized.use is not None and now_seen.proof_seen)


def is_its_token(facts: SeatFacts, enrolment: bytes | None) -> bool:
    """Whether *enrolment* is the hash of the token that the activation in *facts* came with."""
    token, activation = facts.enrolment, facts.activation
    if token is None or activation is None or enrolment is None or token.token_hash != enrolment:
        return False
    return activation.enrolment == token.id


def _check_proof(activation: Activation, given: DeviceProofInput | None, now: Instant) -> DeviceProof | Refused:
    if given is None:
        return refuse("device_proof_required")
    assert activation.public_key is not None  # noqa: S101 - the caller looked
    try:
        return verify_device_proof(
            given.proof,
            load_ed25519(activation.public_key),
            method=given.method,
            path=given.path,
            body=given.body,
            now=now,
            leeway_seconds=PROOF_LEEWAY_SECONDS,
        )
    except CarnetError:
        # Malformed, foreign, stale or for another request: to whoever does not hold the key it is all the same.
        return refuse("device_proof_invalid")


def _proof_id(activation: Activation, proof: DeviceProof) -> str:
    # Within its activation: nobody can use up the ids of another device's proofs.
    return f"{activation.id}:{proof.id}"

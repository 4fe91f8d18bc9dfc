"""
The facts that a decision rarely meets: foreign grants, faults, refusals, the server's record (specs/decision.md §4).

`rules.decide` asks for them and puts them in order; nothing here decides. Not imported for an active grant.
A fact is a state that it leads to and a reason that tells it.
"""

from __future__ import annotations

from collections.abc import Iterable

from carnet.core.decision import Evidence, Host, Reason, State
from carnet.core.domains import covered_domain
from carnet.core.model import BACKDATE_SECONDS, Fault, Grant, LicenseStatus, Refusal
from carnet.core.reasons import LICENSE_REFUSALS, REASONS, REFUSALS, UNTOUCHING, reason
from carnet.core.rules import Fact

FOREIGN: dict[str, State] = {
    "does_not_open": "wrong_device",
    "wrong_device": "wrong_device",
    "wrong_product": "wrong_product",
}
"""Codes of faults that mean "for someone else" and not "not genuine"."""


def fact(state: State, code: str, **values: object) -> Fact:
    """The fact that leads to *state*, told by the reason *code*."""
    return state, reason(code, **values)


def facts_of_mismatch(grants: Iterable[Grant], device: str | None, host: Host) -> list[Fact]:
    """Why none of *grants* (newest first) is for this app and device: each kind of mismatch, told by the newest."""
    found: dict[str, Fact] = {}
    for grant in grants:
        if grant.product != host.product:
            found.setdefault(
                "wrong_product", fact("wrong_product", "wrong_product", licensed=grant.product, product=host.product)
            )
        if grant.device is not None and device is not None and grant.device != device:
            found.setdefault("wrong_device", fact("wrong_device", "wrong_device"))
        domains = grant.policy.domains
        if domains and not covered_domain(domains, host.domain):
            found.setdefault("wrong_domain", fact("wrong_domain", "wrong_domain", domain=host.domain, licensed=domains))
    return list(found.values())


def facts_of_foreign_evidence(evidence: Evidence) -> list[Fact]:
    """What stands in for a grant that is not there: artifacts that did not pass, and a state from another device."""
    facts = [_fault_fact(fault) for fault in _in_order(evidence.faults)]
    if evidence.foreign_state:
        facts.append(fact("wrong_device", "wrong_device"))
    return facts


def facts_of_broken_artifacts(evidence: Evidence) -> list[Fact]:
    """Artifacts beside a genuine grant that are damaged or not genuine: told last, where there is a problem."""
    return [_fault_fact(fault) for fault in _in_order(evidence.faults) if fault.code not in FOREIGN]


def refusals_that_count(evidence: Evidence, grant: Grant | None, host: Host) -> list[Refusal]:
    """
    The refusals of this product that concern the decision, newest first.

    Args:
        evidence: Everything at hand.
        grant: The relevant grant, or None where there is none: then each refusal counts. With a grant, those count that
            concern its license or activation, came at or after its signing, and have a code that shortens grants
            (design.md §2 rules 3 and 4).
        host: Whose product is judged.
    """
    counting = [
        refusal
        for refusal in evidence.refusals
        if refusal.product == host.product
        # The grant was signed BACKDATE_SECONDS after its `issued_at`; a newer grant beats an older refusal.
        and (
            grant is None
            or (
                refusal.code in REFUSALS
                and refusal.at >= grant.issued_at + BACKDATE_SECONDS
                and _concerns(refusal, grant, evidence.device)
            )
        )
    ]
    return sorted(counting, key=lambda refusal: (-refusal.at, refusal.id, refusal.code, repr(refusal)))


def facts_of_refusals(refusals: Iterable[Refusal]) -> list[Fact]:
    """What the server refused, told with when."""
    return [
        fact(REFUSALS.get(refusal.code, "not_activated"), _code_of(refusal), as_of=refusal.at) for refusal in refusals
    ]


def _code_of(refusal: Refusal) -> str:
    """Its own code; but the code of a fact that only a device can find is told as `not_activated`, as for faults."""
    code = refusal.code
    if code in REFUSALS or code in UNTOUCHING:
        return code
    return "not_activated" if code in REASONS or code in FOREIGN else code


def facts_of_status(status: LicenseStatus | None) -> list[Fact]:
    """What the server's own record says of the license; nothing on a device."""
    if status == "revoked":
        return [fact("revoked", "license_revoked")]
    if status == "suspended":
        return [fact("suspended", "license_suspended")]
    return []


def _concerns(refusal: Refusal, grant: Grant, device: str | None) -> bool:
    same_license = refusal.license_id is not None and refusal.license_id == grant.license_id
    same_activation = refusal.activation_id is not None and refusal.activation_id == grant.activation_id
    if refusal.code in LICENSE_REFUSALS:
        return same_license or same_activation
    # About one activation: another activation or device of the same license is not touched.
    if refusal.activation_id is not None and grant.activation_id is not None:
        return same_activation
    if refusal.device is not None and device is not None and refusal.device != device:
        return False
    return same_license or same_activation


def _fault_fact(fault: Fault) -> Fact:
    state = FOREIGN.get(fault.code, "not_genuine")
    # A fault never borrows the code of another state, so that a decision's first code tells its state.
    code = "not_genuine" if state == "not_genuine" and fault.code in REASONS else fault.code
    return state, Reason(code=code, message=fault.message, fix=fault.fix)


def _in_order(faults: Iterable[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: (fault.artifact, fault.code, fault.message, fault.fix))

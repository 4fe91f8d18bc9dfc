"""
The decision: may the app run now, how far, and why (design.md §6, R-31). The one place that judges evidence.

Pure, total and deterministic: any evidence, time and host give a `Decision`, never an exception, and the order of what
is in the evidence never matters. Client, server, command line and dashboard call this same function (R-82). The steps
are numbered as in specs/decision.md §4.

An active grant is decided without loading `facts`, `reasons` and `notices`, which hold what is rarely needed.
"""

from __future__ import annotations

from typing import Literal

from carnet.core.decision import Access, Decision, Evidence, Host, Reason, State
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.model import DEFAULT_WARN_DIVISOR, DEFAULT_WARN_MAX_SECONDS, Entitlement, Grant, Policy

PRECEDENCE: tuple[State, ...] = (
    "not_genuine",
    "wrong_product",
    "wrong_device",
    "wrong_domain",
    "revoked",
    "suspended",
    # The server's "this device was deactivated" stands with its like. With no evidence at all it is the only fact.
    "not_activated",
    "not_started",
    "clock_suspect",
    "expired",
    "needs_refresh",
    "edition_mismatch",
    "grace",
    "expiring",
    "active",
)
"""The state of a decision is that of its fact which comes first here (design.md §6)."""

_LIMITED = ("clock_suspect", "needs_refresh", "edition_mismatch")

Fact = tuple[State, Reason]
FOREVER = 1 << 62
"""Stands for "no end" in comparisons; far beyond `MAX_INSTANT`."""

_KINDS = {"machine-file": 3, "token": 2, "license-key": 1, "record": 0}


def decide(evidence: Evidence, now: Instant, host: Host) -> Decision:
    """
    Judge *evidence* at *now* for *host*: a state, an access, every reason, and what to show.

    Args:
        evidence: Genuine grants, refusals, faults, and what is known of device and time.
        now: The device's clock, or the moment to judge for.
        host: What the app says of itself. It can only tighten the signed policy.

    Returns:
        The decision of specs/decision.md, for any input.

    Authenticity is not judged here: only `carnet.formats` and the server's services make grants and refusals.
    """
    # 1. The time: a proven lower bound beats a clock that is behind (SEC-29).
    trusted = evidence.trusted_at
    judged = now if trusted is None or trusted <= now else trusted

    # 2. The grants for this app and device. Without any, the others are judged, and tell why they are not.
    device = evidence.device
    grants = tuple([grant for grant in evidence.grants if _is_for(grant, device, host)])
    is_relevant = bool(grants)
    if not is_relevant:
        grants = evidence.grants
        if not grants:
            return _without_grant(evidence, judged, host)

    # 3. The newest grant speaks for the license; the offline window is that of its activation.
    main = grants[0] if len(grants) == 1 else _newest(grants)
    window, offline_until = _offline_window(main, grants, host.max_offline_seconds)
    policy = main.policy
    evidence_ids: tuple[str, ...] = (main.id,) if window.id == main.id else (main.id, window.id)

    # 4. What is against it, whatever the time: the wrong place, what the server said since, its own record.
    facts: list[Fact] = []
    if not is_relevant or evidence.refusals or evidence.license_status is not None:
        from carnet.core import facts as rare

        if not is_relevant:
            facts += rare.facts_of_foreign_evidence(evidence)
            facts += rare.facts_of_mismatch(_newest_first(grants), device, host)
        refusals = rare.refusals_that_count(evidence, main if is_relevant else None, host)
        facts += rare.facts_of_refusals(refusals)
        facts += rare.facts_of_status(evidence.license_status)
        evidence_ids += tuple([refusal.id for refusal in refusals])

    # 5. Not yet valid.
    starts_at = main.license_starts_at
    if starts_at is not None and judged < starts_at:
        facts.append(_fact("not_started", "license_not_started", start=starts_at))
    if judged < main.not_before:
        facts.append(_fact("not_started", "not_yet_valid", start=main.not_before))

    # 6. The clock, the age of the last contact, the edition of the app.
    if policy.clock_strictness == "countdown":
        if evidence.clock_suspect:
            facts.append(_fact("clock_suspect", "clock_suspect"))
        elif evidence.clock_suspect_at is not None:
            left = max(1, _days(evidence.clock_suspect_at - judged))  # counted by the bound; `judged` may be later
            facts.append(_fact("expiring", "clock_countdown", days=left))
    if policy.max_revocation_age_seconds is not None:
        # Issuing is a check too: nothing is issued for a revoked license (SEC-28).
        checked_at = max(main.issued_at, evidence.revocation_checked_at or 0)
        if judged >= checked_at + policy.max_revocation_age_seconds:
            facts.append(_fact("needs_refresh", "needs_refresh", since=Instant(checked_at)))
    if policy.edition is not None and host.edition is not None and host.edition != policy.edition:
        facts.append(_fact("edition_mismatch", "edition_mismatch", licensed=policy.edition, edition=host.edition))
    if policy.below_version is not None and not _covers(host.app_version, policy.below_version):
        below = f"below {policy.below_version}"
        facts.append(_fact("edition_mismatch", "version_not_covered", version=host.app_version, below=below))

    # 7. The two ends: of the license term and of the offline window, each with its grace. Nothing outlives the term's.
    expires_at = main.license_expires_at
    term_until = FOREVER if expires_at is None else expires_at
    term_over = term_until + _bounded(policy.term_grace_seconds, host.max_grace_seconds)
    grace_until = min(offline_until + _bounded(policy.grace_seconds, host.max_grace_seconds), term_over)
    ttl = policy.offline_ttl_seconds if offline_until == FOREVER else offline_until - window.issued_at
    # Close to the expiry windows get ever shorter; the term's warning keeps to the policy's whole window.
    if term_until < FOREVER and judged >= term_until - _warn_seconds(policy, max(ttl, policy.offline_ttl_seconds)):
        facts.append(_end("license", judged, term_until, term_over, grace_until))
    if offline_until < FOREVER and judged >= offline_until - _warn_seconds(policy, ttl):
        offline = _end("offline", judged, offline_until, grace_until, grace_until)
        # A lapsed term is told before a lapsed window (renew, then connect); of coming ends, the nearer one.
        facts.insert(0 if judged < offline_until < term_until else len(facts), offline)

    # 8. The state is that of the first fact; the access follows from it.
    if not facts:
        state: State = "active"
        access: Access = "full"
        reasons: tuple[Reason, ...] = ()
    else:
        state, reasons = _in_order(facts, evidence if is_relevant else None)
        access = _access(state, policy)

    # 9. What is left, and what may be used.
    days_left = None
    first_end = min(term_until, offline_until)
    if access == "none":
        days_left = 0
    elif first_end < FOREVER:
        days_left = _days((first_end if judged < first_end else grace_until) - judged)
    notice = None
    if reasons:
        from carnet.core.notices import notice_for

        # Of two ends the title counts the days to its own.
        days = _days(term_until - judged) if reasons[0].code == "license_term_ending" else days_left
        notice = notice_for(state, access, reasons[0], days_left=days)
    return Decision(
        state=state,
        access=access,
        reasons=reasons,
        product=host.product,
        checked_at=judged,
        license_id=main.license_id,
        device=main.device if device is None else device,
        license_expires_at=expires_at,
        offline_until=_instant(offline_until),
        grace_until=_instant(grace_until),
        days_left=days_left,
        # A license key renews nothing: there is nobody to come to (specs/decision.md §4.9).
        renew_after=None
        if main.kind == "license-key"
        else _instant(min(main.issued_at + policy.refresh_after_seconds, offline_until)),
        entitlements=_entitlements(main, access, judged, host.app_version),
        notice=notice,
        evidence_ids=evidence_ids,
    )


def _without_grant(evidence: Evidence, judged: Instant, host: Host) -> Decision:
    """Steps 4 and 8 for evidence that holds no grant at all."""
    from carnet.core import facts as rare
    from carnet.core.notices import notice_for

    refusals = rare.refusals_that_count(evidence, None, host)
    facts = rare.facts_of_foreign_evidence(evidence)
    facts += rare.facts_of_refusals(refusals)
    facts += rare.facts_of_status(evidence.license_status)
    state, reasons = _in_order(facts or [rare.fact("not_activated", "not_activated")], None)
    return Decision(
        state=state,
        access="none",
        reasons=reasons,
        product=host.product,
        checked_at=judged,
        license_id=next((refusal.license_id for refusal in refusals if refusal.license_id is not None), None),
        device=evidence.device,
        notice=notice_for(state, "none", reasons[0], days_left=None),
        evidence_ids=tuple([refusal.id for refusal in refusals]),
    )


def _is_for(grant: Grant, device: str | None, host: Host) -> bool:
    """Whether *grant* is for this app, device and domain: compared exactly (SEC-05). An unknown device is not."""
    if grant.product != host.product or not (grant.device is None or device is None or grant.device == device):
        return False
    domains = grant.policy.domains
    if not domains:
        return True
    from carnet.core.domains import covered_domain

    return covered_domain(domains, host.domain)


def _newest(grants: tuple[Grant, ...]) -> Grant:
    best = grants[0]
    for grant in grants[1:]:
        one, other = _newness(grant), _newness(best)
        # Ids are unique; the last comparison only keeps the function deterministic where an issuer broke that.
        if one > other or (one == other and repr(grant) > repr(best)):
            best = grant
    return best


def _newest_first(grants: tuple[Grant, ...]) -> list[Grant]:
    return sorted(grants, key=lambda grant: (_newness(grant), repr(grant)), reverse=True)


def _newness(grant: Grant) -> tuple[int, int, str]:
    return grant.issued_at, _KINDS.get(grant.kind, 0), grant.id


def _offline_window(main: Grant, grants: tuple[Grant, ...], max_offline: int | None) -> tuple[Grant, int]:
    """
    The grant that holds the offline window, and its end as the host bounds it.

    The newest machine file of the activation governs the window (design.md §5). Only if the newest grant is another
    kind and lasts longer, that one does: a machine file lost on the way must not shorten what was granted.
    """
    window, end = main, _window_end(main, max_offline)
    if len(grants) > 1 and main.kind != "machine-file":
        same = [grant for grant in grants if grant.kind == "machine-file" and _is_same_activation(grant, main)]
        if same:
            machine_file = _newest(tuple(same))
            until = _window_end(machine_file, max_offline)
            if until > end:
                window, end = machine_file, until
    return window, end


def _is_same_activation(grant: Grant, main: Grant) -> bool:
    return grant.license_id == main.license_id and grant.activation_id == main.activation_id


def _window_end(grant: Grant, max_offline: int | None) -> int:
    end = FOREVER if grant.offline_until is None else grant.offline_until
    return end if max_offline is None else min(end, grant.issued_at + max(0, max_offline))


def _bounded(seconds: int, most: int | None) -> int:
    """A duration of the policy as the host bounds it, and never negative."""
    if most is not None and most < seconds:
        seconds = most
    return max(0, seconds)


def _warn_seconds(policy: Policy, ttl: int) -> int:
    """How long before an end the warning starts: 10 of 30 days, 65 of 365 (design.md §6), unless the policy says."""
    if policy.warn_before_seconds is not None:
        return max(0, policy.warn_before_seconds)
    return max(0, min(ttl // DEFAULT_WARN_DIVISOR, DEFAULT_WARN_MAX_SECONDS))


def _days(seconds: int) -> int:
    """Days left, the begun one included; 0 when nothing is left."""
    return max(0, -(-seconds // DAY))


def _instant(seconds: int) -> Instant | None:
    return None if seconds >= FOREVER else Instant(min(seconds, MAX_INSTANT))


def _fact(state: State, code: str, **values: object) -> Fact:
    from carnet.core.reasons import reason

    return state, reason(code, **values)


def _end(kind: Literal["license", "offline"], judged: int, end: int, hard_end: int, grace_until: int) -> Fact:
    """The fact of an end that is coming, or past with its grace running or over: valid while ``now < end``."""
    at = _instant(end)
    if judged < end:
        code = "license_term_ending" if kind == "license" else "offline_window_ending"
        return _fact("expiring", code, days=_days(end - judged), until=at)
    code = "license_expired" if kind == "license" else "offline_window_over"
    if judged < hard_end:
        left = _days(grace_until - judged) or None
        return _fact("grace", code, at=at, grace_days=left)
    return _fact("expired", code, at=at)


def _in_order(facts: list[Fact], evidence: Evidence | None) -> tuple[State, tuple[Reason, ...]]:
    """The state, and the reasons in the order of `PRECEDENCE`; then what is broken beside a genuine grant, if given."""
    facts.sort(key=lambda fact: PRECEDENCE.index(fact[0]))
    state = facts[0][0]
    if evidence is not None and evidence.faults:
        from carnet.core.facts import facts_of_broken_artifacts

        facts += facts_of_broken_artifacts(evidence)
    reasons: dict[str, Reason] = {}
    for _, reason in facts:
        reasons.setdefault(reason.code, reason)
    return state, tuple(reasons.values())


def _access(state: State, policy: Policy) -> Access:
    if state == "expiring":
        return "full"
    if state == "grace":
        return "full" if policy.grace_access == "full" else "limited"
    return "limited" if state in _LIMITED else "none"


def _covers(version: str | None, below: str) -> bool:
    if version is None:
        return True
    from carnet.core.versions import covers

    return covers(version, below)


def _entitlements(main: Grant, access: Access, judged: int, version: str | None) -> tuple[Entitlement, ...]:
    """
    What may be used: at full access every entitlement that is not over, at limited access only the essential ones.

    An essential key that the license does not list is usable in both; one that it lists follows its own expiry and
    version ceiling (R-02).
    """
    if access == "none":
        return ()
    essential = main.policy.essential
    usable = []
    for entitlement in main.entitlements:
        if access == "limited" and entitlement.key not in essential:
            continue
        if entitlement.expires_at is not None and judged >= entitlement.expires_at:
            continue
        if entitlement.below_version is not None and not _covers(version, entitlement.below_version):
            continue
        usable.append(entitlement)
    if essential:
        listed = {entitlement.key for entitlement in main.entitlements}
        usable += [Entitlement(key=key) for key in dict.fromkeys(essential) if key not in listed]
    return tuple(usable)

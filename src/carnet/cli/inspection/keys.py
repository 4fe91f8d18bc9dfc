"""License keys, explained. A key is the secret itself: of either kind only its last four characters are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnet.cli.inspection.lines import Explained, Line, Problem, masked, moment, shown, span
from carnet.cli.inspection.tables import TITLES

if TYPE_CHECKING:
    from carnet.core.instant import Instant
    from carnet.core.model import Grant, Policy
    from carnet.formats.signed_key import GroupError

_PROBLEMS = {
    "mistyped": "A symbol of this group is wrong.",
    "symbol_missing": "A symbol of this group was left out.",
    "symbol_extra": "This group has a symbol too many.",
    "group_missing": "This group was left out.",
    "group_extra": "Before this group stands one that does not belong there.",
    "end_missing": "The key was cut off: it goes on from this group on.",
}


def short_key(data: bytes, _: Instant | None) -> Explained:
    """Of a short key there is nothing to tell but that it is one."""
    from carnet.formats.encoding import read_kindly
    from carnet.formats.license_key import canonical_license_key, last_four

    key = canonical_license_key(read_kindly(data).decode()) or ""
    return Explained(
        title=TITLES["license-key"],
        members={"ends_with": last_four(key)},
        lines=(
            Line(
                name="key",
                value=masked(key),
                meaning="Its last four characters. Its check symbols fit: no typing error.",
            ),
            Line(name="grants", value="nothing", meaning="Only its server knows what it stands for; activate with it."),
        ),
    )


def signed_key(data: bytes, now: Instant | None) -> Explained:
    """What a signed key says; or, of a mistyped one, which groups to look at (never what they should be)."""
    from carnet.core.errors import MalformedError
    from carnet.formats.encoding import read_kindly
    from carnet.formats.license_key import last_four
    from carnet.formats.signed_key import canonical_signed_key, locate_typing_errors, unverified_signed_key

    typed = read_kindly(data).decode()
    key = canonical_signed_key(typed) or typed
    errors = locate_typing_errors(typed)
    form = {"ends_with": last_four(key), "characters": len(key), "groups": key.count("-") + 1}
    first = Line(name="key", value=masked(key), meaning="Its last four characters; the whole key is a secret.")
    if errors:
        return _mistyped(first, errors)
    try:
        grant, hint = unverified_signed_key(typed)
    except MalformedError as error:
        return Explained(
            title=TITLES["signed-key"],
            members=form,
            lines=(first,),
            problems=(Problem(code=error.code, message=error.message),),
        )
    return Explained(
        title=TITLES["signed-key"],
        members={**form, "alg": "Ed25519", "kid_hint": hint, "grant": _grant_json(grant)},
        lines=(
            first,
            Line(
                name="length",
                value=f"{len(key)} characters in {form['groups']} groups",
                meaning="Every group's check fits: no typing error.",
            ),
            Line(name="alg", value="Ed25519", meaning="The only algorithm of this kind."),
            Line(
                name="kid",
                value=f"{hint}…",
                meaning="How the id of the signing key begins; the signature covers the whole id.",
            ),
            *_grant_lines(grant, now),
            *_policy_lines(grant.policy),
        ),
    )


def _mistyped(first: Line, errors: tuple[GroupError, ...]) -> Explained:
    named = ", ".join(str(error.group) for error in errors)
    return Explained(
        title=TITLES["signed-key"],
        members={"errors": [{"group": error.group, "problem": error.problem} for error in errors]},
        lines=(
            first,
            *(
                Line(name=f"group {error.group}", value=error.problem, meaning=_PROBLEMS[error.problem])
                for error in errors
            ),
        ),
        problems=(Problem(code="mistyped_key", message=f"Compare with the original, counting from 1: group {named}."),),
    )


def _grant_lines(grant: Grant, now: Instant | None) -> list[Line]:
    starts, ends = grant.license_starts_at, grant.license_expires_at
    lines = [
        Line(name="issued_at", value=moment(grant.issued_at, now), meaning="When the key was issued."),
        Line(name="product", value=shown(grant.product), meaning="The product it is for; compared exactly."),
        Line(name="license_id", value=shown(grant.license_id), meaning="The license's id."),
    ]
    if starts is not None:
        lines.append(Line(name="starts_at", value=moment(starts, now), meaning="Valid from here on."))
    lines += [
        Line(
            name="expires_at",
            value="never" if ends is None else moment(ends, now),
            meaning="When the license ends; then its grace, then a new key is needed.",
        ),
        Line(
            name="device",
            value="any" if grant.device is None else shown(grant.device),
            meaning="Any device may use it." if grant.device is None else "The only device that may use it.",
        ),
    ]
    for entry in grant.entitlements:
        parts = [] if entry.expires_at is None else [f"until {moment(entry.expires_at, now)}"]
        parts += [] if entry.below_version is None else [f"below version {entry.below_version}"]
        lines.append(
            Line(
                name=f"entitlements[{entry.key}]",
                value=", ".join(parts) or "as long as the license",
                meaning="A feature that the license grants, and until when.",
            )
        )
    if grant.customer is not None:
        lines.append(Line(name="customer", value=shown(grant.customer), meaning="The customer, by an opaque id."))
    status = grant.license_status_ref
    if status is not None:
        meaning = "The license's place in the revocation list, and where that is."
        lines.append(Line(name="status", value=shown(f"{status.index} in {status.uri}"), meaning=meaning))
    return lines


def _policy_lines(policy: Policy) -> list[Line]:
    found: list[tuple[str, str | None, str]] = [
        ("policy.name", policy.name, "The plan that the license follows."),
        ("policy.term_grace", span(policy.term_grace_seconds), "Grace after the end: still usable, asks to renew."),
        ("policy.grace_access", policy.grace_access, "What works in grace."),
        ("policy.warn_before", _span(policy.warn_before_seconds), "How long before the end the app begins to warn."),
        ("policy.essential", ", ".join(policy.essential) or None, "Features that keep working in limited mode."),
        ("policy.edition", policy.edition, "The edition of the app that is covered."),
        ("policy.below_version", policy.below_version, "Versions of the app below this one are covered."),
        ("policy.domains", ", ".join(policy.domains) or None, "Host names that are covered."),
        (
            "policy.clock_strictness",
            None if policy.clock_strictness == "off" else policy.clock_strictness,
            "A clock that was set back limits the app.",
        ),
        (
            "policy.status_age",
            _span(policy.max_revocation_age_seconds),
            "How long the app may go without checking for revocation.",
        ),
    ]
    return [Line(name=name, value=shown(value), meaning=meaning) for name, value, meaning in found if value is not None]


def _grant_json(grant: Grant) -> dict[str, Any]:
    from carnet.core.policies import entitlement_to_json

    return {
        "product": grant.product,
        "license_id": grant.license_id,
        "issued_at": str(grant.issued_at),
        "starts_at": None if grant.license_starts_at is None else str(grant.license_starts_at),
        "expires_at": None if grant.license_expires_at is None else str(grant.license_expires_at),
        "device": grant.device,
        "customer": grant.customer,
        "entitlements": [entitlement_to_json(entry) for entry in grant.entitlements],
    }


def _span(seconds: int | None) -> str | None:
    return None if seconds is None else span(seconds)
